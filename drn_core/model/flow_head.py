"""Residual flow and visibility from features, one head per scale; all start at "change nothing"."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drn_core.model.blocks import conv3x3, zero_
from drn_core.model.sampling import float32_arithmetic

__all__ = ["FlowHead", "MotionEstimate", "bounded", "motion_limits"]

# An untrained network keeps the prior everywhere: sigmoid(10) is 1 - 4.5e-5, a hundredth of a grey level.
_VISIBILITY_BIAS = 10.0
# Pixels of the maps that share a limit; pixels of the picture that any surface may move.
_SURROUNDINGS, _LEAST_LIMIT = 5, 0.25


@dataclass(frozen=True)
class MotionEstimate:
    """Running estimate between the scales.

    Attributes:
        flow: (B, 2, H, W) float32 residual flow in full-size crop pixels, before the bound.
        visibility_logit: (B, 1, H, W) float32.
    """

    flow: Tensor
    visibility_logit: Tensor

    def upsampled(self) -> MotionEstimate:
        """Return the estimate at twice the size; the values stay in full-size pixels."""

        def double(maps: Tensor) -> Tensor:
            return F.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)

        return MotionEstimate(double(self.flow), double(self.visibility_logit))


class FlowHead(nn.Module):
    """Features -> a correction of the running flow and visibility; always in float32.

    Args:
        channels: of the features.
        gain: full-size pixels that one unit of the convolution's output stands for.
        is_first: the coarsest head also carries the "all visible" starting value.
    """

    keeps_float32 = True

    def __init__(self, channels: int, *, gain: float, is_first: bool) -> None:
        super().__init__()
        self.gain = gain
        self.flow = zero_(conv3x3(channels, 2))
        self.visibility = zero_(conv3x3(channels, 1), bias=_VISIBILITY_BIAS if is_first else 0.0)

    def forward(self, features: Tensor, previous: MotionEstimate | None) -> MotionEstimate:
        """Refine.

        Args:
            features: (B, C, H, W).
            previous: the estimate at this size, or None at the coarsest scale.

        Returns:
            The refined estimate.
        """
        with float32_arithmetic(features.device):
            hidden = F.silu(features.float())
            flow = self.gain * self.flow(hidden)
            logit = self.visibility(hidden)
            if previous is not None:
                flow, logit = flow + previous.flow, logit + previous.visibility_logit
            return MotionEstimate(flow, logit)


def bounded(flow: Tensor, limit: float | Tensor) -> Tensor:
    """Limit a flow softly to (-limit, limit) per axis; the identity to first order at zero.

    Args:
        flow: (B, 2, H, W).
        limit: above 0; one number, or (B, 1, H, W).
    """
    return limit * torch.tanh(flow / limit)


def motion_limits(flow: Tensor, visibility: Tensor, share: float, longest: float) -> Tensor:
    """Tell how far a prior may be wrong, from how far it moves the surface: what rests needs no correction.

    Args:
        flow: (B, 2, H, W), the prior's flow in pixels.
        visibility: (B, 1, H, W) in [0, 1], where it draws the person.
        share: of the motion against the person's median one.
        longest: upper limit.

    Returns:
        (B, 1, H, W), pixels; the mean over the surroundings, so that pixels beside a limb share its limit.
    """
    batch = flow.shape[0]
    seen = (visibility > 0.5).expand_as(flow)
    values = torch.where(seen, flow, torch.nan).reshape(batch, 2, -1)
    common = values.nanmedian(dim=2).values.nan_to_num()[..., None, None]
    motion = torch.linalg.vector_norm(flow - common, dim=1, keepdim=True) * visibility
    around = functools.partial(F.avg_pool2d, kernel_size=_SURROUNDINGS, stride=1, padding=_SURROUNDINGS // 2)
    mean = around(motion) / around(visibility).clamp_min(1e-3)
    return (share * mean).clamp(_LEAST_LIMIT, longest)
