"""The paper's pose branch: an image stream steered by a pose stream through cascaded attention blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drn_core.config import PatnConfig
from drn_core.model.blocks import ConvNormReLU
from drn_core.model.records import DriverInput, PoseBranchOutput, SourceFeatures, SourceInput
from drn_core.pose_maps import gaussian_maps, impulse_maps, num_joints_of, to_joint_set

__all__ = ["PatnPoseBranch", "PoseAttentionBlock"]


class PoseAttentionBlock(nn.Module):
    """One pose-attention block: the pose code decides where the image code is updated.

    Args:
        channels: width C of both streams.
        pose_channels: width of the incoming pose code: C for the first block, 2 C (pose and image) after it.
        dropout: probability between the convolutions of either path.
    """

    def __init__(self, channels: int, pose_channels: int, *, dropout: float) -> None:
        super().__init__()
        self.image_path = nn.Sequential(
            ConvNormReLU(channels, channels),
            nn.Dropout(dropout),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )
        self.pose_path = nn.Sequential(
            ConvNormReLU(pose_channels, pose_channels),
            nn.Dropout(dropout),
            nn.ReflectionPad2d(1),
            nn.Conv2d(pose_channels, channels, 3),
        )

    def forward(self, image_code: Tensor, pose_code: Tensor) -> tuple[Tensor, Tensor]:
        """Update both codes.

        Args:
            image_code: (B, C, H, W).
            pose_code: (B, C or 2 C, H, W).

        Returns:
            Image code (B, C, H, W) and pose code (B, 2 C, H, W).
        """
        pose = self.pose_path(pose_code)
        image_code = image_code + torch.sigmoid(pose) * self.image_path(image_code)
        return image_code, torch.cat((pose, image_code), dim=1)


def _encoder(in_channels: int, config: PatnConfig) -> nn.Sequential:
    layers: list[nn.Module] = [ConvNormReLU(in_channels, config.base_channels, kernel_size=7)]
    for level in range(config.num_downsamplings):
        width = config.base_channels * 2**level
        layers.append(
            nn.Sequential(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.InstanceNorm2d(2 * width), nn.ReLU())
        )
    return nn.Sequential(*layers)


class PatnPoseBranch(nn.Module):
    """Photo + two poses -> coarse image I_c and the pose-aligned features F_t, without any geometric prior.

    F_t is the image code after the last block, before upsampling. The published layout downsamples twice (41.358 M
    parameters) and upsamples with transposed convolutions; RATE-Net downsamples three times (165.2 M) and
    interpolates. Interpolation is used for both depths: same parameter count, no checkerboard.

    Args:
        config: depth, widths and pose maps.
    """

    def __init__(self, config: PatnConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.feature_channels
        self.image_encoder = _encoder(3, config)
        self.pose_encoder = _encoder(2 * num_joints_of(config.joints), config)
        self.blocks = nn.ModuleList(
            PoseAttentionBlock(channels, channels if i == 0 else 2 * channels, dropout=config.dropout)
            for i in range(config.num_blocks)
        )
        self.decoder = nn.ModuleList(
            ConvNormReLU(channels // 2**level, channels // 2 ** (level + 1))
            for level in range(config.num_downsamplings)
        )
        self.to_image = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(config.base_channels, 3, 7))
        self.apply(_init_normal)

    @property
    def feature_channels(self) -> int:
        """Channels of F_t."""
        return self.config.feature_channels

    def encode_source(self, source: SourceInput) -> tuple[Tensor, ...]:
        """Return the image stream's code before the first block, (B, C, h / 2^n, w / 2^n), as a pyramid of one."""
        return (self.image_encoder(2 * source.image - 1),)

    def forward(self, source: SourceFeatures, driver: DriverInput) -> PoseBranchOutput:
        """Generate the person in the driver's pose.

        Args:
            source: features of the photo; their `pyramid` comes from `encode_source`.
            driver: only its keypoints and confidence are read.

        Returns:
            `coarse` and `features`; everything that belongs to a prior is None.
        """
        photo = source.source
        size_hw = (photo.image.shape[-2], photo.image.shape[-1])
        maps = torch.cat(
            (
                self._maps(photo.keypoints, photo.confidence, size_hw),
                self._maps(driver.keypoints, driver.confidence, size_hw),
            ),
            dim=1,
        )
        image_code, pose_code = source.pyramid[0], self.pose_encoder(maps)
        for block in self.blocks:
            image_code, pose_code = block(image_code, pose_code)
        features = image_code
        hidden = features
        for layer in self.decoder:
            hidden = layer(F.interpolate(hidden, scale_factor=2.0, mode="bilinear", align_corners=False))
        coarse = 0.5 + 0.5 * torch.tanh(self.to_image(hidden))
        return PoseBranchOutput(coarse=coarse, features=features)

    def _maps(self, keypoints: Tensor, confidence: Tensor, size_hw: tuple[int, int]) -> Tensor:
        points, sure = to_joint_set(keypoints, confidence, self.config.joints)
        if self.config.pose_map == "impulse":
            return impulse_maps(points, sure, size_hw)
        return gaussian_maps(points, sure, size_hw, sigma_px=self.config.sigma_px)


def _init_normal(module: nn.Module) -> None:
    """Initialise as the paper's code base does for this branch only: normal(0, 0.02)."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
