"""Pixel terms: L1, Laplacian pyramid, gradients, SSIM; plain functions of pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["charbonnier", "gradient_loss", "l1_loss", "laplacian_loss", "ssim_loss", "weighted_mean"]


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of (B, C, H, W) under weights (B, 1, H, W); plain mean without; 0 where all weights are 0."""
    if weight is None:
        return values.mean()
    return (values * weight).sum() / (weight.sum() * values.shape[1]).clamp_min(1.0)


def charbonnier(difference: Tensor, *, eps: float = 1e-3) -> Tensor:
    """Smooth absolute value sqrt(d^2 + eps^2) - eps, element by element."""
    return torch.sqrt(difference * difference + eps * eps) - eps


def l1_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference.

    Args:
        prediction: (B, C, H, W).
        target: (B, C, H, W).
        weight: (B, 1, H, W) or None.

    Returns:
        A scalar.
    """
    return weighted_mean((prediction - target).abs(), weight)


def gradient_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """L1 between horizontal and vertical differences: punishes blur and ghosts, forgives a shift of tone.

    Args:
        prediction: (B, C, H, W).
        target: (B, C, H, W).
        weight: (B, 1, H, W) or None.

    Returns:
        A scalar.
    """
    difference = prediction - target
    along_x = (difference[..., 1:] - difference[..., :-1]).abs()
    along_y = (difference[..., 1:, :] - difference[..., :-1, :]).abs()
    weight_x = None if weight is None else weight[..., 1:]
    weight_y = None if weight is None else weight[..., 1:, :]
    return weighted_mean(along_x, weight_x) + weighted_mean(along_y, weight_y)


def laplacian_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None, *, levels: int = 4) -> Tensor:
    """L1 over a Laplacian pyramid, coarse levels weighing more (2^level).

    Args:
        prediction: (B, C, H, W).
        target: (B, C, H, W).
        weight: (B, 1, H, W) or None.
        levels: of the pyramid; the last is the low-pass rest.

    Returns:
        A scalar.

    Source: Bojanowski et al. 2018, "Optimizing the latent space of generative networks", Lap1.
    """
    # The pyramid is linear: that of the difference is the difference of the pyramids.
    current = prediction - target
    total: Tensor = current.new_zeros(())
    for level in range(levels - 1):
        smaller = F.avg_pool2d(current, 2)
        detail = current - F.interpolate(smaller, current.shape[-2:], mode="bilinear", align_corners=False)
        total = total + 2**level * weighted_mean(detail.abs(), weight)
        current, weight = smaller, None if weight is None else F.avg_pool2d(weight, 2)
    return torch.add(total, weighted_mean(current.abs(), weight), alpha=2 ** (levels - 1))


def ssim_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None, *, window: int = 7) -> Tensor:
    """1 - SSIM with a square window, data range 1.

    Args:
        prediction: (B, C, H, W) in [0, 1].
        target: (B, C, H, W) in [0, 1].
        weight: (B, 1, H, W) or None.
        window: odd side of the window; borders narrower than half of it are left out, and so is every second
            window (neighbours overlap by all but one column anyway).

    Returns:
        A scalar in [0, 2].

    Source: Wang et al. 2004 with C1 = 0.01^2, C2 = 0.03^2.
    """

    def mean(maps: Tensor) -> Tensor:
        return F.avg_pool2d(maps, window, stride=2)

    prediction, target = prediction.float(), target.float()
    mean_p, mean_t = mean(prediction), mean(target)
    variance_p = mean(prediction * prediction) - mean_p * mean_p
    variance_t = mean(target * target) - mean_t * mean_t
    covariance = mean(prediction * target) - mean_p * mean_t
    luminance = (2 * mean_p * mean_t + 1e-4) / (mean_p.square() + mean_t.square() + 1e-4)
    structure = (2 * covariance + 9e-4) / (variance_p + variance_t + 9e-4)
    border = window // 2
    inner = None if weight is None else weight[..., border : -border or None : 2, border : -border or None : 2]
    return weighted_mean(1 - luminance * structure, inner)
