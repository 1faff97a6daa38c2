"""Retrieval: does a generated image still find the garment it shows, among all source images?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.images import Image

__all__ = ["colour_descriptor", "hit_at", "recall_at", "relevant_ranks"]

FloatMatrix = npt.NDArray[np.float32]

_CHUNK = 256
_NUM_BANDS = 6
_BINS = (12, 4, 4)
_WHITE = 245


def relevant_ranks(
    queries: FloatMatrix, gallery: FloatMatrix, query_labels: Sequence[str], gallery_labels: Sequence[str]
) -> list[npt.NDArray[np.int64]]:
    """Rank the gallery for each query by cosine and tell where the relevant images stand.

    Args:
        queries: (Q, D).
        gallery: (G, D).
        query_labels: what each query shows, e.g. its item id.
        gallery_labels: what each gallery image shows; equal labels are relevant.

    Returns:
        Per query the ascending ranks (from 0) of all relevant gallery images; equal similarities rank in the
        gallery's order.

    Raises:
        ValueError: the gallery is empty, sizes differ, a feature is not finite or of length 0, or a query has no
            relevant image.
    """
    _check_features("queries", queries, query_labels)
    _check_features("gallery", gallery, gallery_labels)
    gallery_unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    codes = {label: code for code, label in enumerate(dict.fromkeys(gallery_labels))}
    gallery_codes = np.array([codes[label] for label in gallery_labels])
    ranks: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(queries), _CHUNK):
        order = np.argsort(-(queries[start : start + _CHUNK] @ gallery_unit.T), axis=1, kind="stable")
        for row, label in zip(order, query_labels[start : start + _CHUNK], strict=True):
            if label not in codes:
                raise ValueError(f"no gallery image is relevant for {label!r}")
            ranks.append(np.flatnonzero(gallery_codes[row] == codes[label]))
    return ranks


def _check_features(name: str, features: FloatMatrix, labels: Sequence[str]) -> None:
    if not len(features):
        raise ValueError(f"{name}: there is no image")
    if len(features) != len(labels):
        raise ValueError(f"{name}: {len(features)} images, {len(labels)} labels")
    bad = ~np.isfinite(features).all(axis=1) | (np.abs(features).sum(axis=1) == 0)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(features)} features are NaN, infinite or zero, first {first}"
        )


def recall_at(ranks: npt.NDArray[np.int64], k: int) -> float:
    """Return the share of a query's relevant images that stand among the k nearest.

    Args:
        ranks: of the relevant images, from 0.
        k: how many of the nearest are looked at.
    """
    return float((ranks < k).mean())


def hit_at(ranks: npt.NDArray[np.int64], k: int) -> float:
    """Return 1 where at least one relevant image stands among the k nearest, else 0.

    Args:
        ranks: of the relevant images, from 0.
        k: how many of the nearest are looked at.
    """
    return float((ranks < k).any())


def colour_descriptor(image: Image) -> npt.NDArray[np.float32]:
    """Describe an image by the colours of six horizontal bands of its figure.

    A stand-in for a retrieval network that needs no weights: it knows colour and where it is worn, not pattern or cut.
    Near-white pixels count as background, as in studio pictures, unless there is nothing else.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (1152,) float32: square roots of HSV histograms (12 x 4 x 4 bins per band), of unit length together.
    """
    figure = (image < _WHITE).any(axis=2)
    if not figure.any():
        figure = np.ones(image.shape[:2], np.bool_)
    rows = np.flatnonzero(figure.any(axis=1))
    edges = np.linspace(rows[0], rows[-1] + 1, _NUM_BANDS + 1).round().astype(int)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    bands = [
        cv2.calcHist(
            [hsv[top:bottom]], [0, 1, 2], figure[top:bottom].astype(np.uint8), list(_BINS), [0, 180, 0, 256, 0, 256]
        ).ravel()
        for top, bottom in itertools.pairwise(edges)
    ]
    descriptor = np.sqrt(np.concatenate(bands).astype(np.float32))
    return np.asarray(descriptor / np.linalg.norm(descriptor), np.float32)
