"""Draw triangles of one layer into a scratch band: exact spans, eight pixels at a time where the texture is opaque."""

from __future__ import annotations

import numpy as np

from kernels.cpu.jit import Array, Integer, Real, inlined
from kernels.cpu.rasterize_tables import LEFT, ORIGIN_X, ORIGIN_Y, RIGHT, SLOPE_X, SLOPE_Y, VALUE
from kernels.cpu.simd import LANES, draw_lanes

__all__ = ["draw_masked", "draw_opaque"]


@inlined()
def _span(edges: Array, f: Integer, y: Real, x_first: Integer, x_last: Integer) -> tuple[int, int]:
    """Cut a row of a triangle's box to the pixels inside of all three edges.

    The quotients are exact enough: numerators stay below 2^50, so one that is no integer is farther from the next
    integer than a float64 rounds.
    """
    lower: Real = np.float64(x_first)
    upper: Real = np.float64(x_last)
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
def _row_values(planes: Array, f: Integer, y: Integer) -> tuple[Real, Real, Real]:
    """Evaluate depth, dx and dy of a triangle at its origin's column of a row."""
    down = np.float64(y) - planes[f, ORIGIN_Y]
    return (
        planes[f, VALUE + 2] + planes[f, SLOPE_Y + 2] * down,
        planes[f, VALUE] + planes[f, SLOPE_Y] * down,
        planes[f, VALUE + 1] + planes[f, SLOPE_Y + 1] * down,
    )


@inlined()
def draw_opaque(
    f: Integer,
    top: Integer,
    bottom: Integer,
    planes: Array,
    edges: Array,
    boxes: Array,
    part_id: Integer,
    band: Array,
    band_part: Array,
    origin: Integer,
    stride: Integer,
    pitch: Integer,
) -> None:
    """Draw rows [top, bottom) of a triangle whose texels are all opaque, whole vectors at a time."""
    slopes = (planes[f, SLOPE_X + 2], planes[f, SLOPE_X], planes[f, SLOPE_X + 1])
    for y in range(top, bottom):
        x_first, x_last = _span(edges, f, np.float64(y), boxes[f, LEFT], boxes[f, RIGHT])
        values = _row_values(planes, f, y)
        for x in range(x_first, x_last + 1, LANES):
            i = origin + y * stride + x
            address, part_address = band.ctypes.data + 4 * i, band_part.ctypes.data + i
            along = np.float64(x) - planes[f, ORIGIN_X]
            draw_lanes(address, 4 * pitch, part_address, x_last + 1 - x, along, part_id, values, slopes)


@inlined()
def draw_masked(
    f: Integer,
    top: Integer,
    bottom: Integer,
    planes: Array,
    edges: Array,
    boxes: Array,
    part_id: Integer,
    lookup: tuple[Array, Real, Real],
    band: Array,
    band_part: Array,
    origin: Integer,
    stride: Integer,
    pitch: Integer,
) -> None:
    """Draw rows [top, bottom) of a triangle, looking at the texture's alpha before the depth is written."""
    texture, scale, threshold = lookup
    slope_z, slope_dx, slope_dy = planes[f, SLOPE_X + 2], planes[f, SLOPE_X], planes[f, SLOPE_X + 1]
    for y in range(top, bottom):
        x_first, x_last = _span(edges, f, np.float64(y), boxes[f, LEFT], boxes[f, RIGHT])
        row_z, row_dx, row_dy = _row_values(planes, f, y)
        for x in range(x_first, x_last + 1):
            i = np.uintp(origin + y * stride + x)
            along = np.float64(x) - planes[f, ORIGIN_X]
            z = np.float32(row_z + slope_z * along)
            if not z < band[i]:
                continue
            dx, dy = np.float32(row_dx + slope_dx * along), np.float32(row_dy + slope_dy * along)
            alpha = _sample_alpha(texture, np.float32(x) + dx, np.float32(y) + dy) * scale
            if alpha < threshold:
                continue
            band_part[i] = part_id
            plane = np.uintp(pitch)
            band[i], band[i + plane], band[i + plane + plane], band[i + plane + plane + plane] = z, dx, dy, alpha


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
    if column >= 0 and column < width - 1 and row >= 0 and row < height - 1:
        a, b = np.float32(texture[row, column]), np.float32(texture[row, column + 1])
        c, d = np.float32(texture[row + 1, column]), np.float32(texture[row + 1, column + 1])
    else:
        a, b, c, d = nothing, nothing, nothing, nothing
        if row >= 0:
            a = np.float32(texture[row, column]) if column >= 0 else nothing
            b = np.float32(texture[row, column + 1]) if column + 1 < width else nothing
        if row + 1 < height:
            c = np.float32(texture[row + 1, column]) if column >= 0 else nothing
            d = np.float32(texture[row + 1, column + 1]) if column + 1 < width else nothing
    top, bottom = a + (b - a) * right, c + (d - c) * right
    return top + (bottom - top) * down
