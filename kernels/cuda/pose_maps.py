"""CUDA implementation of `kernels.pose_maps`; kernel in `csrc/pose_maps.cu`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch

__all__ = ["forward"]


def forward(keypoints: Tensor, confidence: Tensor, size_hw: Sequence[int], sigma_px: float, stride: int) -> Tensor:
    """Draw one Gaussian per keypoint; `size_hw` is that of the maps, the rest as in `kernels.pose_maps`."""
    out = keypoints.new_empty((*keypoints.shape[:2], *size_hw))
    numbers = (keypoints.shape[0] * keypoints.shape[1], *size_hw, -0.5 / sigma_px**2, float(stride), (stride - 1) / 2)
    variant = Variant("pose_maps", torch.float32)
    launch(variant, "pose_maps", out.numel(), keypoints.contiguous(), confidence.contiguous(), out, *numbers)
    return out
