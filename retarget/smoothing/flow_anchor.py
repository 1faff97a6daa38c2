"""Steady slow joints with the motion of the picture itself, so that a still trunk stays still to the pixel.

Landmarks say where a joint is, with an error that wanders; the driver's own flow says how far it moved, with an error
that hardly does. Per joint the track x minimises, over all frames at once and so without lag,

    sum_t  c_t rho(|x_t - a_t| / s_position)  +  sum_t  q_t |x_{t+1} - x_t - f_t|^2 / s_flow^2

with a the landmarks, f the flow's shift, c and q their confidences and rho the Cauchy loss: one tridiagonal system,
solved again a few times as the robust weights settle. Four rules, each found necessary on real clips:

- Flow counts only while the trunk is slow: on fast motion DIS is wrong at full confidence. There a is the bilateral
  track instead of the raw landmarks.
- Arms keep their landmarks (see `image_motion`).
- No penalty on acceleration: it flattens fast motion.
- Where the knees are never seen, hip landmarks swing with the arms by tens of pixels: there they only fix the mean and
  the flow carries the motion.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

from drn_core.skeleton import JOINT_INDEX
from retarget.records import FloatArray
from retarget.smoothing.trunk import FOOT_JOINTS, TRUNK_JOINTS

__all__ = ["anchor_to_flow"]

_POSITION_SIGMA: Final = 0.04
_FLOW_SIGMA: Final = 0.006
_SLOW: Final = 0.03
"""Trunk speed per frame at which the flow has lost about two thirds of its say. These three in trunk sizes."""
_AGREEMENT: Final = 0.05
_LOOSE_HIPS: Final = 6.0
_KNEES_SEEN: Final = 0.35
_ROBUST_ROUNDS: Final = 4
_FLOOR: Final = 0.02
"""Least confidence of a landmark: keeps the system definite."""
_HIPS: Final = (JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"])
_KNEES: Final = [JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"]]
_SPEED_JOINTS: Final = [
    JOINT_INDEX[f"{side}_{joint}"] for joint in ("ear", "shoulder", "hip") for side in ("left", "right")
]

DoubleArray = npt.NDArray[np.float64]


def anchor_to_flow(
    landmarks: FloatArray,
    smooth: FloatArray,
    confidence: FloatArray,
    shift: FloatArray,
    quality: FloatArray,
    *,
    torso_px: float,
) -> FloatArray:
    """Combine landmarks and flow into one track.

    Args:
        landmarks: (T, 33, 2), pixels, gaps filled.
        smooth: (T, 33, 2), the same after bilateral smoothing; what joints fall back to.
        confidence: (T, 33) in [0, 1].
        shift: (T - 1, 33, 2), pixels, motion of the picture from each frame to the next.
        quality: (T - 1, 33) in [0, 1]; 0 across cuts and gaps.
        torso_px: typical size of the trunk.

    Returns:
        (T, 33, 2) float32; arms as in `smooth`.
    """
    if len(landmarks) < 3:
        return smooth
    trust = confidence.astype(np.float64) + _FLOOR
    slow_step = _slowness(smooth, torso_px)
    slow_frame = np.minimum(np.append(slow_step, slow_step[-1]), np.insert(slow_step, 0, slow_step[0]))[:, None]
    is_half_body = np.median(trust[:, _KNEES].max(axis=1)) < _KNEES_SEEN
    track = smooth.copy()
    for joint in (*TRUNK_JOINTS, *FOOT_JOINTS):
        is_trunk = joint in TRUNK_JOINTS
        flow = shift[:, joint].astype(np.float64)
        steps = np.diff(smooth[:, joint].astype(np.float64), axis=0)
        gate = slow_step if is_trunk else _bell(np.linalg.norm(steps - flow, axis=1), _AGREEMENT * torso_px)
        gate = gate * _bell(np.linalg.norm(flow, axis=1), _SLOW * torso_px)
        raw_share = slow_frame if is_trunk else 0.5
        loosened = _LOOSE_HIPS if is_half_body and joint in _HIPS else 1.0
        track[:, joint] = _solve(
            raw_share * landmarks[:, joint] + (1 - raw_share) * smooth[:, joint],
            start=smooth[:, joint].astype(np.float64),
            trust=trust[:, joint],
            flow=flow,
            stiffness=quality[:, joint] * gate / (_FLOW_SIGMA * torso_px) ** 2,
            sigma=_POSITION_SIGMA * torso_px * loosened,
        )
    return track


def _slowness(smooth: FloatArray, torso_px: float) -> DoubleArray:
    """(T - 1,) in [0, 1]: 1 where the trunk stands, falling with its speed; neighbours of a fast step count as fast."""
    speed = np.median(np.linalg.norm(np.diff(smooth[:, _SPEED_JOINTS], axis=0), axis=-1), axis=1)
    padded = np.pad(speed, 1, mode="edge")
    speed = np.maximum.reduce([padded[:-2], padded[1:-1], padded[2:]])
    return _bell(speed, _SLOW * torso_px)


def _bell(values: npt.NDArray[np.floating[Any]], width: float) -> DoubleArray:
    bell: DoubleArray = np.exp(-((values.astype(np.float64) / width) ** 2))
    return bell


def _solve(
    aim: npt.NDArray[np.floating[Any]],
    *,
    start: DoubleArray,
    trust: DoubleArray,
    flow: DoubleArray,
    stiffness: DoubleArray,
    sigma: float,
) -> FloatArray:
    """Minimise position and flow terms of one joint: aim, start (T, 2); trust (T,); flow, stiffness (T - 1, ...)."""
    track = start
    pull = stiffness[:, None] * flow
    for _ in range(_ROBUST_ROUNDS):
        weight = trust / (1 + (np.linalg.norm(track - aim, axis=1) / sigma) ** 2) / sigma**2
        bands = np.zeros((2, len(aim)))
        bands[1] = weight
        bands[1, :-1] += stiffness
        bands[1, 1:] += stiffness
        bands[0, 1:] = -stiffness
        right_side = weight[:, None] * aim
        right_side[:-1] -= pull
        right_side[1:] += pull
        track = solveh_banded(bands, right_side)
    return track.astype(np.float32)
