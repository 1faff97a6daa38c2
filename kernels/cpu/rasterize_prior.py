"""numba implementation of `kernels.rasterize_prior`.

Bands of rows are drawn independently: each layer into a scratch band that stays in the cache, eight pixels at a
time where the texture is opaque, then merged into the peels. Spans are exact, so no pixel is tested in vain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kernels.checks import check_indices
from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
from kernels.cpu.memory import allocate
from kernels.cpu.simd import LANES, copy_where_drawn, draw_lanes, fill_where_drawn, shift_where_drawn
from kernels.cpu.storage import array_of
from kernels.cpu.threads import run_bands

__all__ = ["rasterize_prior"]

_SUBPIXELS = 256.0
_MAX_COORDINATE = 32768.0
_ROWS_PER_BAND = 32
_TRIANGLES_PER_TASK = 512

# Columns of the table of planes, one row per triangle: origin, then value and slopes of dx, dy and depth.
_ORIGIN_X, _ORIGIN_Y, _VALUE, _SLOPE_X, _SLOPE_Y = 0, 1, 2, 5, 8
_NUM_PLANE_COLUMNS = 11

# Columns of the table of boxes; what is opaque needs no look at the texture.
_LEFT, _RIGHT, _TOP, _BOTTOM, _OPAQUE = 0, 1, 2, 3, 4
_NUM_BOX_COLUMNS = 5
_MAX_TEXELS_TO_CLASSIFY = 4096


def rasterize_prior(
    target_xy: Tensor,
    depth: Tensor,
    source_xy: Tensor,
    triangles: Tensor,
    triangle_layer: Tensor,
    triangle_part: Tensor,
    layer_order: Tensor,
    layer_alpha: Tensor,
    size_hw: Sequence[int],
    num_peels: int,
    alpha_threshold: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Draw the mesh; arguments and results as in `kernels.rasterize_prior`."""
    check_indices(triangles, triangle_layer, triangle_part, layer_order, source_xy.shape[0], layer_alpha.shape[0])
    batch, (height, width) = target_xy.shape[0], size_hw
    flow = array_of(allocate((batch, num_peels, 2, height, width), torch.float32))
    visibility = array_of(allocate((batch, 1, height, width), torch.float32))
    layer, part = (array_of(allocate((batch, num_peels, height, width), torch.int8)) for _ in range(2))
    peel_depth = array_of(allocate((batch, num_peels, height, width), torch.float32))
    mesh = _set_up(target_xy, depth, source_xy, triangles, triangle_layer, layer_alpha, (height, width))
    orders, parts = layer_order.to(torch.int32).contiguous().numpy(), triangle_part.to(torch.int8).contiguous().numpy()
    texture = array_of(layer_alpha.contiguous())
    scale, threshold = np.float32(_scale_of(layer_alpha)), np.float32(alpha_threshold)
    num_bands = -(-height // _ROWS_PER_BAND)

    def draw(first_band: int, last_band: int) -> None:
        for band in range(first_band, last_band):
            b, row = band // num_bands, band % num_bands * _ROWS_PER_BAND
            row_end = min(row + _ROWS_PER_BAND, height)
            tables = (mesh.planes[b], mesh.edges[b], mesh.boxes[b], mesh.first, parts, orders[b])
            peels = (flow[b], layer[b], part[b], peel_depth[b], visibility[b, 0])
            # The layer being drawn (depth, dx, dy, alpha), its parts, and the alphas of the peels.
            size = (row_end - row) * (width + LANES)
            scratch = (np.empty(4 * size, np.float32), np.empty(size, np.int8), np.empty(num_peels * size, np.float32))
            _draw_band(row, row_end, *tables, texture, scale, threshold, *peels, *scratch)

    run_bands(draw, batch * num_bands, grain=1)
    results = [torch.from_numpy(array) for array in (flow, layer, part, peel_depth, visibility)]
    return results[0], results[1], results[2], results[3], results[4]


class _Mesh(NamedTuple):
    """Tables of all triangles: planes (B, F, 11), edges (B, F, 3, 4), boxes (B, F, 5); first triangle of each layer."""

    planes: Array
    edges: Array
    boxes: Array
    first: Array


def _scale_of(layer_alpha: Tensor) -> float:
    return 1.0 / 255.0 if layer_alpha.dtype == torch.uint8 else 1.0


def _set_up(
    target_xy: Tensor,
    depth: Tensor,
    source_xy: Tensor,
    triangles: Tensor,
    triangle_layer: Tensor,
    layer_alpha: Tensor,
    size_hw: tuple[int, int],
) -> _Mesh:
    """Work out the tables of a mesh."""
    batch, num_faces, num_layers = target_xy.shape[0], triangles.shape[0], layer_alpha.shape[0]
    faces = triangles.to(torch.int32).contiguous().numpy()
    layers = triangle_layer.to(torch.int32).contiguous().numpy()
    targets, depths, source, texture = (
        array_of(tensor.contiguous()) for tensor in (target_xy, depth, source_xy, layer_alpha)
    )
    planes = np.empty((batch, num_faces, _NUM_PLANE_COLUMNS), dtype=np.float64)
    edges = np.empty((batch, num_faces, 3, 4), dtype=np.float64)
    boxes = np.empty((batch, num_faces, _NUM_BOX_COLUMNS), dtype=np.int32)
    opacity = np.empty(num_faces, dtype=np.int32)
    full = texture.dtype.type(255 if layer_alpha.dtype == torch.uint8 else 1)

    def classify(first: int, last: int) -> None:
        _classify(source, faces, layers, texture, full, first, last, opacity)

    def fill(first: int, last: int) -> None:
        for b in range(batch):
            tables = (planes[b], edges[b], boxes[b])
            _fill_tables(
                targets[b], depths[b], source, faces, opacity, *size_hw, first, last, *tables, np.empty((5, 3))
            )

    run_bands(classify, num_faces, grain=_TRIANGLES_PER_TASK)
    run_bands(fill, num_faces, grain=_TRIANGLES_PER_TASK)
    # Triangles are sorted by layer: those of layer l are first[l] up to first[l + 1].
    return _Mesh(planes, edges, boxes, np.searchsorted(layers, np.arange(num_layers + 1)).astype(np.int32))


@compiled()
def _classify(
    source: Array,
    faces: Array,
    layers: Array,
    texture: Array,
    full: Real,
    first: Integer,
    last: Integer,
    opacity: Array,
) -> None:
    """Tell which triangles lie on opaque texels only, with a texel to spare: 1, else 0."""
    _, height, width = texture.shape
    for f in range(first, last):
        opacity[f] = 0
        is_inside = True
        x_first, x_last, y_first, y_last = width, 0, height, 0
        for i in range(3):
            x, y = source[faces[f, i], 0], source[faces[f, i], 1]
            is_inside = is_inside and x >= 1.0 and y >= 1.0 and x < width - 2 and y < height - 2
            if is_inside:
                x_first, x_last = min(x_first, int(x) - 1), max(x_last, int(x) + 2)
                y_first, y_last = min(y_first, int(y) - 1), max(y_last, int(y) + 2)
        if not is_inside:
            continue
        if (x_last - x_first + 1) * (y_last - y_first + 1) > _MAX_TEXELS_TO_CLASSIFY:
            continue
        is_opaque = True
        for y in range(y_first, y_last + 1):
            least = full
            for x in range(x_first, x_last + 1):
                least = min(least, texture[layers[f], y, x])
            if least != full:
                is_opaque = False
                break
        opacity[f] = is_opaque


@compiled()
def _fill_tables(
    target: Array,
    depth: Array,
    source: Array,
    faces: Array,
    opacity: Array,
    height: Integer,
    width: Integer,
    first: Integer,
    last: Integer,
    planes: Array,
    edges: Array,
    boxes: Array,
    scratch: Array,
) -> None:
    """Work out planes, edges and clipped boxes of the triangles [first, last); an empty box draws nothing."""
    corner_x, corner_y, values = scratch[0], scratch[1], scratch[2:5]
    for f in range(first, last):
        boxes[f, _LEFT], boxes[f, _RIGHT], boxes[f, _TOP], boxes[f, _BOTTOM] = 0, -1, 0, -1
        boxes[f, _OPAQUE] = opacity[f]
        usable = True
        for i in range(3):
            v = faces[f, i]
            t_x, t_y, z = np.float64(target[v, 0]), np.float64(target[v, 1]), np.float64(depth[v])
            s_x, s_y = np.float64(source[v, 0]), np.float64(source[v, 1])
            usable = usable and _is_usable(t_x) and _is_usable(t_y) and _is_usable(s_x) and _is_usable(s_y)
            usable = usable and math.isfinite(z)
            corner_x[i], corner_y[i] = np.rint(t_x * _SUBPIXELS), np.rint(t_y * _SUBPIXELS)
            values[0, i], values[1, i], values[2, i] = s_x - t_x, s_y - t_y, z
        if not usable:
            continue
        a_x, a_y, b_x, b_y, c_x, c_y = corner_x[0], corner_y[0], corner_x[1], corner_y[1], corner_x[2], corner_y[2]
        area = (b_x - a_x) * (c_y - a_y) - (b_y - a_y) * (c_x - a_x)
        left = max(math.ceil(min(a_x, b_x, c_x) / _SUBPIXELS), 0)
        right = min(math.floor(max(a_x, b_x, c_x) / _SUBPIXELS), width - 1)
        top = max(math.ceil(min(a_y, b_y, c_y) / _SUBPIXELS), 0)
        bottom = min(math.floor(max(a_y, b_y, c_y) / _SUBPIXELS), height - 1)
        if area == 0.0 or left > right or top > bottom:
            continue
        boxes[f, _LEFT], boxes[f, _RIGHT], boxes[f, _TOP], boxes[f, _BOTTOM] = left, right, top, bottom
        _set_planes(planes[f], values, a_x, a_y, b_x, b_y, c_x, c_y)
        if area < 0.0:
            b_x, b_y, c_x, c_y = c_x, c_y, b_x, b_y
        _set_edge(edges[f, 0], a_x, a_y, b_x, b_y)
        _set_edge(edges[f, 1], b_x, b_y, c_x, c_y)
        _set_edge(edges[f, 2], c_x, c_y, a_x, a_y)


@inlined()
def _is_usable(coordinate: Real) -> bool:
    """Tell whether edges through here are exact; NaN fails."""
    return bool(abs(coordinate) <= _MAX_COORDINATE)


@inlined()
def _set_planes(plane: Array, values: Array, a_x: Real, a_y: Real, b_x: Real, b_y: Real, c_x: Real, c_y: Real) -> None:
    origin_x, origin_y = a_x / _SUBPIXELS, a_y / _SUBPIXELS
    e1_x, e1_y = b_x / _SUBPIXELS - origin_x, b_y / _SUBPIXELS - origin_y
    e2_x, e2_y = c_x / _SUBPIXELS - origin_x, c_y / _SUBPIXELS - origin_y
    determinant = e1_x * e2_y - e1_y * e2_x
    plane[_ORIGIN_X], plane[_ORIGIN_Y] = origin_x, origin_y
    for i in range(3):
        first, second = values[i, 1] - values[i, 0], values[i, 2] - values[i, 0]
        plane[_VALUE + i] = values[i, 0]
        plane[_SLOPE_X + i] = (first * e2_y - second * e1_y) / determinant
        plane[_SLOPE_Y + i] = (second * e1_x - first * e2_x) / determinant


@inlined()
def _set_edge(edge: Array, x0: Real, y0: Real, x1: Real, y1: Real) -> None:
    """Inside is where edge[0] * x + edge[1] * y + edge[2] >= edge[3]; all are integers below 2^53, so exact."""
    step_x, step_y = x1 - x0, y1 - y0
    owns = step_y < 0.0 or (step_y == 0.0 and step_x > 0.0)
    edge[0], edge[1], edge[2] = -step_y * _SUBPIXELS, step_x * _SUBPIXELS, step_y * x0 - step_x * y0
    edge[3] = 0.0 if owns else 1.0


@compiled()
def _draw_band(
    row_first: Integer,
    row_end: Integer,
    planes: Array,
    edges: Array,
    boxes: Array,
    first: Array,
    parts: Array,
    order: Array,
    texture: Array,
    scale: Real,
    threshold: Real,
    flow: Array,
    layer: Array,
    part: Array,
    depth: Array,
    visibility: Array,
    band: Array,
    band_part: Array,
    alpha: Array,
) -> None:
    """Draw the rows [row_first, row_end) of one picture; the last three are scratch memory."""
    _clear(visibility, row_first, row_end, np.float32(0.0))
    for k in range(layer.shape[0]):
        _clear(flow[k, 0], row_first, row_end, np.float32(0.0))
        _clear(flow[k, 1], row_first, row_end, np.float32(0.0))
        _clear(layer[k], row_first, row_end, np.int8(-1))
        _clear(part[k], row_first, row_end, np.int8(-1))
        _clear(depth[k], row_first, row_end, np.float32(np.inf))
    left, right = _extent(boxes, 0, boxes.shape[0], row_first, row_end)
    if left > right:
        return
    # Scratch is packed: pixel x of row y is at (y - row_first) * stride + x - left, planes are `pitch` elements apart.
    stride = right - left + 1 + LANES
    pitch = (row_end - row_first) * stride
    alpha[: layer.shape[0] * pitch] = np.float32(0.0)
    for position in range(order.shape[0]):
        layer_id = order[position]
        if layer_id < 0:
            continue
        f_first, f_last = first[layer_id], first[layer_id + 1]
        layer_left, layer_right = _extent(boxes, f_first, f_last, row_first, row_end)
        if layer_left > layer_right:
            continue
        for row in range(row_end - row_first):
            start = row * stride + layer_left - left
            band[start : start + layer_right - layer_left + 1 + LANES] = np.float32(np.inf)
        for f in range(f_first, f_last):
            top, bottom = max(boxes[f, _TOP], row_first), min(boxes[f, _BOTTOM] + 1, row_end)
            origin = -row_first * stride - left
            if boxes[f, _OPAQUE]:
                _draw_opaque(f, top, bottom, planes, edges, boxes, parts[f], band, band_part, origin, stride, pitch)
            else:
                lookup = (texture[layer_id], scale, threshold)
                _draw_masked(
                    f, top, bottom, planes, edges, boxes, parts[f], lookup, band, band_part, origin, stride, pitch
                )
        for y in range(row_first, row_end):
            start = (y - row_first) * stride + layer_left - left
            peels = (flow, layer, part, depth)
            _merge_row(np.int8(layer_id), y, layer_left, layer_right, start, band, band_part, peels, alpha, pitch)
    for y in range(row_first, row_end):
        start = (y - row_first) * stride
        _show_row(alpha[start:], pitch, layer.shape[0], visibility[y, left : right + 1])


@inlined()
def _clear(plane: Array, first: Integer, last: Integer, value: Real) -> None:
    """Fill rows [first, last), one at a time: of a row the compiler knows that it is contiguous."""
    for y in range(first, last):
        plane[y][:] = value


@inlined()
def _extent(boxes: Array, f_first: Integer, f_last: Integer, row_first: Integer, row_end: Integer) -> tuple[int, int]:
    """Find the first and last column that some triangles touch in some rows."""
    left, right = 1 << 30, -1
    for f in range(f_first, f_last):
        if boxes[f, _TOP] < row_end and boxes[f, _BOTTOM] >= row_first:
            left, right = min(left, boxes[f, _LEFT]), max(right, boxes[f, _RIGHT])
    return left, right


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
    down = np.float64(y) - planes[f, _ORIGIN_Y]
    return (
        planes[f, _VALUE + 2] + planes[f, _SLOPE_Y + 2] * down,
        planes[f, _VALUE] + planes[f, _SLOPE_Y] * down,
        planes[f, _VALUE + 1] + planes[f, _SLOPE_Y + 1] * down,
    )


@inlined()
def _draw_opaque(
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
    slopes = (planes[f, _SLOPE_X + 2], planes[f, _SLOPE_X], planes[f, _SLOPE_X + 1])
    for y in range(top, bottom):
        x_first, x_last = _span(edges, f, np.float64(y), boxes[f, _LEFT], boxes[f, _RIGHT])
        values = _row_values(planes, f, y)
        for x in range(x_first, x_last + 1, LANES):
            i = origin + y * stride + x
            address, part_address = band.ctypes.data + 4 * i, band_part.ctypes.data + i
            along = np.float64(x) - planes[f, _ORIGIN_X]
            draw_lanes(address, 4 * pitch, part_address, x_last + 1 - x, along, part_id, values, slopes)


@inlined()
def _draw_masked(
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
    slope_z, slope_dx, slope_dy = planes[f, _SLOPE_X + 2], planes[f, _SLOPE_X], planes[f, _SLOPE_X + 1]
    for y in range(top, bottom):
        x_first, x_last = _span(edges, f, np.float64(y), boxes[f, _LEFT], boxes[f, _RIGHT])
        row_z, row_dx, row_dy = _row_values(planes, f, y)
        for x in range(x_first, x_last + 1):
            i = np.uintp(origin + y * stride + x)
            along = np.float64(x) - planes[f, _ORIGIN_X]
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
def _merge_row(
    layer_id: Integer,
    y: Integer,
    x_first: Integer,
    x_last: Integer,
    start: Integer,
    band: Array,
    band_part: Array,
    peels: tuple[Array, Array, Array, Array],
    alpha: Array,
    pitch: Integer,
) -> None:
    """Put a drawn row of a layer, from `start` on in scratch, in front of the peels: whole vectors where they fit."""
    flow, layer, part, depth = peels
    num_peels, _, width = layer.shape
    x, i = x_first, start
    while x <= x_last and x + LANES <= width:
        z = band.ctypes.data + 4 * i
        to_dx = flow.ctypes.data + y * flow.strides[2] + x * 4
        to_depth = depth.ctypes.data + y * depth.strides[1] + x * 4
        to_alpha = alpha.ctypes.data + 4 * i
        to_layer = layer.ctypes.data + y * layer.strides[1] + x
        to_part = part.ctypes.data + y * part.strides[1] + x
        for k in range(num_peels - 1, 0, -1):
            shift_where_drawn(z, to_dx, flow.strides[0], k, np.float32(0.0))
            shift_where_drawn(z, to_dx + flow.strides[1], flow.strides[0], k, np.float32(0.0))
            shift_where_drawn(z, to_depth, depth.strides[0], k, np.float32(0.0))
            shift_where_drawn(z, to_alpha, 4 * pitch, k, np.float32(0.0))
            shift_where_drawn(z, to_layer, layer.strides[0], k, np.int8(0))
            shift_where_drawn(z, to_part, part.strides[0], k, np.int8(0))
        copy_where_drawn(z, z, to_depth, np.float32(0.0))
        copy_where_drawn(z, z + 4 * pitch, to_dx, np.float32(0.0))
        copy_where_drawn(z, z + 8 * pitch, to_dx + flow.strides[1], np.float32(0.0))
        copy_where_drawn(z, z + 12 * pitch, to_alpha, np.float32(0.0))
        copy_where_drawn(z, band_part.ctypes.data + i, to_part, np.int8(0))
        fill_where_drawn(z, to_layer, layer_id)
        x, i = x + LANES, i + LANES
    while x <= x_last:
        if band[i] < np.float32(np.inf):
            for k in range(num_peels - 1, 0, -1):
                flow[k, 0, y, x], flow[k, 1, y, x] = flow[k - 1, 0, y, x], flow[k - 1, 1, y, x]
                layer[k, y, x], part[k, y, x] = layer[k - 1, y, x], part[k - 1, y, x]
                depth[k, y, x], alpha[k * pitch + i] = depth[k - 1, y, x], alpha[(k - 1) * pitch + i]
            flow[0, 0, y, x], flow[0, 1, y, x] = band[pitch + i], band[2 * pitch + i]
            layer[0, y, x], part[0, y, x] = layer_id, band_part[i]
            depth[0, y, x], alpha[i] = band[i], band[3 * pitch + i]
        x, i = x + 1, i + 1


@inlined()
def _show_row(alpha: Array, pitch: Integer, num_peels: Integer, visibility: Array) -> None:
    """Turn the alphas of the peels into visibility."""
    one = np.float32(1.0)
    for i in range(visibility.shape[0]):
        visibility[i] = one - alpha[i]
    for k in range(1, num_peels):
        behind = alpha[k * pitch :]
        for i in range(visibility.shape[0]):
            visibility[i] *= one - behind[i]
    for i in range(visibility.shape[0]):
        visibility[i] = one - visibility[i]


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
