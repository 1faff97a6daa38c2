"""The driver's room without the driver: the median of frames in which the person stood elsewhere."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.inpaint import fill_from_patches
from drn_core.prior.render import PriorFrame
from retarget.pipeline.background import cover
from retarget.pipeline.driver_range import DriverRange
from retarget.records import FloatArray, PoseTrack, UInt8Array

__all__ = ["DriverRoom", "empty_room"]

_NUM_SAMPLES: Final = 25
# The person reaches this far beyond its joints, in lengths of the trunk.
_REACH: Final = 0.35


class DriverRoom:
    """The empty room of a driver with a camera that stands still, covered to the output's size.

    Args:
        driver: what is rendered of the driver.
        track: its track.
        size_hw: size of the output.
    """

    def __init__(self, driver: DriverRange, track: PoseTrack, size_hw: tuple[int, int]) -> None:
        chosen = set(np.linspace(0, len(track) - 1, min(_NUM_SAMPLES, len(track))).round().astype(int).tolist())
        frames = [(frame.index, frame.rgb) for frame in driver.frames() if frame.index in chosen]
        shapes = [_person_area(track.keypoints[index], track.size_hw) for index, _ in frames]
        self._room = cover(empty_room([rgb for _, rgb in frames], shapes), size_hw)

    def at(self, time_seconds: float, person: PriorFrame) -> UInt8Array:
        """Return the room."""
        return self._room

    def close(self) -> None:
        """Nothing to free."""


def _person_area(keypoints: FloatArray, size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) that the person may cover: the joints' hull, widened."""
    trunk = float(np.linalg.norm(keypoints[[11, 12]].mean(0) - keypoints[[23, 24]].mean(0)))
    hull = cv2.convexHull(np.round(keypoints).astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros(size_hw, np.uint8), hull, 1)
    return np.asarray(cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) <= _REACH * trunk)


def empty_room(frames: list[UInt8Array], people: list[npt.NDArray[np.bool_]]) -> UInt8Array:
    """Put a room together from frames of a still camera.

    Args:
        frames: (H, W, 3) uint8 each.
        people: (H, W) per frame, the pixels to leave out.

    Returns:
        (H, W, 3) uint8: per pixel the median of the frames that show the room there; what none shows is filled in.
    """
    height, width = frames[0].shape[:2]
    room = np.zeros((height, width, 3), np.uint8)
    never = np.logical_and.reduce(people)
    for top in range(0, height, 64):  # in bands: the stack of a whole clip would be large
        rows = slice(top, min(top + 64, height))
        stack = np.stack([frame[rows] for frame in frames]).astype(np.float32)
        stack[np.stack([person[rows] for person in people])] = np.nan
        stack[:, never[rows]] = 0.0
        room[rows] = np.nanmedian(stack, axis=0).round().astype(np.uint8)
    return np.asarray(fill_from_patches(room, never), np.uint8)
