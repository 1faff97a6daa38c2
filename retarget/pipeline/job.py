"""One job, from files to a file: photo + driver -> video, and a report of what happened."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retarget import __version__
from retarget.beside import beside
from retarget.errors import UsageError
from retarget.photo import Photo, read_photo
from retarget.pipeline.model_files import weights_of
from retarget.pipeline.video_job import JobProgress, VideoJob
from retarget.pose.extractor import TrackResult, extract_track
from retarget.pose.people import PersonChoice
from retarget.records import ClipInfo
from retarget.video.output_path import check_apart, check_output_path
from retarget.video.reader import open_video

if TYPE_CHECKING:
    from retarget.pipeline.rendering import Studio
    from retarget.pipeline.retargeter import MotionPlan

__all__ = ["run_video_job"]

_REPORTED_PACKAGES = ("torch", "mediapipe", "av", "numba", "numpy", "opencv-contrib-python")


class _Clock:
    """Wall seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def run_video_job(job: VideoJob, progress: JobProgress | None = None) -> dict[str, Any]:
    """Make one video.

    The photo is modelled while the driver is read; frames are encoded while the next ones are drawn.

    Args:
        job: what to do.
        progress: told how far the job is.

    Returns:
        The report, ready for JSON.

    Raises:
        RetargetError: see `retarget.errors`; nothing is left behind.
    """
    progress, clock = progress or JobProgress(), _Clock()
    began = time.perf_counter()
    _check_job(job)
    with clock.stage("open"):
        photo = read_photo(job.source)
        clip = _open_driver(job)
    with beside("source") as pool:
        opening = pool.submit(_open_studio, job, photo, clock)
        with clock.stage("read driver"):
            result = _read_driver(job, clip.num_frames, progress, opening)
        with clock.stage("wait for source"):
            studio = opening.result()
    with clock.stage("transfer"):
        plan = studio.plan(job, result, progress)
    with clock.stage("render"):
        writer_warnings = studio.render(job, clip, plan, result, progress)
    warnings = [*studio.notes(), *result.track.warnings, *plan.track.warnings, *writer_warnings]
    size_hw = studio.retargeter.source.size_hw
    return _report(job, clip, size_hw, plan, result, warnings, clock.seconds, time.perf_counter() - began)


def _open_studio(job: VideoJob, photo: Photo, clock: _Clock) -> Studio:
    """Get all ready to draw, beside the reading: what draws takes seconds to import, and the photo to model."""
    with clock.stage("source, meanwhile"):
        from retarget.pipeline.rendering import Studio

        return Studio.open(job, photo)


def _check_job(job: VideoJob) -> None:
    """Find what can't go well before anything is read."""
    is_transparent = job.render.background == "transparent"
    check_output_path(job.output, job.encode, overwrite=job.overwrite, alpha=is_transparent)
    background = Path(job.render.background)
    check_apart(job.output, (job.source, job.driver, background if background.is_file() else None))
    weights_of(job.render.model)
    for choice in (job.pose.person, job.source_person):
        PersonChoice.parse(choice)
    if job.start_seconds is not None and job.end_seconds is not None and job.end_seconds <= job.start_seconds:
        raise UsageError(f"--end {job.end_seconds:g} is not after --start {job.start_seconds:g}")


def _open_driver(job: VideoJob) -> ClipInfo:
    """Read the driver's facts; a file whose end is missing fails here, before the work."""
    with open_video(
        job.driver, start_seconds=job.start_seconds, end_seconds=job.end_seconds, keep_partial=job.keep_partial
    ) as reader:
        return reader.info


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


def _report(
    job: VideoJob,
    clip: ClipInfo,
    size_hw: tuple[int, int],
    plan: MotionPlan,
    result: TrackResult,
    warnings: list[tuple[str, str]],
    seconds: dict[str, float],
    total_seconds: float,
) -> dict[str, Any]:
    settings = {key: value for key, value in asdict(job).items() if key not in {"source", "driver", "output"}}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return {
        "format": "retarget-report/1",
        "retarget": __version__,
        "source": {"path": str(job.source), "size_hw": list(size_hw)},
        "driver": {
            "path": str(job.driver),
            "size_hw": list(clip.size_hw),
            "codec": clip.codec,
            "average_rate": str(clip.average_rate) if clip.average_rate else None,
            "duration_seconds": clip.duration_seconds,
            "has_audio": clip.has_audio,
        },
        "output": {"path": str(job.output), "size_hw": list(size_hw), "num_frames": len(plan)},
        "model": job.render.model,
        "settings": settings,
        "reference_frame": plan.track.reference_index,
        "frames": [
            {"pts": int(pts), "detected": bool(found), "confidence": round(float(confidence), 3)}
            for pts, found, confidence in zip(
                plan.pts, result.track.is_detected, result.raw.confidence.mean(1), strict=True
            )
        ],
        "warnings": [{"code": code, "text": text} for code, text in warnings],
        "seconds": {**{name: round(value, 3) for name, value in seconds.items()}, "total": round(total_seconds, 3)},
        "frames_per_second": round(len(plan) / max(seconds.get("render", 0.0), 1e-6), 2),
        "peak_memory_mb": round(peak, 1),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _REPORTED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
