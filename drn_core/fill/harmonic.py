"""Continue values smoothly over the pixels where none are known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["continue_smoothly"]

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_SWEEPS = 24  # per size; the coarser sizes have done the rest
_SMALLEST_PX = 4
_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4.0


def continue_smoothly(values: FloatArray, known: BoolArray) -> FloatArray:
    """Solve Laplace's equation over the unknown pixels, from coarse to fine; borders of the picture are free.

    Args:
        values: (H, W, C) float32; only what is known is looked at.
        known: (H, W), True where values stand.

    Returns:
        (H, W, C) float32, equal to `values` where known; zero where nothing at all is known.
    """
    if known.all():
        return values
    height, width = known.shape
    if min(height, width) <= _SMALLEST_PX:
        mean = values[known].mean(axis=0) if known.any() else np.zeros(values.shape[2], np.float32)
        return np.where(known[..., None], values, mean).astype(np.float32)
    half_hw = ((height + 1) // 2, (width + 1) // 2)
    pad = ((0, 2 * half_hw[0] - height), (0, 2 * half_hw[1] - width))
    blocks = (half_hw[0], 2, half_hw[1], 2)
    counts = np.pad(known, pad).astype(np.float32).reshape(blocks).sum(axis=(1, 3))
    sums = np.pad(np.where(known[..., None], values, 0.0), (*pad, (0, 0))).reshape(*blocks, -1).sum(axis=(1, 3))
    coarse = continue_smoothly((sums / np.maximum(counts, 1.0)[..., None]).astype(np.float32), counts > 0)
    start = cv2.resize(coarse, (2 * half_hw[1], 2 * half_hw[0]), interpolation=cv2.INTER_LINEAR)
    result = np.where(known[..., None], values, start.reshape(2 * half_hw[0], 2 * half_hw[1], -1)[:height, :width])
    result = np.ascontiguousarray(result, np.float32)
    unknown = ~known
    for _ in range(_SWEEPS):
        mean = cv2.filter2D(result, -1, _NEIGHBOURS, borderType=cv2.BORDER_REPLICATE).reshape(result.shape)
        result[unknown] = mean[unknown]
    return result
