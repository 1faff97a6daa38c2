"""Sample the layers of a raster at native size and blend them over a background, in one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import check_choice, check_dtype, check_shape
from kernels.errors import ShapeError
from kernels.rasterize_prior import MAX_COORDINATE, PriorRaster
from kernels.reference import composite_layers as reference
from kernels.warp import INTERPOLATIONS, Interpolation

__all__ = ["composite_layers"]


def composite_layers(
    textures: Tensor,
    raster: PriorRaster,
    background: Tensor | None,
    *,
    residual_flow: Tensor | None = None,
    interpolation: Interpolation = "bicubic",
    backend: BackendChoice = "auto",
) -> Tensor:
    """Show a raster: sample each peel's texture where its flow points to, blend the peels over the background.

    Convention:
        A peel is sampled at (x + dx + rx, y + dy + ry), with flow (dx, dy) and residual flow (rx, ry) in px. Colour
        is bicubic (Catmull-Rom, clamped to 0..255) or bilinear, with the edge value outside of the texture; alpha
        is bilinear, 0 outside. Peels are blended front to back by that alpha. A position that is not finite shows
        nothing.

    Args:
        textures: (L, Hs, Ws, 4) uint8 RGBA, straight alpha. Colours have to go on outside of the silhouette, where
            alpha is 0, as far as the interpolation reaches (2 px): they are mixed as they are.
        raster: of `rasterize_prior`; its depth, part and visibility are not read.
        background: (B, H, W, 3) or (H, W, 3) uint8 RGB; None for a transparent result.
        residual_flow: (B, 2, H, W) float32, px, added to the flow of every peel.
        interpolation: of the colours.
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        (B, H, W, 3) uint8 RGB; without a background (B, H, W, 4) uint8 RGBA, straight alpha, colour 0 where alpha
        is 0. Not differentiable; deterministic; values are rounded to the nearest, halves up.

    Raises:
        ShapeError: shapes do not fit each other.
        DtypeError: a dtype is not in the list above, or the tensors are on several devices.
        ValueError: unknown interpolation; or (on the CPU; on CUDA it shows nothing) a layer id without a texture.
        BackendUnavailable: the named backend is not present.

    Source: Porter and Duff 1984, "over"; Keys 1981 with a = -1/2.
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    background = _check_tensors(textures, raster, background, residual_flow)
    chosen = pick(backend, textures, raster.flow, raster.layer, background, residual_flow)
    arguments = (textures, raster.flow, raster.layer, background, residual_flow, interpolation == "bicubic")
    if chosen == "reference":
        return reference.composite_layers(*arguments)
    result: Tensor = _forward(*arguments)
    return result


def _check_tensors(
    textures: Tensor, raster: PriorRaster, background: Tensor | None, residual_flow: Tensor | None
) -> Tensor | None:
    check_shape("textures", textures, ("L", "Hs", "Ws", 4))
    check_dtype("textures", textures, (torch.uint8,))
    if max(textures.shape[1:3]) > MAX_COORDINATE:
        raise ShapeError(f"textures: expected at most {MAX_COORDINATE:.0f} px a side, got {tuple(textures.shape)}")
    check_shape("raster.flow", raster.flow, ("B", "K", 2, "H", "W"))
    batch, peels, _, height, width = raster.flow.shape
    check_shape("raster.layer", raster.layer, (batch, peels, height, width))
    check_dtype("raster.flow", raster.flow, (torch.float32,))
    check_dtype("raster.layer", raster.layer, (torch.int8,))
    if residual_flow is not None:
        check_shape("residual_flow", residual_flow, (batch, 2, height, width))
        check_dtype("residual_flow", residual_flow, (torch.float32,))
    if background is None:
        return None
    if background.dim() == 3:
        check_shape("background", background, (height, width, 3))
        background = background.expand(batch, -1, -1, -1)
    check_shape("background", background, (batch, height, width, 3))
    check_dtype("background", background, (torch.uint8,))
    return background


def _fake_forward(
    textures: Tensor,
    flow: Tensor,
    layer: Tensor,
    background: Tensor | None,
    residual_flow: Tensor | None,
    bicubic: bool,
) -> Tensor:
    batch, _, _, height, width = flow.shape
    return textures.new_empty((batch, height, width, 4 if background is None else 3))


_forward = library.define(
    "composite_layers(Tensor textures, Tensor flow, Tensor layer, Tensor? background, Tensor? residual_flow,"
    " bool bicubic) -> Tensor",
    module="composite_layers",
    function="composite_layers",
    fake=_fake_forward,
)
