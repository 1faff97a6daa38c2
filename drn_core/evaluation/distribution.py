"""Set figures from network features: Fréchet distance and Inception score, by torchmetrics, fed feature by feature.

Images are seen once and their features handed in, so that one pass of a network serves both figures and any
extractor can be put in.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FrechetMeter", "ScoreMeter"]

_NUM_SPLITS = 10


class _GivenFeatures(nn.Module):
    """Stands where torchmetrics expects the network: the features are the input."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, D) features as they are."""
        return features


class FrechetMeter:
    """Fréchet distance between the Gaussians of two sets of features (FID, where they are Inception's pool3).

    Args:
        num_features: D.
    """

    def __init__(self, num_features: int) -> None:
        from torchmetrics.image.fid import FrechetInceptionDistance

        self._metric: Any = FrechetInceptionDistance(feature=_GivenFeatures(num_features))
        self._counts = {True: 0, False: 0}

    def add(self, features: Tensor, *, real: bool) -> None:
        """Add features of some images.

        Args:
            features: (B, D) float.
            real: of real images, or of generated ones.

        Raises:
            ValueError: a feature is NaN or infinite.
        """
        if not torch.isfinite(features).all():
            raise ValueError("features hold NaN or infinity")
        self._metric.update(features, real=real)
        self._counts[real] += len(features)

    def compute(self) -> float | None:
        """Return the distance; None where either set has fewer than two images."""
        return float(self._metric.compute()) if min(self._counts.values()) > 1 else None


class ScoreMeter:
    """Inception score of generated images: mean over 10 splits, in an order shuffled by a fixed seed."""

    def __init__(self) -> None:
        from torchmetrics.image.inception import InceptionScore

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Metric `InceptionScore` will save all extracted features")
            self._metric: Any = InceptionScore(feature=_GivenFeatures(1), splits=_NUM_SPLITS)
        self._count = 0

    def add(self, logits: Tensor) -> None:
        """Add the class logits of some images.

        Args:
            logits: (B, classes) float.

        Raises:
            ValueError: a logit is NaN or infinite.
        """
        if not torch.isfinite(logits).all():
            raise ValueError("logits hold NaN or infinity")
        self._metric.update(logits)
        self._count += len(logits)

    def compute(self) -> float | None:
        """Return the score; None for fewer images than splits."""
        if self._count < _NUM_SPLITS:
            return None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return float(self._metric.compute()[0])
