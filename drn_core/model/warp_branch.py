"""Our pose branch: corrects the geometric prior, coarse to fine, and paints what the photo cannot show."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drn_core.config import WarpConfig
from drn_core.model.blocks import FlatResidualBlock, conv3x3, zero_
from drn_core.model.flow_head import FlowHead, MotionEstimate, bounded, motion_limits
from drn_core.model.records import DriverInput, PoseBranchOutput, SourceFeatures, SourceInput
from drn_core.model.sampling import compose_flow, float32_arithmetic, resize_maps, warp_image
from drn_core.model.source_encoder import SourceEncoder
from drn_core.pose_maps import gaussian_maps, num_joints_of, to_joint_set

__all__ = ["WarpPoseBranch"]

_SCALES = (4, 8, 16)
# Full-size pixels per unit of a head's output: coarse heads move far, fine ones correct.
_GAINS = {4: 1.0, 8: 2.0, 16: 4.0}


@dataclass(frozen=True)
class _Prior:
    """The prior at one scale: flow in pixels of that scale, visibility as is, bound of the residual in full pixels."""

    flow: Tensor
    visibility: Tensor
    limit: Tensor | float = 0.0


class WarpPoseBranch(nn.Module):
    """Prior + photo features -> residual flow, visibility, content; a U-Net over 1/2 ... 1/16 of the crop.

    On the way down the photo's features are warped by the prior, on the way up by the prior corrected so far. All
    heads start at zero: the untrained branch returns the prior's image.

    Args:
        config: widths, depth, bounds, guidance.
    """

    def __init__(self, config: WarpConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth, sixteenth = config.channels
        joints = num_joints_of(config.joints)
        self.source_encoder = SourceEncoder(joints, config.channels, config.num_source_blocks)
        # Prior image, visibility, flow (2), parts one-hot, further guidance.
        self.stem = conv3x3(6 + config.num_parts + config.guidance_channels, half, stride=2)
        self.pose = nn.Conv2d(2 * joints, quarter, 1)
        widths = {4: quarter, 8: eighth, 16: sixteenth}
        narrower = {4: half, 8: quarter, 16: eighth}
        blocks = dict(zip(_SCALES, config.num_blocks, strict=True))
        self.down = nn.ModuleDict({str(s): conv3x3(narrower[s], widths[s], stride=2) for s in _SCALES})
        self.fuse_down = nn.ModuleDict({str(s): nn.Conv2d(2 * widths[s], widths[s], 1) for s in _SCALES})
        self.encode = nn.ModuleDict({str(s): _stage(widths[s], blocks[s]) for s in _SCALES})
        self.narrow = nn.ModuleDict({str(s): nn.Conv2d(widths[2 * s], widths[s], 1) for s in (8, 4)})
        self.fuse_up = nn.ModuleDict({str(s): nn.Conv2d(3 * widths[s], widths[s], 1) for s in (8, 4)})
        self.decode = nn.ModuleDict({str(s): _stage(widths[s], blocks[s]) for s in (8, 4)})
        self.heads = nn.ModuleDict(
            {str(s): FlowHead(widths[s], gain=_GAINS[s], is_first=s == _SCALES[-1]) for s in _SCALES}
        )
        self.content = _ContentDecoder(quarter, half) if config.predicts_content else None

    @property
    def feature_channels(self) -> int:
        """Channels of F_t."""
        return self.config.feature_channels

    def encode_source(self, source: SourceInput) -> tuple[Tensor, ...]:
        """Return the photo's features at 1/4, 1/8 and 1/16."""
        maps = self._pose_maps(source.keypoints, source.confidence, source.image)
        dtype = self.stem.weight.dtype
        return tuple(self.source_encoder((2 * source.image - 1).to(dtype), maps.to(dtype)))

    def forward(self, source: SourceFeatures, driver: DriverInput) -> PoseBranchOutput:
        """Correct the prior of one batch of frames.

        Args:
            source: features of the photo, batch 1 or B.
            driver: B frames with their prior.

        Returns:
            Everything `PoseBranchOutput` names, at the size of the crop.

        Raises:
            ValueError: the prior, or guidance that the configuration asks for, is missing.
        """
        prior_image, priors = self._priors(driver)
        size_hw = (prior_image.shape[-2], prior_image.shape[-1])
        stem, skips, deepest = self._encode(source, driver, prior_image, priors)
        estimate: MotionEstimate = self.heads["16"](deepest, None)
        estimates, features = [estimate], deepest
        for scale in (8, 4):
            estimate = estimate.upsampled()
            moved = self._moved_features(source.pyramid[_SCALES.index(scale)], priors[scale], estimate, scale)
            up = F.interpolate(self.narrow[str(scale)](features), scale_factor=2.0, mode="nearest")
            features = self.fuse_up[str(scale)](torch.cat((up, skips[scale], moved.to(up.dtype)), dim=1))
            features = self.decode[str(scale)](features)
            estimate = self.heads[str(scale)](features, estimate)
            estimates.append(estimate)
        flows = tuple(bounded(e.flow, priors[s].limit) for s, e in zip((16, 8, 4), estimates, strict=True))
        residual_flow = resize_maps(flows[-1], size_hw)
        visibility = torch.sigmoid(resize_maps(estimate.visibility_logit, size_hw))
        warped, silhouette = _moved_picture(prior_image, priors[1].visibility, driver.background, residual_flow)
        content = None if self.content is None else warped + self.content(features, stem, size_hw)
        coarse = warped if content is None else torch.lerp(content, warped, visibility)
        return PoseBranchOutput(
            coarse=coarse,
            features=features,
            residual_flow=residual_flow,
            residual_flows=flows,
            visibility=visibility,
            visibility_logits=tuple(e.visibility_logit for e in estimates),
            warped=warped,
            silhouette=silhouette,
            content=content,
        )

    def _encode(
        self, source: SourceFeatures, driver: DriverInput, prior_image: Tensor, priors: dict[int, _Prior]
    ) -> tuple[Tensor, dict[int, Tensor], Tensor]:
        dtype = self.stem.weight.dtype
        stem: Tensor = F.silu(self.stem(self._stem_input(driver, prior_image, priors[1]).to(dtype)))
        pose = self.pose(self._driver_maps(driver, prior_image).to(dtype))
        skips: dict[int, Tensor] = {}
        features = stem
        for level, scale in enumerate(_SCALES):
            features = self.down[str(scale)](features)
            if scale == 4:
                features = features + pose
            moved = self._moved_features(source.pyramid[level], priors[scale], None, scale).to(features.dtype)
            features = self.encode[str(scale)](self.fuse_down[str(scale)](torch.cat((features, moved), dim=1)))
            skips[scale] = features
            features = F.silu(features)
        return stem, skips, skips[16]

    def _moved_features(self, features: Tensor, prior: _Prior, estimate: MotionEstimate | None, scale: int) -> Tensor:
        flow, visibility = prior.flow, prior.visibility
        if estimate is not None:
            residual = bounded(estimate.flow, prior.limit) / scale
            flow, visibility = compose_flow(flow, residual), warp_image(visibility, residual)
        return warp_image(features, flow) * visibility

    def _priors(self, driver: DriverInput) -> tuple[Tensor, dict[int, _Prior]]:
        if driver.prior_image is None or driver.prior_flow is None or driver.prior_visibility is None:
            raise ValueError("the warp branch needs prior_image, prior_flow and prior_visibility")
        flow, visibility = driver.prior_flow.float(), driver.prior_visibility.float()
        height, width = flow.shape[-2:]
        priors = {1: _Prior(flow, visibility)}
        for scale in _SCALES:
            size_hw = (height // scale, width // scale)
            weight = resize_maps(visibility, size_hw)
            # Mean over what the photo shows; elsewhere the flow means nothing and must not bleed in.
            mean_flow = resize_maps(flow * visibility, size_hw) / weight.clamp_min(1e-3)
            priors[scale] = _Prior(mean_flow / scale, weight, self._limit(mean_flow, weight))
        return driver.prior_image.float(), priors

    def _limit(self, flow: Tensor, visibility: Tensor) -> Tensor | float:
        longest, share = self.config.max_residual_px, self.config.motion_share
        return longest if share is None else motion_limits(flow, visibility, share, longest)

    def _stem_input(self, driver: DriverInput, prior_image: Tensor, prior: _Prior) -> Tensor:
        height, width = prior_image.shape[-2:]
        scale = prior.flow.new_tensor([2 / width, 2 / height])[None, :, None, None]
        maps = [2 * prior_image - 1, prior.visibility, prior.flow * scale * prior.visibility]
        if self.config.num_parts:
            if driver.parts is None:
                raise ValueError("this network takes part labels; DriverInput.parts is None")
            maps.append(F.one_hot(driver.parts, self.config.num_parts).movedim(-1, 1).to(prior_image.dtype))
        if self.config.guidance_channels:
            if driver.guidance is None:
                raise ValueError("this network takes dense guidance; DriverInput.guidance is None")
            maps.append(driver.guidance)
        return torch.cat(maps, dim=1)

    def _pose_maps(self, keypoints: Tensor, confidence: Tensor, image: Tensor) -> Tensor:
        points, sure = to_joint_set(keypoints.float(), confidence.float(), self.config.joints)
        size_hw = (image.shape[-2], image.shape[-1])
        return gaussian_maps(points, sure, size_hw, sigma_px=self.config.sigma_px, stride=4)

    def _driver_maps(self, driver: DriverInput, image: Tensor) -> Tensor:
        maps = self._pose_maps(driver.keypoints, driver.confidence, image)
        # A second set scaled by depth tells near from far limbs; a quarter of the crop's height counts as 1.
        depth = (driver.depth.float() * (4.0 / image.shape[-2])).clamp(-2, 2)
        return torch.cat((maps, maps * depth[..., None, None]), dim=1)


def _moved_picture(
    image: Tensor, visibility: Tensor, background: Tensor | None, residual_flow: Tensor
) -> tuple[Tensor, Tensor]:
    """Move the person by the residual flow; before a known background only the person moves."""
    if background is None:
        moved = warp_image(torch.cat((image, visibility), dim=1), residual_flow)
        return moved[:, :3], moved[:, 3:]
    person = image - (1 - visibility) * background  # premultiplied
    moved = warp_image(torch.cat((person, visibility), dim=1), residual_flow)
    return moved[:, :3] + (1 - moved[:, 3:]) * background, moved[:, 3:]


class _ContentDecoder(nn.Module):
    """F_t at 1/4 and the stem at 1/2 -> a change of the moved prior, (B, 3, h, w) float32; zero before training."""

    def __init__(self, channels: int, half_channels: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, half_channels, 1)
        self.block = FlatResidualBlock(half_channels)
        self.to_image = _ExactConv(half_channels, 12)

    def forward(self, features: Tensor, stem: Tensor, size_hw: tuple[int, int]) -> Tensor:
        up = F.interpolate(self.narrow(features), scale_factor=2.0, mode="bilinear", align_corners=False)
        hidden = F.silu(self.block(up + stem))
        return resize_maps(F.pixel_shuffle(self.to_image(hidden), 2), size_hw)


class _ExactConv(nn.Module):
    """A 3x3 convolution that starts at zero and is always computed in float32."""

    keeps_float32 = True

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.layer = zero_(conv3x3(in_channels, out_channels))

    def forward(self, features: Tensor) -> Tensor:
        with float32_arithmetic(features.device):
            return self.layer(features.float())  # type: ignore[no-any-return]


def _stage(channels: int, num_blocks: int) -> nn.Sequential:
    return nn.Sequential(*(FlatResidualBlock(channels) for _ in range(num_blocks)))
