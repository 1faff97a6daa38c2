"""CUDA implementation of `kernels.local_attention`; kernels in `csrc/local_attention.cu`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch
from kernels.cuda.layout import Layout, Sums, empty_as

__all__ = ["backward", "forward"]


def forward(features: Tensor, flow: Tensor, logits: Tensor, border: bool) -> Tensor:
    """Weigh the neighbourhood of the flow's target; arguments and result as in `kernels.local_attention`."""
    layout = Layout.of(features)
    batch, channels, height, width = features.shape
    out_height, out_width = flow.shape[2:]
    out = empty_as(features, (out_height, out_width), layout)
    if features.numel() == 0:
        return out.zero_()
    num_threads = batch * out_height * out_width * layout.lanes
    inputs = (layout.apply(features), flow.contiguous(), logits.contiguous())
    sizes = (batch, channels, height, width, out_height, out_width, math.isqrt(logits.shape[1]), layout.texels, border)
    variant = Variant("local_attention", features.dtype)
    launch(variant, f"attention_forward{layout.suffix}", num_threads, *inputs, out, *sizes)
    return out


def backward(
    gradient: Tensor, features: Tensor, flow: Tensor, logits: Tensor, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Derive by features, flow and logits; the ones not needed are empty."""
    layout = Layout.of(features)
    batch, channels, height, width = features.shape
    out_height, out_width = flow.shape[2:]
    sums = Sums(features if needs[0] else features[:0], gradient if needs[0] else gradient[:0], layout, flow.dtype)
    flow, logits = flow.contiguous(), logits.contiguous()
    for_flow, for_logits = torch.zeros_like(flow), torch.zeros_like(logits)
    if features.numel() > 0:
        variant = Variant("local_attention", features.dtype, sums.is_fixed_point)
        num_threads = batch * out_height * out_width * layout.lanes
        inputs = (layout.apply(gradient), layout.apply(features), flow, logits)
        results = (sums.total, for_flow, for_logits, sums.scale)
        sizes = (batch, channels, height, width, out_height, out_width, math.isqrt(logits.shape[1]))
        flags = (layout.texels, border, needs[0])
        launch(variant, f"attention_backward{layout.suffix}", num_threads, *inputs, *results, *sizes, *flags)
    return (
        sums.result() if needs[0] else features.new_empty(0),
        for_flow if needs[1] else flow.new_empty(0),
        for_logits if needs[2] else logits.new_empty(0),
    )
