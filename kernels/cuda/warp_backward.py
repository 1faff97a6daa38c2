"""CUDA derivatives of `kernels.warp` and `kernels.blend_warp`; kernels in `csrc/blend_warp.cu`."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch
from kernels.cuda.layout import Layout, Sums

__all__ = ["backward", "blend_backward"]


def backward(
    gradient: Tensor, features: Tensor, flow: Tensor, bicubic: bool, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor]:
    """Derive `warp` by features and flow; the ones not needed are empty."""
    weights = flow.new_ones((flow.shape[0], 1, *flow.shape[2:]))
    for_features, for_flows, _ = _derive(
        gradient, features, flow[:, None], weights, bicubic, border, [needs[0], needs[1], False]
    )
    return for_features, for_flows[:, 0] if needs[1] else for_flows


def blend_backward(
    gradient: Tensor, features: Tensor, flows: Tensor, weights: Tensor, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Derive `blend_warp` by features, flows and weights; the ones not needed are empty."""
    return _derive(gradient, features, flows, weights, False, border, needs)


def _derive(
    gradient: Tensor, features: Tensor, flows: Tensor, weights: Tensor, bicubic: bool, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    layout = Layout.of(features)
    batch, channels, height, width = features.shape
    num_flows, _, out_height, out_width = flows.shape[1:]
    flows, weights = flows.contiguous(), weights.contiguous()
    bound = gradient if needs[0] else gradient[:0]
    if needs[0] and torch.are_deterministic_algorithms_enabled():
        bound = gradient * weights.abs().sum(dim=1, keepdim=True)
    sums = Sums(features if needs[0] else features[:0], bound, layout, flows.dtype)
    for_flows = flows.new_zeros(flows.shape if needs[1] else (0,))
    for_weights = flows.new_zeros(weights.shape if needs[2] else (0,))
    if features.numel() > 0:
        variant = Variant("blend_warp", features.dtype, sums.is_fixed_point)
        num_threads = batch * out_height * out_width * layout.lanes
        inputs = (layout.apply(gradient), layout.apply(features), flows, weights)
        results = (sums.total, for_flows, for_weights, sums.scale)
        sizes = (batch, num_flows, channels, height, width, out_height, out_width)
        flags = (layout.texels, bicubic, border, *needs)
        launch(variant, f"blend_backward{layout.suffix}", num_threads, *inputs, *results, *sizes, *flags)
    return sums.result() if needs[0] else features.new_empty(0), for_flows, for_weights
