"""numba implementation of `kernels.pose_maps`: a Gaussian is the product of two short tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled
from kernels.cpu.memory import allocate
from kernels.cpu.storage import array_of
from kernels.cpu.threads import run_bands

__all__ = ["forward"]

_PIXELS_PER_BAND = 65536


def forward(keypoints: Tensor, confidence: Tensor, size_hw: Sequence[int], sigma_px: float, stride: int) -> Tensor:
    """Draw one Gaussian per keypoint; `size_hw` is that of the maps, the rest as in `kernels.pose_maps`."""
    batch, num_points, _ = keypoints.shape
    height, width = size_hw
    out = allocate((batch, num_points, height, width), torch.float32)
    maps = array_of(out).reshape(batch * num_points, height, width)
    points = array_of(keypoints.contiguous()).reshape(-1, 2)
    weights = array_of(confidence.contiguous()).reshape(-1)
    falloff = np.float32(-0.5 / sigma_px**2)

    def draw(first: int, last: int) -> None:
        table = np.empty(width, dtype=np.float32)
        for k in range(first, last):
            _draw(points[k, 0], points[k, 1], weights[k], falloff, stride, np.float32((stride - 1) / 2), table, maps[k])

    run_bands(draw, len(maps), grain=math.ceil(_PIXELS_PER_BAND / max(height * width, 1)))
    return out


@compiled()
def _draw(
    at_x: Real, at_y: Real, weight: Real, falloff: Real, stride: Integer, offset: Real, table: Array, out: Array
) -> None:
    """Draw one map; `table` is scratch memory for a row."""
    height, width = out.shape
    if not (abs(at_x) < np.inf and abs(at_y) < np.inf and abs(weight) < np.inf):
        at_x, at_y, weight = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for x in range(width):
        distance = np.float32(x * stride) + offset - at_x
        table[x] = math.exp(distance * distance * falloff)
    for y in range(height):
        distance = np.float32(y * stride) + offset - at_y
        share = weight * np.float32(math.exp(distance * distance * falloff))
        line = out[y]
        if share == np.float32(0.0):
            line[:] = np.float32(0.0)
        else:
            for x in range(width):
                line[x] = share * table[x]
