"""Specification of `kernels.local_attention`, in plain torch: any device, differentiable any number of times."""

from __future__ import annotations

import math

from torch import Tensor

from kernels.reference.sampling import round_to, sample, upcast

__all__ = ["local_attention"]


def local_attention(features: Tensor, flow: Tensor, logits: Tensor, border: bool) -> Tensor:
    """Weigh the neighbourhood of the flow's target; arguments and result as in `kernels.local_attention`."""
    size = math.isqrt(logits.shape[1])
    weights = logits.softmax(dim=1)
    result = upcast(features).new_zeros((*features.shape[:2], *flow.shape[2:]))
    for i in range(size):
        for j in range(size):
            shift = flow.new_tensor([j - size // 2, i - size // 2]).view(1, 2, 1, 1)
            result = result + weights[:, i * size + j, None] * sample(features, flow + shift, False, border)
    return round_to(result, features.dtype)
