"""Draw a layered, skinned triangle mesh into backward flow, layer, part, depth and visibility."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import check_dtype, check_shape
from kernels.errors import ShapeError
from kernels.reference import rasterize_prior as reference
from kernels.reference.rasterize_prior import MAX_COORDINATE

__all__ = ["MAX_COORDINATE", "MAX_PEELS", "PriorRaster", "rasterize_prior"]

MAX_PEELS = 8

_INDEX_DTYPES = (torch.int8, torch.int16, torch.int32, torch.int64)


class PriorRaster(NamedTuple):
    """What a drawn mesh shows at each pixel; peel 0 is the front-most layer, peel 1 the one behind it, and so on.

    Attributes:
        flow: (B, K, 2, H, W) float32, (dx, dy) in px: texture position - pixel position; 0 where nothing is.
        layer: (B, K, H, W) int8, layer id; -1 where nothing is.
        part: (B, K, H, W) int8, part id; -1 where nothing is.
        depth: (B, K, H, W) float32, the mesh's depth; +inf where nothing is.
        visibility: (B, 1, H, W) float32 in [0, 1], 1 - prod_k (1 - alpha_k) over the K peels, alpha sampled
            bilinearly from the layer's alpha at the flow's target: the anti-aliased silhouette.
    """

    flow: Tensor
    layer: Tensor
    part: Tensor
    depth: Tensor
    visibility: Tensor


def rasterize_prior(
    target_xy: Tensor,
    depth: Tensor,
    source_xy: Tensor,
    triangles: Tensor,
    triangle_layer: Tensor,
    triangle_part: Tensor,
    layer_order: Tensor,
    layer_alpha: Tensor,
    *,
    size_hw: tuple[int, int],
    num_peels: int = 2,
    alpha_threshold: float = 0.02,
    backend: BackendChoice = "auto",
) -> PriorRaster:
    """Draw a layered triangle mesh, given where its vertices are now and where they are in the layers' textures.

    Layers are painted back to front. Inside one layer the smaller depth wins (the earlier triangle where they are
    equal); between layers only the order counts. What a layer covers moves one peel back; what falls behind the
    last peel is dropped. A texel whose alpha is below the threshold is a hole: it is discarded before the depth
    test, so the empty corner of a mesh cell hides nothing.

    Convention:
        Pixel centres are integers. flow = texture position - pixel position, interpolated affinely over each
        triangle: vertices at rest give a flow of exactly 0, a mesh that is shifted as a whole a flow that is
        exactly constant. Edges are evaluated exactly on a grid of 1/256 px with a top-left rule: triangles that
        share an edge leave no crack and draw no pixel twice.

    Args:
        target_xy: (B, V, 2) float32, vertices in the picture, px.
        depth: (B, V) float32, smaller is nearer; any unit.
        source_xy: (V, 2) float32, the same vertices in the layers' textures, px.
        triangles: (F, 3) integer, vertex indices, sorted by layer. Either orientation is drawn. A triangle without
            area, with a vertex that is not finite or farther than `MAX_COORDINATE` px out draws nothing.
        triangle_layer: (F,) integer, layer id in [0, L) of each triangle, not decreasing.
        triangle_part: (F,) integer in [0, 127], part id of each triangle.
        layer_order: (B, L') integer, layer ids back to front; ids left out are not drawn, entries of -1 skipped.
        layer_alpha: (L, Hs, Ws) uint8 (255 = opaque) or float32 in [0, 1]; 0 outside of the texture.
        size_hw: height and width of the picture, px.
        num_peels: K, how many layers deep the result is.
        alpha_threshold: alpha below which a texel is a hole, in [0, 1].
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        A `PriorRaster`. Not differentiable; deterministic, and the same on every backend but for ties within rounding.

    Raises:
        ShapeError: shapes do not fit each other.
        DtypeError: a dtype is not in the list above, or the tensors are on several devices.
        ValueError: an option or (on the CPU; on CUDA such triangles are dropped) an index is out of range.
        BackendUnavailable: the named backend is not present.

    Source: fill rule as in the Direct3D 11 and Vulkan specifications; peels after Everitt 2001.
    """
    _check_shapes(target_xy, depth, source_xy, triangles, triangle_layer, triangle_part, layer_order, layer_alpha)
    _check_options(size_hw, num_peels, alpha_threshold, layer_alpha.shape[0])
    tensors = (target_xy, depth, source_xy, triangles, triangle_layer, triangle_part, layer_order, layer_alpha)
    options = ((size_hw[0], size_hw[1]), num_peels, alpha_threshold)
    if pick(backend, *tensors) == "reference":
        return PriorRaster(*reference.rasterize_prior(*tensors, *options))
    return PriorRaster(*_forward(*tensors, *options))


def _check_shapes(
    target_xy: Tensor,
    depth: Tensor,
    source_xy: Tensor,
    triangles: Tensor,
    triangle_layer: Tensor,
    triangle_part: Tensor,
    layer_order: Tensor,
    layer_alpha: Tensor,
) -> None:
    check_shape("target_xy", target_xy, ("B", "V", 2))
    batch, num_vertices, _ = target_xy.shape
    check_shape("depth", depth, (batch, num_vertices))
    check_shape("source_xy", source_xy, (num_vertices, 2))
    check_shape("triangles", triangles, ("F", 3))
    check_shape("triangle_layer", triangle_layer, (triangles.shape[0],))
    check_shape("triangle_part", triangle_part, (triangles.shape[0],))
    check_shape("layer_order", layer_order, (batch, "L'"))
    check_shape("layer_alpha", layer_alpha, ("L", "Hs", "Ws"))
    for name, tensor in (("target_xy", target_xy), ("depth", depth), ("source_xy", source_xy)):
        check_dtype(name, tensor, (torch.float32,))
    indices = {
        "triangles": triangles,
        "triangle_layer": triangle_layer,
        "triangle_part": triangle_part,
        "layer_order": layer_order,
    }
    for name, tensor in indices.items():
        check_dtype(name, tensor, _INDEX_DTYPES)
    check_dtype("layer_alpha", layer_alpha, (torch.uint8, torch.float32))


def _check_options(size_hw: tuple[int, int], num_peels: int, alpha_threshold: float, num_layers: int) -> None:
    if len(size_hw) != 2 or not all(0 <= size <= MAX_COORDINATE for size in size_hw):
        raise ShapeError(f"size_hw: expected two sizes of 0 to {MAX_COORDINATE:.0f} px, got {tuple(size_hw)}")
    if not 1 <= num_peels <= MAX_PEELS:
        raise ValueError(f"num_peels: expected 1 to {MAX_PEELS}, got {num_peels}")
    if not 0.0 <= alpha_threshold <= 1.0:
        raise ValueError(f"alpha_threshold: expected a number in [0, 1], got {alpha_threshold}")
    if num_layers > 127:
        raise ShapeError(f"layer_alpha: expected at most 127 layers, got {num_layers}")


def _fake_forward(
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
    shape = (target_xy.shape[0], num_peels, *size_hw)
    return (
        target_xy.new_empty((shape[0], num_peels, 2, *size_hw)),
        target_xy.new_empty(shape, dtype=torch.int8),
        target_xy.new_empty(shape, dtype=torch.int8),
        target_xy.new_empty(shape),
        target_xy.new_empty((shape[0], 1, *size_hw)),
    )


_forward = library.define(
    "rasterize_prior(Tensor target_xy, Tensor depth, Tensor source_xy, Tensor triangles, Tensor triangle_layer,"
    " Tensor triangle_part, Tensor layer_order, Tensor layer_alpha, int[] size_hw, int num_peels,"
    " float alpha_threshold) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    module="rasterize_prior",
    function="rasterize_prior",
    fake=_fake_forward,
)
