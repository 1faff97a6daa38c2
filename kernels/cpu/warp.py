"""numba implementation of `kernels.warp`: one pass over the flow, whole texels at a time where channels are last."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, compiled
from kernels.cpu.layout import allocate_as, is_texels, to_planes, to_texels
from kernels.cpu.sampling import bilinear_taps, fill_taps, is_finite
from kernels.cpu.simd import blend_texels
from kernels.cpu.storage import array_of, load, store
from kernels.cpu.threads import run_bands

__all__ = ["forward"]

_PIXELS_PER_BAND = 16384
_TILE = 512


def forward(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    """Sample features at a backward flow; arguments and result as in `kernels.warp`."""
    batch, channels, height, width = features.shape
    out_height, out_width = flow.shape[2:]
    out, results = allocate_as(features, (out_height, out_width))
    if features.numel() == 0:
        return out.zero_()
    as_texels = is_texels(features) or channels == 1
    images = to_texels(features) if as_texels else to_planes(features)
    flows = array_of(flow.contiguous())
    if not as_texels:
        loop = _planes_bicubic if bicubic else _planes_bilinear
    elif bicubic:
        loop = _texels_bicubic
    else:
        packed = features.dtype == torch.uint8 and channels in (3, 4)
        loop = _packed_bilinear if packed else _texels_bilinear

    def sample(first: int, last: int) -> None:
        scratch = (np.empty((4, _TILE), np.int64), np.empty((8, max(_TILE, channels)), flows.dtype))
        for b in range(first // out_height, -(-last // out_height)):
            rows = (max(first - b * out_height, 0), min(last - b * out_height, out_height))
            loop(images[b], flows[b], results[b], height, width, channels, border, *rows, *scratch)

    run_bands(sample, batch * out_height, grain=-(-_PIXELS_PER_BAND // max(out_width, 1)))
    return out


@compiled()
def _texels_bilinear(
    image: Array,
    flow: Array,
    out: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    border: bool,
    first: Integer,
    last: Integer,
    indices: Array,
    values: Array,
) -> None:
    """Sample rows [first, last) of a flat (H, W, C) image."""
    out_width = flow.shape[2]
    count = np.uintp(channels)
    for y in range(first, last):
        for x in range(out_width):
            c0, c1, r0, r1, wx0, wx1, wy0, wy1 = bilinear_taps(
                flow[0, y, x], flow[1, y, x], x, y, height, width, border
            )
            a, b = np.uintp((r0 * width + c0) * channels), np.uintp((r0 * width + c1) * channels)
            c, d = np.uintp((r1 * width + c0) * channels), np.uintp((r1 * width + c1) * channels)
            o = np.uintp((y * out_width + x) * channels)
            for i in range(count):
                line_0 = load(image[a + i]) * wy0 + load(image[c + i]) * wy1
                line_1 = load(image[b + i]) * wy0 + load(image[d + i]) * wy1
                out[o + i] = store(out, line_0 * wx0 + line_1 * wx1)


@compiled()
def _packed_bilinear(
    image: Array,
    flow: Array,
    out: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    border: bool,
    first: Integer,
    last: Integer,
    indices: Array,
    values: Array,
) -> None:
    """Sample rows [first, last) of a flat (H, W, 3 or 4) byte image, a texel's channels side by side in a vector."""
    out_width = flow.shape[2]
    start, size = image.ctypes.data, image.size
    target = out.ctypes.data
    for y in range(first, last):
        for x in range(out_width):
            c0, c1, r0, r1, wx0, wx1, wy0, wy1 = bilinear_taps(
                flow[0, y, x], flow[1, y, x], x, y, height, width, border
            )
            a, b, o = (r0 * width + c0) * channels, (r1 * width + c0) * channels, (y * out_width + x) * channels
            # The vector path reads 8 bytes from each row and writes 4: not at the edge, nor at the end of the row.
            if c1 == c0 + 1 and b + 8 <= size and a + 8 <= size and (channels == 4 or x + 1 < out_width):
                if channels == 4:
                    blend_texels(4, start + a, start + b, wx0, wx1, wy0, wy1, target + o)
                else:
                    blend_texels(3, start + a, start + b, wx0, wx1, wy0, wy1, target + o)
            else:
                right = (c1 - c0) * channels
                for i in range(channels):
                    line_0 = load(image[a + i]) * wy0 + load(image[b + i]) * wy1
                    line_1 = load(image[a + right + i]) * wy0 + load(image[b + right + i]) * wy1
                    out[o + i] = store(out, line_0 * wx0 + line_1 * wx1)


@compiled()
def _planes_bilinear(
    image: Array,
    flow: Array,
    out: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    border: bool,
    first: Integer,
    last: Integer,
    indices: Array,
    values: Array,
) -> None:
    """Sample rows [first, last) of a flat (C, H, W) image: taps of a stretch of the row first, then every plane."""
    out_height, out_width = flow.shape[1:]
    a, b, c, d = indices[0], indices[1], indices[2], indices[3]
    wx0, wx1, wy0, wy1 = values[0], values[1], values[2], values[3]
    for y in range(first, last):
        for start in range(0, out_width, _TILE):
            count = min(_TILE, out_width - start)
            for i in range(count):
                c0, c1, r0, r1, wx0[i], wx1[i], wy0[i], wy1[i] = bilinear_taps(
                    flow[0, y, start + i], flow[1, y, start + i], start + i, y, height, width, border
                )
                a[i], b[i], c[i], d[i] = r0 * width + c0, r0 * width + c1, r1 * width + c0, r1 * width + c1
            for channel in range(channels):
                plane = image[channel * height * width : (channel + 1) * height * width]
                line = out[(channel * out_height + y) * out_width + start :][:count]
                for i in range(count):
                    line_0 = load(plane[np.uintp(a[i])]) * wy0[i] + load(plane[np.uintp(c[i])]) * wy1[i]
                    line_1 = load(plane[np.uintp(b[i])]) * wy0[i] + load(plane[np.uintp(d[i])]) * wy1[i]
                    line[i] = store(out, line_0 * wx0[i] + line_1 * wx1[i])


@compiled()
def _texels_bicubic(
    image: Array,
    flow: Array,
    out: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    border: bool,
    first: Integer,
    last: Integer,
    indices: Array,
    values: Array,
) -> None:
    """Sample rows [first, last) of a flat (H, W, C) image."""
    out_width = flow.shape[2]
    columns, rows, wx, wy, unused = indices[0], indices[1], values[0], values[1], values[2]
    count = np.uintp(channels)
    lines = values[3:7]
    for y in range(first, last):
        for x in range(out_width):
            o = np.uintp((y * out_width + x) * channels)
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            if not is_finite(at_x, at_y):
                for i in range(count):
                    out[o + i] = store(out, type(at_x)(0.0))
                continue
            fill_taps(at_x, width, True, border, columns, wx, unused)
            fill_taps(at_y, height, True, border, rows, wy, unused)
            w0, w1, w2, w3 = wy[0], wy[1], wy[2], wy[3]
            for tap in range(4):
                a, b = (rows[0] * width + columns[tap]) * channels, (rows[1] * width + columns[tap]) * channels
                c, d = (rows[2] * width + columns[tap]) * channels, (rows[3] * width + columns[tap]) * channels
                line = lines[tap]
                texel_a, texel_b, texel_c, texel_d = image[a:], image[b:], image[c:], image[d:]
                for i in range(count):
                    upper = load(texel_a[i]) * w0 + load(texel_b[i]) * w1
                    line[i] = upper + load(texel_c[i]) * w2 + load(texel_d[i]) * w3
            w0, w1, w2, w3 = wx[0], wx[1], wx[2], wx[3]
            for i in range(count):
                left = lines[0, i] * w0 + lines[1, i] * w1
                out[o + i] = store(out, left + lines[2, i] * w2 + lines[3, i] * w3)


@compiled()
def _planes_bicubic(
    image: Array,
    flow: Array,
    out: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    border: bool,
    first: Integer,
    last: Integer,
    indices: Array,
    values: Array,
) -> None:
    """Sample rows [first, last) of a flat (C, H, W) image."""
    out_height, out_width = flow.shape[1:]
    columns, rows, wx, wy, unused = indices[0], indices[1], values[0], values[1], values[2]
    for y in range(first, last):
        for x in range(out_width):
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            finite = is_finite(at_x, at_y)
            if finite:
                fill_taps(at_x, width, True, border, columns, wx, unused)
                fill_taps(at_y, height, True, border, rows, wy, unused)
            for channel in range(channels):
                value = type(at_x)(0.0)
                plane = channel * height * width
                if finite:
                    for tap in range(4):
                        line = type(at_x)(0.0)
                        for down in range(4):
                            line += load(image[plane + rows[down] * width + columns[tap]]) * wy[down]
                        value += line * wx[tap]
                out[(channel * out_height + y) * out_width + x] = store(out, value)
