"""numba implementation of `kernels.warp`: one pass over the flow, whole texels at a time where channels are last."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
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
    # Sixteen texels a pixel: worth bringing their channels together first.
    is_regrouped = bicubic and channels > 1 and not is_texels(features)
    out, results = allocate_as(features, (out_height, out_width), as_texels=is_regrouped)
    if features.numel() == 0:
        return out.zero_().contiguous() if is_regrouped else out.zero_()
    as_texels = is_texels(features) or is_regrouped or channels == 1
    images = to_texels(features) if as_texels else to_planes(features)
    flows = array_of(flow.contiguous())
    if not as_texels:
        loop = _planes_bilinear
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
    return out.contiguous() if is_regrouped else out


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
            p, q, r, s, wp, wq, wr, ws = bilinear_taps(flow[0, y, x], flow[1, y, x], x, y, height, width, border)
            a, b, c, d = np.uintp(p * channels), np.uintp(q * channels), np.uintp(r * channels), np.uintp(s * channels)
            o = np.uintp((y * out_width + x) * channels)
            for i in range(count):
                left = load(image[a + i]) * wp + load(image[b + i]) * wq
                right = load(image[c + i]) * wr + load(image[d + i]) * ws
                out[o + i] = store(out, left + right)


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
    """Sample rows [first, last) of a flat (H, W, 3 or 4) byte image, a texel's channels side by side in a vector.

    Positions of a stretch of the row come first, in a loop that compilers turn into vectors; then the texels.
    """
    out_width = flow.shape[2]
    places, right, down = indices[0], values[0], values[1]
    pitch = width * channels
    # The vector path reads 8 bytes of two rows and writes 4: it needs both rows, and some bytes after the last texel.
    most = image.size - pitch - 8 if width > 1 and height > 1 else -1
    for y in range(first, last):
        for start in range(0, out_width, _TILE):
            count = min(_TILE, out_width - start)
            dx, dy = flow[0, y, start : start + count], flow[1, y, start : start + count]
            _find_places(dx, dy, start, y, height, width, channels, border, places, right, down)
            for i in range(count):
                o = (y * out_width + start + i) * channels
                if 0 <= places[i] <= most and (channels == 4 or start + i + 1 < out_width):
                    top, target = image.ctypes.data + places[i], out.ctypes.data + o
                    wx0, wy0 = np.float32(1.0) - right[i], np.float32(1.0) - down[i]
                    if channels == 4:
                        blend_texels(4, top, top + pitch, wx0, right[i], wy0, down[i], target)
                    else:
                        blend_texels(3, top, top + pitch, wx0, right[i], wy0, down[i], target)
                else:
                    _blend_one(image, dx[i], dy[i], start + i, y, height, width, channels, border, out, o)


@inlined()
def _find_places(
    dx: Array,
    dy: Array,
    start: Integer,
    y: Integer,
    height: Integer,
    width: Integer,
    channels: Integer,
    border: bool,
    places: Array,
    right: Array,
    down: Array,
) -> None:
    """Find the upper left of the four texels of each pixel of a stretch, as a byte offset; -1 asks for special care.

    The border continues, so a position outside may as well be moved onto the edge; at the far edge the fraction is 1.
    """
    zero, last_x, last_y = np.float32(0.0), np.float32(width - 1), np.float32(height - 1)
    for i in range(dx.size):
        at_x, at_y = np.float32(start + i) + dx[i], np.float32(y) + dy[i]
        near_x, near_y = min(max(at_x, zero), last_x), min(max(at_y, zero), last_y)
        usual = (border or (near_x == at_x and near_y == at_y)) and is_finite(at_x, at_y)
        near_x, near_y = (near_x, near_y) if usual else (zero, zero)
        left, top = min(np.floor(near_x), last_x - np.float32(1.0)), min(np.floor(near_y), last_y - np.float32(1.0))
        right[i], down[i] = near_x - left, near_y - top
        place = (np.int64(top) * width + np.int64(left)) * channels
        places[i] = place if usual else -1


@inlined()
def _blend_one(
    image: Array,
    dx: Real,
    dy: Real,
    x: Integer,
    y: Integer,
    height: Integer,
    width: Integer,
    channels: Integer,
    border: bool,
    out: Array,
    o: Integer,
) -> None:
    """Sample one pixel, byte by byte."""
    a, b, c, d, wa, wb, wc, wd = bilinear_taps(dx, dy, x, y, height, width, border)
    for i in range(channels):
        left = load(image[a * channels + i]) * wa + load(image[b * channels + i]) * wb
        right = load(image[c * channels + i]) * wc + load(image[d * channels + i]) * wd
        out[o + i] = store(out, left + right)


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
    wa, wb, wc, wd = values[0], values[1], values[2], values[3]
    for y in range(first, last):
        for start in range(0, out_width, _TILE):
            count = min(_TILE, out_width - start)
            for i in range(count):
                a[i], b[i], c[i], d[i], wa[i], wb[i], wc[i], wd[i] = bilinear_taps(
                    flow[0, y, start + i], flow[1, y, start + i], start + i, y, height, width, border
                )
            for channel in range(channels):
                plane = image[channel * height * width : (channel + 1) * height * width]
                line = out[(channel * out_height + y) * out_width + start :][:count]
                for i in range(count):
                    left = load(plane[np.uintp(a[i])]) * wa[i] + load(plane[np.uintp(b[i])]) * wb[i]
                    right = load(plane[np.uintp(c[i])]) * wc[i] + load(plane[np.uintp(d[i])]) * wd[i]
                    line[i] = store(out, left + right)


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
            for tap in range(4):
                w0, w1, w2, w3 = wx[tap] * wy[0], wx[tap] * wy[1], wx[tap] * wy[2], wx[tap] * wy[3]
                a, b = (rows[0] * width + columns[tap]) * channels, (rows[1] * width + columns[tap]) * channels
                c, d = (rows[2] * width + columns[tap]) * channels, (rows[3] * width + columns[tap]) * channels
                line = lines[tap]
                texel_a, texel_b, texel_c, texel_d = image[a:], image[b:], image[c:], image[d:]
                for i in range(count):
                    upper = load(texel_a[i]) * w0 + load(texel_b[i]) * w1
                    line[i] = upper + load(texel_c[i]) * w2 + load(texel_d[i]) * w3
            for i in range(count):
                out[o + i] = store(out, lines[0, i] + lines[1, i] + lines[2, i] + lines[3, i])
