"""What an observer reads from one picture: joints, the person's mask, a face descriptor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS

__all__ = ["Reading", "torso_length"]


@dataclass(frozen=True)
class Reading:
    """One look at one picture; what was not found, or not asked for, is None.

    Attributes:
        keypoints: (33, 2) float32, (x, y) in pixels; None where nobody was found.
        confidence: (33,) float32 in [0, 1]; None where nobody was found.
        mask: (H, W) bool, True on the person.
        face: (128,) float64, descriptor of the largest face.
    """

    keypoints: npt.NDArray[np.float32] | None
    confidence: npt.NDArray[np.float32] | None
    mask: npt.NDArray[np.bool_] | None = None
    face: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if (self.keypoints is None) != (self.confidence is None):
            raise ValueError("Reading: keypoints and confidence come together")
        if self.keypoints is not None and self.keypoints.shape != (NUM_JOINTS, 2):
            raise ValueError(f"Reading.keypoints: expected shape ({NUM_JOINTS}, 2), got {self.keypoints.shape}")

    @property
    def has_person(self) -> bool:
        """Whether a person was found."""
        return self.keypoints is not None


def torso_length(keypoints: npt.NDArray[np.float32]) -> float:
    """Measure from the middle of the shoulders to the middle of the hips.

    Args:
        keypoints: (33, 2), pixels.

    Returns:
        Length in pixels, at least 0.001.
    """
    shoulders = keypoints[JOINT_INDEX["left_shoulder"]] + keypoints[JOINT_INDEX["right_shoulder"]]
    hips = keypoints[JOINT_INDEX["left_hip"]] + keypoints[JOINT_INDEX["right_hip"]]
    return float(np.linalg.norm((shoulders - hips) / 2)) + 1e-3
