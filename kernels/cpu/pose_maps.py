"""numba implementation of `kernels.pose_maps`: a Gaussian is the product of two short tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled
from kernels.cpu.lanes import LANES, read_lanes, spread, whole_lanes
from kernels.cpu.memory import allocate
from kernels.cpu.storage import array_of
from kernels.cpu.streaming import finish_streaming, worth_streaming, write_lanes_to
from kernels.cpu.threads import run_bands

__all__ = ["forward"]

_PIXELS_PER_BAND = 65536


def forward(keypoints: Tensor, confidence: Tensor, size_hw: Sequence[int], sigma_px: float, stride: int) -> Tensor:
    """Draw one Gaussian per keypoint; `size_hw` is that of the maps, the rest as in `kernels.pose_maps`."""
    batch, num_points, _ = keypoints.shape
    height, width = size_hw
    out = allocate((batch, num_points, height, width), torch.float32)
    maps = array_of(out).reshape(batch * num_points, height * width)
    streams = worth_streaming(out) and width % LANES == 0
    points = array_of(keypoints.contiguous()).reshape(-1, 2)
    weights = array_of(confidence.contiguous()).reshape(-1)
    falloff, offset = np.float32(-0.5 / sigma_px**2), np.float32((stride - 1) / 2)

    def draw(first: int, last: int) -> None:
        table = np.empty(width, dtype=np.float32)
        for k in range(first, last):
            _draw(points[k, 0], points[k, 1], weights[k], falloff, stride, offset, table, maps[k], streams)

    if out.numel() > 0:
        run_bands(draw, len(maps), grain=math.ceil(_PIXELS_PER_BAND / (height * width)))
    return out


@compiled()
def _draw(
    at_x: Real,
    at_y: Real,
    weight: Real,
    falloff: Real,
    stride: Integer,
    offset: Real,
    table: Array,
    out: Array,
    streams: bool,
) -> None:
    """Draw one map, past the caches or not; `table` is scratch memory for a row."""
    width = table.size
    whole = whole_lanes(np.uintp(width))
    if not (abs(at_x) < np.inf and abs(at_y) < np.inf and abs(weight) < np.inf):
        at_x, at_y, weight = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for x in range(width):
        distance = np.float32(x * stride) + offset - at_x
        table[x] = math.exp(distance * distance * falloff)
    for y in range(out.size // width):
        distance = np.float32(y * stride) + offset - at_y
        # + 0 turns the negative zero of a negative weight into zero.
        share = weight * np.float32(math.exp(distance * distance * falloff)) + np.float32(0.0)
        row = np.uintp(y * width)
        for x in range(np.uintp(0), whole, np.uintp(LANES)):
            write_lanes_to((out, streams), row + x, spread(share) * read_lanes(table, x))
        for x in range(whole, np.uintp(width)):
            out[row + x] = share * table[x]
    if streams:
        finish_streaming()
