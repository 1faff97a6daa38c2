"""The peels of a raster: cleared, shifted back where a layer is put in front of them, turned into visibility."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from kernels.cpu.jit import Array, Integer, Real, Span, inlined
from kernels.cpu.raster_lanes import LANES, any_drawn, copy_where_drawn, fill_where_drawn, shift_where_drawn
from kernels.cpu.rasterize_layer import Canvas
from kernels.cpu.streaming import LINE, fill_past_cache, finish_streaming

__all__ = ["Peels", "clear_rows", "merge_row", "show_row"]

Peels: TypeAlias = tuple[Array, Array, Array, Array]
"""The peels of one picture: flow, layer, part, depth."""


@inlined()
def clear_rows(peels: Peels, visibility: Array, rows: Span, columns: Span, streams: bool) -> None:
    """Clear some rows: past the caches if asked to, but for the columns that will be drawn to."""
    flow, layer, part, depth = peels
    warm = _warm_columns(columns, visibility.shape[1], streams)
    for y in range(*rows):
        _clear(visibility[y], warm, np.float32(0.0))
        for k in range(layer.shape[0]):
            _clear(flow[k, 0, y], warm, np.float32(0.0))
            _clear(flow[k, 1, y], warm, np.float32(0.0))
            _clear(layer[k, y], warm, np.int8(-1))
            _clear(part[k, y], warm, np.int8(-1))
            _clear(depth[k, y], warm, np.float32(np.inf))
    if streams:
        finish_streaming()


@inlined()
def _warm_columns(drawn: Span, width: Integer, streams: bool) -> Span:
    """Choose the columns to clear in the cache: where something is drawn, in whole lines; all if nothing streams."""
    if not streams:
        return 0, width
    left, right = drawn[0], drawn[1] + LANES
    return (left // LINE * LINE, min(-(-right // LINE) * LINE, width)) if drawn[0] < drawn[1] else (0, 0)


@inlined()
def _clear(row: Array, warm: Span, value: Real) -> None:
    """Fill a row, past the caches but for the columns from warm[0] up to warm[1]."""
    fill_past_cache(row[: warm[0]], value)
    row[warm[0] : warm[1]] = value
    fill_past_cache(row[warm[1] :], value)


@inlined()
def merge_row(layer_id: Integer, y: Integer, columns: Span, canvas: Canvas, peels: Peels, alpha: Array) -> None:
    """Put some columns of a drawn row of a layer in front of the peels: whole vectors where they fit.

    `alpha` is that of the peels, laid out as the canvas is.
    """
    origin, stride, _ = canvas[2]
    x, end = columns
    whole = min(end, peels[1].shape[2] - LANES + 1)
    i = origin + y * stride + x
    while x < whole:
        _merge_lanes(layer_id, y, x, i, canvas, peels, alpha)
        x, i = x + LANES, i + LANES
    while x < end:
        _merge_pixel(layer_id, y, x, i, canvas, peels, alpha)
        x, i = x + 1, i + 1


@inlined()
def _merge_lanes(
    layer_id: Integer, y: Integer, x: Integer, i: Integer, canvas: Canvas, peels: Peels, alpha: Array
) -> None:
    """Do as `_merge_pixel` for `LANES` pixels from x on."""
    (band, parts, (_, _, pitch)), (flow, layer, part, depth) = canvas, peels
    z = band.ctypes.data + 4 * i
    if not any_drawn(z):
        return
    to_dx = flow.ctypes.data + y * flow.strides[2] + x * 4
    to_depth = depth.ctypes.data + y * depth.strides[1] + x * 4
    to_alpha = alpha.ctypes.data + 4 * i
    to_layer = layer.ctypes.data + y * layer.strides[1] + x
    to_part = part.ctypes.data + y * part.strides[1] + x
    # Behind a front peel that is empty there is nothing to shift.
    for k in range(layer.shape[0] - 1 if any_drawn(to_depth) else 0, 0, -1):
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
    copy_where_drawn(z, parts.ctypes.data + i, to_part, np.int8(0))
    fill_where_drawn(z, to_layer, layer_id)


@inlined()
def _merge_pixel(
    layer_id: Integer, y: Integer, x: Integer, i: Integer, canvas: Canvas, peels: Peels, alpha: Array
) -> None:
    """Put what is drawn at place i of the canvas in front of the peels of a pixel, and shift those back."""
    (band, parts, (_, _, pitch)), (flow, layer, part, depth) = canvas, peels
    if not band[i] < np.float32(np.inf):
        return
    for k in range(layer.shape[0] - 1, 0, -1):
        flow[k, 0, y, x], flow[k, 1, y, x] = flow[k - 1, 0, y, x], flow[k - 1, 1, y, x]
        layer[k, y, x], part[k, y, x] = layer[k - 1, y, x], part[k - 1, y, x]
        depth[k, y, x], alpha[k * pitch + i] = depth[k - 1, y, x], alpha[(k - 1) * pitch + i]
    flow[0, 0, y, x], flow[0, 1, y, x] = band[pitch + i], band[2 * pitch + i]
    layer[0, y, x], part[0, y, x] = layer_id, parts[i]
    depth[0, y, x], alpha[i] = band[i], band[3 * pitch + i]


@inlined()
def show_row(alpha: Array, pitch: Integer, num_peels: Integer, visibility: Array) -> None:
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
