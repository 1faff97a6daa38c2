"""Features of the photo, computed once and then warped for every frame."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from drn_core.model.blocks import FlatResidualBlock, conv3x3

__all__ = ["SourceEncoder"]


class SourceEncoder(nn.Module):
    """Photo + its pose -> feature pyramid at 1/4, 1/8 and 1/16.

    Args:
        num_joints: joints of the pose maps, given at 1/4 of the size.
        channels: widths at 1/2, 1/4, 1/8 and 1/16.
        num_blocks: residual blocks at 1/4, 1/8 and 1/16.
    """

    def __init__(self, num_joints: int, channels: tuple[int, int, int, int], num_blocks: tuple[int, int, int]) -> None:
        super().__init__()
        self.stem = conv3x3(3, channels[0], stride=2)
        self.pose = nn.Conv2d(num_joints, channels[1], 1)
        self.down = nn.ModuleList(conv3x3(channels[i], channels[i + 1], stride=2) for i in range(3))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(FlatResidualBlock(channels[i + 1]) for _ in range(num_blocks[i]))) for i in range(3)
        )

    def forward(self, image: Tensor, pose_maps: Tensor) -> tuple[Tensor, ...]:
        """Encode.

        Args:
            image: (B, 3, h, w) in [-1, 1].
            pose_maps: (B, K, h / 4, w / 4).

        Returns:
            Features at 1/4, 1/8 and 1/16 of the size.
        """
        features = F.silu(self.stem(image))
        pyramid: list[Tensor] = []
        for level, (down, blocks) in enumerate(zip(self.down, self.blocks, strict=True)):
            features = down(features)
            if level == 0:
                features = features + self.pose(pose_maps)
            features = blocks(features)
            pyramid.append(features)
            features = F.silu(features)
        return tuple(pyramid)
