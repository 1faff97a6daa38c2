"""numba implementation of `kernels.rasterize_prior`.

Bands of rows are drawn independently: each layer into a scratch band that stays in the cache, eight pixels at a
time where the texture is opaque, then merged into the peels. Spans are exact, so no pixel is tested in vain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kernels.checks import check_indices
from kernels.cpu.jit import Array, Integer, Pair, Real, Span, compiled, inlined
from kernels.cpu.memory import allocate
from kernels.cpu.rasterize_layer import draw_masked, draw_opaque
from kernels.cpu.rasterize_tables import BOTTOM, LEFT, OPAQUE, RIGHT, TOP, list_by_band, set_up
from kernels.cpu.simd import LANES, any_drawn, copy_where_drawn, fill_where_drawn, shift_where_drawn
from kernels.cpu.storage import array_of
from kernels.cpu.streaming import LINE, fill_past_cache, finish_streaming, worth_streaming
from kernels.cpu.threads import run_bands

__all__ = ["rasterize_prior"]

_ROWS_PER_BAND = 32


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
    shape = (batch, num_peels, height, width)
    flow, peel_depth = allocate((batch, num_peels, 2, height, width), torch.float32), allocate(shape, torch.float32)
    layer, part = allocate(shape, torch.int8), allocate(shape, torch.int8)
    results = (flow, layer, part, peel_depth, allocate((batch, 1, height, width), torch.float32))
    pictures, streams = tuple(array_of(result) for result in results), worth_streaming(flow)
    mesh = set_up(target_xy, depth, source_xy, triangles, triangle_layer, layer_alpha, (height, width))
    orders, parts = layer_order.to(torch.int32).contiguous().numpy(), triangle_part.to(torch.int8).contiguous().numpy()
    scale, threshold = np.float32(1.0 / 255.0 if layer_alpha.dtype == torch.uint8 else 1.0), np.float32(alpha_threshold)
    lookup = (array_of(layer_alpha.contiguous()), scale, threshold)
    num_bands = -(-height // _ROWS_PER_BAND)
    lists = list_by_band(mesh.boxes, num_bands, _ROWS_PER_BAND)

    def draw(first_band: int, last_band: int) -> None:
        # The layer being drawn (depth, dx, dy, alpha), its parts, and the alphas of the peels.
        size = _ROWS_PER_BAND * (width + LANES)
        scratch = (np.empty(4 * size, np.float32), np.empty(size, np.int8), np.empty(num_peels * size, np.float32))
        bands = (first_band, last_band, num_bands)
        _draw_bands(bands, tuple(mesh), lists, orders, parts, lookup, pictures, streams, scratch)

    run_bands(draw, batch * num_bands, grain=1)
    return results


@compiled()
def _draw_bands(
    bands: tuple[Integer, Integer, Integer],
    mesh: tuple[Array, Array, Array, Array],
    lists: Pair,
    orders: Array,
    parts: Array,
    lookup: tuple[Array, Real, Real],
    pictures: tuple[Array, Array, Array, Array, Array],
    streams: bool,
    scratch: tuple[Array, Array, Array],
) -> None:
    """Draw some bands.

    Args:
        bands: the first one, the one after the last, and how many each picture has.
        mesh: as in `Mesh`.
        lists: as `list_by_band` returns them.
        orders: (B, L'), the layers of each picture, back to front.
        parts: (F,), part ids.
        lookup: alpha of the layers, by what it is multiplied, and below what it is a hole.
        pictures: the results: flow, layer, part, depth, visibility.
        streams: whether what is not drawn to is cleared past the caches.
        scratch: memory for a band: what is drawn of a layer, its parts, and the peels' alpha.
    """
    first_band, last_band, num_bands = bands
    planes, edges, boxes, first = mesh
    starts, members = lists
    flow, layer, part, depth, visibility = pictures
    height = layer.shape[2]
    for band in range(first_band, last_band):
        b, row = band // num_bands, band % num_bands * _ROWS_PER_BAND
        rows, met = (row, min(row + _ROWS_PER_BAND, height)), members[starts[band] : starts[band + 1]]
        peels = (flow[b], layer[b], part[b], depth[b])
        tables = (planes[b], edges[b], boxes[b], first)
        _draw_band(rows, met, tables, orders[b], parts, lookup, peels, visibility[b, 0], streams, scratch)


@inlined()
def _draw_band(
    rows: Span,
    members: Array,
    mesh: tuple[Array, Array, Array, Array],
    order: Array,
    parts: Array,
    lookup: tuple[Array, Real, Real],
    peels: tuple[Array, Array, Array, Array],
    visibility: Array,
    streams: bool,
    scratch: tuple[Array, Array, Array],
) -> None:
    """Draw one band of a picture, given its rows and the triangles that they meet."""
    row_first, row_end = rows
    planes, edges, boxes, first = mesh
    flow, layer, part, depth = peels
    band, band_part, alpha = scratch
    left, right = _extent(boxes, members)
    warm = _warm_columns(left, right + LANES, visibility.shape[1], streams)
    for y in range(row_first, row_end):
        _clear(visibility[y], warm, np.float32(0.0))
        for k in range(layer.shape[0]):
            _clear(flow[k, 0, y], warm, np.float32(0.0))
            _clear(flow[k, 1, y], warm, np.float32(0.0))
            _clear(layer[k, y], warm, np.int8(-1))
            _clear(part[k, y], warm, np.int8(-1))
            _clear(depth[k, y], warm, np.float32(np.inf))
    if streams:
        finish_streaming()
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
        drawn = members[_count_below(members, first[layer_id]) : _count_below(members, first[layer_id + 1])]
        layer_left, layer_right = _extent(boxes, drawn)
        if layer_left > layer_right:
            continue
        for row in range(row_end - row_first):
            start = row * stride + layer_left - left
            band[start : start + layer_right - layer_left + 1 + LANES] = np.float32(np.inf)
        for f in drawn:
            top, bottom = max(boxes[f, TOP], row_first), min(boxes[f, BOTTOM] + 1, row_end)
            origin = -row_first * stride - left
            if boxes[f, OPAQUE]:
                draw_opaque(f, top, bottom, planes, edges, boxes, parts[f], band, band_part, origin, stride, pitch)
            else:
                texture = (lookup[0][layer_id], lookup[1], lookup[2])
                draw_masked(
                    f, top, bottom, planes, edges, boxes, parts[f], texture, band, band_part, origin, stride, pitch
                )
        for y in range(row_first, row_end):
            start = (y - row_first) * stride + layer_left - left
            _merge_row(np.int8(layer_id), y, layer_left, layer_right, start, band, band_part, peels, alpha, pitch)
    for y in range(row_first, row_end):
        start = (y - row_first) * stride
        _show_row(alpha[start:], pitch, layer.shape[0], visibility[y, left : right + 1])


@inlined()
def _warm_columns(left: Integer, right: Integer, width: Integer, streams: bool) -> Pair:
    """Choose the columns to clear in the cache: where something is drawn, in whole lines; all if nothing streams."""
    if not streams:
        return 0, width
    return (left // LINE * LINE, min((right // LINE + 1) * LINE, width)) if left <= right else (0, 0)


@inlined()
def _clear(row: Array, warm: Pair, value: Real) -> None:
    """Fill a row, past the caches but for the columns from warm[0] up to warm[1]."""
    fill_past_cache(row[: warm[0]], value)
    row[warm[0] : warm[1]] = value
    fill_past_cache(row[warm[1] :], value)


@inlined()
def _count_below(members: Array, f: Integer) -> int:
    """Count the triangles of a sorted list that come before triangle f."""
    count = 0
    while count < members.size and members[count] < f:
        count += 1
    return count


@inlined()
def _extent(boxes: Array, members: Array) -> tuple[int, int]:
    """Find the first and last column that some triangles touch."""
    left, right = 1 << 30, -1
    for f in members:
        left, right = min(left, boxes[f, LEFT]), max(right, boxes[f, RIGHT])
    return left, right


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
        if not any_drawn(z):
            x, i = x + LANES, i + LANES
            continue
        to_dx = flow.ctypes.data + y * flow.strides[2] + x * 4
        to_depth = depth.ctypes.data + y * depth.strides[1] + x * 4
        to_alpha = alpha.ctypes.data + 4 * i
        to_layer = layer.ctypes.data + y * layer.strides[1] + x
        to_part = part.ctypes.data + y * part.strides[1] + x
        # Behind a front peel that is empty there is nothing to shift.
        for k in range(num_peels - 1 if any_drawn(to_depth) else 0, 0, -1):
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
