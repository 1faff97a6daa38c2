"""Specification of `kernels.warp`, in plain torch: any device, differentiable any number of times."""

from __future__ import annotations

from torch import Tensor

from kernels.reference.sampling import round_to, sample

__all__ = ["warp"]


def warp(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    """Sample features at a backward flow; arguments and result as in `kernels.warp`."""
    return round_to(sample(features, flow, bicubic, border), features.dtype)
