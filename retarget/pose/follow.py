"""Follow one person through a clip: the region of the last frame, its looks, and a search when it is lost."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from retarget.pose.estimator import Detection, PoseEstimator
from retarget.pose.people import PersonChoice, SearchEffort, choose_person, find_people
from retarget.records import FloatArray, UInt8Array
from retarget.smoothing.trunk import TRUNK_CORNERS, torso_size_px

__all__ = ["PersonFollower", "torso_colours"]

_SEARCH_EVERY: Final = 8
"""Frames between two searches of the whole picture while nobody is in sight."""
_MAX_JUMP: Final = 0.6
"""A trunk that moves by more than this share of its size between two frames has to prove its looks."""
_MIN_LIKENESS: Final = 0.55


class PersonFollower:
    """Reads the same person frame by frame; call `update` once a frame, in order.

    Args:
        estimator: reads regions and skeletons.
        choice: which person to start with.
        where: name of the clip for the message of an error.
    """

    def __init__(self, estimator: PoseEstimator, choice: PersonChoice, *, where: str) -> None:
        self._estimator = estimator
        self._choice = choice
        self._where = where
        self._last: Detection | None = None
        self._colours: FloatArray | None = None
        self._frames_lost = 0

    def update(self, rgb: UInt8Array) -> Detection | None:
        """Return the person in the next frame; None where they can't be found.

        Raises:
            PersonNotFoundError: the person asked for by index is not among those in the first frame with anybody.
        """
        found = self._first(rgb) if self._last is None else self._next(rgb, self._last)
        if found is None:
            self._frames_lost += 1
            return None
        self._frames_lost = 0
        self._last = found
        self._remember_colours(rgb, found)
        return found

    def forget(self) -> None:
        """Start over with the next frame (after a scene cut); looks are kept and preferred."""
        self._last = None
        self._frames_lost = 0

    def _first(self, rgb: UInt8Array) -> Detection | None:
        effort: SearchEffort = "normal" if self._choice.rule == "largest" else "thorough"
        if self._frames_lost % _SEARCH_EVERY:
            regions = self._estimator.find_regions(rgb)
            if not regions:
                return None
        people = find_people(rgb, self._estimator, effort=effort)
        return choose_person(people, self._choice, where=self._where) if people else None

    def _next(self, rgb: UInt8Array, last: Detection) -> Detection | None:
        found = self._estimator.estimate(rgb, last.region, with_mask=True)
        if found is not None and self._is_continuation(rgb, found, last):
            return found
        if self._frames_lost % _SEARCH_EVERY:
            return None
        people = find_people(rgb, self._estimator, effort="quick")
        likely = [person for person in people if self._is_continuation(rgb, person, last)]
        return max(likely, key=lambda person: self._likeness(rgb, person), default=None)

    def _is_continuation(self, rgb: UInt8Array, found: Detection, last: Detection) -> bool:
        size = torso_size_px(last.pose.keypoints)
        step = np.linalg.norm((found.pose.keypoints - last.pose.keypoints)[TRUNK_CORNERS].mean(axis=0))
        if step < _MAX_JUMP * size * (1 + self._frames_lost):
            return True
        return self._likeness(rgb, found) > _MIN_LIKENESS

    def _likeness(self, rgb: UInt8Array, person: Detection) -> float:
        colours = torso_colours(rgb, person.pose.keypoints)
        if colours is None or self._colours is None:
            return 0.0
        return float(np.sqrt(colours * self._colours).sum())

    def _remember_colours(self, rgb: UInt8Array, person: Detection) -> None:
        colours = torso_colours(rgb, person.pose.keypoints)
        if colours is not None:
            self._colours = colours if self._colours is None else 0.95 * self._colours + 0.05 * colours


def torso_colours(rgb: UInt8Array, keypoints: FloatArray) -> FloatArray | None:
    """Return the distribution of colours on a person's trunk.

    Args:
        rgb: (H, W, 3) uint8.
        keypoints: (33, 2), pixels.

    Returns:
        (4 * 8 * 8,) float32 that sums to 1, over lightness and the two colour axes of CIELAB; None where too little
        of the trunk lies in the picture.
    """
    ring = keypoints[TRUNK_CORNERS]
    ring = ring.mean(axis=0) + 0.85 * (ring - ring.mean(axis=0))
    low = np.maximum(np.floor(ring.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(ring.max(axis=0)).astype(int) + 1, rgb.shape[1::-1])
    if (high - low < 3).any():
        return None
    cut = rgb[low[1] : high[1], low[0] : high[0]]
    scale = min(1.0, 48 / max(cut.shape[:2]))
    size = (max(3, round(cut.shape[1] * scale)), max(3, round(cut.shape[0] * scale)))
    small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    inside = np.zeros(small.shape[:2], np.uint8)
    corners = (ring - low) * (np.array(size) / np.array(cut.shape[1::-1]))
    cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), 1)
    if int(inside.sum()) < 12:
        return None
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], inside, [4, 8, 8], [0, 256, 64, 192, 64, 192]).ravel()
    total = float(counts.sum())
    return (counts / total).astype(np.float32) if total > 0 else None
