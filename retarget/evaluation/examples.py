"""The few best and worst samples, as small pictures side by side, kept while a run streams by."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from retarget.records import UInt8Array

__all__ = ["Example", "ExampleKeeper"]

_HEIGHT_PX = 240


@dataclass(frozen=True)
class Example:
    """A sample worth looking at.

    Attributes:
        title: which clip and frame, or which pair.
        score: by which it was chosen.
        jpeg: its pictures side by side.
    """

    title: str
    score: float
    jpeg: bytes


class ExampleKeeper:
    """Keeps the samples of the highest and of the lowest score; samples that make neither list cost nothing.

    Args:
        count: kept at each end.
    """

    def __init__(self, count: int = 6) -> None:
        self._count = count
        self._number = 0
        self._best: list[tuple[float, int, Example]] = []
        self._worst: list[tuple[float, int, Example]] = []

    def offer(self, title: str, score: float, pictures: Sequence[UInt8Array]) -> None:
        """Keep a sample, if it is among the best or worst so far.

        Args:
            title: names it.
            score: higher is better.
            pictures: (H, W, 3) uint8 RGB each, of any sizes.
        """
        self._number += 1
        for heap, key in ((self._best, score), (self._worst, -score)):
            if len(heap) < self._count or key > heap[0][0]:
                heapq.heappush(heap, (key, self._number, Example(title, score, _side_by_side(pictures))))
                if len(heap) > self._count:
                    heapq.heappop(heap)

    def best(self) -> list[Example]:
        """Return the best samples, best first."""
        return [example for _, _, example in sorted(self._best, key=lambda kept: -kept[0])]

    def worst(self) -> list[Example]:
        """Return the worst samples, worst first."""
        return [example for _, _, example in sorted(self._worst, key=lambda kept: -kept[0])]


def _side_by_side(pictures: Sequence[UInt8Array]) -> bytes:
    height = min(_HEIGHT_PX, max(picture.shape[0] for picture in pictures))
    row = [_at_height(picture, height) for picture in pictures]
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(np.hstack(row), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return jpeg.tobytes()


def _at_height(picture: UInt8Array, height: int) -> UInt8Array:
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
