"""Network features of image pairs: LPIPS, Inception, and what retrieval looks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.pair_scores import pad_to_square
from drn_core.evaluation.retrieval import colour_descriptor
from retarget.evaluation.networks import Networks
from retarget.evaluation.pair_list import Pair
from retarget.records import UInt8Array

__all__ = ["Descriptors", "PairFeatures", "PairNetworks"]

Vector = npt.NDArray[np.float32]
Descriptors = dict[str, Vector]
"""By kind: "colour", "network"."""


@dataclass(frozen=True)
class PairFeatures:
    """What retrieval and the table need of one pair.

    Attributes:
        source: descriptors of the source image.
        target: of the real target.
        generated: of the generated image.
        scores: "lpips", where there is a network for it.
    """

    source: Descriptors
    target: Descriptors
    generated: Descriptors
    scores: dict[str, float]


class PairNetworks:
    """Runs the networks that this machine has on each pair; source and target images are described once each.

    Args:
        networks: what there is.
    """

    def __init__(self, networks: Networks) -> None:
        self._lpips = networks.lpips() if networks.lpips else None
        self._inception = networks.inception() if networks.inception else None
        self._retriever = networks.retriever() if networks.retriever else None
        self._frechet: Any = None
        self._score: Any = None
        if self._inception is not None:
            from drn_core.evaluation.distribution import FrechetMeter, ScoreMeter

            self._frechet, self._score = FrechetMeter(self._inception.num_features), ScoreMeter()
        self._known: dict[Path, Descriptors] = {}

    def add(self, pair: Pair, source: UInt8Array, target: UInt8Array, generated: UInt8Array) -> PairFeatures:
        """Describe one pair and add it to the set figures.

        Args:
            pair: names the files.
            source: (H, W, 3) uint8 RGB.
            target: the same, any size.
            generated: the shape of `target`.

        Raises:
            ValueError: a network answered NaN or infinity.
        """
        features = PairFeatures(
            source=self._describe_once(pair.source, source),
            target=self._describe_once(pair.target, target),
            generated=self._describe(generated),
            scores=self._lpips_score(target, generated),
        )
        if self._inception is not None:
            pool3, logits = self._inception.features(pad_to_square(generated))
            real, _ = self._inception.features(pad_to_square(target))
            self._score.add(logits)
            self._frechet.add(pool3, real=False)
            self._frechet.add(real, real=True)
        return features

    def _lpips_score(self, target: UInt8Array, generated: UInt8Array) -> dict[str, float]:
        distance = None if self._lpips is None else self._lpips.distance(target, generated)
        return {} if distance is None else {"lpips": distance}

    def _describe_once(self, path: Path, image: UInt8Array) -> Descriptors:
        if path not in self._known:
            self._known[path] = self._describe(image)
        return self._known[path]

    def _describe(self, image: UInt8Array) -> Descriptors:
        descriptors = {"colour": colour_descriptor(image)}
        if self._retriever is not None:
            descriptors["network"] = self._retriever.features(image)
        if not all(np.isfinite(vector).all() for vector in descriptors.values()):
            raise ValueError("features hold NaN or infinity")
        return descriptors

    def set_figures(self) -> dict[str, float]:
        """Return FID and Inception score, where there is a network and enough images."""
        figures = {} if self._inception is None else {"fid": self._frechet.compute(), "is": self._score.compute()}
        return {name: value for name, value in figures.items() if value is not None}
