"""Specification of `kernels.blend_warp`, in plain torch: any device, differentiable any number of times."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.reference.sampling import round_to, sample, upcast

__all__ = ["blend_warp"]


def blend_warp(features: Tensor, flows: Tensor, weights: Tensor, border: bool) -> Tensor:
    """Blend K warps; arguments and result as in `kernels.blend_warp`."""
    result = upcast(features).new_zeros((*features.shape[:2], *flows.shape[3:]))
    for k in range(flows.shape[1]):
        weight = weights[:, k, None]
        warped = sample(features, flows[:, k], False, border)
        # Nothing times infinity is not nothing; the derivative by the weight stays.
        result = result + weight * torch.where(weight == 0, warped.nan_to_num(0.0, 0.0, 0.0), warped)
    return round_to(result, features.dtype)
