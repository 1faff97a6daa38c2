"""Measure one generated clip against the real one, streaming both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from drn_core.evaluation.clips import ClipScorer, ScoredHook, pool_frames
from drn_core.evaluation.frames import FramePair, FrameScores, is_measurable
from drn_core.evaluation.protocol import Protocol
from drn_core.evaluation.report import Row
from retarget.cache import Cache
from retarget.errors import InputError
from retarget.evaluation.clip_readings import read_clip
from retarget.evaluation.frames import decoding_of, iterate_frames
from retarget.evaluation.observers import Observer
from retarget.records import UInt8Array

__all__ = ["ClipResult", "measure_clip"]


@dataclass(frozen=True)
class ClipResult:
    """What was measured of one clip.

    Attributes:
        row: pooled figures and the series of all frames.
        num_real: frames of the real clip.
        num_generated: frames of the generated clip.
    """

    row: Row
    num_real: int
    num_generated: int


def _fit(generated: UInt8Array, real: UInt8Array) -> UInt8Array:
    if generated.shape == real.shape:
        return generated
    size = (real.shape[1], real.shape[0])
    return np.asarray(cv2.resize(generated, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass
class _Counter:
    real: int = 0
    generated: int = 0


def _paired_frames(
    real_clip: Path, generated_clip: Path, decoding: str, counter: _Counter
) -> Iterator[tuple[int, UInt8Array, UInt8Array]]:
    """Yield (index, real, generated) while both clips last, then count what is left over."""
    with (
        contextlib.closing(iterate_frames(real_clip, decoding)) as real_frames,
        contextlib.closing(iterate_frames(generated_clip, decoding)) as generated_frames,
    ):
        for real in real_frames:
            counter.real += 1
            generated = next(generated_frames, None)
            if generated is None:
                break
            counter.generated += 1
            yield counter.real - 1, real, generated
        counter.real += sum(1 for _ in real_frames)
        counter.generated += sum(1 for _ in generated_frames)


def measure_clip(
    real_clip: Path,
    generated_clip: Path,
    observer: Observer,
    protocol: Protocol,
    *,
    name: str,
    step: int = 1,
    source_index: int | None = None,
    face: bool = True,
    cache: Cache | None = None,
    on_scored: ScoredHook | None = None,
) -> ClipResult:
    """Score a generated clip against the real one, frame by frame.

    Args:
        real_clip: the truth.
        generated_clip: the video to judge; its frames are resized to the real clip's size where they differ.
        observer: reads joints, mask and face.
        protocol: which figures to take.
        name: of the sample in the report.
        step: every how many frames one is measured.
        source_index: frame the photo was taken from; frames near it are left out.
        face: whether faces are compared.
        cache: where readings of the real clip are kept; None keeps none.
        on_scored: called with each frame and its scores, in order; may add scores (networks do).

    Raises:
        InputError: a clip can't be read, or no frame of the real one shows a person.
    """
    decoding = decoding_of(protocol)
    readings = read_clip(real_clip, observer, decoding=decoding, step=step, face=face, cache=cache)
    counter = _Counter()
    with ClipScorer(protocol, source_index=source_index, on_scored=on_scored) as scorer:
        for index, real, generated in _paired_frames(real_clip, generated_clip, decoding, counter):
            if index % step:
                continue
            reading = readings.of(index)
            if not scorer.wants(index) or not is_measurable(reading):
                scorer.skip()
                continue
            fitted = _fit(generated, real)
            scorer.add(FramePair(index, real, fitted, reading, observer.read(fitted, face=reading.face is not None)))
        frames = scorer.finish()
    if not frames:
        raise InputError(f"{real_clip}: no frame to measure on", hint="it shows no person, or is too short")
    row = Row(name, pool_frames(frames, protocol), series=_series(frames), indices=scorer.indices)
    return ClipResult(row, counter.real, counter.generated)


def _series(frames: list[FrameScores]) -> dict[str, list[float | None]]:
    keys = sorted({key for scores in frames for key in scores})
    return {key: [scores.get(key) for scores in frames] for key in keys}
