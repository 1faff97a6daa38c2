"""One job, from files to a file: photo + driver -> video, and a report of what happened."""

from __future__ import annotations

import platform
import resource
import sys
import time
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retarget import __version__
from retarget.event_log import collect_warnings
from retarget.pipeline.preparation import Clock, PreparedJob, check_inputs, prepare_job
from retarget.pipeline.video_job import JobProgress, VideoJob
from retarget.video.output_path import check_apart, check_output_path

if TYPE_CHECKING:
    from retarget.pipeline.retargeter import MotionPlan

__all__ = ["run_video_job"]

_REPORTED_PACKAGES = ("torch", "mediapipe", "av", "numba", "numpy", "opencv-contrib-python")


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
    progress, clock = progress or JobProgress(), Clock()
    began = time.perf_counter()
    _check_job(job)
    with collect_warnings() as logged:
        ready = prepare_job(job, progress, clock)
        studio, result = ready.studio, ready.result
        with clock.stage("transfer"):
            plan = studio.plan(job.driver_range, result, progress)
        with clock.stage("render"):
            writer_warnings = studio.render(job, ready.clip, plan, result, progress)
    warnings = [*studio.notes(), *result.track.warnings, *plan.track.warnings, *writer_warnings, *logged]
    seconds = {**clock.seconds, "total": time.perf_counter() - began}
    return _report(job, ready, plan, warnings, seconds)


def _check_job(job: VideoJob) -> None:
    """Find what can't go well before anything is read."""
    is_transparent = job.render.background == "transparent"
    check_output_path(job.output, job.encode, overwrite=job.overwrite, alpha=is_transparent)
    background = Path(job.render.background)
    check_apart(job.output, (job.source, job.driver, background if background.is_file() else None))
    check_inputs(job)


def _report(
    job: VideoJob,
    ready: PreparedJob,
    plan: MotionPlan,
    warnings: list[tuple[str, str]],
    seconds: dict[str, float],
) -> dict[str, Any]:
    clip, result, size_hw = ready.clip, ready.result, list(ready.studio.retargeter.source.size_hw)
    settings = {key: value for key, value in asdict(job).items() if key not in {"source", "driver", "output"}}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return {
        "format": "retarget-report/1",
        "retarget": __version__,
        "source": {"path": str(job.source), "size_hw": size_hw},
        "driver": {
            "path": str(job.driver),
            "size_hw": list(clip.size_hw),
            "codec": clip.codec,
            "average_rate": str(clip.average_rate) if clip.average_rate else None,
            "duration_seconds": clip.duration_seconds,
            "has_audio": clip.has_audio,
        },
        "output": {"path": str(job.output), "size_hw": size_hw, "num_frames": len(plan)},
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
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "frames_per_second": round(len(plan) / max(seconds.get("render", 0.0), 1e-6), 2),
        "peak_memory_mb": round(peak, 1),
        "versions": {"python": platform.python_version(), **_versions()},
    }


@cache
def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _REPORTED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
