"""The detail replenishing module: a style code of the photo decides what to draw, pose-aligned features where."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drn_core.config import GlobalDRMConfig
from drn_core.model.blocks import AdaINResidualBlock, StridedResidualBlock, adain, zero_
from drn_core.model.sampling import resize_maps

__all__ = ["AdaINDecoder", "GlobalDRM", "StyleEncoder"]


class StyleEncoder(nn.Module):
    """Picture -> AdaIN parameters: strided residual blocks, average pooling to z_s, three fully connected layers.

    Args:
        config: widths.
        num_parameters: N, all style parameters of the decoder.
    """

    def __init__(self, config: GlobalDRMConfig, num_parameters: int) -> None:
        super().__init__()
        widths = config.style_channels
        self.stem = nn.Conv2d(3, widths[0], 7, padding=3, padding_mode="reflect")
        self.down = nn.Sequential(*(StridedResidualBlock(a, b) for a, b in itertools.pairwise(widths)))
        self.to_code = nn.Conv2d(widths[-1], config.style_code, 1)
        self.to_parameters = nn.Sequential(
            nn.Linear(config.style_code, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, num_parameters),
        )

    def code(self, image: Tensor) -> Tensor:
        """Return z_s, (B, style_code), of an image (B, 3, h, w) in [0, 1]."""
        features = self.down(F.relu(self.stem((2 * image - 1).to(self.stem.weight.dtype))))
        return self.to_code(F.adaptive_avg_pool2d(features, 1)).flatten(1)  # type: ignore[no-any-return]

    def forward(self, image: Tensor) -> Tensor:
        """Return the style parameters (B, N) of an image (B, 3, h, w) in [0, 1]."""
        return self.to_parameters(self.code(image))  # type: ignore[no-any-return]


class AdaINDecoder(nn.Module):
    """Pose-aligned features + style parameters -> picture in (-1, 1).

    Args:
        channels: C of the features.
        config: depth, upsampling.
    """

    def __init__(self, channels: int, config: GlobalDRMConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(AdaINResidualBlock(channels) for _ in range(config.num_blocks))
        pad = config.kernel_size // 2
        widths = [channels // 2**i for i in range(config.num_upsamplings + 1)]
        self.upsampling = nn.ModuleList(
            nn.Conv2d(a, b, config.kernel_size, padding=pad, padding_mode="reflect")
            for a, b in itertools.pairwise(widths)
        )
        self.to_image = nn.Conv2d(widths[-1], 3, 7, padding=3, padding_mode="reflect")
        if config.starts_at_zero:
            zero_(self.to_image)
        modulated = widths[1:] if config.modulates_upsampling else []
        self.style_sizes = [4 * channels] * config.num_blocks + [2 * width for width in modulated]

    @property
    def num_style_parameters(self) -> int:
        """N: style parameters per picture."""
        return sum(self.style_sizes)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Decode.

        Args:
            features: (B, C, H, W).
            style: (B, N).

        Returns:
            (B, 3, H * 2^n, W * 2^n) in (-1, 1), float32.
        """
        styles = list(torch.split(style, self.style_sizes, dim=1))
        hidden = features.to(self.to_image.weight.dtype)
        for block in self.blocks:
            hidden = block(hidden, styles.pop(0))
        for layer in self.upsampling:
            hidden = layer(F.interpolate(hidden, scale_factor=2.0, mode="nearest"))
            hidden = F.relu(self._normalised(hidden, styles))
        return torch.tanh(self.to_image(hidden).float())

    def _normalised(self, hidden: Tensor, styles: list[Tensor]) -> Tensor:
        if not self.config.modulates_upsampling:
            return F.instance_norm(hidden)
        scale, bias = styles.pop(0).chunk(2, dim=1)
        return adain(hidden, 1 + scale, bias)


class GlobalDRM(nn.Module):
    """Photo's style + F_t -> detail residual R_t.

    Args:
        feature_channels: C of F_t.
        config: sizes.
    """

    def __init__(self, feature_channels: int, config: GlobalDRMConfig) -> None:
        super().__init__()
        self.decoder = AdaINDecoder(feature_channels, config)
        self.style = StyleEncoder(config, self.decoder.num_style_parameters)

    def encode_style(self, image: Tensor) -> Tensor:
        """Return the style parameters (B, N) of a photo (B, 3, h, w) in [0, 1]."""
        return self.style(image)  # type: ignore[no-any-return]

    def forward(self, features: Tensor, style: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Draw the residual.

        Args:
            features: F_t, (B, C, h', w').
            style: (B, N) from `encode_style`, batch 1 or B.
            size_hw: size of the result.

        Returns:
            R_t, (B, 3, *size_hw) float32, a difference of [0, 1] images, in (-0.5, 0.5).
        """
        # tanh spans the network's own range [-1, 1], of which a [0, 1] image is half.
        return resize_maps(0.5 * self.decoder(features, style.expand(features.shape[0], -1)), size_hw)
