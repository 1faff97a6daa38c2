"""What a person looks like, so that they can be told from another: the colours of the trunk."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from retarget.records import FloatArray, UInt8Array
from retarget.smoothing.trunk import TRUNK_CORNERS

__all__ = ["colour_likeness", "torso_colours"]

_BINS: Final = (4, 8, 8)
_RANGES: Final = (0, 256, 64, 192, 64, 192)
"""Lightness over its whole range; the colour axes of CIELAB around grey (128), where clothes lie."""
_INNER_SHARE: Final = 0.85
_MAX_SIDE_PX: Final = 48
_MIN_PIXELS: Final = 12


def torso_colours(rgb: UInt8Array, keypoints: FloatArray) -> FloatArray | None:
    """Return the distribution of colours on a person's trunk.

    Args:
        rgb: (H, W, 3) uint8.
        keypoints: (33, 2), pixels.

    Returns:
        (256,) float32 that sums to 1, over lightness and the two colour axes of CIELAB; None where too little of the
        trunk lies in the picture.
    """
    ring = keypoints[TRUNK_CORNERS]
    ring = ring.mean(axis=0) + _INNER_SHARE * (ring - ring.mean(axis=0))
    low = np.maximum(np.floor(ring.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(ring.max(axis=0)).astype(int) + 1, rgb.shape[1::-1])
    if (high - low < 3).any():
        return None
    cut = rgb[low[1] : high[1], low[0] : high[0]]
    scale = min(1.0, _MAX_SIDE_PX / max(cut.shape[:2]))
    size_wh = (max(3, round(cut.shape[1] * scale)), max(3, round(cut.shape[0] * scale)))
    small = cv2.resize(cut, size_wh, interpolation=cv2.INTER_AREA)
    inside = np.zeros(small.shape[:2], np.uint8)
    corners = (ring - low) * (np.array(size_wh) / np.array(cut.shape[1::-1]))
    cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), 1)
    counts = cv2.calcHist([cv2.cvtColor(small, cv2.COLOR_RGB2LAB)], [0, 1, 2], inside, _BINS, _RANGES).ravel()
    total = float(counts.sum())
    return (counts / total).astype(np.float32) if total >= _MIN_PIXELS else None


def colour_likeness(first: FloatArray | None, second: FloatArray | None) -> float:
    """Return how alike two distributions are: 1 the same, 0 disjoint (Bhattacharyya); 0.5 where one is unknown."""
    if first is None or second is None:
        return 0.5
    return float(np.sqrt(first * second).sum())
