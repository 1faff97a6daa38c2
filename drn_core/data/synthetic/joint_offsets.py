"""Calibrated offsets of the joints, written by `scripts/calibrate_synthetic_joints.py`."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["JOINT_OFFSETS"]

JOINT_OFFSETS: Final[npt.NDArray[np.float64]] = np.zeros((33, 3))
"""(33, 3) metres at rest, from the anatomical point to where the estimator sees the joint."""
