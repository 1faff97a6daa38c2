"""Terms on flow, visibility and silhouette of the warp branch."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from drn_core.losses.reconstruction import charbonnier, weighted_mean
from drn_core.model.sampling import resize_maps, warp_image

__all__ = [
    "Features",
    "flow_loss",
    "flow_smoothness",
    "sampling_correctness",
    "silhouette_loss",
    "visibility_loss",
]


class Features(Protocol):
    """A feature extractor: pictures (B, 3, H, W) in [0, 1] -> maps, fine to coarse."""

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps."""


def flow_loss(residual: Tensor, prior_flow: Tensor, target_flow: Tensor, valid: Tensor) -> Tensor:
    """Distance of the corrected flow from the true one, on every fourth pixel.

    Args:
        residual: (B, 2, h, w), crop pixels.
        prior_flow: (B, 2, H, W), crop pixels; both sides multiples of 4.
        target_flow: (B, 2, H, W), true backward flow, crop pixels.
        valid: (B, 1, H, W): 1 where the truth is known and the prior shows the person.

    Returns:
        A scalar, pixels (smooth absolute value per axis, so outliers at layer borders do not dominate).
    """
    # Single pixels are picked, not averaged: a mean over a border of layers is nobody's flow.
    prior, wanted, known = (maps[..., 2::4, 2::4].float() for maps in (prior_flow, target_flow, valid))
    own = resize_maps(residual.float(), (prior.shape[-2], prior.shape[-1]))
    corrected = warp_image(prior, own / 4) + own
    # Where the residual reaches across a border, the prior flow found there is a mixture: no evidence.
    is_inside = warp_image(known, own.detach() / 4) > 0.99
    return weighted_mean(charbonnier(corrected - wanted, eps=0.1), known * is_inside.float())


def visibility_loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of visibility logits at their own scale.

    Args:
        logits: (B, 1, h, w).
        target: (B, 1, H, W) in [0, 1] at any size, 1 = keep the moved prior.
        weight: (B, 1, H, W) or None.

    Returns:
        A scalar.
    """
    size_hw = (logits.shape[-2], logits.shape[-1])
    values = F.binary_cross_entropy_with_logits(logits, resize_maps(target, size_hw), reduction="none")
    return weighted_mean(values, None if weight is None else resize_maps(weight, size_hw))


def silhouette_loss(silhouette: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of the moved silhouette (B, 1, H, W) from the true mask (B, 1, H, W)."""
    return (silhouette - mask).abs().mean()


def flow_smoothness(residual: Tensor) -> Tensor:
    """Second differences of a residual flow (B, 2, h, w): a plane costs nothing, a kink does; pixels."""
    along_x = residual[..., 2:] - 2 * residual[..., 1:-1] + residual[..., :-2]
    along_y = residual[..., 2:, :] - 2 * residual[..., 1:-1, :] + residual[..., :-2, :]
    return charbonnier(along_x, eps=0.01).mean() + charbonnier(along_y, eps=0.01).mean()


def sampling_correctness(
    features: Features, source: Tensor, target: Tensor, flow: Tensor, weight: Tensor, *, sharpness: float = 1.0
) -> Tensor:
    """Reward a flow that fetches features as alike to the target's as the best ones of the whole source.

    Convention:
        mean of exp(-similarity of fetched / similarity of best match), cosine similarity, on the coarsest map.

    Args:
        features: the extractor.
        source: (B, 3, H, W) in [0, 1].
        target: (B, 3, H, W) in [0, 1].
        flow: (B, 2, H, W), backward, pixels of the source.
        weight: (B, 1, H, W), where the flow should be right.
        sharpness: multiplies the exponent.

    Returns:
        A scalar in (0, 1].

    Source: Ren et al. 2019 (StructureFlow) and 2020 (GFLA), sampling correctness loss.
    """
    with torch.no_grad():
        wanted = F.normalize(features(target)[-1].float(), dim=1)
        offered = F.normalize(features(source)[-1].float(), dim=1)
        similarity = torch.einsum("bcn,bcm->bnm", wanted.flatten(2), offered.flatten(2))
        best = similarity.amax(dim=2).clamp_min(1e-3)
    size_hw = (wanted.shape[-2], wanted.shape[-1])
    scaled = resize_maps(flow, size_hw) * (size_hw[1] / flow.shape[-1])
    fetched = F.normalize(warp_image(offered, scaled), dim=1)
    reached = (fetched * wanted).sum(dim=1).flatten(1)
    values = torch.exp(-sharpness * reached / best)
    return weighted_mean(values[:, None, :, None], resize_maps(weight, size_hw).flatten(2)[..., None])
