"""Shrink pictures, or parts of them, quickly: by halves as far as that goes, then the rest at once.

Averaging over areas of broken size takes OpenCV five times as long as over 2 x 2 pixels, and it is done several times
a frame.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from retarget.records import UInt8Array

__all__ = ["resized_part", "shrink"]

_AREA_BELOW: Final = 0.5
"""Scale under which shrinking averages over areas; above it interpolation sees every pixel, at a third of the time."""
_SPARE: Final = 2
"""Pixels around a part that its edges are interpolated from."""


def shrink(picture: UInt8Array, size_wh: tuple[int, int]) -> UInt8Array:
    """Return a smaller copy.

    Args:
        picture: (H, W) or (H, W, C) uint8.
        size_wh: (width, height) of the copy, no larger than the picture.
    """
    height, width = picture.shape[:2]
    while width >= 2 * size_wh[0] and height >= 2 * size_wh[1] and width % 2 == height % 2 == 0:
        height, width = height // 2, width // 2
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    is_far = size_wh[0] < _AREA_BELOW * width or size_wh[1] < _AREA_BELOW * height
    interpolation = cv2.INTER_AREA if is_far else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size_wh, interpolation=interpolation), np.uint8)


def resized_part(
    picture: UInt8Array, area: tuple[int, int, int, int], size_hw: tuple[int, int], *, is_grey: bool = False
) -> UInt8Array:
    """Return a part of a copy of another size without making the whole.

    Args:
        picture: (H, W, 3) uint8.
        area: (y0, x0, y1, x1), half-open, the part in pixels of the copy.
        size_hw: (height, width) of the whole copy.
        is_grey: return grey levels.

    Returns:
        (y1 - y0, x1 - x0, 3) or, grey, (y1 - y0, x1 - x0) uint8.
    """
    y0, x0, y1, x1 = area
    per_pixel = np.array(picture.shape[1::-1]) / np.array(size_hw[::-1])  # (x, y)
    if (per_pixel == 1.0).all():
        part = picture[y0:y1, x0:x1]
        return np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) if is_grey else part, np.uint8)
    margin = _SPARE * np.ceil(per_pixel).astype(int)
    low = np.maximum(np.floor(np.array([x0, y0]) * per_pixel).astype(int) - margin, 0)
    high = np.minimum(np.ceil(np.array([x1, y1]) * per_pixel).astype(int) + margin, picture.shape[1::-1])
    cut = picture[low[1] : high[1], low[0] : high[0]]
    if is_grey:
        cut = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY)
    halving = 1
    while _AREA_BELOW * (per_pixel / halving).min() > 1.0:
        height, width = cut.shape[0] // 2, cut.shape[1] // 2
        cut = cv2.resize(cut[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        halving *= 2
    # Outer edges of both pictures agree, and centres of pixels are whole numbers.
    start = ((np.array([x0, y0]) + 0.5) * per_pixel - low) / halving - 0.5
    affine = np.column_stack([np.diag(per_pixel / halving), start])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(cut, affine, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(part, np.uint8)
