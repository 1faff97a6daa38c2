"""numba implementation of `kernels.temporal_blend`: each pixel is warped, weighed and blended while in registers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.byte_lanes import channels_of, clamp_lanes, read_pixels, write_pixels
from kernels.cpu.byte_stretch import (
    STRETCH,
    Stretch,
    allocate_stretch,
    block_at,
    is_packed,
    sample_stretch,
    stretch_at,
)
from kernels.cpu.jit import Array, Four, Integer, Pair, Real, Shape, Source, Span, compiled, inlined
from kernels.cpu.lanes import LANES, exp_negative, read_lanes, read_rows, spread
from kernels.cpu.layout import allocate_planes, allocate_texels, to_planes, to_texels
from kernels.cpu.sampling import bilinear_taps, mix, texels_from
from kernels.cpu.storage import array_of, load, load_each, store
from kernels.cpu.threads import run_rows
from kernels.formats import is_texels

__all__ = ["forward"]

_PIXELS_PER_BAND = 8192


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
    masks = array_of((flow.new_ones(width) if mask is None else mask).expand(batch, 1, height, width))
    unit = 255.0 if current.dtype == torch.uint8 else 1.0
    numbers = (np.float32(strength), np.float32(-1.0 / (tolerance**2 * unit**2 * channels)))

    def blend(b: int, first: int, last: int) -> None:
        source = (before[b], (height, width, channels), True)
        work = (now[b], source, (flows[b], masks[b, 0]), results[b], numbers, (first, last))
        if as_texels and is_packed(current, width):
            _blend_bytes(*work, allocate_stretch(), np.empty(STRETCH, np.float32))
        else:
            # How far apart neighbouring pixels, and the channels of one pixel, are.
            steps = (channels, 1) if as_texels else (1, height * width)
            _blend(*work, steps, np.empty(channels, np.float32))

    run_rows(blend, batch, (height, width), pixels=_PIXELS_PER_BAND)
    return out


@inlined()
def _limit(at_x: Real, at_y: Real, share: Real, shape: Shape) -> Real:
    """Tell how much of a pixel may come from before: nothing where the flow points outside, or to no number."""
    zero, last_x, last_y = np.float32(0.0), np.float32(shape[1] - 1), np.float32(shape[0] - 1)
    # One condition at a time is what compilers turn into vectors.
    share = share if at_x >= zero else zero
    share = share if at_y >= zero else zero
    share = share if at_x <= last_x else zero
    return share if at_y <= last_y else zero


@inlined()
def _weigh(squared: Real, limit: Real, falloff: Real) -> Real:
    """Tell how much of a change to take, given its square; nothing of one that is not finite. Numbers or `Lanes`."""
    return limit * exp_negative(squared * falloff)


@compiled()
def _blend(
    current: Array,
    source: Source,
    motion: Pair,
    out: Array,
    numbers: Pair,
    rows: Span,
    steps: Pair,
    change: Array,
) -> None:
    """Blend some rows, one pixel at a time.

    Args:
        current: the flat picture.
        source: the previous one.
        motion: flow (2, H, W), and mask (H, W).
        out: the flat result.
        numbers: strength, and by what the squared difference is multiplied in the exponent.
        rows: the first row, and the one after the last.
        steps: how far apart neighbouring pixels, and the channels of one pixel, are.
        change: scratch memory for a pixel's channels.
    """
    (previous, shape, border), (flow, mask) = source, motion
    (height, width, channels), (strength, falloff) = shape, numbers
    step, apart = np.uintp(steps[0]), np.uintp(steps[1])
    pixels = (previous, (height, width, 1), border)
    for y in range(*rows):
        for x in range(width):
            at_x, at_y = np.float32(x) + flow[0, y, x], np.float32(y) + flow[1, y, x]
            limit, squared = _limit(at_x, at_y, strength * mask[y, x], shape), np.float32(0.0)
            o = np.uintp(y * width + x) * step
            if limit != 0.0:
                places, shares = bilinear_taps(pixels, flow, x, y)
                texels = texels_from(places, step, np.uintp(0))
                for i in range(np.uintp(channels)):
                    change[i] = mix(load_each(previous, texels, i * apart), shares) - load(current[o + i * apart])
                    squared += change[i] * change[i]
            weight = _weigh(squared, limit, falloff)
            for i in range(np.uintp(channels)):
                moved = weight * change[i] if weight != 0.0 else np.float32(0.0)
                out[o + i * apart] = store(out, load(current[o + i * apart]) + moved)


@compiled()
def _blend_bytes(
    current: Array,
    source: Source,
    motion: Pair,
    out: Array,
    numbers: Pair,
    rows: Span,
    stretch: Stretch,
    limits: Array,
) -> None:
    """Do as `_blend` for pictures of 3 or 4 bytes a pixel, `LANES` at a time; the last two are scratch memory."""
    (_, shape, _), (flow, _) = source, motion
    (_, width, channels), (_, falloff) = shape, numbers
    for y in range(*rows):
        for begin in range(0, width, STRETCH):
            columns = stretch_at(begin, width)
            sample_stretch(source, flow, y, columns, stretch)
            _fill_limits(motion, shape, numbers[0], y, columns, limits)
            for block in range(0, columns[1] - columns[0], LANES):
                i = block_at(block, columns)
                o = (y * width + columns[0] + i) * channels
                warped = read_rows(stretch[2], np.uintp(i))
                factors = (read_lanes(limits, np.uintp(i)), spread(falloff))
                if channels == 4:
                    now = channels_of(read_pixels(4, current.ctypes.data + o))
                    write_pixels(4, out.ctypes.data + o, _blend_lanes(4, now, warped, factors))
                else:
                    now = channels_of(read_pixels(3, current.ctypes.data + o))
                    write_pixels(3, out.ctypes.data + o, _blend_lanes(3, now, warped, factors))


@inlined()
def _fill_limits(motion: Pair, shape: Shape, strength: Real, y: Integer, columns: Span, limits: Array) -> None:
    """Fill in the limits of the pixels of a stretch of row y."""
    (flow, mask), (start, end) = motion, columns
    dx, dy, shares = flow[0, y, start:end], flow[1, y, start:end], mask[y, start:end]
    for i in range(end - start):
        limits[i] = _limit(np.float32(start + i) + dx[i], np.float32(y) + dy[i], strength * shares[i], shape)


@inlined()
def _blend_lanes(channels: Integer, now: Four, warped: Four, factors: Pair) -> Four:
    """Weigh and blend `LANES` pixels, given limits and falloff; of three channels the fourth is junk."""
    red, green, blue, alpha = warped[0] - now[0], warped[1] - now[1], warped[2] - now[2], warped[3] - now[3]
    squared = red * red + green * green + blue * blue
    if channels == 4:
        squared = squared + alpha * alpha
    weight = _weigh(squared, factors[0], factors[1])
    return (
        clamp_lanes(now[0] + weight * red),
        clamp_lanes(now[1] + weight * green),
        clamp_lanes(now[2] + weight * blue),
        clamp_lanes(now[3] + weight * alpha),
    )
