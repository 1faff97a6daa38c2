"""numba implementation of `kernels.blend_warp`: all parts of a pixel at once, texels whole."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from torch import Tensor

from kernels.cpu.jit import Array, Four, Integer, Pair, Source, Span, Taps, compiled, inlined
from kernels.cpu.lanes import LANES, read_lanes_each, spread, spread_each, whole_lanes, write_lanes
from kernels.cpu.layout import allocate_texels, formatted_as, to_texels
from kernels.cpu.sampling import each_at, fill_bilinear_taps, mix, scaled
from kernels.cpu.storage import array_of, load_each, store
from kernels.cpu.threads import run_rows

__all__ = ["forward"]

_PIXELS_PER_BAND = 4096
_STRETCH = 128

_Active: TypeAlias = tuple[Array, Array, Array]
"""The warps that take part in each pixel of a stretch: how many they are (N), and for each warp the four places of its
texels and their weights (N * K * 4)."""


def forward(features: Tensor, flows: Tensor, weights: Tensor, border: bool) -> Tensor:
    """Blend K warps; arguments and result as in `kernels.blend_warp`."""
    batch, channels, height, width = features.shape
    num_flows, _, *out_hw = flows.shape[1:]
    out, results = allocate_texels((batch, channels, *out_hw), features.dtype)
    if features.numel() == 0:
        return formatted_as(features, out.zero_())
    images, targets, shares = to_texels(features), array_of(flows.contiguous()), array_of(weights.contiguous())

    def blend(b: int, first: int, last: int) -> None:
        source, parts = (images[b], (height, width, channels), border), (targets[b], shares[b])
        taps = (np.empty((4, _STRETCH), np.uintp), np.empty((4, _STRETCH), targets.dtype))
        size = _STRETCH * num_flows * 4
        active = (np.empty(_STRETCH, np.uintp), np.empty(size, np.uintp), np.empty(size, targets.dtype))
        _blend(source, parts, results[b], (first, last), taps, active)

    run_rows(blend, batch, out_hw, pixels=_PIXELS_PER_BAND)
    return formatted_as(features, out)


@compiled()
def _blend(source: Source, parts: Pair, out: Array, rows: Span, taps: Taps, active: _Active) -> None:
    """Blend some rows of a flat (H, W, C) image; `parts` are flows and weights, the last two scratch memory."""
    flows, shares = parts
    count, out_width = np.uintp(source[1][2]), flows.shape[3]
    for y in range(*rows):
        for start in range(0, out_width, _STRETCH):
            end = min(start + _STRETCH, out_width)
            active[0][:] = np.uintp(0)
            for k in range(flows.shape[0]):
                fill_bilinear_taps(source, flows[k], y, (start, end), taps)
                _append(taps, shares[k, y, start:end], flows.shape[0], active)
            for i in range(end - start):
                o = np.uintp(y * out_width + start + i) * count
                _blend_pixel(source, active, np.uintp(i * flows.shape[0]), active[0][i], out, o)


@inlined()
def _append(taps: Taps, shares: Array, num_flows: Integer, active: _Active) -> None:
    """Append a warp to the lists of those pixels of a stretch in which it takes part."""
    places, weights = taps
    counts, all_places, all_weights = active
    for i in range(shares.size):
        four = each_at(weights, i)
        if shares[i] != 0.0 and four[0] + four[1] + four[2] + four[3] != 0.0:
            entry = np.uintp(i * num_flows) + counts[i]
            _write_entry(all_places, entry, each_at(places, i))
            _write_entry(all_weights, entry, scaled(shares[i], four))
            counts[i] += np.uintp(1)


@inlined()
def _blend_pixel(source: Source, active: _Active, first: Integer, num_active: Integer, out: Array, o: Integer) -> None:
    """Blend the active warps of a pixel into `out` at o: many channels at a time, every warp of those."""
    (image, (_, _, channels), _), (_, places, weights) = source, active
    one, two, three, four = np.uintp(LANES), np.uintp(2 * LANES), np.uintp(3 * LANES), np.uintp(4 * LANES)
    count, zero, channel = np.uintp(channels), weights.dtype.type(0.0), np.uintp(0)
    whole, last = whole_lanes(count), first + num_active
    while channel + four <= whole:
        a, b, c, d = spread(zero), spread(zero), spread(zero), spread(zero)
        for entry in range(first, last):
            texels, shares = _read_entry(places, entry), spread_each(_read_entry(weights, entry))
            a = a + mix(read_lanes_each(image, texels, channel), shares)
            b = b + mix(read_lanes_each(image, texels, channel + one), shares)
            c = c + mix(read_lanes_each(image, texels, channel + two), shares)
            d = d + mix(read_lanes_each(image, texels, channel + three), shares)
        write_lanes(out, o + channel, a)
        write_lanes(out, o + channel + one, b)
        write_lanes(out, o + channel + two, c)
        write_lanes(out, o + channel + three, d)
        channel += four
    while channel < whole:
        total = spread(zero)
        for entry in range(first, last):
            texels, shares = _read_entry(places, entry), spread_each(_read_entry(weights, entry))
            total = total + mix(read_lanes_each(image, texels, channel), shares)
        write_lanes(out, o + channel, total)
        channel += one
    while channel < count:
        rest = zero
        for entry in range(first, last):
            rest += mix(load_each(image, _read_entry(places, entry), channel), _read_entry(weights, entry))
        out[o + channel] = store(out, rest)
        channel += np.uintp(1)


@inlined()
def _read_entry(table: Array, entry: Integer) -> Four:
    """Return the four neighbours in a flat array that belong to an entry."""
    i = np.uintp(4) * np.uintp(entry)
    return table[i], table[i + np.uintp(1)], table[i + np.uintp(2)], table[i + np.uintp(3)]


@inlined()
def _write_entry(table: Array, entry: Integer, four: Four) -> None:
    """Overwrite the four neighbours in a flat array that belong to an entry."""
    i = np.uintp(4) * np.uintp(entry)
    table[i], table[i + np.uintp(1)], table[i + np.uintp(2)], table[i + np.uintp(3)] = four
