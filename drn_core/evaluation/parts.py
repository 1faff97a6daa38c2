"""Which body part a pixel of the person belongs to: the nearest bone, each in units of its part's half width."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.readings import torso_length
from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX

__all__ = ["PART_JOINTS", "PART_NAMES", "part_labels"]

FloatMap = npt.NDArray[np.float32]

PART_NAMES: Final = ("head", "torso", "arms", "hands", "legs", "feet")


def _joints(*names: str) -> tuple[int, ...]:
    return tuple(JOINT_INDEX[f"{side}_{name}"] for name in names for side in ("left", "right"))


PART_JOINTS: Final = MappingProxyType(
    {
        "head": FACE_JOINTS,
        "torso": _joints("shoulder", "hip"),
        "arms": _joints("elbow", "wrist"),
        "hands": _joints("pinky", "index", "thumb"),
        "legs": _joints("knee", "ankle"),
        "feet": _joints("heel", "foot_index"),
    }
)
"""Joints counted to each part."""

_BONES: Final = (
    ("shoulder", "elbow", "arms", 0.16),
    ("elbow", "wrist", "arms", 0.13),
    ("wrist", "index", "hands", 0.13),
    ("hip", "knee", "legs", 0.22),
    ("knee", "ankle", "legs", 0.17),
    ("ankle", "foot_index", "feet", 0.14),
)
"""First joint, second joint, part, half width in torso lengths."""
_HEAD_RADIUS: Final = 0.45
_TORSO_MARGIN: Final = 0.25
_TORSO_FLOOR: Final = 0.8
_WORK_SIDE_PX: Final = 128


def _squared_distance_to_segment(xs: FloatMap, ys: FloatMap, a: FloatMap, b: FloatMap) -> FloatMap:
    """Return the squared distance of the points of a grid to the segment from a to b, both (2,)."""
    along = b - a
    dx, dy = xs - a[0], ys - a[1]
    t = np.clip((dx * along[0] + dy * along[1]) / max(float(along @ along), 1e-6), 0.0, 1.0)
    return np.asarray((dx - t * along[0]) ** 2 + (dy - t * along[1]) ** 2, np.float32)


def part_labels(keypoints: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    """Label the person's pixels with the part they belong to.

    Args:
        keypoints: (33, 2), pixels.
        mask: (H, W) bool, True on the person.

    Returns:
        (H, W) int8: index into `PART_NAMES`, -1 off the person. Worked out on 128 cells along the person's
        longer side: part borders are not meant to be finer than the joints.
    """
    labels = np.full(mask.shape, -1, np.int8)
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return labels
    scale = min(1.0, _WORK_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    corner, box = np.array([left, top], np.float32), np.array([width, height], np.float32)
    points = (keypoints - corner + 0.5) * (np.array(size, np.float32) / box) - 0.5
    nearest = cv2.resize(_nearest_part(points, size), (width, height), interpolation=cv2.INTER_NEAREST)
    region = np.s_[top : top + height, left : left + width]
    labels[region] = np.where(mask[region], nearest.view(np.int8), np.int8(-1))
    return labels


def _nearest_part(points: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return (H, W) uint8 of part indices; size is (width, height)."""
    torso = torso_length(points)
    xs, ys = np.arange(size[0], dtype=np.float32)[None], np.arange(size[1], dtype=np.float32)[:, None]
    corners = points[[JOINT_INDEX[n] for n in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")]]
    outside = cv2.fillConvexPoly(np.ones(size[::-1], np.uint8), corners.round().astype(np.int32), 0)
    head = points[list(FACE_JOINTS)].mean(axis=0)
    to_torso = _TORSO_FLOOR + cv2.distanceTransform(outside, cv2.DIST_L2, 3) / (_TORSO_MARGIN * torso)
    squared = {
        "head": ((xs - head[0]) ** 2 + (ys - head[1]) ** 2) / (_HEAD_RADIUS * torso) ** 2,
        "torso": to_torso**2,
    }
    for start, end, part, radius in _BONES:
        for side in ("left", "right"):
            a, b = points[JOINT_INDEX[f"{side}_{start}"]], points[JOINT_INDEX[f"{side}_{end}"]]
            distance = _squared_distance_to_segment(xs, ys, a, b) / np.float32((radius * torso) ** 2)
            squared[part] = np.minimum(squared[part], distance) if part in squared else distance
    return np.asarray(np.stack([squared[name] for name in PART_NAMES]).argmin(axis=0), np.uint8)
