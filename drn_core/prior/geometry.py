"""Plane geometry of parts: distances to bones, similarity and bone transforms.

Points are (x, y) in pixels; an affine map is a (2, 3) array [A | b], p -> A p + b.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "Array",
    "apply_affine",
    "bone_affine",
    "fit_similarity",
    "perpendicular",
    "polygon_distance",
    "segment_distance",
    "smoothstep",
    "unit",
]

Array = npt.NDArray[np.floating[Any]]


def unit(vector: Array) -> npt.NDArray[np.float64]:
    """Return the vector (2,) at length 1 (the zero vector stays zero)."""
    return np.asarray(vector, np.float64) / (math.hypot(*vector) + 1e-9)


def perpendicular(vector: Array) -> npt.NDArray[np.float64]:
    """Return the vector (2,) turned by +90 degrees in image coordinates (x to y)."""
    return np.array([-vector[1], vector[0]], np.float64)


def smoothstep(value: Array | float, low: float, high: float) -> npt.NDArray[np.float64]:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    ramp = np.clip((np.asarray(value, np.float64) - low) / (high - low), 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp))


def apply_affine(affine: Array, points: Array) -> npt.NDArray[np.float64]:
    """Map points (..., 2) by an affine (2, 3)."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def segment_distance(points: Array, start: Array, end: Array) -> npt.NDArray[np.float32]:
    """Distance in pixels of points (..., 2) to the segment start-end."""
    along = np.asarray(end, np.float32) - np.asarray(start, np.float32)
    offset = points - np.asarray(start, np.float32)
    parameter = np.clip((offset @ along) / (float(along @ along) + 1e-6), 0.0, 1.0)
    x, y = offset[..., 0] - parameter * along[0], offset[..., 1] - parameter * along[1]
    return np.asarray(np.sqrt(x * x + y * y), np.float32)  # a third of what numpy's norm takes


def polygon_distance(size_hw: tuple[int, int], corners: Array) -> npt.NDArray[np.float32]:
    """Distance in pixels of every pixel (H, W) to the convex hull of the corners (N, 2); 0 inside."""
    hull = cv2.convexHull(np.asarray(corners, np.float32))
    inside = cv2.fillConvexPoly(np.zeros(size_hw, np.uint8), np.round(hull).astype(np.int32), 1)
    return np.asarray(cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5), np.float32)


def fit_similarity(
    source: Array, target: Array, weights: Sequence[float] | Array, scale_range: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Fit the weighted least-squares similarity that takes source points to target points.

    Args:
        source: (N, 2) points.
        target: (N, 2) points.
        weights: (N,) non-negative.
        scale_range: the scale is clipped to (low, high).

    Returns:
        (2, 3) affine.

    Source: Umeyama 1991, in the plane and without reflection.
    """
    weight = np.asarray(weights, np.float64) / (float(np.sum(weights)) + 1e-9)
    source_mean, target_mean = weight @ source, weight @ target
    x, y = source - source_mean, target - target_mean
    dot = float((weight * (x * y).sum(1)).sum())
    cross = float((weight * (x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0])).sum())
    spread = float((weight * (x * x).sum(1)).sum()) + 1e-9
    scale, angle = np.clip(np.hypot(dot, cross) / spread, *scale_range), np.arctan2(cross, dot)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([matrix, target_mean - matrix @ source_mean])


def bone_affine(
    source: Sequence[Array] | Array,
    target: Sequence[Array] | Array,
    *,
    width_scale: float,
    most_stretch: float = math.inf,
    is_mirrored: bool = False,
) -> npt.NDArray[np.float64]:
    """Map a bone onto its new place; foreshortening acts along the bone only, the width keeps its scale.

    A limb that comes towards the camera gets shorter, not thinner.

    Args:
        source: the bone's two ends in the photo.
        target: its two ends in the output.
        width_scale: scale across the bone.
        most_stretch: limit of the scale along the bone, in scales across it; beyond it the bone's start stays where
            it is meant to be, its end falls short.
        is_mirrored: flip across the bone (a limb rebuilt from its mirror twin).

    Returns:
        (2, 3) affine.
    """
    # Plain numbers: arrays of two cost a microsecond an operation, and this runs a dozen times a frame.
    (x0, y0), (x1, y1) = np.asarray(source, np.float64).tolist()
    (u0, v0), (u1, v1) = np.asarray(target, np.float64).tolist()
    source_length, target_length = math.hypot(x1 - x0, y1 - y0), math.hypot(u1 - u0, v1 - v0)
    ex, ey = (x1 - x0) / (source_length + 1e-9), (y1 - y0) / (source_length + 1e-9)
    gx, gy = (u1 - u0) / (target_length + 1e-9), (v1 - v0) / (target_length + 1e-9)
    stretch = min(target_length / (source_length + 1e-3), most_stretch * width_scale)
    across = -width_scale if is_mirrored else width_scale
    # stretch along (g e'), width across (the same, each turned by a quarter)
    xx, xy = stretch * gx * ex + across * gy * ey, stretch * gx * ey - across * gy * ex
    yx, yy = stretch * gy * ex - across * gx * ey, stretch * gy * ey + across * gx * ex
    return np.array([[xx, xy, u0 - (xx * x0 + xy * y0)], [yx, yy, v0 - (yx * x0 + yy * y0)]])
