"""The weighted sum of all terms, each by its name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from drn_core.config import LossConfig
from drn_core.data.records import TrainingBatch
from drn_core.losses.flow import (
    Features,
    flow_loss,
    flow_smoothness,
    sampling_correctness,
    silhouette_loss,
    visibility_loss,
)
from drn_core.losses.perceptual import perceptual_loss, style_loss
from drn_core.losses.reconstruction import gradient_loss, l1_loss, laplacian_loss, ssim_loss
from drn_core.losses.temporal import temporal_loss
from drn_core.model.records import PoseBranchOutput
from drn_core.model.sampling import compose_flow

__all__ = ["LossTerms", "picture_terms", "pose_terms", "visibility_target"]


@dataclass(frozen=True)
class LossTerms:
    """Unweighted terms by name, and their weights.

    Attributes:
        values: scalars.
        weights: one for each value.
    """

    values: dict[str, Tensor]
    weights: dict[str, float]

    @property
    def total(self) -> Tensor:
        """The weighted sum."""
        return torch.stack([self.weights[name] * value.float() for name, value in self.values.items()]).sum()

    def joined(self, other: LossTerms) -> LossTerms:
        """Return the terms of both; names must differ."""
        return LossTerms(self.values | other.values, self.weights | other.weights)


def picture_terms(
    picture: Tensor, batch: TrainingBatch, config: LossConfig, features: Features | None = None
) -> LossTerms:
    """Compare a generated picture with the target.

    Args:
        picture: (B, 3, h, w), nominally in [0, 1].
        batch: holds the target.
        config: weights.
        features: extractor of perceptual and style terms; needed where they weigh anything.

    Returns:
        The terms whose weight is not 0.

    Raises:
        ValueError: a feature term is asked for without an extractor.
    """
    picture, target = picture.float(), batch.target.float()
    weight = None
    if config.person > 0 and batch.target_mask is not None:
        weight = 1 + config.person * batch.target_mask
    values: dict[str, Tensor] = {}
    if config.reconstruction:
        values["reconstruction"] = l1_loss(picture, target, weight)
    if config.laplacian:
        values["laplacian"] = laplacian_loss(picture, target, weight)
    if config.gradient:
        values["gradient"] = gradient_loss(picture, target, weight)
    if config.ssim:
        values["ssim"] = ssim_loss(picture, target, weight)
    if config.temporal:
        values["temporal"] = temporal_loss(picture, target, consecutive=batch.consecutive)
    if config.perceptual or config.style:
        if features is None:
            raise ValueError("perceptual and style terms need a feature extractor")
        if config.perceptual:
            values["perceptual"] = perceptual_loss(features, picture, target)
        if config.style:
            values["style"] = style_loss(features, picture, target)
    return _weighted(values, config)


def pose_terms(
    pose: PoseBranchOutput, batch: TrainingBatch, config: LossConfig, features: Features | None = None
) -> LossTerms:
    """Judge flow, visibility and silhouette of the warp branch, as far as the batch holds the truth.

    Args:
        pose: what the branch made; of a branch without a prior nothing is judged.
        batch: inputs and truth.
        config: weights.
        features: extractor of the sampling term.

    Returns:
        The terms whose weight is not 0 and whose truth is known.

    Raises:
        ValueError: the sampling term is asked for without an extractor.
    """
    driver = batch.inputs.driver
    values: dict[str, Tensor] = {}
    if pose.residual_flow is None or driver.prior_flow is None or driver.prior_visibility is None:
        return LossTerms({}, {})
    if config.flow and batch.target_flow is not None and batch.target_visibility is not None:
        valid = batch.target_visibility * (driver.prior_visibility > 0.5).float()
        scales = [flow_loss(flow, driver.prior_flow, batch.target_flow, valid) for flow in pose.residual_flows]
        values["flow"] = torch.stack(scales).mean()
    if config.visibility:
        target = visibility_target(pose, batch)
        values["visibility"] = torch.stack(
            [visibility_loss(logits, target) for logits in pose.visibility_logits]
        ).mean()
    if config.silhouette and pose.silhouette is not None and batch.target_mask is not None:
        values["silhouette"] = silhouette_loss(pose.silhouette, batch.target_mask)
    if config.smoothness:
        values["smoothness"] = flow_smoothness(pose.residual_flows[-1])
    if config.residual:
        values["residual"] = torch.linalg.vector_norm(pose.residual_flows[-1] + 1e-6, dim=1).mean()
    if config.sampling:
        if features is None:
            raise ValueError("the sampling term needs a feature extractor")
        flow = compose_flow(driver.prior_flow, pose.residual_flow)
        values["sampling"] = sampling_correctness(
            features, batch.inputs.source.image, batch.target, flow, driver.prior_visibility
        )
    return _weighted(values, config)


@torch.no_grad()
def visibility_target(pose: PoseBranchOutput, batch: TrainingBatch) -> Tensor:
    """Tell where the moved prior is worth keeping: (B, 1, h / 4, w / 4), 1 = keep.

    Regions are compared, not pixels: where the colours of a block fit, a pattern that sits a few pixels off is still
    worth more than anything painted at the crop's resolution. A difference of 12 % of the range counts as one half.

    Args:
        pose: holds the moved prior.
        batch: holds the target.

    Returns:
        Values in (0, 1].

    Raises:
        ValueError: the branch has no moved prior.
    """
    if pose.warped is None:
        raise ValueError("a branch without a prior has no visibility")
    difference = functional.avg_pool2d(pose.warped.float() - batch.target.float(), 4)
    # The middle of three blocks a side: 12 pixels of the crop decide together.
    blocks = functional.avg_pool2d(difference, 3, stride=1, padding=1, count_include_pad=False)
    return torch.exp2(-((blocks.abs().mean(dim=1, keepdim=True) / 0.12) ** 2))


def _weighted(values: dict[str, Tensor], config: LossConfig) -> LossTerms:
    return LossTerms(values, {name: float(getattr(config, name)) for name in values})
