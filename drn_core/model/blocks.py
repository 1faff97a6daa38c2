"""Layers shared by the branches."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "AdaINResidualBlock",
    "ConvNormReLU",
    "FlatResidualBlock",
    "StridedResidualBlock",
    "adain",
    "conv3x3",
    "zero_",
]


def conv3x3(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Conv2d:
    """Return a zero-padded 3x3 convolution."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)


def zero_(layer: nn.Conv2d, *, bias: float = 0.0) -> nn.Conv2d:
    """Set a convolution's weights to zero and its bias to a constant, and return it."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias)
    return layer


class ConvNormReLU(nn.Sequential):
    """Reflection-padded convolution, instance norm without affine, ReLU; (B, C, H, W) -> (B, C', H / stride, ...).

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: odd; even ones only together with a stride of 2.
        stride: of the convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.ReflectionPad2d((kernel_size - 1) // 2),
            nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride),
            nn.InstanceNorm2d(out_channels),
            nn.ReLU(),
        )


class FlatResidualBlock(nn.Module):
    """Pre-activation residual block at constant width: group norm, then two 3x3 convolutions.

    One norm per block and only 3x3 convolutions: what a CPU does fast.

    Args:
        channels: width, a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = conv3x3(channels, channels)
        self.second = conv3x3(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        hidden = self.first(F.silu(self.norm(features)))
        return features + self.second(F.silu(hidden))  # type: ignore[no-any-return]


class StridedResidualBlock(nn.Module):
    """Residual block that halves the size, without normalisation (style statistics must survive).

    Args:
        in_channels: C.
        out_channels: C'.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1)
        self.second = conv3x3(out_channels, out_channels)
        self.skip = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H // 2, W // 2)."""
        hidden = self.second(F.relu(self.first(features)))
        return F.relu(hidden + self.skip(F.avg_pool2d(features, 2)))


def adain(features: Tensor, scale: Tensor, bias: Tensor, *, eps: float = 1e-5) -> Tensor:
    """Normalise each channel over space, then give it a new scale and bias.

    Convention:
        out = scale * (features - mean) / std + bias, statistics per sample and channel (DESIGN.md: paper, AdaIN).

    Args:
        features: (B, C, H, W).
        scale: (B, C).
        bias: (B, C).
        eps: added to the variance.

    Returns:
        (B, C, H, W), dtype of `features`; statistics are taken in float32.
    """
    batch, channels, height, width = features.shape
    # Every picture's channel as a channel of its own: batch norm's statistics are then those wanted, in one pass.
    flat = features.reshape(1, batch * channels, height, width)
    gain, offset = scale.float().reshape(-1), bias.float().reshape(-1)
    normalised = F.batch_norm(flat, None, None, gain, offset, training=True, momentum=0.0, eps=eps)
    return normalised.reshape(batch, channels, height, width)


class AdaINResidualBlock(nn.Module):
    """Two 3x3 convolutions with AdaIN after each, ReLU after the first, additive skip.

    Args:
        channels: width C; the block takes 4 C style parameters: scale and bias of both layers.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")

    @property
    def num_style_parameters(self) -> int:
        """Style parameters this block consumes."""
        return 4 * self.channels

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Map features (B, C, H, W) and style parameters (B, 4 C) to (B, C, H, W)."""
        scale1, bias1, scale2, bias2 = style.chunk(4, dim=1)
        hidden = F.relu(adain(self.first(features), 1 + scale1, bias1))
        return features + adain(self.second(hidden), 1 + scale2, bias2)
