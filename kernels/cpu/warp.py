"""numba implementation of `kernels.warp`: one pass over the flow, whole texels at a time where channels are last."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Four, Integer, Pair, Rows, Shape, compiled, inlined
from kernels.cpu.lanes import (
    LANES,
    prefetch,
    read_lanes,
    read_lanes_each,
    read_neighbours,
    read_places,
    spread,
    spread_each,
    whole_lanes,
    write_lanes,
)
from kernels.cpu.layout import allocate_planes, allocate_texels, formatted_as, to_planes, to_texels
from kernels.cpu.sampling import (
    bicubic_axis,
    column_places,
    dot,
    each_at,
    fill_bilinear_taps,
    is_finite,
    mix,
    scaled,
    texels_from,
)
from kernels.cpu.storage import array_of, load_each, store
from kernels.cpu.streaming import LINE, finish_streaming, worth_streaming, write_lanes_to
from kernels.cpu.threads import run_rows
from kernels.cpu.warp_bytes import sample_bytes
from kernels.formats import is_texels

__all__ = ["forward"]

_PIXELS_PER_BAND = 16384
_STRETCH = 512
_TILE = 8192
_AHEAD = 8


def forward(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    """Sample features at a backward flow; arguments and result as in `kernels.warp`."""
    batch, channels, height, width = features.shape
    out_hw = tuple(flow.shape[2:])
    # Bilinear samples are taken from planes where they are; for bicubic ones channels are worth bringing together.
    as_texels = is_texels(features) or bicubic
    allocate, view = (allocate_texels, to_texels) if as_texels else (allocate_planes, to_planes)
    out, results = allocate((batch, channels, *out_hw), features.dtype)
    if features.numel() == 0 or out.numel() == 0:
        return formatted_as(features, out.zero_())
    images, flows = view(features), array_of(flow.contiguous())
    if not as_texels:
        loop = _sample_planes
    elif bicubic:
        loop = _sample_bicubic
    else:
        packed = features.dtype == torch.uint8 and channels in (3, 4)
        loop = sample_bytes if packed else _sample_bilinear
    shape = (height, width, channels)
    # A result of whole lines that nobody takes apart again may go past the caches.
    streams = is_texels(features) and channels * out.itemsize % LINE == 0 and worth_streaming(out)
    options = (border, streams) if loop in (_sample_bilinear, _sample_bicubic) else (border,)

    def sample(b: int, first: int, last: int) -> None:
        size = _STRETCH if as_texels else _TILE
        scratch = (np.empty((5, size), np.uintp), np.empty((4, size), flows.dtype))
        loop(images[b], flows[b], results[b], shape, *options, (first, last), *scratch)

    run_rows(sample, batch, out_hw, pixels=_PIXELS_PER_BAND)
    return formatted_as(features, out)


@compiled()
def _sample_bilinear(
    image: Array,
    flow: Array,
    out: Array,
    shape: Shape,
    border: bool,
    streams: bool,
    rows: Rows,
    places: Array,
    weights: Array,
) -> None:
    """Sample some rows of a flat (H, W, C) image; the last two are scratch memory."""
    out_width, count = flow.shape[2], np.uintp(shape[2])
    for y in range(*rows):
        for start in range(0, out_width, _STRETCH):
            length = min(_STRETCH, out_width - start)
            fill_bilinear_taps(flow, start, y, shape, border, length, places, weights)
            for i in range(length):
                ahead = each_at(places, min(i + _AHEAD, length - 1))
                for channel in range(np.uintp(0), whole_lanes(count), np.uintp(LANES)):
                    prefetch(image, ahead[2] + channel)
                    prefetch(image, ahead[3] + channel)
                o = np.uintp(y * out_width + start + i) * count
                _blend_texel(image, each_at(places, i), each_at(weights, i), out, o, count, streams)
    if streams:
        finish_streaming()


@inlined()
def _blend_texel(
    image: Array, places: Four, weights: Four, out: Array, o: Integer, count: Integer, streams: bool
) -> None:
    """Blend the `count` channels of four texels of an image into those of `out` from o on, past the caches or not."""
    whole, wide = whole_lanes(count), spread_each(weights)
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        write_lanes_to(out, o + i, mix(read_lanes_each(image, places, i), wide), streams)
    for i in range(whole, count):
        out[o + i] = store(out, mix(load_each(image, places, i), weights))


@compiled()
def _sample_planes(
    image: Array, flow: Array, out: Array, shape: Shape, border: bool, rows: Rows, places: Array, weights: Array
) -> None:
    """Sample some rows of a flat (C, H, W) image: the taps of a tile first, then every plane.

    A tile is a run of pixels: some rows, or a stretch of one.
    """
    height, width, channels = shape
    out_height, out_width = flow.shape[1:]
    most = places.shape[1]
    num_rows, stretch = max(most // out_width, 1), min(out_width, most)
    for top in range(rows[0], rows[1], num_rows):
        bottom = min(top + num_rows, rows[1])
        for start in range(0, out_width, stretch):
            length = min(stretch, out_width - start)
            for y in range(top, bottom):
                first, last = (y - top) * length, (y - top + 1) * length
                taps = (places[:, first:last], weights[:, first:last])
                fill_bilinear_taps(flow, start, y, (height, width, 1), border, length, *taps)
            count = (bottom - top) * length
            _find_squares(places, count)
            for channel in range(channels):
                o = (channel * out_height + top) * out_width + start
                plane = image[channel * height * width : (channel + 1) * height * width]
                _sample_tile(plane, places, weights, out[o : o + count])


@inlined()
def _find_squares(places: Array, count: Integer) -> None:
    """Tell of the blocks of `LANES` pixels in places[4] whether texels on the right are beside those on the left: 0."""
    one = np.uintp(1)
    for begin in range(0, count, LANES):
        apart = np.uintp(0)
        for i in range(begin, min(begin + LANES, count)):
            apart |= (places[2, i] - places[0, i] - one) | (places[3, i] - places[1, i] - one)
        places[4, begin] = apart


@inlined()
def _sample_tile(plane: Array, places: Array, weights: Array, out: Array) -> None:
    """Sample a run of pixels of one plane, `LANES` at a time."""
    whole = whole_lanes(np.uintp(out.size))
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        if places[4, i] == np.uintp(0):
            upper_left, upper_right = read_neighbours(plane, places[0], i)
            lower_left, lower_right = read_neighbours(plane, places[1], i)
        else:
            upper_left, upper_right = read_places(plane, places[0], i), read_places(plane, places[2], i)
            lower_left, lower_right = read_places(plane, places[1], i), read_places(plane, places[3], i)
        write_lanes(out, i, mix((upper_left, lower_left, upper_right, lower_right), _lanes_at(weights, i)))
    for i in range(whole, np.uintp(out.size)):
        out[i] = store(out, mix(load_each(plane, each_at(places, i), np.uintp(0)), each_at(weights, i)))


@inlined()
def _lanes_at(table: Array, i: Integer) -> Four:
    """Read `Lanes` from each row of a (4, N) table."""
    return read_lanes(table[0], i), read_lanes(table[1], i), read_lanes(table[2], i), read_lanes(table[3], i)


@compiled()
def _sample_bicubic(
    image: Array,
    flow: Array,
    out: Array,
    shape: Shape,
    border: bool,
    streams: bool,
    rows: Rows,
    places: Array,
    weights: Array,
) -> None:
    """Sample some rows of a flat (H, W, C) image, bicubically; needs no scratch memory."""
    height, width, _ = shape
    out_width, count = flow.shape[2], np.uintp(shape[2])
    for y in range(*rows):
        for x in range(out_width):
            o = np.uintp(y * out_width + x) * count
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            if is_finite(at_x, at_y):
                columns, wx, _ = bicubic_axis(at_x, width, border)
                lines, wy, _ = bicubic_axis(at_y, height, border)
                _blend_columns(image, columns, lines, wx, wy, out, o, (width, count), streams)
            else:
                for i in range(count):
                    out[o + i] = store(out, flow.dtype.type(0.0))
    if streams:
        finish_streaming()


@inlined()
def _blend_columns(
    image: Array,
    columns: Four,
    lines: Four,
    wx: Four,
    wy: Four,
    out: Array,
    o: Integer,
    sizes: Pair,
    streams: bool,
) -> None:
    """Blend four by four texels of an image into that of `out` at o; `sizes` are the image's width and channels."""
    width, count = sizes
    whole, zero = whole_lanes(count), type(wx[0])(0.0)
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        total = spread(zero)
        for column in range(4):
            texels = texels_from(column_places(columns[column], lines, width), count, i)
            total = total + dot(read_lanes_each(image, texels, np.uintp(0)), spread_each(scaled(wx[column], wy)))
        write_lanes_to(out, o + i, total, streams)
    for i in range(whole, count):
        rest = zero
        for column in range(4):
            texels = texels_from(column_places(columns[column], lines, width), count, i)
            rest += dot(load_each(image, texels, np.uintp(0)), scaled(wx[column], wy))
        out[o + i] = store(out, rest)
