"""How far the picture itself moves at each joint between two frames: a second, independent measure of motion.

The estimator guesses a joint anew in every frame, and its guess for a hidden hip swings with the arms. The cloth over
the hip does not: its optical flow says that the hip stands still. Only two frames are needed at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS
from retarget.pose.estimator import Box, Detection, size_of
from retarget.records import FloatArray, UInt8Array
from retarget.smoothing.trunk import FOOT_JOINTS, TRUNK_CORNERS, TRUNK_JOINTS, torso_size_px

__all__ = ["ANCHORED_JOINTS", "ImageMotion", "JointMotion"]

ANCHORED_JOINTS: Final = TRUNK_JOINTS + FOOT_JOINTS
"""Joints whose flow is measured. Never those of the arms: around a moving wrist most pixels are the trunk behind it."""

_FOREARMS: Final = tuple(
    (JOINT_INDEX[f"{side}_{first}"], JOINT_INDEX[f"{side}_{second}"])
    for side in ("left", "right")
    for first, second in (("elbow", "wrist"), ("wrist", "index"))
)
_WORKING_SIDE_PX: Final = 320
_RADIUS: Final = 0.11
"""Radius of the disc around a joint against the trunk's size."""
_FOREARM_WIDTH: Final = 0.32
_MIN_SAMPLES: Final = 12


@dataclass(frozen=True)
class JointMotion:
    """Motion of the picture at each joint from one frame to the next.

    Attributes:
        shift: (33, 2) float32, pixels; 0 where not measured.
        quality: (33,) float32 in [0, 1]; 0 where not measured, 1 where flow forth and back agree and the whole
            neighbourhood moves as one.
    """

    shift: FloatArray
    quality: FloatArray

    @classmethod
    def none(cls) -> JointMotion:
        """Nothing measured."""
        return cls(np.zeros((NUM_JOINTS, 2), np.float32), np.zeros(NUM_JOINTS, np.float32))


class ImageMotion:
    """Measures joint motion between consecutive frames with dense inverse search (DIS) flow at a bounded size.

    Source: Kroeger et al. 2016 (DIS), as in OpenCV, preset "fast".
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def measure(self, rgb: UInt8Array, person: Detection, next_rgb: UInt8Array, next_person: Detection) -> JointMotion:
        """Measure the motion at each joint of `person` between two frames.

        Args:
            rgb: (H, W, 3) uint8, the earlier frame.
            person: the person in it, with mask.
            next_rgb: (H, W, 3) uint8, the later frame.
            next_person: the same person in it.
        """
        left, top, right, bottom = _common_window(person.box, next_person.box, size_of(rgb))
        if min(right - left, bottom - top) < 16:
            return JointMotion.none()
        scale = min(1.0, _WORKING_SIDE_PX / max(right - left, bottom - top))
        window = np.s_[top:bottom, left:right]
        first, second = _grey(rgb[window], scale), _grey(next_rgb[window], scale)
        mask = None if person.mask is None else _resized(person.mask[window], first.shape)
        keypoints = (person.pose.keypoints + 0.5 - (left, top)) * scale - 0.5
        forth, back = self._flow.calc(first, second, None), self._flow.calc(second, first, None)
        motion = _joint_motion(forth, _disagreement(forth, back), mask, keypoints.astype(np.float32))
        return JointMotion(motion.shift / np.float32(scale), motion.quality)


def _common_window(first: Box, second: Box, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = min(first[0], second[0]), min(first[1], second[1])
    right, bottom = max(first[2], second[2]), max(first[3], second[3])
    grow = 0.05 * max(right - left, bottom - top)
    height, width = size_hw
    return (
        max(0, int(left - grow)),
        max(0, int(top - grow)),
        min(width, int(right + grow) + 1),
        min(height, int(bottom + grow) + 1),
    )


def _grey(rgb: UInt8Array, scale: float) -> UInt8Array:
    if scale < 1.0:
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _resized(mask: FloatArray, size_hw: tuple[int, ...]) -> FloatArray:
    return np.asarray(cv2.resize(mask, size_hw[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _disagreement(forth: FloatArray, back: FloatArray) -> FloatArray:
    """Distance in pixels between a point and where flow forth and back carries it."""
    height, width = forth.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    returned = cv2.remap(back, x + forth[..., 0], y + forth[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.linalg.norm(forth + returned, axis=-1), np.float32)


def _joint_motion(
    flow: FloatArray, disagreement: FloatArray, mask: FloatArray | None, keypoints: FloatArray
) -> JointMotion:
    size = torso_size_px(keypoints)
    on_person = np.ones(flow.shape[:2], bool) if mask is None else mask > 0.5
    off_arms = on_person & (_arm_cover(flow.shape[:2], keypoints, size) == 0)
    motion = JointMotion.none()
    for joint in ANCHORED_JOINTS:
        is_trunk = joint in TRUNK_JOINTS
        radius = _RADIUS * size * (1.6 if joint in TRUNK_CORNERS else 1.2 if is_trunk else 0.8)
        rows, columns, inside = _disc(keypoints[joint], radius, off_arms if is_trunk else on_person)
        if int(inside.sum()) < _MIN_SAMPLES:
            continue
        samples = flow[rows, columns][inside]
        shift = np.median(samples, axis=0)
        spread = float(np.median(np.linalg.norm(samples - shift, axis=1)))
        error = float(np.median(disagreement[rows, columns][inside]))
        motion.shift[joint] = shift
        motion.quality[joint] = np.exp(-((error / (0.012 * size + 0.4)) ** 2) - (spread / (0.03 * size + 0.6)) ** 2)
    return motion


def _arm_cover(size_hw: tuple[int, ...], keypoints: FloatArray, size: float) -> UInt8Array:
    cover = np.zeros(size_hw, np.uint8)
    points = np.clip(np.round(keypoints), -4096, 4096).astype(int)
    for first, second in _FOREARMS:
        cv2.line(cover, points[first].tolist(), points[second].tolist(), 1, max(1, round(_FOREARM_WIDTH * size)))
    return cover


def _disc(center: FloatArray, radius: float, allowed: npt.NDArray[np.bool_]) -> tuple[slice, slice, Any]:
    """Rows and columns around a point, and which of their pixels are in the disc and allowed."""
    height, width = allowed.shape
    x, y = float(center[0]), float(center[1])
    columns = slice(int(np.clip(x - radius, 0, width)), int(np.clip(x + radius + 1, 0, width)))
    rows = slice(int(np.clip(y - radius, 0, height)), int(np.clip(y + radius + 1, 0, height)))
    across = np.arange(columns.start, columns.stop) - x
    down = np.arange(rows.start, rows.stop) - y
    in_disc = across[None, :] ** 2 + down[:, None] ** 2 < radius**2
    return rows, columns, in_disc & allowed[rows, columns]
