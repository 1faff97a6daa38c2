"""Specification of `kernels.rasterize_prior`: one triangle after the other, every pixel of its box.

All attributes are interpolated in float64 and then rounded to float32; coverage is decided in integers. Every
backend computes the same expressions in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.checks import check_indices

__all__ = ["MAX_COORDINATE", "rasterize_prior"]

MAX_COORDINATE = 32768.0
"""Vertices farther from the origin than this many pixels drop their triangle: up to here edges are exact."""

_SUBPIXELS = 256


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
    batch, (height, width), device = target_xy.shape[0], size_hw, target_xy.device
    flow = torch.zeros(batch, num_peels, 2, height, width, device=device)
    layer = torch.full((batch, num_peels, height, width), -1, dtype=torch.int8, device=device)
    part = torch.full_like(layer, -1)
    peel_depth = torch.full((batch, num_peels, height, width), math.inf, device=device)
    alpha = torch.zeros(batch, num_peels, height, width, device=device)
    scale = 1.0 / 255.0 if layer_alpha.dtype == torch.uint8 else 1.0
    textures = layer_alpha.float()
    layers_of, parts_of = triangle_layer.tolist(), triangle_part.tolist()
    for b in range(batch):
        peels = (flow[b], layer[b], part[b], peel_depth[b], alpha[b])
        for layer_id in layer_order[b].tolist():
            for f, corners in enumerate(triangles.tolist()):
                if layers_of[f] == layer_id:
                    vertices = (target_xy[b, corners], source_xy[corners], depth[b, corners])
                    _draw(peels, vertices, layer_id, parts_of[f], textures[layer_id], scale, alpha_threshold)
    visibility = 1.0 - (1.0 - alpha).prod(dim=1, keepdim=True)
    return flow, layer, part, peel_depth, visibility


def _draw(
    peels: tuple[Tensor, ...],
    vertices: tuple[Tensor, Tensor, Tensor],
    layer_id: int,
    part_id: int,
    texture: Tensor,
    scale: float,
    alpha_threshold: float,
) -> None:
    target, source, depth = (values.double() for values in vertices)  # (3, 2), (3, 2), (3,)
    positions = torch.cat([target, source])
    if not (positions.abs() <= MAX_COORDINATE).all() or not depth.isfinite().all():  # NaN fails too
        return
    flow, layer, part, peel_depth, alpha = peels
    _, height, width = layer.shape
    snapped = (target * _SUBPIXELS).round().long()
    low = snapped.amin(dim=0).div(-_SUBPIXELS, rounding_mode="floor").neg()
    high = snapped.amax(dim=0).div(_SUBPIXELS, rounding_mode="floor")
    x_first, y_first = (max(int(value), 0) for value in low)
    x_last, y_last = min(int(high[0]), width - 1), min(int(high[1]), height - 1)
    if x_first > x_last or y_first > y_last:
        return
    y, x = torch.meshgrid(
        torch.arange(y_first, y_last + 1, device=layer.device),
        torch.arange(x_first, x_last + 1, device=layer.device),
        indexing="ij",
    )
    covered = _covered(snapped, x, y)
    y, x = y[covered], x[covered]
    values = torch.cat([source - target, depth[:, None]], dim=1)  # (3, 3): dx, dy, z at each vertex
    dx, dy, z = (_interpolate(snapped, values[:, i], x, y).float() for i in range(3))
    sampled = _sample_alpha(texture, x.float() + dx, y.float() + dy) * scale
    wins = (layer[0, y, x] != layer_id) | (z < peel_depth[0, y, x])
    drawn = wins & (sampled >= alpha_threshold)
    y, x = y[drawn], x[drawn]
    behind = layer[0, y, x] != layer_id
    for buffer in peels:
        buffer[1:, ..., y[behind], x[behind]] = buffer[:-1, ..., y[behind], x[behind]]
    flow[0, :, y, x] = torch.stack([dx, dy])[:, drawn]
    layer[0, y, x] = layer_id
    part[0, y, x] = part_id
    peel_depth[0, y, x] = z[drawn]
    alpha[0, y, x] = sampled[drawn]


def _covered(snapped: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Tell which pixels lie inside; pixels on an edge belong to the triangle they are the top or left edge of."""
    a, b, c = snapped
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if area < 0:
        b, c = c, b
    inside = torch.full_like(x, bool(area != 0), dtype=torch.bool)
    for start, end in ((a, b), (b, c), (c, a)):
        step_x, step_y = end - start
        edge = step_x * (y * _SUBPIXELS - start[1]) - step_y * (x * _SUBPIXELS - start[0])
        owns_edge = bool(step_y < 0) or bool(step_y == 0 and step_x > 0)
        inside &= edge >= (0 if owns_edge else 1)
    return inside


def _interpolate(snapped: Tensor, values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Evaluate the plane through three vertices, in float64."""
    corners = snapped.double() / _SUBPIXELS
    (e1_x, e1_y), (e2_x, e2_y) = corners[1] - corners[0], corners[2] - corners[0]
    first, second = values[1] - values[0], values[2] - values[0]
    determinant = e1_x * e2_y - e1_y * e2_x
    slope_x = (first * e2_y - second * e1_y) / determinant
    slope_y = (second * e1_x - first * e2_x) / determinant
    plane: Tensor = (values[0] + slope_y * (y - corners[0, 1])) + slope_x * (x - corners[0, 0])
    return plane


def _sample_alpha(texture: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Sample bilinearly, 0 outside of the texture; all in float32."""
    height, width = texture.shape
    x_floor, y_floor = x.floor(), y.floor()
    right, down = x - x_floor, y - y_floor

    def texel(column: Tensor, row: Tensor) -> Tensor:
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return torch.where(inside, texture[row * inside, column * inside], 0.0)

    column, row = x_floor.long(), y_floor.long()
    if texture.numel() == 0:
        return torch.zeros_like(x)
    top = texel(column, row) + (texel(column + 1, row) - texel(column, row)) * right
    bottom = texel(column, row + 1) + (texel(column + 1, row + 1) - texel(column, row + 1)) * right
    return top + (bottom - top) * down
