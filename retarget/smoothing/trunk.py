"""Which joints belong to the slow parts of a body, and how large a body is in its picture."""

from __future__ import annotations

from typing import Final

import numpy as np

from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS
from retarget.records import FloatArray

__all__ = ["FOOT_JOINTS", "TRUNK_CORNERS", "TRUNK_JOINTS", "torso_size_px"]

TRUNK_CORNERS: Final = [
    JOINT_INDEX[name] for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
]  # in the order of a polygon
TRUNK_JOINTS: Final = (*range(13), JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"])
"""Head, shoulders and hips: large enough for the motion of the picture to be measured on them."""
FOOT_JOINTS: Final = tuple(range(JOINT_INDEX["left_knee"], NUM_JOINTS))
"""Knees, ankles, heels and toes."""


def torso_size_px(keypoints: FloatArray) -> float:
    """Return the larger of trunk length and shoulder width in pixels: steady when the person turns or bends.

    Args:
        keypoints: (33, 2), pixels.
    """
    left_shoulder, right_shoulder, right_hip, left_hip = keypoints[TRUNK_CORNERS]
    length = np.hypot(*((left_shoulder + right_shoulder - left_hip - right_hip) / 2))
    return float(max(length, np.hypot(*(left_shoulder - right_shoulder)), 1.0))
