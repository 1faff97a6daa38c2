"""Specification of `kernels.pose_maps`, in plain torch: any device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["pose_maps"]


def pose_maps(keypoints: Tensor, confidence: Tensor, size_hw: Sequence[int], sigma_px: float, stride: int) -> Tensor:
    """Draw one Gaussian per keypoint; `size_hw` is that of the maps, the rest as in `kernels.pose_maps`."""
    height, width = size_hw
    offset = (stride - 1) / 2
    y = torch.arange(height, device=keypoints.device, dtype=torch.float32)[:, None] * stride + offset
    x = torch.arange(width, device=keypoints.device, dtype=torch.float32) * stride + offset
    is_drawn = keypoints.isfinite().all(dim=-1) & confidence.isfinite()
    point = torch.where(is_drawn[..., None], keypoints, 0.0)[..., None, None, :]  # (B, K, 1, 1, 2)
    weight = torch.where(is_drawn, confidence, 0.0)[..., None, None]
    distance = (x - point[..., 0]) ** 2 + (y - point[..., 1]) ** 2
    return weight * torch.exp(distance * (-0.5 / sigma_px**2))
