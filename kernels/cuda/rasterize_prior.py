"""CUDA implementation of `kernels.rasterize_prior`; kernels in `csrc/rasterize_prior.cu`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch
from kernels.cuda.layout import LANES

__all__ = ["rasterize_prior"]


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
    """Draw the mesh; arguments and results as in `kernels.rasterize_prior`. Nothing waits for the device."""
    batch, (height, width) = target_xy.shape[0], size_hw
    shape = (batch, num_peels, height, width)
    flow = target_xy.new_zeros((batch, num_peels, 2, height, width))
    layer, part = (torch.full(shape, -1, dtype=torch.int8, device=flow.device) for _ in range(2))
    peel_depth = target_xy.new_full(shape, math.inf)
    visibility = target_xy.new_zeros((batch, 1, height, width))
    keys = torch.full((batch, height, width), -1, dtype=torch.int64, device=flow.device)  # all bits set: nothing
    vertices = [tensor.contiguous() for tensor in (target_xy, depth, source_xy)]
    faces, layers, parts, order = (
        tensor.to(torch.int32).contiguous() for tensor in (triangles, triangle_layer, triangle_part, layer_order)
    )
    texture = layer_alpha.contiguous()
    scale = 1.0 / 255.0 if texture.dtype == torch.uint8 else 1.0
    variant, num_vertices, num_places = Variant("rasterize_prior", texture.dtype), source_xy.shape[0], order.shape[1]
    for place in range(num_places):
        mesh = (*vertices, faces, layers, order, texture)
        sizes = (batch, num_vertices, len(faces), num_places, place, *texture.shape, height, width)
        num_threads = batch * len(faces) * LANES if keys.numel() else 0
        launch(variant, "raster_draw", num_threads, *mesh, keys, *sizes, scale, float(alpha_threshold))
        mesh = (*vertices, faces, parts, order)
        peels = (flow, layer, part, peel_depth)
        sizes = (batch, num_vertices, num_places, place, num_peels, height, width)
        launch(variant, "raster_merge", keys.numel(), *mesh, keys, *peels, *sizes)
    sizes = (batch, num_peels, *texture.shape[1:], height, width)
    launch(variant, "raster_show", keys.numel(), flow, layer, texture, visibility, *sizes, scale)
    return flow, layer, part, peel_depth, visibility
