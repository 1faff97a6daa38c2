"""Collects descriptors while pairs stream by; then tells for each pair whether its garment is found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.protocols import RECALL_RANKS
from drn_core.evaluation.report import Row
from drn_core.evaluation.retrieval import hit_at, recall_at, relevant_ranks
from retarget.evaluation.pair_list import Pair
from retarget.evaluation.pair_networks import PairFeatures

__all__ = ["RetrievalIndex"]

Vectors = dict[str, list[npt.NDArray[np.float32]]]
_PREFIXES = {"colour": "colour_", "network": ""}


class RetrievalIndex:
    """The gallery of all source images, and two queries per pair: generated and real target.

    Args:
        relevance: "item" or "item-colour".

    Attributes:
        unlabelled: name of the first pair whose item is not known; retrieval is given up then.
    """

    def __init__(self, relevance: str) -> None:
        self.unlabelled: str | None = None
        self._relevance = relevance
        self._gallery: dict[Path, str] = {}
        self._gallery_vectors: Vectors = {}
        self._labels: list[str] = []
        self._queries: dict[str, Vectors] = {"": {}, "_real": {}}

    @property
    def gallery_size(self) -> int:
        """Number of distinct source images."""
        return len(self._gallery)

    def add(self, pair: Pair, features: PairFeatures) -> None:
        """Add one pair.

        Args:
            pair: tells what it shows.
            features: of its three images.
        """
        label = pair.label(self._relevance)
        if label is None:
            self.unlabelled = self.unlabelled or pair.name
            return
        if pair.source not in self._gallery:
            self._gallery[pair.source] = label
            _append(self._gallery_vectors, features.source)
        self._labels.append(label)
        _append(self._queries[""], features.generated)
        _append(self._queries["_real"], features.target)

    def add_recalls(self, rows: Sequence[Row]) -> list[Row]:
        """Add recall and hit rate at all ranks to the rows.

        Args:
            rows: of the pairs, in the order in which they were added.

        Returns:
            Rows with "recall_K", "hit_K", "recall_K_real", "colour_recall_K" and "colour_recall_K_real", as far as
            there are descriptors; unchanged where an item is unknown.
        """
        if self.unlabelled is not None or not rows:
            return list(rows)
        values: list[dict[str, float]] = [{} for _ in rows]
        gallery_labels = list(self._gallery.values())
        for kind, vectors in self._gallery_vectors.items():
            gallery = np.stack(vectors)
            for suffix, queries in self._queries.items():
                ranks = relevant_ranks(np.stack(queries[kind]), gallery, self._labels, gallery_labels)
                for own, found in zip(values, ranks, strict=True):
                    own.update(_figures(found, _PREFIXES[kind], suffix))
        return [replace(row, values={**row.values, **own}) for row, own in zip(rows, values, strict=True)]


def _append(vectors: Vectors, descriptors: dict[str, npt.NDArray[np.float32]]) -> None:
    for kind, vector in descriptors.items():
        vectors.setdefault(kind, []).append(vector)


def _figures(ranks: npt.NDArray[np.int64], prefix: str, suffix: str) -> dict[str, float]:
    figures = {f"{prefix}recall_{k}{suffix}": 100 * recall_at(ranks, k) for k in RECALL_RANKS}
    if not prefix and not suffix:
        figures |= {f"hit_{k}": 100 * hit_at(ranks, k) for k in RECALL_RANKS}
    return figures
