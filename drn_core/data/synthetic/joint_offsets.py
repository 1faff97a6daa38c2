"""Calibrated offsets of the joints, written by `scripts/calibrate_synthetic_joints.py`."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["JOINT_OFFSETS"]

JOINT_OFFSETS: Final[npt.NDArray[np.float64]] = np.array([
    [0.0000, 0.0164, -0.0112],  # nose
    [-0.0009, 0.0095, -0.0012],  # left_eye_inner
    [-0.0014, 0.0078, -0.0142],  # left_eye
    [-0.0025, 0.0090, -0.0114],  # left_eye_outer
    [0.0009, 0.0095, -0.0012],  # right_eye_inner
    [0.0014, 0.0078, -0.0142],  # right_eye
    [0.0025, 0.0090, -0.0114],  # right_eye_outer
    [-0.0201, -0.0017, 0.0272],  # left_ear
    [0.0201, -0.0017, 0.0272],  # right_ear
    [-0.0016, 0.0109, 0.0030],  # mouth_left
    [0.0016, 0.0109, 0.0030],  # mouth_right
    [-0.0036, 0.0214, 0.0088],  # left_shoulder
    [0.0036, 0.0214, 0.0088],  # right_shoulder
    [-0.0113, 0.0141, 0.0057],  # left_elbow
    [0.0113, 0.0141, 0.0057],  # right_elbow
    [-0.0009, -0.0038, 0.0067],  # left_wrist
    [0.0009, -0.0038, 0.0067],  # right_wrist
    [-0.0263, 0.0180, 0.0139],  # left_pinky
    [0.0263, 0.0180, 0.0139],  # right_pinky
    [-0.0170, -0.0227, -0.0288],  # left_index
    [0.0170, -0.0227, -0.0288],  # right_index
    [0.0190, -0.0272, -0.0152],  # left_thumb
    [-0.0190, -0.0272, -0.0152],  # right_thumb
    [-0.0141, -0.0172, 0.0354],  # left_hip
    [0.0141, -0.0172, 0.0354],  # right_hip
    [-0.0072, -0.0025, 0.0080],  # left_knee
    [0.0072, -0.0025, 0.0080],  # right_knee
    [0.0017, 0.0212, 0.0011],  # left_ankle
    [-0.0017, 0.0212, 0.0011],  # right_ankle
    [-0.0064, -0.0038, 0.0053],  # left_heel
    [0.0064, -0.0038, 0.0053],  # right_heel
    [-0.0112, -0.0043, 0.0193],  # left_foot_index
    [0.0112, -0.0043, 0.0193],  # right_foot_index
])  # fmt: skip
"""(33, 3) metres at rest, from the anatomical point to where the estimator sees the joint."""
