"""numba implementation of `kernels.rasterize_prior`.

Bands of rows are drawn independently: each layer into a scratch band that stays in the cache, eight pixels at a
time where the texture is opaque, then merged into the peels. Spans are exact, so no pixel is tested in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from kernels.checks import check_indices
from kernels.cpu.jit import Array, Integer, Pair, Real, Span, compiled, inlined
from kernels.cpu.memory import allocate
from kernels.cpu.raster_lanes import LANES
from kernels.cpu.rasterize_layer import Canvas, Mesh, draw_masked, draw_opaque
from kernels.cpu.rasterize_peels import Peels, clear_rows, merge_row, show_row
from kernels.cpu.rasterize_tables import BOTTOM, LEFT, OPAQUE, RIGHT, TOP, list_by_band, set_up
from kernels.cpu.storage import array_of
from kernels.cpu.streaming import worth_streaming
from kernels.cpu.threads import run_bands

__all__ = ["rasterize_prior"]

_ROWS_PER_BAND = 32

_Scratch: TypeAlias = tuple[Array, Array, Array]
"""Memory for a band: four planes and the parts of a layer, as in `Canvas`, and the alpha of each peel."""


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
    tables = set_up(target_xy, depth, source_xy, triangles, triangle_layer, layer_alpha, (height, width))
    orders, parts = layer_order.to(torch.int32).contiguous().numpy(), triangle_part.to(torch.int8).contiguous().numpy()
    scale, threshold = np.float32(1.0 / 255.0 if layer_alpha.dtype == torch.uint8 else 1.0), np.float32(alpha_threshold)
    lookup = (array_of(layer_alpha.contiguous()), scale, threshold)
    num_bands = -(-height // _ROWS_PER_BAND)
    lists = list_by_band(tables.boxes, num_bands, _ROWS_PER_BAND)

    def draw(first_band: int, last_band: int) -> None:
        # The layer being drawn (depth, dx, dy, alpha), its parts, and the alphas of the peels.
        size = _ROWS_PER_BAND * (width + LANES)
        scratch = (np.empty(4 * size, np.float32), np.empty(size, np.int8), np.empty(num_peels * size, np.float32))
        bands = (first_band, last_band, num_bands)
        _draw_bands(bands, tuple(tables), parts, lists, orders, lookup, pictures, streams, scratch)

    run_bands(draw, batch * num_bands, grain=1)
    return results


@compiled()
def _draw_bands(
    bands: tuple[Integer, Integer, Integer],
    tables: tuple[Array, Array, Array, Array],
    parts: Array,
    lists: Pair,
    orders: Array,
    lookup: tuple[Array, Real, Real],
    pictures: tuple[Array, Array, Array, Array, Array],
    streams: bool,
    scratch: _Scratch,
) -> None:
    """Draw some bands.

    Args:
        bands: the first one, the one after the last, and how many each picture has.
        tables: as in `Tables`.
        parts: (F,), part ids.
        lists: as `list_by_band` returns them.
        orders: (B, L'), the layers of each picture, back to front.
        lookup: alpha of the layers, by what it is multiplied, and below what it is a hole.
        pictures: the results: flow, layer, part, depth, visibility.
        streams: whether what is not drawn to is cleared past the caches.
        scratch: memory for a band.
    """
    first_band, last_band, num_bands = bands
    planes, edges, boxes, first = tables
    starts, members = lists
    flow, layer, part, depth, visibility = pictures
    height = layer.shape[2]
    for band in range(first_band, last_band):
        b, row = band // num_bands, band % num_bands * _ROWS_PER_BAND
        rows, met = (row, min(row + _ROWS_PER_BAND, height)), members[starts[band] : starts[band + 1]]
        peels, seen = (flow[b], layer[b], part[b], depth[b]), visibility[b, 0]
        mesh = (planes[b], edges[b], boxes[b], parts)
        extent = _extent(boxes[b], met)
        clear_rows(peels, seen, rows, extent, streams)
        if extent[0] < extent[1]:
            _draw_band(mesh, met, first, orders[b], lookup, peels, seen, rows, extent, scratch)


@inlined()
def _draw_band(
    mesh: Mesh,
    members: Array,
    first: Array,
    order: Array,
    lookup: tuple[Array, Real, Real],
    peels: Peels,
    visibility: Array,
    rows: Span,
    columns: Span,
    scratch: _Scratch,
) -> None:
    """Draw the triangles that meet a band: layer after layer, each in front of the ones before.

    `first` tells the first triangle of each layer; nothing is drawn outside of the given rows and columns.
    """
    band, band_part, alpha = scratch
    texture, scale, threshold = lookup
    num_peels = peels[1].shape[0]
    # Scratch is packed: what is drawn, and room for whole vectors that begin there.
    stride = columns[1] - columns[0] + LANES
    pitch = (rows[1] - rows[0]) * stride
    canvas = (band, band_part, (-rows[0] * stride - columns[0], stride, pitch))
    alpha[: num_peels * pitch] = np.float32(0.0)
    for layer_id in order:
        if layer_id < 0:
            continue
        drawn = members[_count_below(members, first[layer_id]) : _count_below(members, first[layer_id + 1])]
        touched = _extent(mesh[2], drawn)
        if touched[0] < touched[1]:
            _draw_layer(mesh, drawn, (texture[layer_id], scale, threshold), canvas, rows, touched)
            for y in range(*rows):
                merge_row(np.int8(layer_id), y, touched, canvas, peels, alpha)
    for y in range(*rows):
        show_row(alpha[(y - rows[0]) * stride :], pitch, num_peels, visibility[y, columns[0] : columns[1]])


@inlined()
def _draw_layer(
    mesh: Mesh, members: Array, lookup: tuple[Array, Real, Real], canvas: Canvas, rows: Span, columns: Span
) -> None:
    """Draw the triangles of one layer to scratch memory, of which they touch the given rows and columns."""
    band, _, (origin, stride, _) = canvas
    boxes = mesh[2]
    for y in range(*rows):
        start = origin + y * stride
        band[start + columns[0] : start + columns[1] + LANES] = np.float32(np.inf)
    for f in members:
        drawn = (max(boxes[f, TOP], rows[0]), min(boxes[f, BOTTOM] + 1, rows[1]))
        if boxes[f, OPAQUE]:
            draw_opaque(mesh, f, drawn, canvas)
        else:
            draw_masked(mesh, f, drawn, canvas, lookup)


@inlined()
def _count_below(members: Array, f: Integer) -> int:
    """Count the triangles of a sorted list that come before triangle f."""
    count = 0
    while count < members.size and members[count] < f:
        count += 1
    return count


@inlined()
def _extent(boxes: Array, members: Array) -> Span:
    """Find the columns that some triangles touch."""
    left, right = 1 << 30, -1
    for f in members:
        left, right = min(left, boxes[f, LEFT]), max(right, boxes[f, RIGHT])
    return left, right + 1
