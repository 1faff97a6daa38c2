"""Feature terms: perceptual distance and Gram style, over whichever extractor is at hand."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from drn_core.errors import WeightsMissingError
from drn_core.losses.flow import Features

__all__ = ["Vgg19Features", "gram_matrix", "perceptual_loss", "style_loss", "vgg19_weights_path"]

_VGG19_FILE = "vgg19-dcbb9e9d.pth"
# Activations after relu1_1, relu2_1, relu3_1, relu4_1, relu5_1.
_VGG19_TAPS = (1, 6, 11, 20, 29)
_TAP_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def vgg19_weights_path() -> Path:
    """Return where torchvision keeps its VGG19 weights on this machine (present or not)."""
    return Path(torch.hub.get_dir()) / "checkpoints" / _VGG19_FILE


class Vgg19Features(nn.Module):
    """Frozen ImageNet VGG19 up to relu5_1, read from a local file; nothing is downloaded.

    Args:
        path: the weights; None takes torchvision's cache.

    Raises:
        WeightsMissingError: there is no such file.
    """

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        path = path or vgg19_weights_path()
        if not path.is_file():
            raise WeightsMissingError(
                f"{path}: no VGG19 weights; put torchvision's {_VGG19_FILE} there or set perceptual to 'none'"
            )
        from torchvision.models import vgg19

        network = vgg19(weights=None)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.layers = network.features[: _VGG19_TAPS[-1] + 1].eval().requires_grad_(False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return five feature maps of a picture (B, 3, H, W) in [0, 1]."""
        hidden, taps = (image - self.mean) / self.std, []
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden)
            if index in _VGG19_TAPS:
                taps.append(hidden)
        return taps


def perceptual_loss(features: Features, prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between feature maps, deep ones weighing more (1/32 ... 1).

    Args:
        features: the extractor; its last five maps are used.
        prediction: (B, 3, H, W) in [0, 1].
        target: (B, 3, H, W) in [0, 1]; needs no gradient.

    Returns:
        A scalar.
    """
    made = features(prediction)
    with torch.no_grad():
        wanted = features(target)
    weights = _TAP_WEIGHTS[-len(made) :]
    terms = [w * (a.float() - b.float()).abs().mean() for w, a, b in zip(weights, made, wanted, strict=True)]
    return torch.stack(terms).sum()


def gram_matrix(features: Tensor) -> Tensor:
    """Return (B, C, C) inner products of channels over space, divided by C H W."""
    batch, channels, height, width = features.shape
    flat = features.reshape(batch, channels, height * width).float()
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def style_loss(features: Features, prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between Gram matrices of the feature maps.

    Args:
        features: the extractor.
        prediction: (B, 3, H, W) in [0, 1].
        target: (B, 3, H, W) in [0, 1].

    Returns:
        A scalar.
    """
    made = features(prediction)
    with torch.no_grad():
        wanted = [gram_matrix(level) for level in features(target)]
    return torch.stack([(gram_matrix(a) - b).abs().mean() for a, b in zip(made, wanted, strict=True)]).sum()
