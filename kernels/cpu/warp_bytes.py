"""Bilinear warping of byte images of three or four channels: sixteen pixels at a time."""

from __future__ import annotations

import numpy as np

from kernels.cpu.byte_lanes import MARGIN, are_usual, block_at, mix_squares, read_squares, write_pixels
from kernels.cpu.jit import Array, Four, Integer, Rows, Shape, compiled, inlined
from kernels.cpu.lanes import LANES, read_lanes, spread
from kernels.cpu.sampling import bilinear_taps, is_finite, mix, outer, texels_from
from kernels.cpu.storage import load_each, store

__all__ = ["find_places", "sample_bytes", "weigh_squares"]


@compiled()
def sample_bytes(
    image: Array, flow: Array, out: Array, shape: Shape, border: bool, rows: Rows, indices: Array, values: Array
) -> None:
    """Sample some rows of a flat (H, W, 3 or 4) byte image.

    Positions of a stretch of the row come first, in a loop that compilers turn into vectors; then the texels.

    Args:
        image: (H * W * C).
        flow: (2, H, W) of the result.
        out: the flat result.
        shape: H, W and C of the image.
        border: whether the edge continues.
        rows: the first row, and the one after the last.
        indices: scratch memory, one row of a stretch.
        values: scratch memory, two rows of a stretch.
    """
    _, width, channels = shape
    out_width = flow.shape[2]
    places, right, down = indices[0], values[0], values[1]
    pitch = width * channels
    most = image.size - pitch - MARGIN
    for y in range(*rows):
        for start in range(0, out_width, places.size):
            count = min(places.size, out_width - start)
            dx, dy = flow[0, y, start : start + count], flow[1, y, start : start + count]
            find_places(dx, dy, start, y, shape, border, places, right, down)
            for block in range(0, count, LANES):
                i = block_at(block, count)
                o = (y * out_width + start + i) * channels
                if count >= LANES and are_usual(places, right, most, np.uintp(i)):
                    squares = read_squares(channels, image.ctypes.data, pitch, places, np.uintp(i))
                    texel = mix_squares(squares, weigh_squares(right, down, i))
                    if channels == 4:
                        write_pixels(4, out.ctypes.data + o, texel)
                    else:
                        write_pixels(3, out.ctypes.data + o, texel)
                    continue
                for x in range(start + i, start + min(i + LANES, count)):
                    found, weights = bilinear_taps(flow, x, y, shape, border)
                    texels = texels_from(found, np.uintp(channels), np.uintp(0))
                    o = np.uintp((y * out_width + x) * channels)
                    for channel in range(np.uintp(channels)):
                        out[o + channel] = store(out, mix(load_each(image, texels, channel), weights))


@inlined()
def weigh_squares(right: Array, down: Array, i: Integer) -> Four:
    """Work out the weights of two by two texels from the fractions of `LANES` pixels."""
    one, right, down = spread(np.float32(1.0)), read_lanes(right, np.uintp(i)), read_lanes(down, np.uintp(i))
    weights: Four = outer((one - right, right), (one - down, down))
    return weights


@inlined()
def find_places(
    dx: Array,
    dy: Array,
    start: Integer,
    y: Integer,
    shape: Shape,
    border: bool,
    places: Array,
    right: Array,
    down: Array,
) -> None:
    """Find the upper left of the four texels of each pixel of a stretch; a fraction of -1 asks for special care.

    So does a picture without two by two texels. The border continues, so a position outside may as well be moved onto
    the edge; at the far edge the fraction is 1.
    """
    height, width, channels = shape
    zero, last_x, last_y = np.float32(0.0), np.float32(width - 1), np.float32(height - 1)
    has_square = height > 1 and width > 1
    for i in range(dx.size):
        at_x, at_y = np.float32(start + i) + dx[i], np.float32(y) + dy[i]
        near_x, near_y = min(max(at_x, zero), last_x), min(max(at_y, zero), last_y)
        usual = has_square and (border or (near_x == at_x and near_y == at_y)) and is_finite(at_x, at_y)
        near_x, near_y = (near_x, near_y) if usual else (zero, zero)
        left, top = min(np.floor(near_x), last_x - np.float32(1.0)), min(np.floor(near_y), last_y - np.float32(1.0))
        right[i], down[i] = near_x - left if usual else np.float32(-1.0), near_y - top
        places[i] = np.uintp((np.int64(top) * width + np.int64(left)) * channels)
