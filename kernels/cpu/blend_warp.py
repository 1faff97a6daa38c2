"""numba implementation of `kernels.blend_warp`: all parts of a pixel at once, texels whole."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Rows, Shape, compiled, inlined
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
        inputs = (images[b], targets[b], shares[b], results[b], (height, width, channels))
        _blend(*inputs, border, (first, last), *taps, np.empty(num_flows, np.int64))

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
    active: Array,
) -> None:
    """Blend some rows of a flat (H, W, C) image; the last three are scratch memory for a stretch of a row."""
    num_flows, _, _, out_width = flows.shape
    count = np.uintp(shape[2])
    for y in range(*rows):
        for start in range(0, out_width, _STRETCH):
            length = min(_STRETCH, out_width - start)
            for k in range(num_flows):
                fill_bilinear_taps(flows[k], start, y, shape, border, length, places[k], taps[k])
            for i in range(length):
                shares = weights[:, y, start + i]
                num_active = _find_active(shares, taps, i, active)
                o = np.uintp(y * out_width + start + i) * count
                _blend_pixel(image, shares, places, taps, i, active[:num_active], out, o, count)


@inlined()
def _find_active(shares: Array, taps: Array, i: Integer, active: Array) -> Integer:
    """List the warps that take part in pixel i of a stretch, in order; returns how many."""
    num_active = 0
    for k in range(shares.size):
        a, b, c, d = each_at(taps[k], i)
        if shares[k] != 0.0 and a + b + c + d != 0.0:
            active[num_active] = k
            num_active += 1
    return num_active


@inlined()
def _blend_pixel(
    image: Array,
    shares: Array,
    places: Array,
    taps: Array,
    i: Integer,
    active: Array,
    out: Array,
    o: Integer,
    count: Integer,
) -> None:
    """Blend the active warps of pixel i of a stretch into `out` at o: a few channels at a time, every warp of those."""
    whole, zero = whole_lanes(count), type(shares[0])(0.0)
    for channel in range(np.uintp(0), whole, np.uintp(LANES)):
        total = spread(zero)
        for k in active:
            texels = read_lanes_each(image, each_at(places[k], i), channel)
            total = total + spread(shares[k]) * mix(texels, spread_each(each_at(taps[k], i)))
        write_lanes(out, o + channel, total)
    for channel in range(whole, count):
        rest = zero
        for k in active:
            rest += shares[k] * mix(load_each(image, each_at(places[k], i), channel), each_at(taps[k], i))
        out[o + channel] = store(out, rest)
