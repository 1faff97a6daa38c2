"""From two skeletons to the affine map of every part (photo pixels to output pixels)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body, hand_or_foot_bone, middle_bones
from drn_core.prior.geometry import Array, apply_affine, bone_affine, fit_similarity, perpendicular, smoothstep, unit
from drn_core.prior.parts import LIMBS, NUM_PARTS, Part
from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX

__all__ = ["FACE_WEIGHTS", "part_transforms"]

Affines = npt.NDArray[np.float64]

FACE_WEIGHTS = np.array([0.6, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 1.2, 1.2, 0.7, 0.7])
"""How much each of the 11 face joints counts for the head's similarity: the ears hardly move when a face talks."""

_SHOULDERS = (JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"])
_HIPS = (JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"])

# A trunk seen from the side is about this fraction of its frontal width.
_TRUNK_DEPTH_RATIO = 0.55
# No part is rubber: it is drawn out by no more than this, and less where its bone points at the camera in the photo:
# from the first length, in half widths, up to the second. Its joints all but coincide there, and the least motion of
# one would draw out without end what the photo shows, which is its end.
_MOST_STRETCH = 1.8
_POINTS_AT_CAMERA = (0.4, 1.0)
# Left and right have changed sides only when both views show this share of the frontal width; less is noise.
_TURNED_SHARE = 0.25
# Assumed frontal half-width of shoulders and hips in spine lengths, where the photo shows them turned.
_SHOULDER_WIDTH, _HIP_WIDTH = 0.75, 0.5


def _trunk_section(
    body: Body, target: Array, joints: tuple[int, int], *, width: float, scale: float, at_neck: bool
) -> Affines:
    """Map of chest or pelvis: along the spine by its length, across by an elliptic section, tilt as shear.

    Turning narrows a flat cut-out to nothing; a body narrows to its depth. The section is an ellipse.
    """
    source = body.keypoints
    neck0, pelvis0 = body.neck, body.pelvis
    neck1, pelvis1 = target[list(_SHOULDERS)].mean(0), target[list(_HIPS)].mean(0)
    length0 = math.dist(pelvis0, neck0) + 1e-3
    along0, along1 = unit(pelvis0 - neck0), unit(pelvis1 - neck1)
    across0, across1 = perpendicular(along0), perpendicular(along1)
    stretch = _clipped(math.dist(pelvis1, neck1) / length0, 0.4 * scale, 1.6 * scale)
    line0, line1 = source[joints[0]] - source[joints[1]], target[joints[0]] - target[joints[1]]
    a0, b0 = float(line0 @ across0), float(line0 @ along0)
    a1, b1 = float(line1 @ across1), float(line1 @ along1)
    full = max(abs(a0), width * length0)
    depth = _TRUNK_DEPTH_RATIO * full
    narrowing = _clipped(math.hypot(a1, depth * scale) / math.hypot(a0, depth), 0.5 * scale, 1.8 * scale)
    if a0 * a1 < 0 and min(abs(a0), abs(a1)) > _TURNED_SHARE * full:
        narrowing = -narrowing  # seen from the other side
    # a shoulder line that points at the camera says nothing of tilt
    tilt_trust = min(1.0, min(abs(a0), abs(a1)) / (0.5 * full))
    shear = _clipped((b1 - b0 * stretch) / (abs(a0) + 0.3 * full), -0.5, 0.5) * tilt_trust
    shear *= 1.0 if a0 >= 0 else -1.0
    matrix = (
        stretch * np.outer(along1, along0) + narrowing * np.outer(across1, across0) + shear * np.outer(along1, across0)
    )
    anchor0, anchor1 = (neck0, neck1) if at_neck else (pelvis0, pelvis1)
    return np.column_stack([matrix, anchor1 - matrix @ anchor0])


def _clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def part_transforms(body: Body, target: Array, scale: float = 1.0, *, head: Array | None = None) -> Affines:
    """Compute the map of every part.

    Args:
        body: the body in the photo.
        target: (33, 2) output keypoints with the source's proportions; every joint is meant, none is missing.
        scale: size of the person in the output over its size in the photo (widths follow it).
        head: (2, 3) map of the head; None takes the similarity that fits the face joints best.

    Returns:
        (15, 2, 3) affines, indexed by `Part`, photo pixels to output pixels.
    """
    goal = np.asarray(target, np.float64)
    affines = np.zeros((NUM_PARTS, 2, 3))
    affines[Part.CHEST] = _trunk_section(body, goal, _SHOULDERS, width=_SHOULDER_WIDTH, scale=scale, at_neck=True)
    affines[Part.PELVIS] = _trunk_section(body, goal, _HIPS, width=_HIP_WIDTH, scale=scale, at_neck=False)
    face = list(FACE_JOINTS)
    if head is None:
        head = fit_similarity(body.keypoints[face], goal[face], FACE_WEIGHTS, (0.85 * scale, 1.15 * scale))
    affines[Part.HEAD] = head
    for limb, (bones, end_bone) in zip(LIMBS, body.bones, strict=True):
        upper, lower, end = limb.parts
        # of somebody seen from the other side the limbs, too: what faced the trunk still does
        is_mirrored = float(np.linalg.det(affines[Part.CHEST if limb.is_arm else Part.PELVIS, :, :2])) < 0.0
        new_bones = middle_bones(body, goal, limb, -scale if is_mirrored else scale)
        new_end = np.stack(hand_or_foot_bone(goal, limb))
        away = np.zeros(2)  # what a part that falls short leaves to go to the next one's beginning
        for part, old, new in (
            (upper, bones[:2], new_bones[:2]), (lower, bones[1:], new_bones[1:]), (end, np.stack(end_bone), new_end),
        ):  # fmt: skip
            affines[part] = bone_affine(
                old, new + away, width_scale=scale, most_stretch=_most_stretch(math.dist(*old), body.radii[part]),
                is_mirrored=is_mirrored,
            )  # fmt: skip
            away = away + apply_affine(affines[part], old[1]) - (new[1] + away)
    return affines


def _most_stretch(length: float, half_width: float) -> float:
    """Limit for a part by the length of its bone in the photo."""
    return 1.0 + (_MOST_STRETCH - 1.0) * float(smoothstep(length / (half_width + 1e-9), *_POINTS_AT_CAMERA))
