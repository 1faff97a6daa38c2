"""True bone lengths and sizes of a person, read from projected skeletons.

A picture shows a bone shortened by its tilt; the true length is what the bone would measure in the picture plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from drn_core.prior.parts import SEGMENTS, Part
from drn_core.skeleton import JOINT_INDEX, MIRROR
from retarget.records import Pose

__all__ = ["CHAINS", "SPAN_BONES", "Proportions", "measure_proportions", "picture_scale", "true_lengths"]

Array = npt.NDArray[np.floating[Any]]

_J = JOINT_INDEX


def _side(side: str) -> tuple[tuple[int, int], ...]:
    names = (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "pinky"), ("wrist", "index"), ("wrist", "thumb"),
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("ankle", "foot_index"),
    )  # fmt: skip
    return tuple((_J[f"{side}_{a}"], _J[f"{side}_{b}"]) for a, b in names)


CHAINS: Final = _side("left") + _side("right")
"""Limb bones (parent, child), parents first."""

SPAN_BONES: Final = (
    (_J["left_shoulder"], _J["right_shoulder"]),
    (_J["left_hip"], _J["right_hip"]),
)
"""Lines across the trunk, carried by their middles."""

_SCALE_BONES: Final = (
    *((_J[f"{s}_{a}"], _J[f"{s}_{b}"]) for s in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"),
    )),
    *SPAN_BONES,
)  # fmt: skip


@dataclass(frozen=True)
class Proportions:
    """True lengths of one person at the size of a reference picture.

    Attributes:
        bones: true length in pixels of each bone of `CHAINS`, then of `SPAN_BONES`, then of the spine.
        pixels_per_metre: size of the picture.
    """

    bones: npt.NDArray[np.float64]
    pixels_per_metre: float


def bone_vectors(points: Array) -> npt.NDArray[np.float64]:
    """Vectors (..., N, C) of `CHAINS`, `SPAN_BONES` and the spine (pelvis to neck) from joints (..., 33, C)."""
    pairs = np.array(CHAINS + SPAN_BONES)
    limbs = points[..., pairs[:, 1], :] - points[..., pairs[:, 0], :]
    neck = points[..., list(SPAN_BONES[0]), :].mean(-2)
    pelvis = points[..., list(SPAN_BONES[1]), :].mean(-2)
    return np.asarray(np.concatenate([limbs, (neck - pelvis)[..., None, :]], -2), np.float64)


def bone_confidence(confidence: Array) -> npt.NDArray[np.float64]:
    """Confidence (..., N) of each bone: that of its least certain joint; order as in `bone_vectors`."""
    pairs = np.array(CHAINS + SPAN_BONES)
    limbs = np.minimum(confidence[..., pairs[:, 0]], confidence[..., pairs[:, 1]])
    spine = confidence[..., [j for pair in SPAN_BONES for j in pair]].min(-1)
    return np.asarray(np.concatenate([limbs, spine[..., None]], -1), np.float64)


def picture_scale(keypoints: Array, world: Array, confidence: Array) -> npt.NDArray[np.float64]:
    """Pixels per metre in every frame: the weighted median over bones of projected over real size.

    Args:
        keypoints: (T, 33, 2) pixels.
        world: (T, 33, 3) metres.
        confidence: (T, 33).

    Returns:
        (T,) not smoothed; NaN where nothing is seen.
    """
    pairs = np.array(_SCALE_BONES)
    pixels = np.linalg.norm(keypoints[:, pairs[:, 1]] - keypoints[:, pairs[:, 0]], axis=-1)
    metres = np.linalg.norm(world[:, pairs[:, 1], :2] - world[:, pairs[:, 0], :2], axis=-1)
    weight = np.minimum(confidence[:, pairs[:, 0]], confidence[:, pairs[:, 1]]) * metres
    ratio = pixels / np.maximum(metres, 0.02)
    order = np.argsort(ratio, axis=1)
    cumulative = np.cumsum(np.take_along_axis(weight, order, 1), 1)
    middle = (cumulative >= cumulative[:, -1:] / 2).argmax(1)
    scale = np.take_along_axis(np.take_along_axis(ratio, order, 1), middle[:, None], 1)[:, 0]
    return np.where(cumulative[:, -1] > 0.05, scale, np.nan)


def smooth_scale(scale: Array, frames: float) -> npt.NDArray[np.float64]:
    """Fill gaps and smooth a scale over time (sigma in frames)."""
    known = np.flatnonzero(np.isfinite(scale))
    if len(known) == 0:
        return np.ones(len(scale))
    filled = np.interp(np.arange(len(scale)), known, np.asarray(scale)[known])
    return np.asarray(gaussian_filter1d(filled, max(frames, 1e-3), mode="nearest"))


def _mirrored(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same values with left and right bones exchanged."""
    bones = CHAINS + SPAN_BONES
    index = {frozenset(bone): i for i, bone in enumerate(bones)}
    swap = [index[frozenset((MIRROR[a], MIRROR[b]))] for a, b in bones] + [len(bones)]
    return np.asarray(values[swap])


def measure_proportions(keypoints: Array, world: Array, confidence: Array, relative_scale: Array) -> Proportions:
    """Estimate true bone lengths from frames of one person.

    A bone's true length is the longest it is seen (95th percentile), kept within 15 % of what the estimator's
    world landmarks say; left and right share the longer.

    Args:
        keypoints: (T, 33, 2) pixels.
        world: (T, 33, 3) metres.
        confidence: (T, 33).
        relative_scale: (T,) size of the picture against the reference frame.

    Returns:
        Lengths at the reference frame's size.
    """
    scale = float(np.nanmedian(picture_scale(keypoints, world, confidence) / relative_scale))
    if not np.isfinite(scale):
        scale = 1.0
    projected = np.linalg.norm(bone_vectors(keypoints), axis=-1) / relative_scale[:, None]
    metres = np.median(np.linalg.norm(bone_vectors(world), axis=-1), 0)
    from_world = np.maximum(metres, _mirrored(metres)) * scale
    seen = bone_confidence(confidence) > 0.5
    longest = np.array([np.percentile(p[s], 95) if s.any() else 0.0 for p, s in zip(projected.T, seen.T, strict=True)])
    longest = np.maximum(longest, _mirrored(longest))
    return Proportions(np.clip(longest, 0.85 * from_world, 1.15 * from_world), scale)


def true_lengths(pose: Pose) -> dict[Part, float]:
    """Length in pixels that each limb part of a photo would have in the picture plane.

    Args:
        pose: the photo's pose.

    Returns:
        Parts whose joints are seen.
    """
    own = measure_proportions(pose.keypoints[None], pose.world[None], pose.confidence[None], np.ones(1))
    index = {bone: number for number, bone in enumerate(CHAINS)}
    return {
        part: float(own.bones[index[bone]])
        for part, bone in SEGMENTS.items()
        if min(pose.confidence[list(bone)]) >= 0.5
    }
