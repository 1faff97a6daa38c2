"""How far the picture itself moves at each joint: a second, independent measure of motion.

The estimator guesses a joint anew in every frame, and its guess for a hidden hip swings with the arms. The cloth over
the hip does not: its optical flow says that the hip stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS
from retarget.pose.estimator import Box, Detection, size_of
from retarget.pose.joint_flow import FlowField, JointFlow, TrunkFlow, joint_flow, trunk_flow
from retarget.pose.shrinking import shrink
from retarget.records import FloatArray, UInt8Array
from retarget.smoothing.links import MotionLink
from retarget.smoothing.trunk import FOOT_JOINTS, TRUNK_CORNERS, TRUNK_JOINTS, torso_size_px

__all__ = ["ImageMotion"]

BoolArray = npt.NDArray[np.bool_]

_FOREARMS: Final = tuple(
    (JOINT_INDEX[f"{side}_{first}"], JOINT_INDEX[f"{side}_{second}"])
    for side in ("left", "right")
    for first, second in (("elbow", "wrist"), ("wrist", "index"))
)
_FOREARM_WIDTH: Final = 0.32
_WORKING_SIDE_PX: Final = 320
_WINDOW_MARGIN: Final = 0.08
_MAX_LOOSENESS: Final = 1.5
_MIN_WINDOW_PX: Final = 16
_KEY_REACH: Final = 0.15
"""Distance in trunk sizes over which frames are linked to the same key frame."""
_KEY_GROWTH: Final = 1.15
_MIN_KEY_QUALITY: Final = 0.3
_OFF_TRUNK: Final = 0.05
"""A hip or shoulder that moves otherwise than the trunk by this share of its size is hidden by something."""
_PLAIN: Final = 0.7
"""Texture, in grey levels per pixel, at which flow is believed half: in plain cloth it is a guess."""
_LEAST_TRUNK_QUALITY: Final = 0.1
_MODEL_SHARE: Final = 0.5
"""Quality of a joint's motion that is taken from the trunk, against the trunk's own."""


_MEASURED: Final = [*TRUNK_JOINTS, *FOOT_JOINTS]
"""Joints around which flow is measured. Not those of arms: most pixels around a moving wrist are the trunk behind."""
_LAYERS: Final = np.array([joint in FOOT_JOINTS for joint in _MEASURED], np.int64)
"""Pixels that arms cover don't count for head and trunk (layer 0); for knees and feet they do (layer 1)."""
_RADII: Final = np.array(
    [0.18 if joint in TRUNK_CORNERS else 0.13 if joint in TRUNK_JOINTS else 0.09 for joint in _MEASURED], np.float32
)
"""Radii of the discs against the trunk's size."""


@dataclass(frozen=True)
class _Window:
    """The part of the picture that is compared, and its scale."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float

    @classmethod
    def around(cls, boxes: Sequence[Box], size_hw: tuple[int, int]) -> _Window:
        """Hold all boxes with a margin, at no more than the working size."""
        left, top = (min(box[side] for box in boxes) for side in (0, 1))
        right, bottom = (max(box[side] for box in boxes) for side in (2, 3))
        grow = _WINDOW_MARGIN * max(right - left, bottom - top)
        height, width = size_hw
        high = min(width, int(right + grow) + 1), min(height, int(bottom + grow) + 1)
        low = max(0, int(left - grow)), max(0, int(top - grow))
        # Even sides are halved quickly.
        low = max(0, low[0] - (high[0] - low[0]) % 2), max(0, low[1] - (high[1] - low[1]) % 2)
        return cls(*low, *high, min(1.0, _WORKING_SIDE_PX / max(high[0] - low[0], high[1] - low[1], 1)))

    def fits(self, boxes: Sequence[Box]) -> bool:
        """Tell whether all boxes lie inside, and fill a good part of it."""
        left, top = (min(box[side] for box in boxes) for side in (0, 1))
        right, bottom = (max(box[side] for box in boxes) for side in (2, 3))
        is_inside = left >= self.left and top >= self.top and right <= self.right and bottom <= self.bottom
        side = max(self.right - self.left, self.bottom - self.top)
        return is_inside and max(right - left, bottom - top) * _MAX_LOOSENESS > side

    @property
    def is_empty(self) -> bool:
        """Whether there is too little to compare."""
        return min(self.right - self.left, self.bottom - self.top) < _MIN_WINDOW_PX


class _View:
    """One frame as the measurement needs it."""

    def __init__(self, index: int, rgb: UInt8Array, person: Detection) -> None:
        self.index, self.rgb, self.person = index, rgb, person
        self._grey: tuple[_Window, UInt8Array] | None = None

    def grey(self, window: _Window) -> UInt8Array:
        """Return the window in grey; kept until another one is asked for."""
        if self._grey is None or self._grey[0] != window:
            cut = self.rgb[window.top : window.bottom, window.left : window.right]
            grey = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY)
            if window.scale < 1.0:
                height, width = cut.shape[:2]
                grey = shrink(grey, (round(width * window.scale), round(height * window.scale)))
            self._grey = (window, np.asarray(grey, np.uint8))
        return self._grey[1]

    def keypoints(self, window: _Window) -> FloatArray:
        """Return the joints (33, 2) in the window."""
        moved = self.person.pose.keypoints + np.float32(0.5) - np.array((window.left, window.top), np.float32)
        return np.asarray(moved * window.scale - 0.5, np.float32)

    def inside(self, window: _Window, size_hw: tuple[int, ...]) -> BoolArray:
        """Return the pixels well inside the person: at the edge flow is a mixture with the background's."""
        if self.person.mask is None:
            return np.ones(size_hw, bool)
        cut = self.person.mask[window.top : window.bottom, window.left : window.right]
        inside = cv2.resize(cut, size_hw[::-1], interpolation=cv2.INTER_NEAREST) > 0.5
        return np.asarray(cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


class ImageMotion:
    """Links every frame to the one before and to a key frame, by dense inverse search (DIS) flow at a bounded size.

    A key frame serves as long as the trunk stays close to where it was in it. Holds two frames and the key frame.

    Source: Kroeger et al. 2016 (DIS), as in OpenCV, preset "ultrafast": as accurate here as "fast", at half the cost.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._last: _View | None = None
        self._key: _View | None = None
        self._window: _Window | None = None

    def add(self, index: int, rgb: UInt8Array, person: Detection | None, *, is_cut: bool = False) -> list[MotionLink]:
        """Measure how the joints moved up to the next frame; call once a frame, in order.

        Args:
            index: number of the frame.
            rgb: (H, W, 3) uint8.
            person: the person in it, with mask where there is one; None starts over.
            is_cut: starts over with this frame.
        """
        last, key = (None, None) if is_cut else (self._last, self._key)
        view = None if person is None else _View(index, rgb, person)
        self._last = view
        if view is None or last is None:
            self._key = view
            return []
        firsts = [last]
        if key is not None and key.index < last.index and _is_near(key.person, view.person):
            firsts.append(key)
        window = self._window_for([*firsts, view])
        links = [self._link(first, view, window) for first in firsts]
        if key is None or _is_spent(links[-1], key, last):
            self._key = view
        return links

    def _window_for(self, views: Sequence[_View]) -> _Window:
        """The window of the last time as long as it holds everybody: a frame in grey then serves all its links."""
        boxes = [view.person.box for view in views]
        if self._window is None or not self._window.fits(boxes):
            self._window = _Window.around(boxes, size_of(views[-1].rgb))
        return self._window

    def _link(self, first: _View, second: _View, window: _Window) -> MotionLink:
        if window.is_empty:
            return MotionLink(first.index, second.index, *_nothing())
        grey, next_grey = first.grey(window), second.grey(window)
        keypoints = first.keypoints(window)
        forth, back = self._flow.calc(grey, next_grey, None), self._flow.calc(next_grey, grey, None)
        arms = _arm_cover(grey.shape, keypoints) | _arm_cover(grey.shape, second.keypoints(window))
        inside = first.inside(window, grey.shape)
        shift, quality = _joint_motion(FlowField(forth, back, _gradient(grey)), inside, arms, keypoints)
        return MotionLink(first.index, second.index, shift / np.float32(window.scale), quality)


def _nothing() -> tuple[FloatArray, FloatArray]:
    return np.zeros((NUM_JOINTS, 2), np.float32), np.zeros(NUM_JOINTS, np.float32)


def _is_near(key: Detection, person: Detection) -> bool:
    """Tell whether the trunk is about where it was in the key frame, and as large."""
    size, now = torso_size_px(key.pose.keypoints), torso_size_px(person.pose.keypoints)
    moved = person.pose.keypoints[TRUNK_CORNERS] - key.pose.keypoints[TRUNK_CORNERS]
    distance = float(np.hypot(*moved.mean(axis=0)))
    return distance < _KEY_REACH * size and 1 / _KEY_GROWTH < now / size < _KEY_GROWTH


def _is_spent(link: MotionLink, key: _View, last: _View) -> bool:
    """Tell whether the key frame has to be replaced: too far away to be linked, or hardly recognised."""
    is_linked = key.index in (link.first, last.index)
    return not is_linked or float(np.median(link.quality[TRUNK_CORNERS])) < _MIN_KEY_QUALITY


def _joint_motion(
    field: FlowField, on_person: BoolArray, arms: BoolArray, keypoints: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return shift (33, 2) and quality (33,) of each joint, in the working picture."""
    size = torso_size_px(keypoints)
    shift, quality = _nothing()
    allowed = np.stack([on_person & ~arms, on_person])
    around = joint_flow(field, allowed, _LAYERS, keypoints[_MEASURED], _RADII * np.float32(size))
    shift[_MEASURED], quality[_MEASURED] = around.shift, _quality(around, size)
    on_trunk = np.zeros(on_person.shape, np.uint8)
    cv2.fillConvexPoly(on_trunk, np.round(np.clip(keypoints[TRUNK_CORNERS], -4096, 4096)).astype(np.int32), 1)
    trunk = trunk_flow(field, (on_trunk > 0) & allowed[0])
    trunk_quality = _MODEL_SHARE * float(_quality(trunk, size))
    for joint in TRUNK_CORNERS:
        expected = trunk.at(keypoints[joint])
        is_off = np.hypot(*(shift[joint] - expected)) > _OFF_TRUNK * size
        if quality[joint] < trunk_quality or (is_off and trunk_quality > _LEAST_TRUNK_QUALITY):
            shift[joint], quality[joint] = expected, trunk_quality
    return shift, quality


def _quality(measured: JointFlow | TrunkFlow, size: float) -> FloatArray:
    """In [0, 1]: near 1 where flow forth and back agree, all move as one, and there is something to see."""
    error, spread = np.asarray(measured.error), np.asarray(measured.spread)
    texture = np.asarray(measured.texture) ** 2
    agreement = np.exp(-((error / (0.012 * size + 0.4)) ** 2) - (spread / (0.03 * size + 0.6)) ** 2)
    return np.asarray(agreement * texture / (texture + _PLAIN**2), np.float32)


def _gradient(grey: UInt8Array) -> FloatArray:
    """Return the change of brightness per pixel across and down, in grey levels, of the slightly blurred picture."""
    soft = cv2.GaussianBlur(grey, (3, 3), 0).astype(np.float32)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    return np.stack([across, cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)], axis=-1)


def _arm_cover(size_hw: tuple[int, ...], keypoints: FloatArray) -> BoolArray:
    cover = np.zeros(size_hw, np.uint8)
    points = np.clip(np.round(keypoints), -4096, 4096).astype(int)
    width = max(1, round(_FOREARM_WIDTH * torso_size_px(keypoints)))
    for first, second in _FOREARMS:
        cv2.line(cover, points[first].tolist(), points[second].tolist(), 1, width)
    return cover > 0
