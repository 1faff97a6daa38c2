"""numba implementation of `kernels.temporal_blend`: each pixel is warped, weighed and blended while in registers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
from kernels.cpu.layout import allocate_planes, allocate_texels, is_texels, to_planes, to_texels
from kernels.cpu.sampling import bilinear_taps
from kernels.cpu.storage import array_of, load, store
from kernels.cpu.threads import run_bands

__all__ = ["forward"]

_PIXELS_PER_BAND = 8192


def forward(
    current: Tensor, previous: Tensor, flow: Tensor, mask: Tensor | None, strength: float, tolerance: float
) -> Tensor:
    """Blend with the warped previous result; arguments and result as in `kernels.temporal_blend`."""
    batch, channels, height, width = current.shape
    out, results = (allocate_texels if is_texels(current) else allocate_planes)(current.shape, current.dtype)
    if out.numel() == 0:
        return out
    as_texels = is_texels(current)
    to_rows = to_texels if as_texels else to_planes
    now, before = to_rows(current), to_rows(previous)
    flows = array_of(flow.contiguous())
    masks = array_of(mask.contiguous()) if mask is not None else np.ones((batch, 1, 1, 1), dtype=np.float32)
    # How far apart neighbouring pixels, and the channels of one pixel, are.
    steps = (channels, 1) if as_texels else (1, height * width)
    unit = 255.0 if current.dtype == torch.uint8 else 1.0
    falloff = np.float32(-1.0 / (tolerance**2 * unit**2 * channels))

    def blend(first: int, last: int) -> None:
        change = np.empty(channels, dtype=np.float32)
        for b in range(first // height, -(-last // height)):
            rows = (max(first - b * height, 0), min(last - b * height, height))
            options = (np.float32(strength), falloff, mask is not None)
            _blend(now[b], before[b], flows[b], masks[b, 0], results[b], *steps, *options, *rows, change)

    run_bands(blend, batch * height, grain=-(-_PIXELS_PER_BAND // width))
    return out


@compiled()
def _blend(
    current: Array,
    previous: Array,
    flow: Array,
    mask: Array,
    out: Array,
    step: Integer,
    between: Integer,
    strength: Real,
    falloff: Real,
    has_mask: bool,
    first: Integer,
    last: Integer,
    change: Array,
) -> None:
    """Blend rows [first, last); `change` is scratch memory for the channels of a pixel."""
    _, height, width = flow.shape
    channels = change.size
    for y in range(first, last):
        for x in range(width):
            limit = strength * mask[y, x] if has_mask else strength
            # The usual numbers of channels as constants: the loops over them vanish.
            if channels == 3 and step == 3:
                _blend_pixel(current, previous, flow, x, y, height, width, 3, 3, 1, limit, falloff, change, out)
            elif channels == 4 and step == 4:
                _blend_pixel(current, previous, flow, x, y, height, width, 4, 4, 1, limit, falloff, change, out)
            else:
                _blend_pixel(
                    current, previous, flow, x, y, height, width, channels, step, between, limit, falloff, change, out
                )


@inlined()
def _blend_pixel(
    current: Array,
    previous: Array,
    flow: Array,
    x: Integer,
    y: Integer,
    height: Integer,
    width: Integer,
    channels: Integer,
    step: Integer,
    between: Integer,
    limit: Real,
    falloff: Real,
    change: Array,
    out: Array,
) -> None:
    """Warp, weigh and blend one pixel."""
    count, apart = np.uintp(channels), np.uintp(between)
    o = np.uintp((y * width + x) * step)
    at_x, at_y = np.float32(x) + flow[0, y, x], np.float32(y) + flow[1, y, x]
    weight = np.float32(0.0)
    # A position that is not a number fails.
    if at_x >= 0.0 and at_y >= 0.0 and at_x <= width - 1 and at_y <= height - 1:
        (p, q, r, s), (wp, wq, wr, ws) = bilinear_taps(flow, x, y, (height, width, channels), True)
        a, b, c, d = np.uintp(p * step), np.uintp(q * step), np.uintp(r * step), np.uintp(s * step)
        squared = np.float32(0.0)
        for i in range(count):
            left = load(previous[a + i * apart]) * wp + load(previous[b + i * apart]) * wq
            right = load(previous[c + i * apart]) * wr + load(previous[d + i * apart]) * ws
            change[i] = left + right - load(current[o + i * apart])
            squared += change[i] * change[i]
        if squared < np.inf:
            weight = limit * np.float32(math.exp(squared * falloff))
    for i in range(count):
        moved = weight * change[i] if weight != 0.0 else np.float32(0.0)
        out[o + i * apart] = store(out, load(current[o + i * apart]) + moved)
