"""CUDA implementation of `kernels.splat`; kernels in `csrc/splat.cu`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch
from kernels.cuda.layout import Layout, fixed_point_scale

__all__ = ["backward", "forward"]


def forward(values: Tensor, flow: Tensor, importance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Send every pixel along a forward flow; returns values, coverage, and (B, 2, H, W) maximum and total weight."""
    batch, channels, height, width = values.shape
    layout = Layout.of(values)
    values, flow, importance = values.contiguous(), flow.contiguous(), importance.contiguous()
    variant, num_threads = Variant("splat", values.dtype), batch * height * width
    highest = torch.full_like(importance, -math.inf)
    launch(variant, "splat_highest", num_threads, flow, importance, highest, batch, height, width)
    # At most every pixel adds a share of 1 to one target.
    value_scale = fixed_point_scale(values, max(height * width, 1))
    share_scale = 2.0 ** (61 - max(height * width, 1).bit_length())
    sums = torch.zeros_like(values, dtype=torch.int64)
    total, coverage = (torch.zeros_like(importance, dtype=torch.int64) for _ in range(2))
    inputs = (values, flow, importance, highest)
    sizes = (batch, channels, height, width)
    launch(variant, "splat_sum", num_threads, *inputs, sums, total, coverage, value_scale, share_scale, *sizes)
    weight = total.double() / share_scale
    mean = torch.where(total > 0, sums.double() / value_scale / weight, 0.0)
    totals = torch.cat([highest, weight.to(values.dtype)], dim=1)
    return layout.apply(mean.to(values.dtype)), (coverage.double() / share_scale).to(values.dtype), totals


def backward(
    for_result: Tensor,
    for_coverage: Tensor,
    values: Tensor,
    flow: Tensor,
    importance: Tensor,
    result: Tensor,
    totals: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Derive by values, flow and importance: each pixel looks at the four it went to."""
    batch, channels, height, width = values.shape
    level = (for_result * result).sum(dim=1)
    inputs = [tensor.contiguous() for tensor in (for_result, for_coverage, values, flow, importance, totals, level)]
    results = [torch.empty_like(tensor) for tensor in inputs[2:5]]
    variant, sizes = Variant("splat", values.dtype), (batch, channels, height, width)
    launch(variant, "splat_backward", batch * height * width, *inputs, *results, *sizes)
    return Layout.of(values).apply(results[0]), results[1], results[2]
