"""Joint metrics: shares of joints found again near enough, by torso length or by PATN's head box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["OPENPOSE_HEAD", "OPENPOSE_NAMES", "head_box", "is_within_box", "joint_errors", "openpose_joints"]

Points = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

OPENPOSE_NAMES = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
"""The 18 joints of the DeepFashion annotations (OpenPose, COCO order)."""
OPENPOSE_HEAD = (0, 1, 14, 15, 16, 17)
"""Nose, neck, eyes, ears: what PATN's head box spans."""

_BLAZEPOSE_OF_OPENPOSE = (0, -1, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)


def openpose_joints(keypoints: Points) -> Points:
    """Pick the 18 OpenPose joints out of the 33; the neck is the middle of the shoulders.

    Args:
        keypoints: (33, 2), pixels.

    Returns:
        (18, 2), pixels, in the order of `OPENPOSE_NAMES`.
    """
    joints = keypoints[list(_BLAZEPOSE_OF_OPENPOSE)].copy()
    joints[1] = (joints[2] + joints[5]) / 2
    return joints


def joint_errors(found: Points, target: Points) -> npt.NDArray[np.float64]:
    """Measure how far each joint lies from where it should be.

    Args:
        found: (..., 2), pixels; NaN where not found.
        target: the same shape; NaN where absent.

    Returns:
        (...) pixels; NaN where either is absent.
    """
    return np.asarray(np.linalg.norm(found.astype(np.float64) - target, axis=-1))


def head_box(joints: Points, head: Sequence[int] = OPENPOSE_HEAD) -> tuple[float, float] | None:
    """Measure the box around the head's joints.

    Args:
        joints: (K, 2), pixels; NaN where absent.
        head: indices of the head's joints.

    Returns:
        (width, height) in pixels, None where fewer than two of the joints are present.
    """
    present = joints[list(head)]
    present = present[~np.isnan(present).any(axis=1)]
    if len(present) < 2:
        return None
    width, height = np.ptp(present, axis=0)
    return float(width), float(height)


def is_within_box(found: Points, target: Points, box: tuple[float, float], *, share: float = 0.5) -> BoolArray:
    """Tell which joints lie near enough: |dx| and |dy| both below a share of the head's box.

    Args:
        found: (K, 2), pixels; NaN where not found (never near enough).
        target: (K, 2), pixels; NaN where absent.
        box: (width, height) of the target's head, pixels.
        share: of the box.

    Returns:
        (K,) bool.

    Source: the evaluation script published with PATN (Zhu et al. 2019).
    """
    return np.asarray((np.abs(found - target) < share * np.array(box)).all(axis=1))
