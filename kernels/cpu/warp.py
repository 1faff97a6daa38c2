"""numba implementation of `kernels.warp`: one pass over the flow, whole texels at a time where channels are last."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from kernels.cpu.byte_lanes import write_pixels
from kernels.cpu.byte_stretch import (
    STRETCH,
    Stretch,
    allocate_stretch,
    block_at,
    is_packed,
    sample_stretch,
    stretch_at,
)
from kernels.cpu.jit import Array, Four, Integer, Source, Span, Taps, Target, compiled, inlined
from kernels.cpu.lanes import (
    LANES,
    prefetch,
    read_lanes_each,
    read_neighbours,
    read_places,
    read_rows,
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
from kernels.formats import is_texels

__all__ = ["forward"]

_PIXELS_PER_BAND = 2048
_TILE = 8192
_AHEAD = 8


def forward(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    """Sample features at a backward flow; arguments and result as in `kernels.warp`."""
    batch, channels, height, width = features.shape
    out_hw = flow.shape[2:]
    # Bilinear samples are taken from planes where they are; for bicubic ones channels are worth bringing together.
    were_texels = is_texels(features)
    as_texels = were_texels or bicubic
    allocate, view = (allocate_texels, to_texels) if as_texels else (allocate_planes, to_planes)
    out, results = allocate((batch, channels, *out_hw), features.dtype)
    if features.numel() == 0 or out.numel() == 0:
        return formatted_as(features, out.zero_())
    images, flows = view(features), array_of(flow.contiguous())
    # A result of whole lines that nobody takes apart again may go past the caches.
    streams = were_texels and channels * out.itemsize % LINE == 0 and worth_streaming(out)

    def sample(b: int, first: int, last: int) -> None:
        source, target = (images[b], (height, width, channels), border), (results[b], streams)
        work = (source, flows[b], target, (first, last))
        if not as_texels:
            _sample_planes(*work, _allocate_taps(_TILE, flows.dtype))
        elif bicubic:
            _sample_bicubic(*work)
        elif is_packed(features, out_hw[1]):
            _sample_bytes(*work, allocate_stretch())
        else:
            _sample_bilinear(*work, _allocate_taps(STRETCH, flows.dtype))

    run_rows(sample, batch, out_hw, pixels=_PIXELS_PER_BAND)
    return out if as_texels == were_texels else formatted_as(features, out)


def _allocate_taps(size: int, dtype: Any) -> Taps:
    """Allocate memory for the taps of so many pixels; a fifth row of places is for `_find_squares`."""
    return np.empty((5, size), np.uintp), np.empty((4, size), dtype)


@compiled()
def _sample_bilinear(source: Source, flow: Array, target: Target, rows: Span, taps: Taps) -> None:
    """Sample some rows of a flat (H, W, C) image."""
    image, (_, _, channels), _ = source
    places, weights = taps
    out_width, count = flow.shape[2], np.uintp(channels)
    for y in range(*rows):
        for start in range(0, out_width, STRETCH):
            end = min(start + STRETCH, out_width)
            fill_bilinear_taps(source, flow, y, (start, end), taps)
            for i in range(end - start):
                ahead = each_at(places, min(i + _AHEAD, end - start - 1))
                for channel in range(np.uintp(0), whole_lanes(count), np.uintp(LANES)):
                    prefetch(image, ahead[2] + channel)
                    prefetch(image, ahead[3] + channel)
                o = np.uintp(y * out_width + start + i) * count
                _blend_texel(source, each_at(places, i), each_at(weights, i), target, o)
    if target[1]:
        finish_streaming()


@inlined()
def _blend_texel(source: Source, places: Four, weights: Four, target: Target, o: Integer) -> None:
    """Blend all channels of four texels into those of the target from o on."""
    (image, (_, _, channels), _), out = source, target[0]
    count, wide = np.uintp(channels), spread_each(weights)
    whole = whole_lanes(count)
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        write_lanes_to(target, o + i, mix(read_lanes_each(image, places, i), wide))
    for i in range(whole, count):
        out[o + i] = store(out, mix(load_each(image, places, i), weights))


@compiled()
def _sample_bytes(source: Source, flow: Array, target: Target, rows: Span, stretch: Stretch) -> None:
    """Sample some rows of a flat (H, W, 3 or 4) byte image of at least `LANES` columns."""
    (_, (_, _, channels), _), (out, _) = source, target
    out_width, sampled = flow.shape[2], stretch[2]
    for y in range(*rows):
        for begin in range(0, out_width, STRETCH):
            columns = stretch_at(begin, out_width)
            sample_stretch(source, flow, y, columns, stretch)
            for block in range(0, columns[1] - columns[0], LANES):
                i = block_at(block, columns)
                address = out.ctypes.data + (y * out_width + columns[0] + i) * channels
                if channels == 4:
                    write_pixels(4, address, read_rows(sampled, np.uintp(i)))
                else:
                    write_pixels(3, address, read_rows(sampled, np.uintp(i)))


@compiled()
def _sample_planes(source: Source, flow: Array, target: Target, rows: Span, taps: Taps) -> None:
    """Sample some rows of a flat (C, H, W) image: the taps of a tile first, then every plane.

    A tile is a run of pixels: some rows, or a stretch of one.
    """
    (image, (height, width, channels), border), (out, _) = source, target
    places, weights = taps
    out_height, out_width = flow.shape[1:]
    num_rows, stretch = max(_TILE // out_width, 1), min(out_width, _TILE)
    for top in range(rows[0], rows[1], num_rows):
        bottom = min(top + num_rows, rows[1])
        for start in range(0, out_width, stretch):
            end = min(start + stretch, out_width)
            for y in range(top, bottom):
                first, last = (y - top) * (end - start), (y - top + 1) * (end - start)
                # All planes have the same taps: those of a picture of one channel.
                plane = (image, (height, width, 1), border)
                fill_bilinear_taps(plane, flow, y, (start, end), (places[:, first:last], weights[:, first:last]))
            count = (bottom - top) * (end - start)
            _find_squares(places, count)
            for channel in range(channels):
                o = (channel * out_height + top) * out_width + start
                pixels = image[channel * height * width : (channel + 1) * height * width]
                _sample_tile(pixels, taps, out[o : o + count])


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
def _sample_tile(plane: Array, taps: Taps, out: Array) -> None:
    """Sample a run of pixels of one plane, `LANES` at a time."""
    places, weights = taps
    whole = whole_lanes(np.uintp(out.size))
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        if places[4, i] == np.uintp(0):
            upper_left, upper_right = read_neighbours(plane, places[0], i)
            lower_left, lower_right = read_neighbours(plane, places[1], i)
        else:
            upper_left, upper_right = read_places(plane, places[0], i), read_places(plane, places[2], i)
            lower_left, lower_right = read_places(plane, places[1], i), read_places(plane, places[3], i)
        write_lanes(out, i, mix((upper_left, lower_left, upper_right, lower_right), read_rows(weights, i)))
    for i in range(whole, np.uintp(out.size)):
        out[i] = store(out, mix(load_each(plane, each_at(places, i), np.uintp(0)), each_at(weights, i)))


@compiled()
def _sample_bicubic(source: Source, flow: Array, target: Target, rows: Span) -> None:
    """Sample some rows of a flat (H, W, C) image, bicubically."""
    (_, (height, width, channels), border), (out, streams) = source, target
    out_width, count = flow.shape[2], np.uintp(channels)
    for y in range(*rows):
        for x in range(out_width):
            o = np.uintp(y * out_width + x) * count
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            if is_finite(at_x, at_y):
                columns, wx, _ = bicubic_axis(at_x, width, border)
                lines, wy, _ = bicubic_axis(at_y, height, border)
                _blend_columns(source, (columns, wx), (lines, wy), target, o)
            else:
                for i in range(count):
                    out[o + i] = store(out, flow.dtype.type(0.0))
    if streams:
        finish_streaming()


@inlined()
def _blend_columns(
    source: Source, across: tuple[Four, Four], down: tuple[Four, Four], target: Target, o: Integer
) -> None:
    """Blend four by four texels, given indices and weights along each axis, into that of the target at o."""
    (image, (_, width, channels), _), out = source, target[0]
    (columns, wx), (lines, wy) = across, down
    count, zero = np.uintp(channels), type(wx[0])(0.0)
    whole = whole_lanes(count)
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        total = spread(zero)
        for column in range(4):
            texels = texels_from(column_places(columns[column], lines, width), count, i)
            total = total + dot(read_lanes_each(image, texels, np.uintp(0)), spread_each(scaled(wx[column], wy)))
        write_lanes_to(target, o + i, total)
    for i in range(whole, count):
        rest = zero
        for column in range(4):
            texels = texels_from(column_places(columns[column], lines, width), count, i)
            rest += dot(load_each(image, texels, np.uintp(0)), scaled(wx[column], wy))
        out[o + i] = store(out, rest)
