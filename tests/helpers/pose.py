"""People made of coloured boxes, and an estimator that recognises exactly those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX, NUM_JOINTS
from retarget.pose.estimator import Detection, Region, person_box
from retarget.records import Frame, Pose

SIZE_HW = (240, 400)
TRUNK_HW = (48, 30)
COLOURS = ((200, 40, 40), (40, 60, 200), (40, 180, 60), (210, 190, 30))
_TOLERANCE = 20
_MIN_PIXELS = 500  # a third of a trunk: less is not recognised


@dataclass(frozen=True)
class BoxPerson:
    """A person whose trunk is a box of one of `COLOURS`; `x`, `y` is its middle, `scale` multiplies its size."""

    colour: int
    x: float
    y: float = 110.0
    scale: float = 1.0

    @property
    def keypoints(self) -> np.ndarray:
        """(33, 2) joints, in pixels."""
        return _skeleton((self.x, self.y), (TRUNK_HW[1] * self.scale, TRUNK_HW[0] * self.scale))


def picture_of(people: Sequence[BoxPerson], size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    """Draw people over a textured ground, the last one in front."""
    noise = np.random.default_rng(5).integers(70, 110, (*size_hw, 1), dtype=np.uint8)
    picture = np.repeat(cv2.GaussianBlur(noise, (0, 0), 1.5)[..., None], 3, axis=-1)
    for person in people:
        half = np.array(TRUNK_HW[::-1]) * person.scale / 2
        low, high = (np.round((person.x, person.y) + side * half).astype(int).tolist() for side in (-1, 1))
        cv2.rectangle(picture, low, [high[0] - 1, high[1] - 1], COLOURS[person.colour], -1)
    return picture


def frames_of(pictures: Sequence[np.ndarray], *, rate: int = 30) -> list[Frame]:
    """Number pictures as the frames of a clip."""
    return [Frame(rgb, index, Fraction(1, rate), index) for index, rgb in enumerate(pictures)]


class BoxEstimator:
    """Finds people by the colours of their trunks, wherever a picture was cut out; counts its readings."""

    version = "box-people-1"

    def __init__(self) -> None:
        self.num_estimates = 0

    def find_regions(self, rgb: np.ndarray) -> list[Region]:
        """Return everybody in sight, largest first."""
        found = sorted(_trunks(rgb), key=lambda trunk: -trunk[1][0] * trunk[1][1])
        return [_region(middle, size) for middle, size in found]

    def estimate(self, rgb: np.ndarray, region: Region, *, with_mask: bool = False) -> Detection | None:
        """Read whoever is nearest to the middle of the region, if within a quarter of its side."""
        self.num_estimates += 1

        def gap(trunk: tuple[tuple[float, float], tuple[float, float]]) -> float:
            return float(np.hypot(*np.subtract(_region(*trunk).center_xy, region.center_xy)))

        trunk = min(_trunks(rgb), default=None, key=gap)
        if trunk is None or gap(trunk) > region.size_px / 4:
            return None
        size_hw = (rgb.shape[0], rgb.shape[1])
        keypoints, confidence = _skeleton(*trunk), np.ones(NUM_JOINTS, np.float32)
        pose = Pose(
            keypoints=keypoints,
            confidence=confidence,
            depth=np.zeros(NUM_JOINTS, np.float32),
            world=np.zeros((NUM_JOINTS, 3), np.float32),
            size_hw=size_hw,
        )
        mask = np.zeros(size_hw, np.float32) if with_mask else None
        if mask is not None:
            low, high = (
                np.round(np.add(trunk[0], side * np.array(trunk[1]) / 2)).astype(int).tolist() for side in (-1, 1)
            )
            cv2.rectangle(mask, low, high, 1.0, -1)
        return Detection(pose, person_box(keypoints, confidence, size_hw), _region(*trunk), mask)

    def close(self) -> None:
        """Nothing to free."""


def _trunks(rgb: np.ndarray) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """(middle, size) of the visible part of each trunk."""
    found = []
    for colour in COLOURS:
        low, high = (np.clip(np.array(colour) + side, 0, 255).astype(np.float64) for side in (-_TOLERANCE, _TOLERANCE))
        is_near = cv2.inRange(rgb, low, high)
        left, top, width, height = cv2.boundingRect(is_near)
        if cv2.countNonZero(is_near) >= _MIN_PIXELS:
            found.append(((left + width / 2 - 0.5, top + height / 2 - 0.5), (float(width), float(height))))
    return found


def _region(middle: tuple[float, float], size: tuple[float, float]) -> Region:
    return Region((middle[0], middle[1] + size[1] / 2), 4.0 * max(size))


def _skeleton(middle: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    places = np.zeros((NUM_JOINTS, 2), np.float32)
    for joint in FACE_JOINTS:
        places[joint] = (0.05 * (joint % 5 - 2), -0.8)
    for name, (x, y) in {
        "shoulder": (0.5, -0.5), "elbow": (0.7, -0.1), "wrist": (0.75, 0.3), "pinky": (0.75, 0.4), "index": (0.76, 0.4),
        "thumb": (0.7, 0.4), "hip": (0.4, 0.5), "knee": (0.4, 1.1), "ankle": (0.4, 1.7), "heel": (0.4, 1.75),
        "foot_index": (0.5, 1.8),
    }.items():  # fmt: skip
        places[JOINT_INDEX[f"left_{name}"]] = (x, y)
        places[JOINT_INDEX[f"right_{name}"]] = (-x, y)
    return (places * np.float32(size) + np.float32(middle)).astype(np.float32)
