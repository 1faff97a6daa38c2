"""How a pose detector errs: jitter, worse for hidden and outer joints, lost limbs, swapped legs, confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_INDEX, JOINT_NAMES, MIRROR, NUM_JOINTS

__all__ = ["Observation", "observe"]

FloatArray = npt.NDArray[np.float32]

# Standard deviation of a visible joint's error per axis, as a share of the trunk's length: the median residual of
# `scripts/calibrate_synthetic_joints.py` over 72 rendered people, divided by 1.18 (Rayleigh).
_SIGMA: Final = {
    "shoulder": 0.022, "hip": 0.029, "elbow": 0.025, "wrist": 0.020, "knee": 0.030, "ankle": 0.021,
    "pinky": 0.023, "index": 0.020, "thumb": 0.023, "heel": 0.022, "foot_index": 0.025,
}  # fmt: skip
FACE_SIGMA: Final = 0.017
HIDDEN_FACTOR: Final = 2.5
SHARED_SHARE: Final = 0.5  # of the variance, common to all joints of a limb
LIMB_LOSS_PROBABILITY: Final = 0.03
LEG_SWAP_PROBABILITY: Final = 0.01
_LIMBS: Final = (
    tuple(range(11)), (11, 13, 15, 17, 19, 21), (12, 14, 16, 18, 20, 22), (23, 25, 27, 29, 31), (24, 26, 28, 30, 32),
)  # fmt: skip
_LEGS = tuple(index for limb in _LIMBS[3:] for index in limb)


@dataclass(frozen=True)
class Observation:
    """What a detector reports: joints (33, 2) in pixels and their confidence (33,), 0 to 1."""

    keypoints: FloatArray
    confidence: FloatArray


def _sigma_of(name: str) -> float:
    return _SIGMA.get(name.removeprefix("left_").removeprefix("right_"), FACE_SIGMA)


_SIGMAS = np.array([_sigma_of(name) for name in JOINT_NAMES])


def trunk_length(keypoints: FloatArray) -> float:
    """Distance in pixels from the middle of the shoulders to the middle of the hips, at least 8."""
    at = JOINT_INDEX
    shoulders = keypoints[[at["left_shoulder"], at["right_shoulder"]]].mean(axis=0)
    hips = keypoints[[at["left_hip"], at["right_hip"]]].mean(axis=0)
    return max(8.0, float(np.linalg.norm(shoulders - hips)))


def _jitter(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Unit errors (33, 2), partly common to the joints of a limb."""
    own = rng.standard_normal((NUM_JOINTS, 2))
    for limb in _LIMBS:
        common = rng.standard_normal(2)
        own[list(limb)] = np.sqrt(1 - SHARED_SHARE) * own[list(limb)] + np.sqrt(SHARED_SHARE) * common
    return own


def observe(
    keypoints: FloatArray,
    visible: npt.NDArray[np.bool_],
    size_hw: tuple[int, int],
    rng: np.random.Generator,
    strength: float = 1.0,
) -> Observation:
    """Turn true joints into what a detector would report.

    Args:
        keypoints: (33, 2) true joints in pixels.
        visible: (33,) whether nothing hides them.
        size_hw: of the picture; joints outside get little confidence.
        rng: source of chance.
        strength: 0 returns the joints unchanged (confidence still falls for hidden ones), 1 errs as measured.
    """
    height, width = size_hw
    inside = ((keypoints >= 0) & (keypoints <= [width - 1, height - 1])).all(axis=1)
    confidence = np.where(visible, rng.uniform(0.90, 1.0, NUM_JOINTS), rng.uniform(0.25, 0.85, NUM_JOINTS))
    confidence = np.where(inside, confidence, rng.uniform(0.0, 0.15, NUM_JOINTS))
    sigma = _SIGMAS * np.where(visible & inside, 1.0, HIDDEN_FACTOR) * trunk_length(keypoints) * strength
    observed = keypoints + _jitter(rng) * sigma[:, None]
    for limb in _LIMBS[1:]:
        if rng.random() < LIMB_LOSS_PROBABILITY * strength:
            outer = list(limb[1:])
            observed[outer] += rng.normal(0, 0.25 * trunk_length(keypoints), 2)
            confidence[outer] = rng.uniform(0.05, 0.45)
    if rng.random() < LEG_SWAP_PROBABILITY * strength:
        observed[list(_LEGS)] = observed[[MIRROR[index] for index in _LEGS]]
    return Observation(observed.astype(np.float32), confidence.astype(np.float32))
