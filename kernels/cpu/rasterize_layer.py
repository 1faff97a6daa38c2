"""Draw triangles of one layer into a scratch band: exact spans, eight pixels at a time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from kernels.cpu.jit import Array, Integer, Real, Span, inlined
from kernels.cpu.raster_lanes import LANES, Lookup, Place, Ramp, draw_lanes, draw_masked_lanes
from kernels.cpu.rasterize_tables import LEFT, ORIGIN_X, ORIGIN_Y, RIGHT, SLOPE_X, SLOPE_Y, VALUE

__all__ = ["Canvas", "Mesh", "draw_masked", "draw_opaque"]

Mesh: TypeAlias = tuple[Array, Array, Array, Array]
"""The triangles of one picture: planes (F, 11), edges (F, 3, 4), boxes (F, 5) and part ids (F,); see `Tables`."""

Canvas: TypeAlias = tuple[Array, Array, tuple[Integer, Integer, Integer]]
"""Scratch memory to draw to: planes of depth, dx, dy and alpha, one after the other; part ids; and where pixel (x, y)
is in them: at origin + y * stride + x, the next plane `pitch` elements on."""


@inlined()
def _span(mesh: Mesh, f: Integer, y: Real) -> tuple[int, int]:
    """Cut a row of a triangle's box to the pixels inside of all three edges: the first and the last.

    The quotients are exact enough: numerators stay below 2^50, so one that is no integer is farther from the next
    integer than a float64 rounds.
    """
    _, edges, boxes, _ = mesh
    lower: Real = np.float64(boxes[f, LEFT])
    upper: Real = np.float64(boxes[f, RIGHT])
    for i in range(3):
        slope, rest = edges[f, i, 0], edges[f, i, 3] - (edges[f, i, 1] * y + edges[f, i, 2])
        if slope > 0.0:
            lower = max(lower, np.ceil(rest / slope))
        elif slope < 0.0:
            upper = min(upper, np.floor(rest / slope))
        elif rest > 0.0:
            upper = -1.0
    return int(lower), int(upper)


@inlined()
def _ramp_at(plane: Array, x: Integer, y: Integer) -> Ramp:
    """Evaluate depth, dx and dy of a triangle in a row, to be followed from x on."""
    down = np.float64(y) - plane[ORIGIN_Y]
    values = (
        plane[VALUE + 2] + plane[SLOPE_Y + 2] * down,
        plane[VALUE] + plane[SLOPE_Y] * down,
        plane[VALUE + 1] + plane[SLOPE_Y + 1] * down,
    )
    return values, (plane[SLOPE_X + 2], plane[SLOPE_X], plane[SLOPE_X + 1]), np.float64(x) - plane[ORIGIN_X]


@inlined()
def _place_at(canvas: Canvas, x: Integer, y: Integer) -> Place:
    """Tell where a pixel is in scratch memory."""
    band, parts, (origin, stride, pitch) = canvas
    i = origin + y * stride + x
    return band.ctypes.data + band.itemsize * i, band.itemsize * pitch, parts.ctypes.data + i


@inlined()
def draw_opaque(mesh: Mesh, f: Integer, rows: Span, canvas: Canvas) -> None:
    """Draw some rows of a triangle whose texels are all opaque."""
    planes, _, _, parts = mesh
    for y in range(*rows):
        first, last = _span(mesh, f, np.float64(y))
        for x in range(first, last + 1, LANES):
            draw_lanes(_place_at(canvas, x, y), _ramp_at(planes[f], x, y), parts[f], last + 1 - x)


@inlined()
def draw_masked(mesh: Mesh, f: Integer, rows: Span, canvas: Canvas, lookup: tuple[Array, Real, Real]) -> None:
    """Draw some rows of a triangle, looking at the texture's alpha before the depth is written.

    `lookup` is the layer's alpha, by what it is multiplied, and below what it is a hole.
    """
    (planes, _, _, parts), (texture, scale, threshold) = mesh, lookup
    texels: Lookup = (texture.ctypes.data, texture.shape[0], texture.shape[1], scale, threshold, texture.dtype.type(0))
    for y in range(*rows):
        first, last = _span(mesh, f, np.float64(y))
        for x in range(first, last + 1, LANES):
            place, ramp, corner = _place_at(canvas, x, y), _ramp_at(planes[f], x, y), (np.float32(x), np.float32(y))
            if not draw_masked_lanes(place, ramp, parts[f], last + 1 - x, corner, texels):
                _draw_each(planes[f], (x, min(x + LANES, last + 1)), y, parts[f], canvas, lookup)


@inlined()
def _draw_each(
    plane: Array, columns: Span, y: Integer, part_id: Integer, canvas: Canvas, lookup: tuple[Array, Real, Real]
) -> None:
    """Draw some pixels of a row one at a time: at the edge of the texture, and outside."""
    band, parts, (origin, stride, pitch) = canvas
    texture, scale, threshold = lookup
    for x in range(*columns):
        i, apart = np.uintp(origin + y * stride + x), np.uintp(pitch)
        values, slopes, along = _ramp_at(plane, x, y)
        z = np.float32(values[0] + slopes[0] * along)
        dx, dy = np.float32(values[1] + slopes[1] * along), np.float32(values[2] + slopes[2] * along)
        alpha = _sample_alpha(texture, np.float32(x) + dx, np.float32(y) + dy) * scale
        if z < band[i] and not alpha < threshold:
            parts[i] = part_id
            band[i], band[i + apart], band[i + apart + apart], band[i + apart + apart + apart] = z, dx, dy, alpha


@inlined()
def _sample_alpha(texture: Array, x: Real, y: Real) -> Real:
    """Sample bilinearly in float32, 0 outside of the texture."""
    height, width = texture.shape
    x_floor, y_floor = np.floor(x), np.floor(y)
    column, row = int(x_floor), int(y_floor)
    right, down = x - x_floor, y - y_floor
    nothing = np.float32(0.0)
    if column < -1 or column >= width or row < -1 or row >= height:
        return nothing
    a, b, c, d = nothing, nothing, nothing, nothing
    if row >= 0:
        a = np.float32(texture[row, column]) if column >= 0 else nothing
        b = np.float32(texture[row, column + 1]) if column + 1 < width else nothing
    if row + 1 < height:
        c = np.float32(texture[row + 1, column]) if column >= 0 else nothing
        d = np.float32(texture[row + 1, column + 1]) if column + 1 < width else nothing
    top, bottom = a + (b - a) * right, c + (d - c) * right
    return top + (bottom - top) * down
