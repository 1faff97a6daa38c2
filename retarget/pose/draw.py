"""Draw skeletons over pictures."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from drn_core.skeleton import BONES, JOINT_NAMES
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["draw_pose"]

_LEFT: Final = (255, 140, 0)
_RIGHT: Final = (0, 170, 255)
_MIDDLE: Final = (235, 235, 235)
_FACE: Final = (150, 230, 150)
_MIN_CONFIDENCE: Final = 0.05
_SUBPIXEL_BITS: Final = 4

_FINGERS: Final = (
    *((start, start + 1) for first in (1, 5, 9, 13, 17) for start in range(first, first + 3)),
    *((0, 1), (0, 5), (5, 9), (9, 13), (13, 17), (0, 17)),
)


def draw_pose(rgb: UInt8Array, pose: Pose, *, is_detected: bool = True) -> UInt8Array:
    """Return a copy of a picture with a skeleton over it.

    The person's left is orange, their right blue; a bone is as opaque as the less trusted of its joints. A pose that
    was filled in (`is_detected` False) is drawn in grey.

    Args:
        rgb: (H, W, 3) uint8, of the size that the pose lives in.
        pose: the skeleton; hands and face mesh are drawn where it has them.
        is_detected: whether the pose was seen in this picture.
    """
    thickness = max(1, round(min(rgb.shape[:2]) / 240))
    canvas = rgb.copy()
    for first, second in BONES:
        opacity = float(min(pose.confidence[first], pose.confidence[second]))
        if opacity >= _MIN_CONFIDENCE:
            colour = _colour_of(first, second) if is_detected else (128, 128, 128)
            _line(canvas, pose.keypoints[first], pose.keypoints[second], _faded(colour, opacity), thickness)
    if pose.hands is not None:
        for hand, colour in zip(pose.hands, (_LEFT, _RIGHT), strict=True):
            if hand[:, 2].max() > 0:
                for first, second in _FINGERS:
                    _line(canvas, hand[first, :2], hand[second, :2], colour, 1)
    if pose.face is not None and np.isfinite(pose.face).all():
        height, width = rgb.shape[:2]
        for x, y in np.round(np.clip(pose.face[:, :2], -1, (width, height))).astype(int).tolist():
            cv2.circle(canvas, (x, y), max(1, thickness // 2), _FACE, -1)
    return canvas


def _colour_of(first: int, second: int) -> tuple[int, int, int]:
    if all("left" in JOINT_NAMES[joint] for joint in (first, second)):
        return _LEFT
    return _RIGHT if all("right" in JOINT_NAMES[joint] for joint in (first, second)) else _MIDDLE


def _faded(colour: tuple[int, int, int], opacity: float) -> tuple[int, int, int]:
    red, green, blue = (round(channel * (0.25 + 0.75 * opacity)) for channel in colour)
    return red, green, blue


def _line(canvas: UInt8Array, start: FloatArray, end: FloatArray, colour: tuple[int, int, int], thickness: int) -> None:
    points = np.stack([start, end])
    if not np.isfinite(points).all() or np.abs(points).max() > 1e5:
        return
    (x0, y0), (x1, y1) = np.round(points * (1 << _SUBPIXEL_BITS)).astype(int).tolist()
    cv2.line(canvas, (x0, y0), (x1, y1), colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
