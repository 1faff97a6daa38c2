"""What a raster knows of its triangles before it draws: planes of what is interpolated, exact edges, clipped boxes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Pair, Real, Span, compiled, inlined
from kernels.cpu.lanes import LANES, are_all, read_lanes
from kernels.cpu.storage import array_of
from kernels.cpu.threads import run_bands

__all__ = [
    "BOTTOM",
    "LEFT",
    "OPAQUE",
    "ORIGIN_X",
    "ORIGIN_Y",
    "RIGHT",
    "SLOPE_X",
    "SLOPE_Y",
    "TOP",
    "VALUE",
    "Tables",
    "list_by_band",
    "set_up",
]

_SUBPIXELS = 256.0
_MAX_COORDINATE = 32768.0
_TRIANGLES_PER_TASK = 512

# Columns of the table of planes, one row per triangle: origin, then value and slopes of dx, dy and depth.
ORIGIN_X, ORIGIN_Y, VALUE, SLOPE_X, SLOPE_Y = 0, 1, 2, 5, 8
_NUM_PLANE_COLUMNS = 11

# Columns of the table of boxes; what is opaque needs no look at the texture.
LEFT, RIGHT, TOP, BOTTOM, OPAQUE = 0, 1, 2, 3, 4
_NUM_BOX_COLUMNS = 5
_MAX_TEXELS_TO_CLASSIFY = 4096


class Tables(NamedTuple):
    """What is known of all triangles: planes (B, F, 11), edges (B, F, 3, 4), boxes (B, F, 5); first of each layer."""

    planes: Array
    edges: Array
    boxes: Array
    first: Array


def set_up(
    target_xy: Tensor,
    depth: Tensor,
    source_xy: Tensor,
    triangles: Tensor,
    triangle_layer: Tensor,
    layer_alpha: Tensor,
    size_hw: tuple[int, int],
) -> Tables:
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
    full = np.float32(255.0 if layer_alpha.dtype == torch.uint8 else 1.0)

    def fill(first: int, last: int) -> None:
        alpha = (texture.reshape(-1), tuple(layer_alpha.shape[1:]), full)
        _classify(source, faces, layers, alpha, (first, last), opacity)
        for b in range(batch):
            vertices, tables = (targets[b], depths[b], source), (planes[b], edges[b], boxes[b])
            _fill_tables(vertices, faces, opacity, size_hw, (first, last), tables, np.empty((5, 3)))

    run_bands(fill, num_faces, grain=_TRIANGLES_PER_TASK)
    # Triangles are sorted by layer: those of layer l are first[l] up to first[l + 1].
    return Tables(planes, edges, boxes, np.searchsorted(layers, np.arange(num_layers + 1)).astype(np.int32))


def list_by_band(boxes: Array, num_bands: int, rows_per_band: int) -> tuple[Array, Array]:
    """List the triangles that each band of rows meets, in order.

    Args:
        boxes: (B, F, 5).
        num_bands: how many bands a picture has.
        rows_per_band: how many rows a band has.

    Returns:
        Where the list of each of the B * num_bands bands begins, with one entry more for where the last one ends; and
        the lists, one after the other.
    """
    starts = np.zeros(len(boxes) * num_bands + 1, dtype=np.int64)
    for b, table in enumerate(boxes):
        _count_by_band(table, rows_per_band, starts[1 + b * num_bands :])
    np.cumsum(starts, out=starts)
    members, free = np.empty(starts[-1], dtype=np.int32), starts[:-1].copy()
    for b, table in enumerate(boxes):
        _append_by_band(table, rows_per_band, free[b * num_bands :], members)
    return starts, members


@compiled()
def _count_by_band(boxes: Array, rows_per_band: Integer, counts: Array) -> None:
    """Count the triangles that each band meets."""
    for f in range(boxes.shape[0]):
        if boxes[f, TOP] <= boxes[f, BOTTOM]:
            for band in range(boxes[f, TOP] // rows_per_band, boxes[f, BOTTOM] // rows_per_band + 1):
                counts[band] += 1


@compiled()
def _append_by_band(boxes: Array, rows_per_band: Integer, free: Array, members: Array) -> None:
    """Append each triangle to the lists of the bands it meets; `free` is the next free place of each list."""
    for f in range(boxes.shape[0]):
        if boxes[f, TOP] <= boxes[f, BOTTOM]:
            for band in range(boxes[f, TOP] // rows_per_band, boxes[f, BOTTOM] // rows_per_band + 1):
                members[free[band]] = f
                free[band] += 1


@compiled()
def _classify(
    source: Array, faces: Array, layers: Array, alpha: tuple[Array, Pair, Real], span: Span, opacity: Array
) -> None:
    """Tell which of some triangles lie on opaque texels only, with a texel to spare: 1, else 0.

    `alpha` is that of the layers, flat, the size of a layer, and what is opaque.
    """
    texture, (height, width), full = alpha
    for f in range(*span):
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
        y, is_opaque = y_first, True
        while is_opaque and y <= y_last:
            row = (np.int64(layers[f]) * height + y) * width
            is_opaque = _is_full(texture, row + x_first, x_last + 1 - x_first, full)
            y += 1
        opacity[f] = is_opaque


@inlined()
def _is_full(texture: Array, first: Integer, count: Integer, full: Real) -> bool:
    """Tell whether `count` texels are opaque; not of the last ones of all, which are no whole `Lanes`."""
    for i in range(first, first + count, LANES):
        if i + LANES > texture.size or not are_all(read_lanes(texture, np.uintp(i)), full, first + count - i):
            return False
    return True


@compiled()
def _fill_tables(
    vertices: tuple[Array, Array, Array],
    faces: Array,
    opacity: Array,
    size_hw: Pair,
    span: Span,
    tables: tuple[Array, Array, Array],
    scratch: Array,
) -> None:
    """Work out planes, edges and clipped boxes of some triangles; an empty box draws nothing.

    `vertices` are where they are, their depth, and where they are in the textures.
    """
    (target, depth, source), (height, width), (planes, edges, boxes) = vertices, size_hw, tables
    corner_x, corner_y, values = scratch[0], scratch[1], scratch[2:5]
    for f in range(*span):
        boxes[f, LEFT], boxes[f, RIGHT], boxes[f, TOP], boxes[f, BOTTOM] = 0, -1, 0, -1
        boxes[f, OPAQUE] = opacity[f]
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
        boxes[f, LEFT], boxes[f, RIGHT], boxes[f, TOP], boxes[f, BOTTOM] = left, right, top, bottom
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
    plane[ORIGIN_X], plane[ORIGIN_Y] = origin_x, origin_y
    for i in range(3):
        first, second = values[i, 1] - values[i, 0], values[i, 2] - values[i, 0]
        plane[VALUE + i] = values[i, 0]
        plane[SLOPE_X + i] = (first * e2_y - second * e1_y) / determinant
        plane[SLOPE_Y + i] = (second * e1_x - first * e2_x) / determinant


@inlined()
def _set_edge(edge: Array, x0: Real, y0: Real, x1: Real, y1: Real) -> None:
    """Inside is where edge[0] * x + edge[1] * y + edge[2] >= edge[3]; all are integers below 2^53, so exact."""
    step_x, step_y = x1 - x0, y1 - y0
    owns = step_y < 0.0 or (step_y == 0.0 and step_x > 0.0)
    edge[0], edge[1], edge[2] = -step_y * _SUBPIXELS, step_x * _SUBPIXELS, step_y * x0 - step_x * y0
    edge[3] = 0.0 if owns else 1.0
