"""numba implementation of `kernels.local_attention`.

All k x k bilinear samples of a pixel share one fraction, so they touch (k + 1) x (k + 1) texels, not 4 k k: the
attention is first folded into the weights of those, and unfolded from their derivatives.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
from kernels.cpu.layout import allocate_as, from_texels, to_texels
from kernels.cpu.sampling import clamped_position, inside_index, is_finite
from kernels.cpu.storage import array_of, load, store
from kernels.cpu.threads import run_bands

__all__ = ["backward", "forward"]

_CHANNELS_PER_GROUP = 32
_PIXELS_PER_BAND = 4096


def forward(features: Tensor, flow: Tensor, logits: Tensor, border: bool) -> Tensor:
    """Weigh the neighbourhood of the flow's target; arguments and result as in `kernels.local_attention`."""
    _, channels, height, width = features.shape
    out_height, out_width = flow.shape[2:]
    size = math.isqrt(logits.shape[1])
    out, results = allocate_as(features, (out_height, out_width))
    if features.numel() == 0:
        return out.zero_()
    step = 1 if out.is_contiguous() else channels
    images, flows, scores = to_texels(features), array_of(flow.contiguous()), array_of(logits.contiguous())

    def attend(first: int, last: int) -> None:
        scratch = (np.empty(size * size, flows.dtype), np.empty((size + 1) ** 2, flows.dtype))
        total = np.empty(channels, dtype=flows.dtype)
        for b in range(first // out_height, -(-last // out_height)):
            rows = (max(first - b * out_height, 0), min(last - b * out_height, out_height))
            sizes = (height, width, channels, step, size)
            _attend(images[b], flows[b], scores[b], results[b], *sizes, border, *rows, *scratch, total)

    run_bands(attend, out.shape[0] * out_height, grain=-(-_PIXELS_PER_BAND // max(out_width, 1)))
    return out


def backward(
    gradient: Tensor, features: Tensor, flow: Tensor, logits: Tensor, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Derive by features, flow and logits; the ones not needed are empty. Same bits for any number of threads."""
    batch, channels, height, width = features.shape
    out_height, out_width = flow.shape[2:]
    size = math.isqrt(logits.shape[1])
    images, gradients = to_texels(features), to_texels(gradient)
    flows, scores = array_of(flow.contiguous()), array_of(logits.contiguous())
    num_groups = -(-channels // _CHANNELS_PER_GROUP)
    for_image = np.zeros((batch, height * width * channels), dtype=flows.dtype)
    for_flow = np.zeros((max(num_groups, 1), batch, 2, out_height, out_width), dtype=flows.dtype)
    for_logits = np.zeros((max(num_groups, 1), batch, size * size, out_height, out_width), dtype=flows.dtype)

    def derive(first: int, last: int) -> None:
        scratch = (np.empty(size * size, flows.dtype), np.empty((2, (size + 1) ** 2), flows.dtype))
        for task in range(first, last):
            b, group = divmod(task, num_groups)
            span = (group * _CHANNELS_PER_GROUP, min((group + 1) * _CHANNELS_PER_GROUP, channels))
            inputs = (images[b], flows[b], scores[b], gradients[b])
            results = (for_image[b], for_flow[group, b], for_logits[group, b])
            _derive(*inputs, *results, height, width, channels, size, *span, border, *scratch)

    if features.numel() > 0:
        run_bands(derive, batch * num_groups, grain=1)
    return (
        from_texels(for_image, features) if needs[0] else features.new_empty(0),
        torch.from_numpy(for_flow.sum(axis=0)) if needs[1] else flow.new_empty(0),
        torch.from_numpy(for_logits.sum(axis=0)) if needs[2] else logits.new_empty(0),
    )


@inlined()
def _softmax(scores: Array, y: Integer, x: Integer, weights: Array) -> None:
    """Turn the logits of a pixel into weights."""
    highest = scores[0, y, x]
    for i in range(1, weights.size):
        highest = max(highest, scores[i, y, x])
    total = type(highest)(0.0)
    for i in range(weights.size):
        weights[i] = np.exp(scores[i, y, x] - highest)
        total += weights[i]
    for i in range(weights.size):
        weights[i] /= total


@inlined()
def _fold(weights: Array, size: Integer, right: Real, down: Real, folded: Array) -> None:
    """Fold k x k attention weights and one bilinear fraction into the weights of (k + 1) x (k + 1) texels."""
    one, side = type(right)(1.0), size + 1
    for i in range(folded.size):
        folded[i] = type(right)(0.0)
    for i in range(size):
        for j in range(size):
            weight = weights[i * size + j]
            upper, lower = weight * (one - down), weight * down
            folded[i * side + j] += upper * (one - right)
            folded[i * side + j + 1] += upper * right
            folded[(i + 1) * side + j] += lower * (one - right)
            folded[(i + 1) * side + j + 1] += lower * right


@inlined()
def _is_outside(index: Integer, size: Integer, border: bool) -> bool:
    return not border and (index < 0 or index >= size)


@compiled()
def _attend(
    image: Array,
    flow: Array,
    scores: Array,
    out: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    step: Integer,
    size: Integer,
    border: bool,
    first: Integer,
    last: Integer,
    weights: Array,
    folded: Array,
    total: Array,
) -> None:
    """Handle rows [first, last) of a flat (H, W, C) image; the last three are scratch memory."""
    _, out_height, out_width = flow.shape
    count, reach = np.uintp(channels), size // 2
    between = np.uintp(1 if step == channels else out_height * out_width)
    for y in range(first, last):
        for x in range(out_width):
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            for i in range(count):
                total[i] = type(at_x)(0.0)
            if is_finite(at_x, at_y):
                # As far outside as the patch reaches is as far as any other place.
                at_x, at_y = clamped_position(at_x, width, reach), clamped_position(at_y, height, reach)
                left, top = np.floor(at_x), np.floor(at_y)
                _softmax(scores, y, x, weights)
                _fold(weights, size, at_x - left, at_y - top, folded)
                for i in range(size + 1):
                    row = int(top) - reach + i
                    for j in range(size + 1):
                        column = int(left) - reach + j
                        if _is_outside(row, height, border) or _is_outside(column, width, border):
                            continue
                        weight = folded[i * (size + 1) + j]
                        texel = inside_index(row, height) * width + inside_index(column, width)
                        a = np.uintp(texel * channels)
                        for c in range(count):
                            total[c] += load(image[a + c]) * weight
            o = np.uintp((y * out_width + x) * step)
            for i in range(count):
                out[o + i * between] = store(out, total[i])


@compiled(fastmath={"reassoc", "nsz"})
def _derive(
    image: Array,
    flow: Array,
    scores: Array,
    gradient: Array,
    for_image: Array,
    for_flow: Array,
    for_logits: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    size: Integer,
    channel_first: Integer,
    channel_last: Integer,
    border: bool,
    weights: Array,
    tables: Array,
) -> None:
    """Handle a span of channels; weights and tables are scratch memory."""
    _, out_height, out_width = flow.shape
    folded, matches = tables[0], tables[1]
    count, reach, side = np.uintp(channel_last - channel_first), size // 2, size + 1
    for y in range(out_height):
        for x in range(out_width):
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            if not is_finite(at_x, at_y):
                continue
            at_x, at_y = clamped_position(at_x, width, reach), clamped_position(at_y, height, reach)
            left, top = np.floor(at_x), np.floor(at_y)
            right, down = at_x - left, at_y - top
            _softmax(scores, y, x, weights)
            _fold(weights, size, right, down, folded)
            o = np.uintp((y * out_width + x) * channels + channel_first)
            for i in range(side):
                row = int(top) - reach + i
                for j in range(side):
                    column = int(left) - reach + j
                    match = type(at_x)(0.0)
                    if not (_is_outside(row, height, border) or _is_outside(column, width, border)):
                        texel = inside_index(row, height) * width + inside_index(column, width)
                        a = np.uintp(texel * channels + channel_first)
                        weight = folded[i * side + j]
                        for c in range(count):
                            for_image[a + c] += load(gradient[o + c]) * weight
                        for c in range(count):
                            match += load(gradient[o + c]) * load(image[a + c])
                    matches[i * side + j] = match
            _unfold(weights, matches, size, right, down, for_flow, for_logits, y, x)


@inlined()
def _unfold(
    weights: Array,
    matches: Array,
    size: Integer,
    right: Real,
    down: Real,
    for_flow: Array,
    for_logits: Array,
    y: Integer,
    x: Integer,
) -> None:
    """Derive by flow and logits, given how well each texel of the patch matches the gradient."""
    one, side = type(right)(1.0), size + 1
    by_x, by_y, mean = type(right)(0.0), type(right)(0.0), type(right)(0.0)
    for i in range(size):
        for j in range(size):
            a, b = matches[i * side + j], matches[i * side + j + 1]
            c, d = matches[(i + 1) * side + j], matches[(i + 1) * side + j + 1]
            weight = weights[i * size + j]
            by_x += weight * ((b - a) * (one - down) + (d - c) * down)
            by_y += weight * ((c - a) * (one - right) + (d - b) * right)
            sampled = (a * (one - right) + b * right) * (one - down) + (c * (one - right) + d * right) * down
            mean += weight * sampled
            for_logits[i * size + j, y, x] = sampled
    for i in range(size * size):
        for_logits[i, y, x] = weights[i] * (for_logits[i, y, x] - mean)
    for_flow[0, y, x], for_flow[1, y, x] = by_x, by_y
