"""Specification of `kernels.temporal_blend`, in plain torch: any device."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.reference.sampling import round_to, sample, upcast

__all__ = ["temporal_blend"]


def temporal_blend(
    current: Tensor, previous: Tensor, flow: Tensor, mask: Tensor | None, strength: float, tolerance: float
) -> Tensor:
    """Blend with the warped previous result; arguments and result as in `kernels.temporal_blend`."""
    height, width = current.shape[2:]
    x = torch.arange(width, dtype=torch.float32, device=flow.device) + flow[:, 0]
    y = torch.arange(height, dtype=torch.float32, device=flow.device)[:, None] + flow[:, 1]
    inside = ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[:, None]
    unit = 255.0 if current.dtype == torch.uint8 else 1.0
    now = upcast(current)
    change = sample(previous, flow, False, True) - now
    squared = (change / unit).square().mean(dim=1, keepdim=True)
    weight = strength * torch.exp(-squared / tolerance**2)
    if mask is not None:
        weight = weight * mask
    applies = inside & squared.isfinite()
    return round_to(torch.where(applies, now + weight * change, now), current.dtype)
