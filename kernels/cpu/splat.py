"""numba implementation of `kernels.splat`: two passes forward (the maximum, then the sums), a gather backward."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, Rows, compiled, inlined
from kernels.cpu.layout import from_texels, to_texels
from kernels.cpu.memory import allocate_zeros
from kernels.cpu.storage import array_of
from kernels.cpu.texels import add_texel, match_texel
from kernels.cpu.threads import run_bands, run_rows

__all__ = ["backward", "forward"]

_CHANNELS_PER_GROUP = 32
_PIXELS_PER_BAND = 4096


def forward(values: Tensor, flow: Tensor, importance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Send every pixel along a forward flow; returns values, coverage, and (B, 2, H, W) maximum and total weight."""
    batch, channels, height, width = values.shape
    texels, flows = to_texels(values), array_of(flow.contiguous())
    scores = array_of(importance.contiguous()).reshape(batch, height, width)
    coverage, totals = (np.zeros((batch, count, height, width), dtype=flows.dtype) for count in (1, 2))
    sums = allocate_zeros((batch, height * width * channels), flow.dtype)
    num_groups = -(-channels // _CHANNELS_PER_GROUP)

    def weigh(first: int, last: int) -> None:
        for b in range(first, last):
            _weigh(flows[b], scores[b], coverage[b, 0], totals[b])

    def add(first: int, last: int) -> None:
        for task in range(first, last):
            b, group = divmod(task, num_groups)
            span = (group * _CHANNELS_PER_GROUP, min((group + 1) * _CHANNELS_PER_GROUP, channels))
            _add(texels[b], flows[b], scores[b], totals[b], array_of(sums[b]), channels, *span)

    if values.numel() > 0:
        run_bands(weigh, batch, grain=1)
        run_bands(add, batch * num_groups, grain=1)
    return from_texels(sums, values), torch.from_numpy(coverage), torch.from_numpy(totals)


def backward(
    for_result: Tensor,
    for_coverage: Tensor,
    values: Tensor,
    flow: Tensor,
    importance: Tensor,
    result: Tensor,
    totals: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Derive by values, flow and importance: each pixel looks at the four it went to."""
    batch, channels, height, width = values.shape
    texels, gradients = to_texels(values), to_texels(for_result)
    flows, scores = array_of(flow.contiguous()), array_of(importance.contiguous())
    weights, covered = array_of(totals.contiguous()), array_of(for_coverage.contiguous())
    # What a gradient would gain from moving all of a pixel's value, one number per pixel.
    level = array_of((for_result * result).sum(dim=1).contiguous())
    for_values = allocate_zeros((batch, height * width * channels), flow.dtype)
    for_flow, for_importance = np.zeros_like(flows), np.zeros_like(scores)

    def gather(b: int, first: int, last: int) -> None:
        inputs = (texels[b], flows[b], scores[b, 0], gradients[b], weights[b], level[b], covered[b, 0])
        results = (array_of(for_values[b]), for_flow[b], for_importance[b, 0])
        _gather(*inputs, *results, channels, (first, last))

    if values.numel() > 0:
        run_rows(gather, batch, (height, width), pixels=_PIXELS_PER_BAND)
    return from_texels(for_values, values), torch.from_numpy(for_flow), torch.from_numpy(for_importance)


@inlined()
def _lands(at_x: Real, at_y: Real, score: Real, height: Integer, width: Integer) -> bool:
    """Tell whether a pixel lands within one pixel of the image; NaN fails."""
    one = type(at_x)(1.0)
    return bool(at_x > -one and at_y > -one and at_x < width and at_y < height and abs(score) < np.inf)


@compiled()
def _weigh(flow: Array, scores: Array, coverage: Array, totals: Array) -> None:
    """Fill in the coverage, and for each pixel the highest score that arrives (-inf if none) and the total weight."""
    _, height, width = flow.shape
    totals[0] = -np.inf
    for is_sum in (False, True):
        for y in range(height):
            for x in range(width):
                at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
                score = scores[y, x]
                if not _lands(at_x, at_y, score, height, width):
                    continue
                left, top = int(np.floor(at_x)), int(np.floor(at_y))
                for row in range(max(top, 0), min(top + 2, height)):
                    share_y = type(at_x)(1.0) - abs(at_y - type(at_x)(row))
                    for column in range(max(left, 0), min(left + 2, width)):
                        share = share_y * (type(at_x)(1.0) - abs(at_x - type(at_x)(column)))
                        if share <= 0.0:
                            continue
                        if is_sum:
                            coverage[row, column] += share
                            totals[1, row, column] += share * np.exp(score - totals[0, row, column])
                        else:
                            totals[0, row, column] = max(totals[0, row, column], score)


@inlined()
def _weight(score: Real, totals: Array, row: Integer, column: Integer) -> Real:
    """Tell how much a whole pixel of this score would weigh where it lands; 0 where nothing arrives."""
    total = totals[1, row, column]
    return np.exp(score - totals[0, row, column]) / total if total > 0.0 else type(score)(0.0)


@compiled()
def _add(
    texels: Array,
    flow: Array,
    scores: Array,
    totals: Array,
    sums: Array,
    channels: Integer,
    channel_first: Integer,
    channel_last: Integer,
) -> None:
    """Add a span of channels of every pixel to the four pixels it goes to, with weights that sum up to 1 there."""
    _, height, width = flow.shape
    count = np.uintp(channel_last - channel_first)
    for y in range(height):
        for x in range(width):
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            score = scores[y, x]
            if not _lands(at_x, at_y, score, height, width):
                continue
            left, top = int(np.floor(at_x)), int(np.floor(at_y))
            o = np.uintp((y * width + x) * channels + channel_first)
            for row in range(max(top, 0), min(top + 2, height)):
                share_y = type(at_x)(1.0) - abs(at_y - type(at_x)(row))
                for column in range(max(left, 0), min(left + 2, width)):
                    share = share_y * (type(at_x)(1.0) - abs(at_x - type(at_x)(column)))
                    if share > 0.0:
                        weight = _weight(score, totals, row, column) * share
                        a = np.uintp((row * width + column) * channels + channel_first)
                        add_texel(texels, o, weight, sums, a, count)


@compiled()
def _gather(
    texels: Array,
    flow: Array,
    scores: Array,
    gradient: Array,
    totals: Array,
    level: Array,
    covered: Array,
    for_values: Array,
    for_flow: Array,
    for_importance: Array,
    channels: Integer,
    rows: Rows,
) -> None:
    """Derive some rows."""
    _, height, width = flow.shape
    count = np.uintp(channels)
    for y in range(*rows):
        for x in range(width):
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            score, one = scores[y, x], type(at_x)(1.0)
            if not _lands(at_x, at_y, score, height, width):
                continue
            left, top = np.floor(at_x), np.floor(at_y)
            by_x, by_y, by_score = type(at_x)(0.0), type(at_x)(0.0), type(at_x)(0.0)
            o = np.uintp((y * width + x) * channels)
            for row in range(max(int(top), 0), min(int(top) + 2, height)):
                share_y, slope_y = (one - (at_y - top), -one) if row == int(top) else (at_y - top, one)
                for column in range(max(int(left), 0), min(int(left) + 2, width)):
                    share_x, slope_x = (one - (at_x - left), -one) if column == int(left) else (at_x - left, one)
                    a = np.uintp((row * width + column) * channels)
                    weight = _weight(score, totals, row, column)
                    match = match_texel(gradient, a, texels, o, type(at_x)(0.0), count)
                    add_texel(gradient, a, weight * share_x * share_y, for_values, o, count)
                    gain = weight * (match - level[row, column])
                    by_score += gain * share_x * share_y
                    by_x += (gain + covered[row, column]) * slope_x * share_y
                    by_y += (gain + covered[row, column]) * share_x * slope_y
            for_flow[0, y, x], for_flow[1, y, x], for_importance[y, x] = by_x, by_y, by_score
