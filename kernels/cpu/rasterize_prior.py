"""numba implementation of `kernels.rasterize_prior`: bands of rows, exact spans, no buffer beside the result."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
from kernels.cpu.threads import run_bands

__all__ = ["rasterize_prior"]

_SUBPIXELS = 256.0
_MAX_COORDINATE = 32768.0
_ROWS_PER_BAND = 32

# Columns of the table of planes, one row per triangle: origin, then value and slopes of dx, dy and depth.
_ORIGIN_X, _ORIGIN_Y, _VALUE, _SLOPE_X, _SLOPE_Y = 0, 1, 2, 5, 8
_NUM_PLANE_COLUMNS = 11


def rasterize_prior(
    target_xy: Tensor,
    depth: Tensor,
    source_xy: Tensor,
    triangles: Tensor,
    triangle_layer: Tensor,
    triangle_part: Tensor,
    layer_order: Tensor,
    layer_alpha: Tensor,
    size_hw: tuple[int, int],
    num_peels: int,
    alpha_threshold: Real,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Draw the mesh; arguments and results as in `kernels.rasterize_prior`."""
    batch, (height, width) = target_xy.shape[0], size_hw
    # Fresh zeros come from the system unmapped: pages that nothing is drawn to cost nothing.
    flow = np.zeros((batch, num_peels, 2, height, width), dtype=np.float32)
    visibility = np.zeros((batch, height, width), dtype=np.float32)
    layer = np.empty((batch, num_peels, height, width), dtype=np.int8)
    part = np.empty_like(layer)
    peel_depth = np.empty(layer.shape, dtype=np.float32)

    faces = triangles.contiguous().to(torch.int32).numpy()
    layers = triangle_layer.contiguous().to(torch.int32).numpy()
    parts = triangle_part.contiguous().to(torch.int8).numpy()
    orders = layer_order.contiguous().to(torch.int32).numpy()
    texture = layer_alpha.contiguous().numpy()
    scale = np.float32(1.0 / 255.0 if layer_alpha.dtype == torch.uint8 else 1.0)
    targets, depths = target_xy.contiguous().numpy(), depth.contiguous().numpy()
    source = source_xy.contiguous().numpy()
    num_layers = texture.shape[0]
    # Triangles are sorted by layer: those of layer l are first[l] up to first[l + 1].
    first = np.searchsorted(layers, np.arange(num_layers + 1)).astype(np.int32)

    planes = np.empty((batch, len(faces), _NUM_PLANE_COLUMNS), dtype=np.float64)
    edges = np.empty((batch, len(faces), 3, 4), dtype=np.float64)
    boxes = np.empty((batch, len(faces), 4), dtype=np.int32)
    for b in range(batch):
        _set_up(targets[b], depths[b], source, faces, width, height, planes[b], edges[b], boxes[b])

    num_bands = -(-height // _ROWS_PER_BAND)

    def draw(first_band: int, last_band: int) -> None:
        for band in range(first_band, last_band):
            b, row = band // num_bands, band % num_bands * _ROWS_PER_BAND
            rows = (row, min(row + _ROWS_PER_BAND, height))
            mesh = (planes[b], edges[b], boxes[b], first, parts, orders[b])
            peels = (flow[b], layer[b], part[b], peel_depth[b], visibility[b])
            _draw_band(rows, *mesh, texture, scale, np.float32(alpha_threshold), *peels)

    run_bands(draw, batch * num_bands, grain=1)
    result = [torch.from_numpy(array) for array in (flow, layer, part, peel_depth, visibility[:, None])]
    return (result[0], result[1], result[2], result[3], result[4])


@compiled()
def _set_up(
    target: Array,
    depth: Array,
    source: Array,
    faces: Array,
    width: int,
    height: int,
    planes: Array,
    edges: Array,
    boxes: Array,
) -> None:
    """Work out planes, edges and the clipped box of every triangle; a box is (x first, x last, y first, y last)."""
    corner_x, corner_y = np.empty(3), np.empty(3)
    values = np.empty((3, 3))
    for f in range(faces.shape[0]):
        boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = 0, -1, 0, -1
        usable = True
        for i in range(3):
            v = faces[f, i]
            t_x, t_y, z = float(target[v, 0]), float(target[v, 1]), float(depth[v])
            s_x, s_y = float(source[v, 0]), float(source[v, 1])
            farthest = max(abs(t_x), abs(t_y), abs(s_x), abs(s_y))
            is_number = not (math.isnan(t_x) or math.isnan(t_y) or math.isnan(s_x) or math.isnan(s_y))
            usable = usable and is_number and farthest <= _MAX_COORDINATE and math.isfinite(z)
            corner_x[i], corner_y[i] = np.rint(t_x * _SUBPIXELS), np.rint(t_y * _SUBPIXELS)
            values[0, i], values[1, i], values[2, i] = s_x - t_x, s_y - t_y, z
        if not usable:
            continue
        a_x, a_y, b_x, b_y, c_x, c_y = corner_x[0], corner_y[0], corner_x[1], corner_y[1], corner_x[2], corner_y[2]
        area = (b_x - a_x) * (c_y - a_y) - (b_y - a_y) * (c_x - a_x)
        if area == 0.0:
            continue
        boxes[f, 0] = max(math.ceil(min(a_x, b_x, c_x) / _SUBPIXELS), 0)
        boxes[f, 1] = min(math.floor(max(a_x, b_x, c_x) / _SUBPIXELS), width - 1)
        boxes[f, 2] = max(math.ceil(min(a_y, b_y, c_y) / _SUBPIXELS), 0)
        boxes[f, 3] = min(math.floor(max(a_y, b_y, c_y) / _SUBPIXELS), height - 1)
        if boxes[f, 0] > boxes[f, 1] or boxes[f, 2] > boxes[f, 3]:
            boxes[f, 2], boxes[f, 3] = 0, -1
            continue
        _set_planes(planes[f], values, a_x, a_y, b_x, b_y, c_x, c_y)
        if area < 0.0:
            b_x, b_y, c_x, c_y = c_x, c_y, b_x, b_y
        _set_edge(edges[f, 0], a_x, a_y, b_x, b_y)
        _set_edge(edges[f, 1], b_x, b_y, c_x, c_y)
        _set_edge(edges[f, 2], c_x, c_y, a_x, a_y)


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
    rows: tuple[int, int],
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
) -> None:
    """Draw the rows [rows[0], rows[1]) of one picture."""
    row_first, row_last = rows[0], rows[1] - 1
    layer[:, rows[0] : rows[1]] = -1
    part[:, rows[0] : rows[1]] = -1
    depth[:, rows[0] : rows[1]] = np.inf
    left, right = _extent(boxes, row_first, row_last)
    if left > right:
        return
    alpha = np.zeros((layer.shape[0], rows[1] - rows[0], right - left + 1), dtype=np.float32)
    for position in range(order.shape[0]):
        layer_id = order[position]
        if layer_id < 0:
            continue
        for f in range(first[layer_id], first[layer_id + 1]):
            for y in range(max(boxes[f, 2], row_first), min(boxes[f, 3], row_last) + 1):
                x_first, x_last = _span(edges[f], float(y), boxes[f, 0], boxes[f, 1])
                _draw_span(
                    y, x_first, x_last, planes[f], layer_id, parts[f], texture[layer_id], scale, threshold,
                    flow, layer, part, depth, alpha[:, y - row_first], left,
                )  # fmt: skip
    for y in range(rows[0], rows[1]):
        for x in range(left, right + 1):
            if layer[0, y, x] >= 0:
                transmitted = np.float32(1.0)
                for k in range(alpha.shape[0]):
                    transmitted *= np.float32(1.0) - alpha[k, y - row_first, x - left]
                visibility[y, x] = np.float32(1.0) - transmitted


@compiled()
def _extent(boxes: Array, row_first: int, row_last: int) -> tuple[int, int]:
    """Find the first and last column that any triangle touches in these rows."""
    left, right = 1 << 30, -1
    for f in range(boxes.shape[0]):
        if boxes[f, 2] <= row_last and boxes[f, 3] >= row_first and boxes[f, 3] >= boxes[f, 2]:
            left, right = min(left, boxes[f, 0]), max(right, boxes[f, 1])
    return left, right


@inlined()
def _span(edge: Array, y: Real, x_first: Integer, x_last: Integer) -> tuple[int, int]:
    """Cut a row of the box to the pixels inside of all three edges.

    The quotients are exact enough: numerators stay below 2^50, so one that is no integer is farther from the next
    integer than a float64 rounds.
    """
    for i in range(3):
        slope, rest = edge[i, 0], edge[i, 3] - (edge[i, 1] * y + edge[i, 2])
        if slope > 0.0:
            x_first = int(max(math.ceil(rest / slope), float(x_first)))
        elif slope < 0.0:
            x_last = int(min(math.floor(rest / slope), float(x_last)))
        elif rest > 0.0:
            x_last = -1
    return x_first, x_last


@inlined()
def _draw_span(
    y: int,
    x_first: Integer,
    x_last: Integer,
    plane: Array,
    layer_id: int,
    part_id: int,
    texture: Array,
    scale: Real,
    threshold: Real,
    flow: Array,
    layer: Array,
    part: Array,
    depth: Array,
    alpha: Array,
    left: int,
) -> None:
    """Draw one row of one triangle: depth test inside the layer, push back what another layer drew."""
    down = y - plane[_ORIGIN_Y]
    row_dx = plane[_VALUE] + plane[_SLOPE_Y] * down
    row_dy = plane[_VALUE + 1] + plane[_SLOPE_Y + 1] * down
    row_z = plane[_VALUE + 2] + plane[_SLOPE_Y + 2] * down
    for x in range(x_first, x_last + 1):
        along = x - plane[_ORIGIN_X]
        z = np.float32(row_z + plane[_SLOPE_X + 2] * along)
        front = layer[0, y, x]
        if front == layer_id and not z < depth[0, y, x]:
            continue
        dx = np.float32(row_dx + plane[_SLOPE_X] * along)
        dy = np.float32(row_dy + plane[_SLOPE_X + 1] * along)
        sampled = _sample_alpha(texture, np.float32(x) + dx, np.float32(y) + dy) * scale
        if sampled < threshold:
            continue
        if front != layer_id and front >= 0:
            for k in range(layer.shape[0] - 1, 0, -1):
                flow[k, 0, y, x], flow[k, 1, y, x] = flow[k - 1, 0, y, x], flow[k - 1, 1, y, x]
                layer[k, y, x], part[k, y, x] = layer[k - 1, y, x], part[k - 1, y, x]
                depth[k, y, x], alpha[k, x - left] = depth[k - 1, y, x], alpha[k - 1, x - left]
        flow[0, 0, y, x], flow[0, 1, y, x] = dx, dy
        layer[0, y, x], part[0, y, x] = layer_id, part_id
        depth[0, y, x], alpha[0, x - left] = z, sampled


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
