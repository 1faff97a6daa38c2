"""Scores of a clip: frames in order, a few at a time in worker threads, pooled at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.frames import FramePair, FrameScores, core_scores, detail_scores
from drn_core.evaluation.images import decibels
from drn_core.evaluation.protocol import Protocol
from drn_core.evaluation.temporal import joint_jitter

__all__ = ["ClipScorer", "ScoredHook", "frame_key", "pool_frames"]

ScoredHook = Callable[[FramePair, FrameScores], None]


def frame_key(name: str) -> str:
    """Return the key of frame scores behind a metric that is pooled as decibels: "psnr_head" is from "mse_head".

    Args:
        name: of the metric.
    """
    return name.replace("psnr", "mse", 1)


def _score(pair: FramePair, previous: FramePair | None, with_details: bool) -> FrameScores:
    scores = core_scores(pair, previous)
    return {**scores, **detail_scores(pair, previous)} if with_details else scores


class ClipScorer:
    """Scores the frames of one clip in order; use as a context manager.

    Args:
        protocol: decides which scores are taken.
        source_index: frame the photo was taken from; frames near it are left out. None keeps all.
        on_scored: called with each frame and its scores, in order, in the caller's thread; may add scores.
        num_threads: worker threads for the picture metrics.
    """

    def __init__(
        self,
        protocol: Protocol,
        *,
        source_index: int | None = None,
        on_scored: ScoredHook | None = None,
        num_threads: int = 2,
    ) -> None:
        self.indices: list[int] = []
        self._with_details = "warp" in protocol.names
        self._margin = int(str(protocol.settings.get("source_margin_frames", 0)))
        self._source_index = source_index
        self._previous: FramePair | None = None
        self._workers = ThreadPoolExecutor(num_threads)
        self._on_scored = on_scored
        self._running: deque[tuple[FramePair, Future[FrameScores]]] = deque()
        self._limit = 2 * num_threads
        self._done: list[FrameScores] = []
        self._joint_errors: list[npt.NDArray[np.float64]] = []
        self._follows: list[bool] = []

    def __enter__(self) -> ClipScorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.shutdown(cancel_futures=True)

    def wants(self, index: int) -> bool:
        """Tell whether frame `index` counts, that is, lies far enough from the source frame.

        Args:
            index: running number of the frame.
        """
        return self._source_index is None or abs(index - self._source_index) > self._margin

    def skip(self) -> None:
        """Note that a frame was left out: nothing is measured across it."""
        self._previous = None

    def add(self, pair: FramePair) -> None:
        """Score the next frame; may block until an earlier one is done.

        Args:
            pair: the frame, real and generated.
        """
        self.indices.append(pair.index)
        self._follows.append(self._previous is not None)
        found = pair.generated_reading.keypoints
        error = np.full_like(pair.real_joints, np.nan) if found is None else found - pair.real_joints
        self._joint_errors.append(error.astype(np.float64) / pair.torso_px)
        self._running.append((pair, self._workers.submit(_score, pair, self._previous, self._with_details)))
        self._previous = pair
        while len(self._running) > self._limit:
            self._collect()

    def finish(self) -> list[FrameScores]:
        """Wait for the last frames and return the scores of all, in order."""
        while self._running:
            self._collect()
        if self._with_details and len(self._done) > 2:
            self._add_jitter()
        return self._done

    def _collect(self) -> None:
        pair, future = self._running.popleft()
        scores = future.result()
        if self._on_scored is not None:
            self._on_scored(pair, scores)
        self._done.append(scores)

    def _add_jitter(self) -> None:
        jitter = 100 * joint_jitter(np.stack(self._joint_errors))
        for last in range(2, len(self._done)):
            value = jitter[last - 2]
            if self._follows[last] and self._follows[last - 1] and not np.isnan(value):
                self._done[last]["jitter"] = float(value)


def pool_frames(frames: Sequence[Mapping[str, float]], protocol: Protocol) -> dict[str, float]:
    """Pool the frames of one clip.

    Args:
        frames: scores as `ClipScorer.finish` returns them.
        protocol: which figures to make, and how.

    Returns:
        The figures that could be taken, by name: decibels of the mean squared error, or means.
    """
    pooled = {}
    for metric in protocol.metrics:
        key = frame_key(metric.name) if metric.pooling == "decibels" else metric.name
        values = [scores[key] for scores in frames if key in scores]
        if values:
            mean = float(np.mean(values))
            pooled[metric.name] = decibels(mean) if metric.pooling == "decibels" else mean
    return pooled
