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
from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
from kernels.cpu.memory import allocate
from kernels.cpu.rasterize_layer import draw_masked, draw_opaque
from kernels.cpu.rasterize_tables import BOTTOM, LEFT, OPAQUE, RIGHT, TOP, set_up
from kernels.cpu.simd import LANES, copy_where_drawn, fill_where_drawn, shift_where_drawn
from kernels.cpu.storage import array_of
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
    flow = array_of(allocate((batch, num_peels, 2, height, width), torch.float32))
    visibility = array_of(allocate((batch, 1, height, width), torch.float32))
    layer, part = (array_of(allocate((batch, num_peels, height, width), torch.int8)) for _ in range(2))
    peel_depth = array_of(allocate((batch, num_peels, height, width), torch.float32))
    mesh = set_up(target_xy, depth, source_xy, triangles, triangle_layer, layer_alpha, (height, width))
    orders, parts = layer_order.to(torch.int32).contiguous().numpy(), triangle_part.to(torch.int8).contiguous().numpy()
    texture = array_of(layer_alpha.contiguous())
    scale, threshold = np.float32(1.0 / 255.0 if layer_alpha.dtype == torch.uint8 else 1.0), np.float32(alpha_threshold)
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
            top, bottom = max(boxes[f, TOP], row_first), min(boxes[f, BOTTOM] + 1, row_end)
            origin = -row_first * stride - left
            if boxes[f, OPAQUE]:
                draw_opaque(f, top, bottom, planes, edges, boxes, parts[f], band, band_part, origin, stride, pitch)
            else:
                lookup = (texture[layer_id], scale, threshold)
                draw_masked(
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
        if boxes[f, TOP] < row_end and boxes[f, BOTTOM] >= row_first:
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
