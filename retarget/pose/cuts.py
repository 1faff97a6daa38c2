"""Find where one shot ends and the next begins."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from retarget.records import FloatArray, UInt8Array

__all__ = ["CutDetector"]

_THUMBNAIL_WH: Final = (32, 18)
_MIN_CHANGE: Final = 0.12
"""Mean absolute change of the thumbnail, in [0, 1], under which nothing is a cut."""
_TIMES_USUAL: Final = 4.0
"""A cut changes the picture this many times more than frames of late did."""
_MAX_LIKENESS: Final = 0.6
"""A cut also changes the picture's layout: correlation with the frame before."""
_MEMORY: Final = 0.8


class CutDetector:
    """Compares small copies of consecutive frames; call `is_cut` once a frame, in order."""

    def __init__(self) -> None:
        self._last: FloatArray | None = None
        self._usual_change = 0.0

    def is_cut(self, rgb: UInt8Array) -> bool:
        """Tell whether a new shot begins with this frame; False for the first.

        Args:
            rgb: (H, W, 3) uint8.
        """
        # Coarse rows and columns are enough for the mean and spare reading the whole picture.
        step = max(1, min(rgb.shape[:2]) // 72)
        small = cv2.resize(rgb[::step, ::step], _THUMBNAIL_WH, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        last, self._last = self._last, small
        if last is None:
            return False
        change = float(np.abs(small - last).mean())
        usual, self._usual_change = self._usual_change, _MEMORY * self._usual_change + (1 - _MEMORY) * change
        if change < max(_MIN_CHANGE, _TIMES_USUAL * usual):
            return False
        return _correlation(last, small) < _MAX_LIKENESS


def _correlation(first: FloatArray, second: FloatArray) -> float:
    first, second = first - first.mean(axis=(0, 1)), second - second.mean(axis=(0, 1))
    power = float((first**2).sum() * (second**2).sum())
    return float((first * second).sum()) / power**0.5 if power > 1e-9 else 1.0
