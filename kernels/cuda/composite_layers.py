"""CUDA implementation of `kernels.composite_layers`; kernel in `csrc/composite_layers.cu`."""

from __future__ import annotations

from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch

__all__ = ["composite_layers"]


def composite_layers(
    textures: Tensor,
    flow: Tensor,
    layer: Tensor,
    background: Tensor | None,
    residual_flow: Tensor | None,
    bicubic: bool,
) -> Tensor:
    """Blend the peels; arguments and result as in `kernels.composite_layers`."""
    batch, num_peels, _, height, width = flow.shape
    out = textures.new_empty((batch, height, width, 4 if background is None else 3))
    optional = [tensor.contiguous() if tensor is not None else None for tensor in (background, residual_flow)]
    inputs = (textures.contiguous(), flow.contiguous(), layer.contiguous(), *optional)
    flags = (background is not None, residual_flow is not None, bicubic)
    sizes = (batch, textures.shape[0], num_peels, *textures.shape[1:3], height, width)
    variant = Variant("composite_layers", textures.dtype)
    launch(variant, "composite_layers", batch * height * width, *inputs, out, *sizes, *flags)
    return out
