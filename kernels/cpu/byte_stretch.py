"""A stretch of a row of a byte picture of three or four channels, sampled sixteen pixels at a time, as floats.

Positions come first, in a loop that compilers turn into vectors; then the texels. What is done with them, rounding or
blending, is up to the caller, while they are in the nearest cache.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.byte_lanes import MARGIN, are_usual, mix_squares, read_squares
from kernels.cpu.jit import Array, Four, Integer, Source, Span, inlined
from kernels.cpu.lanes import LANES, read_lanes, spread, write_lanes
from kernels.cpu.sampling import bilinear_taps, is_finite, mix, outer
from kernels.cpu.storage import load_each

__all__ = ["STRETCH", "Stretch", "allocate_stretch", "block_at", "is_packed", "sample_stretch", "stretch_at"]

STRETCH = 512
"""How many pixels a stretch has at most."""

Stretch: TypeAlias = tuple[Array, Array, Array]
"""Memory for one: where a pixel's two by two texels begin (N), how far beyond it is (2, N), its channels (4, N)."""


def is_packed(pictures: Tensor, width: int) -> bool:
    """Tell whether rows of so many pixels of a channels-last (B, C, H, W) tensor can be sampled in stretches."""
    return pictures.dtype == torch.uint8 and pictures.shape[1] in (3, 4) and width >= LANES


def allocate_stretch() -> Stretch:
    """Allocate what `sample_stretch` fills in."""
    return np.empty(STRETCH, np.uintp), np.empty((2, STRETCH), np.float32), np.empty((4, STRETCH), np.float32)


@inlined()
def stretch_at(begin: Integer, width: Integer) -> Span:
    """Return the columns of the stretch that begins at `begin`, or before, where less than `LANES` would be left."""
    start = min(begin, width - LANES)
    return start, min(start + STRETCH, width)


@inlined()
def block_at(i: Integer, columns: Span) -> Integer:
    """Return where in a stretch a block of `LANES` pixels begins: at i, or before, where it would reach too far."""
    return min(i, columns[1] - columns[0] - LANES)


@inlined()
def sample_stretch(source: Source, flow: Array, y: Integer, columns: Span, stretch: Stretch) -> None:
    """Sample the pixels of a stretch of row y of a (2, H, W) flow."""
    image, (_, width, channels), _ = source
    places, beyond, sampled = stretch
    _find_places(source, flow, y, columns, stretch)
    pitch = width * channels
    most = image.size - pitch - MARGIN
    for block in range(0, columns[1] - columns[0], LANES):
        i = np.uintp(block_at(block, columns))
        if are_usual(places, beyond[0], most, i):
            squares = read_squares(channels, image.ctypes.data, pitch, places, i)
            red, green, blue, alpha = mix_squares(squares, _weigh(beyond, i))
            write_lanes(sampled[0], i, red)
            write_lanes(sampled[1], i, green)
            write_lanes(sampled[2], i, blue)
            if channels == 4:
                write_lanes(sampled[3], i, alpha)
            continue
        for pixel in range(i, i + np.uintp(LANES)):
            texels, weights = bilinear_taps(source, flow, columns[0] + pixel, y)
            for channel in range(np.uintp(channels)):
                sampled[channel, pixel] = mix(load_each(image, texels, channel), weights)


@inlined()
def _weigh(beyond: Array, i: Integer) -> Four:
    """Work out the weights of the two by two texels of `LANES` pixels."""
    one, right, down = spread(np.float32(1.0)), read_lanes(beyond[0], i), read_lanes(beyond[1], i)
    weights: Four = outer((one - right, right), (one - down, down))
    return weights


@inlined()
def _find_places(source: Source, flow: Array, y: Integer, columns: Span, stretch: Stretch) -> None:
    """Find the upper left of the four texels of each pixel of a stretch; a fraction of -1 asks for special care.

    So does a picture without two by two texels. The border continues, so a position outside may as well be moved onto
    the edge; at the far edge the fraction is 1.
    """
    _, (height, width, channels), border = source
    places, beyond, _ = stretch
    zero, last_x, last_y = np.float32(0.0), np.float32(width - 1), np.float32(height - 1)
    has_square = height > 1 and width > 1
    start, end = columns
    dx, dy = flow[0, y, start:end], flow[1, y, start:end]
    for i in range(end - start):
        at_x, at_y = np.float32(start + i) + dx[i], np.float32(y) + dy[i]
        near_x, near_y = min(max(at_x, zero), last_x), min(max(at_y, zero), last_y)
        usual = has_square and (border or (near_x == at_x and near_y == at_y)) and is_finite(at_x, at_y)
        near_x, near_y = (near_x, near_y) if usual else (zero, zero)
        left, top = min(np.floor(near_x), last_x - np.float32(1.0)), min(np.floor(near_y), last_y - np.float32(1.0))
        beyond[0, i], beyond[1, i] = near_x - left if usual else np.float32(-1.0), near_y - top
        places[i] = np.uintp((np.int64(top) * width + np.int64(left)) * channels)
