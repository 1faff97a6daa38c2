"""numba implementation of `kernels.splat`: bands of the result forward, each by itself; a gather backward.

What arrives at a band of rows takes three sweeps over the pixels that land there: the highest importance, the total
weights, then the values. Pixels are swept in order, so sums come out the same however the result is cut.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, Span, compiled, inlined
from kernels.cpu.layout import allocate_texels, formatted_as, from_texels, to_texels
from kernels.cpu.memory import allocate, allocate_zeros
from kernels.cpu.storage import array_of
from kernels.cpu.texels import add_texel, match_texel
from kernels.cpu.threads import run_rows

__all__ = ["backward", "forward"]

_PIXELS_PER_BAND = 4096


def forward(values: Tensor, flow: Tensor, importance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Send every pixel along a forward flow; returns values, coverage, and (B, 2, H, W) maximum and total weight."""
    batch, channels, height, width = values.shape
    texels, flows = to_texels(values), array_of(flow.contiguous())
    scores = array_of(importance.contiguous()).reshape(batch, height, width)
    coverage, totals = (allocate((batch, count, height, width), flow.dtype) for count in (1, 2))
    out, results = allocate_texels(values.shape, values.dtype)
    factors = array_of(allocate((batch, 4, height, width), flow.dtype))
    reaches = np.empty((batch, height, 2), np.int64)

    def reach(b: int, first: int, last: int) -> None:
        _find_reach(flows[b], scores[b], reaches[b], (first, last))

    def arrive(b: int, first: int, last: int) -> None:
        inputs = (texels[b], flows[b], scores[b], reaches[b], factors[b])
        _arrive(*inputs, array_of(coverage[b, 0]), array_of(totals[b]), results[b], channels, (first, last))

    for step in (reach, arrive):
        run_rows(step, batch, (height, width), pixels=_PIXELS_PER_BAND)
    return formatted_as(values, out), coverage, totals


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
def _find_reach(flow: Array, scores: Array, reach: Array, rows: Span) -> None:
    """Tell for some rows of pixels on which rows they land: the first, and the one after the last."""
    _, height, width = flow.shape
    for y in range(*rows):
        highest, lowest = height, 0
        for x in range(width):
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            if _lands(at_x, at_y, scores[y, x], height, width):
                top = int(np.floor(at_y))
                highest, lowest = min(highest, top), max(lowest, top + 2)
        reach[y, 0], reach[y, 1] = max(highest, 0), min(lowest, height)


@compiled()
def _arrive(
    texels: Array,
    flow: Array,
    scores: Array,
    reach: Array,
    factors: Array,
    coverage: Array,
    totals: Array,
    out: Array,
    channels: Integer,
    rows: Span,
) -> None:
    """Fill in some rows of coverage, totals and result; `factors` is scratch memory, four numbers for each pixel."""
    _, height, width = flow.shape
    first, last = rows
    count = np.uintp(channels)
    for row in range(first, last):
        coverage[row][:] = flow.dtype.type(0.0)
        totals[0, row][:] = -np.inf
        totals[1, row][:] = flow.dtype.type(0.0)
    out[first * width * channels : last * width * channels] = out.dtype.type(0.0)
    for sweep in range(3):
        for y in range(height):
            if reach[y, 0] >= last or reach[y, 1] <= first:
                continue
            for x in range(width):
                at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
                score = scores[y, x]
                if not _lands(at_x, at_y, score, height, width):
                    continue
                left, top = int(np.floor(at_x)), int(np.floor(at_y))
                for row in range(max(top, first), min(top + 2, last)):
                    share_y = type(at_x)(1.0) - abs(at_y - type(at_x)(row))
                    for column in range(max(left, 0), min(left + 2, width)):
                        share = share_y * (type(at_x)(1.0) - abs(at_x - type(at_x)(column)))
                        if share <= 0.0:
                            continue
                        neighbour = 2 * (row - top) + column - left
                        if sweep == 0:
                            totals[0, row, column] = max(totals[0, row, column], score)
                        elif sweep == 1:
                            factor = np.exp(score - totals[0, row, column])
                            factors[neighbour, y, x] = factor
                            coverage[row, column] += share
                            totals[1, row, column] += share * factor
                        else:
                            weight = _share_of(factors[neighbour, y, x], totals[1, row, column]) * share
                            o, a = np.uintp(y * width + x) * count, np.uintp(row * width + column) * count
                            add_texel(texels, o, weight, out, a, count)


@inlined()
def _share_of(factor: Real, total: Real) -> Real:
    """Divide by the total weight; nothing where nothing arrives."""
    return factor / total if total > 0.0 else type(factor)(0.0)


@inlined()
def _weight(score: Real, totals: Array, row: Integer, column: Integer) -> Real:
    """Tell how much a whole pixel of this score would weigh where it lands; 0 where nothing arrives."""
    return _share_of(np.exp(score - totals[0, row, column]), totals[1, row, column])


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
    rows: Span,
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
