"""What a job does before its frames: the driver is read and, beside it, the photo modelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retarget.beside import beside
from retarget.errors import UsageError
from retarget.photo import Photo, read_photo
from retarget.pipeline.model_files import weights_of
from retarget.pipeline.video_job import JobProgress, VideoJob
from retarget.pose.extractor import TrackResult, extract_track
from retarget.pose.people import PersonChoice
from retarget.records import ClipInfo
from retarget.video.reader import open_video

if TYPE_CHECKING:
    from retarget.pipeline.rendering import Studio

__all__ = ["Clock", "PreparedJob", "check_inputs", "prepare_job"]


class Clock:
    """Wall seconds of named stages.

    Attributes:
        seconds: of each stage so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside towards a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True)
class PreparedJob:
    """A job whose inputs are read.

    Attributes:
        clip: the driver's facts.
        studio: the photo's person, modelled, and what draws them.
        result: the driver's motion.
    """

    clip: ClipInfo
    studio: Studio
    result: TrackResult


def check_inputs(job: VideoJob) -> None:
    """Find what can't go well before anything is read.

    Args:
        job: the job.

    Raises:
        ModelError: the network's weights can't be read.
        UsageError: the choice of a person, or the range, means nothing.
    """
    weights_of(job.render.model)
    for choice in (job.pose.person, job.source_person):
        PersonChoice.parse(choice)
    if job.start_seconds is not None and job.end_seconds is not None and job.end_seconds <= job.start_seconds:
        raise UsageError(f"--end {job.end_seconds:g} is not after --start {job.start_seconds:g}")


def prepare_job(job: VideoJob, progress: JobProgress, clock: Clock) -> PreparedJob:
    """Read the driver, and model the photo beside it.

    Args:
        job: the job; its output is not touched.
        progress: told how far the reading is.
        clock: counts the stages.

    Returns:
        What the frames can be drawn with.

    Raises:
        RetargetError: see `retarget.errors`.
    """
    with clock.stage("open"):
        photo = read_photo(job.source)
        clip = _open_driver(job)
    with beside("source") as pool:
        opening = pool.submit(_open_studio, job, photo, clock)
        with clock.stage("read driver"):
            result = _read_driver(job, clip.num_frames, progress, opening)
        with clock.stage("wait for source"):
            studio = opening.result()
    return PreparedJob(clip, studio, result)


def _open_driver(job: VideoJob) -> ClipInfo:
    """Read the driver's facts; a file whose end is missing fails here, before the work."""
    with open_video(
        job.driver, start_seconds=job.start_seconds, end_seconds=job.end_seconds, keep_partial=job.keep_partial
    ) as reader:
        return reader.info


def _open_studio(job: VideoJob, photo: Photo, clock: Clock) -> Studio:
    """Get all ready to draw, beside the reading: what draws takes seconds to import, and the photo to model."""
    with clock.stage("source, meanwhile"):
        from retarget.pipeline.rendering import Studio

        return Studio.open(job, photo)


def _read_driver(job: VideoJob, total: int | None, progress: JobProgress, opening: Future[Studio]) -> TrackResult:
    def advance(num_frames: int) -> None:
        if opening.done():
            opening.result()  # a photo without a person ends the job now, not when the driver is read
        progress.advance(num_frames)

    progress.begin("reading", total)
    try:
        return extract_track(
            job.driver,
            start_seconds=job.start_seconds,
            end_seconds=job.end_seconds,
            pose=job.pose,
            smoothing=job.smoothing,
            keep_partial=job.keep_partial,
            progress=advance,
        )
    finally:
        progress.end()
