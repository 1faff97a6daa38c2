"""Steady slow joints with the motion of the picture itself, so that a still trunk stays still to the pixel.

Landmarks say where a joint is, with an error that wanders; the driver's own flow says how far it moved, with an error
that hardly does. Per joint the track x minimises, over all frames at once and so without lag,

    sum_t  c_t rho_1(|x_t - a_t| / s_position)  +  sum_(i,j)  q_ij rho_2(|x_j - x_i - f_ij| / s_flow)

with a the landmarks (after bilateral smoothing), f the flow between linked frames (neighbours, and frames linked to a
key frame before them, which keeps small errors from adding up), c and q their confidences. The landmarks' loss grows
linearly, so that their median stays the anchor however far they swing; the flow's is Cauchy's, so that a hand passing
by is forgotten. It is solved as a sparse linear system, again and again as the robust weights settle; the flow's
weights start out quadratic, because the landmarks that the first residuals are taken from are what is to be corrected.
Rules that were found necessary on real clips:

- Flow counts only while the trunk is slow: on fast motion DIS is wrong at full confidence.
- It counts only where it agrees with the landmarks on the motion: when a body turns, the cloth over a shoulder moves
  otherwise than the shoulder.
- Arms keep their landmarks: around a moving wrist most pixels are the trunk behind it.
- No penalty on acceleration: it flattens fast motion.
- Where the knees are never seen, hip landmarks swing with the arms by tens of pixels: there they need not agree, only
  fix the mean, and the flow carries the motion.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX
from retarget.records import FloatArray
from retarget.smoothing.links import MotionLinks
from retarget.smoothing.trunk import FOOT_JOINTS, TRUNK_CORNERS, TRUNK_JOINTS

__all__ = ["anchor_to_flow"]

_POSITION_SIGMA: Final = 0.04
_FLOW_SIGMA: Final = 0.006
_SLOW: Final = 0.03
"""Trunk speed per frame at which the flow has lost about two thirds of its say. These three in trunk sizes."""
_REACH: Final = 0.12
"""The same for the whole shift between two frames that are linked over some distance."""
_AGREEMENT: Final = {
    **dict.fromkeys(FACE_JOINTS, 0.03),
    **dict.fromkeys(TRUNK_CORNERS, 0.04),
    **dict.fromkeys(FOOT_JOINTS, 0.05),
}
"""Flow and landmarks have to agree this far along a link: cloth on a body that turns moves otherwise than joints."""
_LOOSE_HIPS: Final = 6.0
_KNEES_SEEN: Final = 0.35
_FLOW_SCALES: Final = (np.inf, 0.06, 0.03, 0.02, 0.015, 0.015)
"""Residual at which a link has lost half of its say, round by round."""
_LEAST_GATE: Final = 0.02
"""A link that is gated lower than this is dropped: many of them together would still pull."""
_FLOOR: Final = 0.02
"""Least confidence of a landmark: keeps the system definite."""
_HIPS: Final = (JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"])
_KNEES: Final = [JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"]]
_SPEED_JOINTS: Final = [
    JOINT_INDEX[f"{side}_{joint}"] for joint in ("ear", "shoulder", "hip") for side in ("left", "right")
]

DoubleArray = npt.NDArray[np.float64]


def anchor_to_flow(smooth: FloatArray, confidence: FloatArray, links: MotionLinks, *, torso_px: float) -> FloatArray:
    """Combine landmarks and flow into one track.

    Args:
        smooth: (T, 33, 2), pixels, landmarks after bilateral smoothing, gaps filled.
        confidence: (T, 33) in [0, 1]; 0 in filled frames.
        links: motion of the picture between frames of the same shot.
        torso_px: typical size of the trunk.

    Returns:
        (T, 33, 2) float32; arms as in `smooth`.
    """
    if len(smooth) < 3 or not len(links):
        return smooth
    trust = confidence.astype(np.float64) + _FLOOR
    slow = _slowness(smooth, torso_px)
    is_half_body = np.median(trust[:, _KNEES].max(axis=1)) < _KNEES_SEEN
    track = smooth.copy()
    for joint in (*TRUNK_JOINTS, *FOOT_JOINTS):
        is_loose = bool(is_half_body) and joint in _HIPS
        landmarks = smooth[:, joint].astype(np.float64)
        gate = _gate(joint, slow, links, torso_px)
        if not is_loose:
            gate = gate * _agreement(landmarks, links.shift[:, joint], links, _AGREEMENT[joint] * torso_px)
        track[:, joint] = _solve(
            landmarks,
            trust=trust[:, joint],
            sigma=_POSITION_SIGMA * torso_px * (_LOOSE_HIPS if is_loose else 1.0),
            links=links,
            flow=links.shift[:, joint].astype(np.float64),
            stiffness=np.where(gate > _LEAST_GATE, gate, 0.0) / (_FLOW_SIGMA * torso_px) ** 2,
            torso_px=torso_px,
        )
    return track


def _gate(joint: int, slow: DoubleArray, links: MotionLinks, torso_px: float) -> DoubleArray:
    """(M,) in [0, 1]: quality of each link, less where it spans much motion, and for the trunk where that is fast."""
    reach = np.where(links.second - links.first == 1, _SLOW, _REACH)
    gate = links.quality[:, joint] * _bell(np.linalg.norm(links.shift[:, joint], axis=1), reach * torso_px)
    return gate * np.minimum(slow[links.first], slow[links.second]) if joint in TRUNK_JOINTS else gate


def _agreement(landmarks: DoubleArray, shift: FloatArray, links: MotionLinks, width: float) -> DoubleArray:
    """(M,) in [0, 1]: how well flow and landmarks agree on the motion along each link."""
    moved = landmarks[links.second] - landmarks[links.first]
    return _bell(np.linalg.norm(moved - shift, axis=1), width)


def _slowness(smooth: FloatArray, torso_px: float) -> DoubleArray:
    """(T,) in [0, 1]: 1 where the trunk stands, falling with its speed; frames next to a fast step count as fast."""
    speed = np.median(np.linalg.norm(np.diff(smooth[:, _SPEED_JOINTS], axis=0), axis=-1), axis=1)
    padded = np.pad(speed, 2, mode="edge")
    return _bell(np.maximum.reduce([padded[i : i + len(smooth)] for i in range(4)]), _SLOW * torso_px)


def _bell(values: npt.NDArray[np.floating[Any]], width: float | DoubleArray) -> DoubleArray:
    bell: DoubleArray = np.exp(-((values.astype(np.float64) / width) ** 2))
    return bell


def _solve(
    landmarks: DoubleArray,
    *,
    trust: DoubleArray,
    sigma: float,
    links: MotionLinks,
    flow: DoubleArray,
    stiffness: DoubleArray,
    torso_px: float,
) -> FloatArray:
    """Minimise position and flow terms of one joint: landmarks (T, 2); trust (T,); flow (M, 2); stiffness (M,)."""
    counts = stiffness > 0
    first, second, flow, stiffness = links.first[counts], links.second[counts], flow[counts], stiffness[counts]
    frames = np.arange(len(landmarks))
    rows = np.concatenate([frames, first, second, first, second])
    columns = np.concatenate([frames, first, second, second, first])
    track = landmarks
    for scale in _FLOW_SCALES:
        weight = trust / np.hypot(1, np.linalg.norm(track - landmarks, axis=1) / sigma) / sigma**2
        residual = np.linalg.norm(track[second] - track[first] - flow, axis=1)
        stiff = stiffness / (1 + (residual / (scale * torso_px)) ** 2)
        entries = np.concatenate([weight, stiff, stiff, -stiff, -stiff])
        right_side = weight[:, None] * landmarks
        np.add.at(right_side, second, stiff[:, None] * flow)
        np.subtract.at(right_side, first, stiff[:, None] * flow)
        matrix = coo_matrix((entries, (rows, columns)), shape=(len(frames), len(frames)))
        track = splu(matrix.tocsc()).solve(right_side)
    return track.astype(np.float32)
