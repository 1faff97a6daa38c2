"""Shrink pictures quickly: by halves as far as that goes, then the rest at once.

Averaging over areas of broken size takes OpenCV five times as long as over 2 x 2 pixels, and it is done several times
a frame.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from retarget.records import UInt8Array

__all__ = ["shrink"]

_AREA_BELOW: Final = 0.5
"""Scale under which shrinking averages over areas; above it interpolation sees every pixel, at a third of the time."""


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
