"""The adversaries of training: does the picture go with the photo, does it go with the pose."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drn_core.model.blocks import ConvNormReLU

__all__ = ["Discriminator", "DiscriminatorPair", "stack_conditions"]


class _DropoutResidualBlock(nn.Module):
    """conv - IN - ReLU - dropout - conv - IN with an additive skip, reflection-padded."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormReLU(channels, channels),
            nn.Dropout(dropout),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        return features + self.body(features)  # type: ignore[no-any-return]


class Discriminator(nn.Sequential):
    """Stacked picture and condition (B, C, h, w) -> a map of scores (B, 4 base, h / 4, w / 4).

    There is no one-channel head: the least-squares game is played on the last feature map itself.

    Args:
        in_channels: C.
        base_channels: width of the stem; 64 in the paper's code base.
        num_blocks: residual blocks.
        dropout: inside them.

    Source: the paper's code base (DESIGN.md): 3.93 M parameters for 6 channels, 3.98 M for 21.
    """

    def __init__(self, in_channels: int, *, base_channels: int = 64, num_blocks: int = 3, dropout: float = 0.5) -> None:
        layers: list[nn.Module] = [ConvNormReLU(in_channels, base_channels, kernel_size=7)]
        for level in range(2):
            width = base_channels * 2**level
            layers += [
                nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
                nn.InstanceNorm2d(2 * width),
                nn.ReLU(),
            ]
        layers += [_DropoutResidualBlock(4 * base_channels, dropout) for _ in range(num_blocks)]
        super().__init__(*layers)


class DiscriminatorPair(nn.Module):
    """D_A on (photo, picture) and D_S on (driver's pose maps, picture).

    Args:
        num_joints: channels of the pose maps.
        base_channels: width of both stems.
    """

    def __init__(self, num_joints: int, *, base_channels: int = 64) -> None:
        super().__init__()
        self.appearance = Discriminator(6, base_channels=base_channels)
        self.shape = Discriminator(3 + num_joints, base_channels=base_channels)

    def forward(self, appearance: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Score stacked pictures, see `stack_conditions`: maps of D_A and of D_S."""
        return self.appearance(appearance), self.shape(shape)


def stack_conditions(image: Tensor, source: Tensor, pose_maps: Tensor) -> tuple[Tensor, Tensor]:
    """Stack pictures in [0, 1] with their conditions, in the network's range [-1, 1].

    Args:
        image: (B, 3, h, w), real or fake.
        source: (B, 3, h, w), the photo.
        pose_maps: (B, K, h, w), of the driver.

    Returns:
        (B, 6, h, w) for D_A and (B, 3 + K, h, w) for D_S.
    """
    picture = 2 * image - 1
    return torch.cat((2 * source - 1, picture), dim=1), torch.cat((pose_maps, picture), dim=1)
