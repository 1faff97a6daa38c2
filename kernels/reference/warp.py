"""Specification of `kernels.warp`, in plain torch: any device, differentiable any number of times."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.reference.sampling import gather, positions, taps, upcast

__all__ = ["round_to", "warp"]


def warp(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    """Sample features at a backward flow; arguments and result as in `kernels.warp`."""
    height, width = features.shape[2:]
    x, y, finite = positions(flow)
    values = upcast(features)
    result = torch.zeros_like(values)
    for column, weight_x in taps(x, width, bicubic, border):
        line = torch.zeros_like(values)
        for row, weight_y in taps(y, height, bicubic, border):
            line = line + gather(values, row, column) * weight_y[:, None]
        result = result + line * weight_x[:, None]
    return round_to(torch.where(finite[:, None] > 0, result, 0.0), features.dtype)


def round_to(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert a result to the dtype of the input: uint8 by rounding halves up, after clamping."""
    if dtype == torch.uint8:
        return (values.clamp(0.0, 255.0) + 0.5).floor().to(dtype)
    return values.to(dtype)
