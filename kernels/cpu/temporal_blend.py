"""numba implementation of `kernels.temporal_blend`: each pixel is warped, weighed and blended while in registers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.byte_lanes import (
    MARGIN,
    are_usual,
    block_at,
    channels_of,
    clamp_lanes,
    mix_squares,
    read_pixels,
    read_squares,
    write_pixels,
)
from kernels.cpu.jit import Array, Four, Integer, Pair, Real, Rows, Shape, compiled, inlined
from kernels.cpu.lanes import LANES, exp_negative, read_lanes, spread
from kernels.cpu.layout import allocate_planes, allocate_texels, to_planes, to_texels
from kernels.cpu.sampling import bilinear_taps, mix, texels_from
from kernels.cpu.storage import array_of, load, load_each, store
from kernels.cpu.threads import run_rows
from kernels.cpu.warp_bytes import find_places, weigh_squares
from kernels.formats import is_texels

__all__ = ["forward"]

_PIXELS_PER_BAND = 8192
_STRETCH = 512


def forward(
    current: Tensor, previous: Tensor, flow: Tensor, mask: Tensor | None, strength: float, tolerance: float
) -> Tensor:
    """Blend with the warped previous result; arguments and result as in `kernels.temporal_blend`."""
    batch, channels, height, width = current.shape
    as_texels = is_texels(current)
    allocate, view = (allocate_texels, to_texels) if as_texels else (allocate_planes, to_planes)
    out, results = allocate(current.shape, current.dtype)
    if out.numel() == 0:
        return out
    now, before, flows = view(current), view(previous), array_of(flow.contiguous())
    # Without a mask, one row of ones serves all rows.
    masks = array_of((flow.new_ones(()) if mask is None else mask).expand(batch, 1, height, width))
    is_packed = as_texels and current.dtype == torch.uint8 and channels in (3, 4)
    unit = 255.0 if current.dtype == torch.uint8 else 1.0
    numbers = (np.float32(strength), np.float32(-1.0 / (tolerance**2 * unit**2 * channels)))

    def blend(b: int, first: int, last: int) -> None:
        pictures = (now[b], before[b], flows[b], masks[b, 0], results[b])
        shape, rows = (height, width, channels), (first, last)
        if is_packed:
            scratch = (np.empty(_STRETCH, np.uintp), np.empty((4, _STRETCH), np.float32))
            _blend_bytes(*pictures, shape, numbers, rows, *scratch)
        else:
            # How far apart neighbouring pixels, and the channels of one pixel, are.
            steps = (channels, 1) if as_texels else (1, height * width)
            _blend(*pictures, shape, steps, numbers, rows, np.empty(channels, np.float32))

    run_rows(blend, batch, (height, width), pixels=_PIXELS_PER_BAND)
    return out


@compiled()
def _blend(
    current: Array,
    previous: Array,
    flow: Array,
    mask: Array,
    out: Array,
    shape: Shape,
    steps: Pair,
    numbers: Pair,
    rows: Rows,
    change: Array,
) -> None:
    """Blend some rows; `numbers` are strength and falloff, `change` is scratch memory for a pixel's channels."""
    for y in range(*rows):
        for x in range(shape[1]):
            limit = numbers[0] * mask[y, x]
            _blend_pixel(current, previous, flow, x, y, shape, steps, (limit, numbers[1]), change, out)


@inlined()
def _blend_pixel(
    current: Array,
    previous: Array,
    flow: Array,
    x: Integer,
    y: Integer,
    shape: Shape,
    steps: Pair,
    numbers: Pair,
    change: Array,
    out: Array,
) -> None:
    """Warp, weigh and blend one pixel."""
    height, width, channels = shape
    limit, falloff = numbers
    step, apart = np.uintp(steps[0]), np.uintp(steps[1])
    o = np.uintp(y * width + x) * step
    at_x, at_y = np.float32(x) + flow[0, y, x], np.float32(y) + flow[1, y, x]
    weight = np.float32(0.0)
    # A position that is not a number fails.
    if at_x >= 0.0 and at_y >= 0.0 and at_x <= width - 1 and at_y <= height - 1:
        places, shares = bilinear_taps(flow, x, y, shape, True)
        texels, squared = texels_from(places, step, np.uintp(0)), np.float32(0.0)
        for i in range(np.uintp(channels)):
            change[i] = mix(load_each(previous, texels, i * apart), shares) - load(current[o + i * apart])
            squared += change[i] * change[i]
        weight = _weigh(squared, limit, falloff)
    for i in range(np.uintp(channels)):
        moved = weight * change[i] if weight != 0.0 else np.float32(0.0)
        out[o + i * apart] = store(out, load(current[o + i * apart]) + moved)


@inlined()
def _weigh(squared: Real, limit: Real, falloff: Real) -> Real:
    """Tell how much of a change to take, given its square; nothing of one that is not finite. Numbers or `Lanes`."""
    return limit * exp_negative(squared * falloff)


@compiled()
def _blend_bytes(
    current: Array,
    previous: Array,
    flow: Array,
    mask: Array,
    out: Array,
    shape: Shape,
    numbers: Pair,
    rows: Rows,
    places: Array,
    scratch: Array,
) -> None:
    """Blend some rows of pictures of 3 or 4 bytes a pixel, `LANES` at a time; the last two are scratch memory."""
    _, width, channels = shape
    strength, falloff = numbers
    right, down, limits, change = scratch[0], scratch[1], scratch[2], scratch[3]
    pitch, most = width * channels, previous.size - width * channels - MARGIN
    for y in range(*rows):
        for start in range(0, width, places.size):
            count = min(places.size, width - start)
            dx, dy = flow[0, y, start : start + count], flow[1, y, start : start + count]
            find_places(dx, dy, start, y, shape, False, places, right, down)
            for i in range(count):
                limits[i] = strength * mask[y, start + i]
            for block in range(0, count, LANES):
                i = block_at(block, count)
                o = (y * width + start + i) * channels
                if count >= LANES and are_usual(places, right, most, np.uintp(i)):
                    squares = read_squares(channels, previous.ctypes.data, pitch, places, np.uintp(i))
                    warped = mix_squares(squares, weigh_squares(right, down, i))
                    factors = (read_lanes(limits, np.uintp(i)), spread(falloff))
                    if channels == 4:
                        now = channels_of(read_pixels(4, current.ctypes.data + o))
                        write_pixels(4, out.ctypes.data + o, _blend_lanes(4, now, warped, factors))
                    else:
                        now = channels_of(read_pixels(3, current.ctypes.data + o))
                        write_pixels(3, out.ctypes.data + o, _blend_lanes(3, now, warped, factors))
                    continue
                for x in range(start + i, start + min(i + LANES, count)):
                    factors_of_one = (limits[x - start], falloff)
                    _blend_pixel(current, previous, flow, x, y, shape, (channels, 1), factors_of_one, change, out)


@inlined()
def _blend_lanes(channels: Integer, now: Four, warped: Four, numbers: Pair) -> Four:
    """Weigh and blend `LANES` pixels; of three channels the fourth is junk."""
    red, green, blue, alpha = warped[0] - now[0], warped[1] - now[1], warped[2] - now[2], warped[3] - now[3]
    squared = red * red + green * green + blue * blue
    if channels == 4:
        squared = squared + alpha * alpha
    weight = _weigh(squared, numbers[0], numbers[1])
    return (
        clamp_lanes(now[0] + weight * red),
        clamp_lanes(now[1] + weight * green),
        clamp_lanes(now[2] + weight * blue),
        clamp_lanes(now[3] + weight * alpha),
    )
