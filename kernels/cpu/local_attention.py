"""numba implementation of `kernels.local_attention`.

All k x k bilinear samples of a pixel share one fraction, so they touch (k + 1) x (k + 1) texels, not 4 k k: the
attention is first folded into the weights of those, and unfolded from their derivatives.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, Source, Span, compiled, inlined
from kernels.cpu.lanes import LANES, read_lanes, spread, whole_lanes, write_lanes
from kernels.cpu.layout import allocate_texels, formatted_as, from_texels, to_texels
from kernels.cpu.memory import allocate_zeros, sum_in_order
from kernels.cpu.sampling import clamped_position, inside_index, is_finite
from kernels.cpu.storage import array_of, load, store
from kernels.cpu.texels import add_texel, match_texel
from kernels.cpu.threads import run_bands, run_rows

__all__ = ["backward", "forward"]

_CHANNELS_PER_GROUP = 32
_PIXELS_PER_BAND = 4096

_Patch: TypeAlias = tuple[Array, Array, Array]
"""What a pixel looks at: the attention (k * k), the weights of (k + 1)^2 texels that it is folded into, and where they
lie, counted in texels; -1 stands for outside."""


def forward(features: Tensor, flow: Tensor, logits: Tensor, border: bool) -> Tensor:
    """Weigh the neighbourhood of the flow's target; arguments and result as in `kernels.local_attention`."""
    batch, channels, height, width = features.shape
    out_height, out_width = flow.shape[2:]
    size = math.isqrt(logits.shape[1])
    out, results = allocate_texels((batch, channels, out_height, out_width), features.dtype)
    if features.numel() == 0:
        return formatted_as(features, out.zero_())
    images, flows, scores = to_texels(features), array_of(flow.contiguous()), array_of(logits.contiguous())

    def attend(b: int, first: int, last: int) -> None:
        patch = (size + 1) ** 2
        scratch = (np.empty(size * size, flows.dtype), np.empty(patch, flows.dtype), np.empty(patch, np.int64))
        source = (images[b], (height, width, channels), border)
        _attend(source, flows[b], scores[b], size, results[b], (first, last), scratch)

    run_rows(attend, batch, (out_height, out_width), pixels=_PIXELS_PER_BAND)
    return formatted_as(features, out)


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
    planes = (max(num_groups, 1), batch)
    for_image = allocate_zeros((batch, height * width * channels), flow.dtype)
    for_flow = allocate_zeros((*planes, 2, out_height, out_width), flow.dtype)
    for_logits = allocate_zeros((*planes, size * size, out_height, out_width), flow.dtype)

    def derive(first: int, last: int) -> None:
        patch = (size + 1) ** 2
        scratch = (np.empty(size * size, flows.dtype), np.empty(patch, flows.dtype), np.empty(patch, np.int64))
        matches = np.empty(patch, flows.dtype)
        for task in range(first, last):
            b, group = divmod(task, num_groups)
            span = (group * _CHANNELS_PER_GROUP, min((group + 1) * _CHANNELS_PER_GROUP, channels))
            source = (images[b], (height, width, channels), border)
            results = tuple(map(array_of, (for_image[b], for_flow[group, b], for_logits[group, b])))
            _derive(source, flows[b], scores[b], size, gradients[b], results, span, scratch, matches)

    if features.numel() > 0:
        run_bands(derive, batch * num_groups, grain=1)
    return (
        from_texels(for_image, features) if needs[0] else features.new_empty(0),
        sum_in_order(for_flow) if needs[1] else flow.new_empty(0),
        sum_in_order(for_logits) if needs[2] else logits.new_empty(0),
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
def _find_patch(
    source: Source, flow: Array, scores: Array, y: Integer, x: Integer, size: Integer, patch: _Patch
) -> tuple[Real, Real]:
    """Fill in the patch of a pixel.

    Returns:
        The fraction that all samples share, across and down; negative where the position is not finite.
    """
    (_, (height, width, _), border), (weights, folded, places) = source, patch
    side, reach = size + 1, size // 2
    at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
    if not is_finite(at_x, at_y):
        return type(at_x)(-1.0), type(at_x)(-1.0)
    # As far outside as the patch reaches is as far as any other place.
    at_x, at_y = clamped_position(at_x, width, reach), clamped_position(at_y, height, reach)
    left, top = np.floor(at_x), np.floor(at_y)
    _softmax(scores, y, x, weights)
    _fold(weights, size, at_x - left, at_y - top, folded)
    for i in range(side):
        row = int(top) - reach + i
        for j in range(side):
            column = int(left) - reach + j
            is_inside = row >= 0 and row < height and column >= 0 and column < width
            place = inside_index(row, height) * width + inside_index(column, width)
            places[i * side + j] = place if is_inside or border else -1
    return at_x - left, at_y - top


@compiled()
def _attend(source: Source, flow: Array, scores: Array, size: Integer, out: Array, rows: Span, patch: _Patch) -> None:
    """Handle some rows of a flat (H, W, C) image."""
    (image, (_, _, channels), _), (_, folded, places) = source, patch
    out_width, count = flow.shape[2], np.uintp(channels)
    whole, zero = whole_lanes(count), flow.dtype.type(0.0)
    for y in range(*rows):
        for x in range(out_width):
            right, _ = _find_patch(source, flow, scores, y, x, size, patch)
            if right < zero:
                places[:] = -1
            o = np.uintp(y * out_width + x) * count
            for c in range(np.uintp(0), whole, np.uintp(LANES)):
                total = spread(zero)
                for i in range(places.size):
                    if places[i] >= 0:
                        texel = np.uintp(places[i]) * count + c
                        total = total + read_lanes(image, texel) * spread(folded[i])
                write_lanes(out, o + c, total)
            for c in range(whole, count):
                rest = zero
                for i in range(places.size):
                    if places[i] >= 0:
                        rest += load(image[np.uintp(places[i]) * count + c]) * folded[i]
                out[o + c] = store(out, rest)


@compiled()
def _derive(
    source: Source,
    flow: Array,
    scores: Array,
    size: Integer,
    gradient: Array,
    results: tuple[Array, Array, Array],
    span: Span,
    patch: _Patch,
    matches: Array,
) -> None:
    """Handle a span of channels: derive by image, flow and logits; the last two are scratch memory."""
    (image, (_, _, channels), _), (weights, folded, places) = source, patch
    for_image, for_flow, for_logits = results
    _, out_height, out_width = flow.shape
    apart, begin, count = np.uintp(channels), np.uintp(span[0]), np.uintp(span[1] - span[0])
    for y in range(out_height):
        for x in range(out_width):
            right, down = _find_patch(source, flow, scores, y, x, size, patch)
            if right < 0.0:
                continue
            above = np.uintp(y * out_width + x) * apart + begin
            for i in range(places.size):
                matches[i] = flow.dtype.type(0.0)
                if places[i] >= 0:
                    texel = np.uintp(places[i]) * apart + begin
                    add_texel(gradient, above, folded[i], for_image, texel, count)
                    matches[i] = match_texel(gradient, above, image, texel, matches[i], count)
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
