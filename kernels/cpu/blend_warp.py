"""numba implementation of `kernels.blend_warp`: all parts of a pixel at once, texels whole."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kernels.cpu.jit import Array, Four, Integer, Real, Rows, Shape, compiled, inlined
from kernels.cpu.lanes import LANES, read_lanes_each, spread, spread_each, whole_lanes, write_lanes
from kernels.cpu.layout import allocate_texels, formatted_as, to_texels
from kernels.cpu.sampling import each_at, fill_bilinear_taps, mix
from kernels.cpu.storage import array_of, load_each, store
from kernels.cpu.threads import run_rows

__all__ = ["forward"]

_PIXELS_PER_BAND = 4096
_STRETCH = 32


def forward(features: Tensor, flows: Tensor, weights: Tensor, border: bool) -> Tensor:
    """Blend K warps; arguments and result as in `kernels.blend_warp`."""
    batch, channels, height, width = features.shape
    num_flows, _, *out_hw = flows.shape[1:]
    out, results = allocate_texels((batch, channels, *out_hw), features.dtype)
    if features.numel() == 0:
        return formatted_as(features, out.zero_())
    images, targets, shares = to_texels(features), array_of(flows.contiguous()), array_of(weights.contiguous())

    def blend(b: int, first: int, last: int) -> None:
        taps = (np.empty((num_flows, 4, _STRETCH), np.uintp), np.empty((num_flows, 4, _STRETCH), targets.dtype))
        active = (np.empty(4 * num_flows, np.uintp), np.empty(5 * num_flows, targets.dtype))
        inputs = (images[b], targets[b], shares[b], results[b], (height, width, channels))
        _blend(*inputs, border, (first, last), *taps, *active)

    run_rows(blend, batch, out_hw, pixels=_PIXELS_PER_BAND)
    return formatted_as(features, out)


@compiled()
def _blend(
    image: Array,
    flows: Array,
    weights: Array,
    out: Array,
    shape: Shape,
    border: bool,
    rows: Rows,
    places: Array,
    taps: Array,
    spots: Array,
    factors: Array,
) -> None:
    """Blend some rows of a flat (H, W, C) image; the last four are scratch memory for a stretch of a row."""
    num_flows, _, _, out_width = flows.shape
    count = np.uintp(shape[2])
    for y in range(*rows):
        for start in range(0, out_width, _STRETCH):
            length = min(_STRETCH, out_width - start)
            for k in range(num_flows):
                fill_bilinear_taps(flows[k], start, y, shape, border, length, places[k], taps[k])
            for i in range(length):
                num_active = _list_active(weights[:, y, start + i], places, taps, i, spots, factors)
                o = np.uintp(y * out_width + start + i) * count
                _blend_pixel(image, spots, factors, num_active, out, o, count)


@inlined()
def _list_active(shares: Array, places: Array, taps: Array, i: Integer, spots: Array, factors: Array) -> Integer:
    """List the warps that take part in pixel i of a stretch, in order; returns how many.

    Of each, `spots` gets the places of its four texels, `factors` their weights and the share of the warp.
    """
    num_active = np.uintp(0)
    for k in range(shares.size):
        a, b, c, d = each_at(taps[k], i)
        if shares[k] != 0.0 and a + b + c + d != 0.0:
            spot, factor = np.uintp(4) * num_active, np.uintp(5) * num_active
            spots[spot], spots[spot + 1], spots[spot + 2], spots[spot + 3] = each_at(places[k], i)
            factors[factor], factors[factor + 1], factors[factor + 2], factors[factor + 3] = a, b, c, d
            factors[factor + 4] = shares[k]
            num_active += np.uintp(1)
    return num_active


@inlined()
def _blend_pixel(
    image: Array, spots: Array, factors: Array, num_active: Integer, out: Array, o: Integer, count: Integer
) -> None:
    """Blend the active warps of a pixel into `out` at o: many channels at a time, every warp of those."""
    one, two, three, four = np.uintp(LANES), np.uintp(2 * LANES), np.uintp(3 * LANES), np.uintp(4 * LANES)
    whole, zero, channel = whole_lanes(count), factors.dtype.type(0.0), np.uintp(0)
    while channel + four <= whole:
        first, second, third, fourth = spread(zero), spread(zero), spread(zero), spread(zero)
        for k in range(num_active):
            texels, weights, share = _active_at(spots, factors, k)
            share, weights = spread(share), spread_each(weights)
            first = first + share * mix(read_lanes_each(image, texels, channel), weights)
            second = second + share * mix(read_lanes_each(image, texels, channel + one), weights)
            third = third + share * mix(read_lanes_each(image, texels, channel + two), weights)
            fourth = fourth + share * mix(read_lanes_each(image, texels, channel + three), weights)
        write_lanes(out, o + channel, first)
        write_lanes(out, o + channel + one, second)
        write_lanes(out, o + channel + two, third)
        write_lanes(out, o + channel + three, fourth)
        channel += four
    while channel < whole:
        total = spread(zero)
        for k in range(num_active):
            texels, weights, share = _active_at(spots, factors, k)
            total = total + spread(share) * mix(read_lanes_each(image, texels, channel), spread_each(weights))
        write_lanes(out, o + channel, total)
        channel += one
    while channel < count:
        rest = zero
        for k in range(num_active):
            texels, weights, share = _active_at(spots, factors, k)
            rest += share * mix(load_each(image, texels, channel), weights)
        out[o + channel] = store(out, rest)
        channel += np.uintp(1)


@inlined()
def _active_at(spots: Array, factors: Array, k: Integer) -> tuple[Four, Four, Real]:
    """Return the texels, their weights and the share of an active warp."""
    spot, factor = np.uintp(4) * np.uintp(k), np.uintp(5) * np.uintp(k)
    texels = (spots[spot], spots[spot + 1], spots[spot + 2], spots[spot + 3])
    weights = (factors[factor], factors[factor + 1], factors[factor + 2], factors[factor + 3])
    return texels, weights, factors[factor + 4]
