"""Pictures, skeletons and observers with known answers, for the evaluation tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from drn_core.evaluation.frames import FramePair
from drn_core.evaluation.readings import Reading
from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX, NUM_JOINTS

SIZE_HW = (128, 96)

_PLACES = {
    "shoulder": (0.30, 0.30), "elbow": (0.20, 0.45), "wrist": (0.14, 0.58), "pinky": (0.12, 0.62),
    "index": (0.13, 0.63), "thumb": (0.15, 0.62), "hip": (0.38, 0.58), "knee": (0.37, 0.75), "ankle": (0.36, 0.92),
    "heel": (0.37, 0.94), "foot_index": (0.33, 0.96),
}  # fmt: skip


def standing_keypoints(size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    """Return (33, 2) joints of someone who stands upright and faces the camera."""
    points = np.zeros((NUM_JOINTS, 2), np.float32)
    for joint in FACE_JOINTS:
        points[joint] = (0.5 + 0.012 * (joint % 5 - 2), 0.15 + 0.01 * (joint % 3))
    for name, (x, y) in _PLACES.items():
        points[JOINT_INDEX[f"right_{name}"]] = (x, y)
        points[JOINT_INDEX[f"left_{name}"]] = (1 - x, y)
    return points * np.array(size_hw[::-1], np.float32)


def person_mask(size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    """Return a (H, W) bool mask that covers the standing person."""
    mask = np.zeros(size_hw, np.uint8)
    height, width = size_hw
    cv2.ellipse(mask, (width // 2, height * 52 // 100), (width * 42 // 100, height * 46 // 100), 0, 0, 360, 1, -1)
    return mask > 0


def textured_picture(size_hw: tuple[int, int] = SIZE_HW, seed: int = 0) -> np.ndarray:
    """Return (H, W, 3) uint8 smooth colour texture."""
    noise = np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def reading(
    *, shift: tuple[float, float] = (0.0, 0.0), face: np.ndarray | None = None, size_hw: tuple[int, int] = SIZE_HW
) -> Reading:
    """Return a sure reading of the standing person, moved by `shift` pixels."""
    keypoints = standing_keypoints(size_hw) + np.array(shift, np.float32)
    return Reading(keypoints, np.ones(NUM_JOINTS, np.float32), person_mask(size_hw), face)


NOBODY = Reading(None, None)


def frame_pair(index: int = 0, *, generated: np.ndarray | None = None, seen: Reading | None = None) -> FramePair:
    """Return a frame whose generated side is perfect unless told otherwise."""
    real = textured_picture(seed=index)
    return FramePair(index, real, real.copy() if generated is None else generated, reading(), seen or reading())


@dataclass
class FakeObserver:
    """Answers every picture with the standing person, whatever it shows."""

    face: np.ndarray | None = field(default_factory=lambda: np.zeros(128))
    shift: tuple[float, float] = (0.0, 0.0)
    num_reads: int = 0

    def read(self, rgb: np.ndarray, *, face: bool) -> Reading:
        """Count the look and answer."""
        self.num_reads += 1
        return reading(shift=self.shift, face=self.face if face else None, size_hw=(rgb.shape[0], rgb.shape[1]))


def write_clip(path: Path, pictures: list[np.ndarray], *, rate: int = 25) -> Path:
    """Write pictures as a lossless clip."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(rate), width=width, height=height, pix_fmt="bgr0")
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
