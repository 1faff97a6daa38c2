"""CUDA implementation of `kernels.blend_warp`; kernels in `csrc/blend_warp.cu`."""

from __future__ import annotations

from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch
from kernels.cuda.layout import Layout, empty_as

__all__ = ["forward"]


def forward(features: Tensor, flows: Tensor, weights: Tensor, border: bool) -> Tensor:
    """Blend K warps; arguments and result as in `kernels.blend_warp`."""
    layout = Layout.of(features)
    batch, channels, height, width = features.shape
    out_height, out_width = flows.shape[3:]
    out = empty_as(features, (out_height, out_width), layout)
    if features.numel() == 0:
        return out.zero_()
    num_threads = batch * out_height * out_width * layout.lanes
    inputs = (layout.apply(features), flows.contiguous(), weights.contiguous())
    sizes = (batch, flows.shape[1], channels, height, width, out_height, out_width, layout.texels, border)
    variant = Variant("blend_warp", features.dtype)
    launch(variant, f"blend_forward{layout.suffix}", num_threads, *inputs, out, *sizes)
    return out
