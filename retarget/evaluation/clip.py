"""Compare one generated clip with the real one, streaming both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from drn_core.evaluation.reenactment import ClipScorer, FrameScores, pool_frames
from retarget.evaluation.observers import Observer
from retarget.evaluation.truth import ClipReadings
from retarget.records import UInt8Array

__all__ = ["ClipComparison", "compare_clips", "decode", "save_frame"]


def decode(path: Path) -> Iterator[UInt8Array]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB each.

    Args:
        path: the video file.
    """
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def save_frame(clip: Path, index: int, target: Path) -> None:
    """Write one frame of a clip as PNG.

    Args:
        clip: the video file.
        index: running number of the frame.
        target: the PNG file.
    """
    for number, rgb in enumerate(decode(clip)):
        if number == index:
            cv2.imwrite(str(target), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            return
    raise ValueError(f"{clip} has no frame {index}")


@dataclass(frozen=True)
class ClipComparison:
    """Scores of one clip.

    Attributes:
        pooled: figures of the whole clip.
        frames: figures of each frame that counted.
        indices: running numbers of those frames.
        num_real: frames of the real clip.
        num_generated: frames of the generated clip.
    """

    pooled: dict[str, float]
    frames: list[FrameScores]
    indices: list[int]
    num_real: int
    num_generated: int


def _fit(generated: UInt8Array, real: UInt8Array) -> UInt8Array:
    if generated.shape == real.shape:
        return generated
    size = (real.shape[1], real.shape[0])
    return np.asarray(cv2.resize(generated, size, interpolation=cv2.INTER_AREA), np.uint8)


def compare_clips(
    real_clip: Path,
    generated_clip: Path,
    observer: Observer,
    *,
    step: int = 1,
    source_index: int | None = None,
    face: bool = True,
    readings_folder: Path | None = None,
) -> ClipComparison:
    """Score a generated clip against the real one, frame by frame.

    Args:
        real_clip: the truth.
        generated_clip: the video to judge; its frames are resized to the real clip's size where they differ.
        observer: reads joints, mask and face.
        step: every how many frames one is measured.
        source_index: frame the photo was taken from; frames within 5 of it are left out.
        face: whether faces are compared.
        readings_folder: where readings of the real clip are kept; None keeps none.
    """
    scorer = ClipScorer(source_index=source_index)
    readings = ClipReadings(real_clip, readings_folder)
    num_real = num_generated = 0
    generated_frames = decode(generated_clip)
    for index, real in enumerate(decode(real_clip)):
        num_real += 1
        generated = next(generated_frames, None)
        if generated is None:
            continue
        num_generated += 1
        if index % step:
            continue
        if not scorer.wants(index):
            scorer.skip()
            continue
        reading = readings.read(index, real, observer, face=face)
        if not reading.has_person:
            scorer.skip()
            continue
        fitted = _fit(generated, real)
        seen = observer.read(fitted, face=face and reading.face is not None)
        scorer.add(index, real, fitted, reading, seen)
    num_generated += sum(1 for _ in generated_frames)
    readings.save()
    return ClipComparison(pool_frames(scorer.frames), scorer.frames, scorer.indices, num_real, num_generated)
