"""CUDA implementation of `kernels.warp`; kernels in `csrc/warp.cu`."""

from __future__ import annotations

from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch
from kernels.cuda.layout import Layout, empty_as

__all__ = ["forward"]


def forward(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    """Sample features at a backward flow; arguments and result as in `kernels.warp`."""
    layout = Layout.of(features)
    batch, channels, height, width = features.shape
    out = empty_as(features, flow.shape[2:], layout)
    if features.numel() == 0:
        return out.zero_()
    num_threads = batch * flow.shape[2] * flow.shape[3] * layout.lanes
    sizes = (batch, channels, height, width, *flow.shape[2:], layout.texels, bicubic, border)
    variant = Variant("warp", features.dtype)
    inputs = (layout.apply(features), flow.contiguous())
    launch(variant, f"warp_forward{layout.suffix}", num_threads, *inputs, out, *sizes)
    return out
