"""Run one job of a batch so that it can be stopped at any moment and taken up again.

The result is rendered under a name of its own beside its place, checked, and published only when the inputs are still
the ones it was made from: a driver that is replaced meanwhile makes the job start over, it never mixes two clips.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import filelock
from PIL import Image

from retarget.batch.job_key import FileDigests, job_key
from retarget.batch.plan import BatchJob
from retarget.batch.roots import check_inside
from retarget.batch.settings import ExecuteOptions
from retarget.batch.sidecar import Sidecar, output_digest, read_sidecar, write_sidecar
from retarget.batch.staging import remove_leftovers, remove_path, staging_path
from retarget.cache import default_cache_folder, make_private
from retarget.errors import InputChangedError, OutputError, RetargetError
from retarget.file_options import names_file
from retarget.pipeline.job import run_video_job
from retarget.pipeline.video_job import JobProgress, VideoJob
from retarget.video.output_path import check_writable, output_errors
from retarget.video.reader import open_video

__all__ = ["BusyError", "execute_job"]

_THUMBNAIL_HEIGHT: Final = 120
_THUMBNAIL_QUALITY: Final = 75


class BusyError(RetargetError):
    """Another process is making the same output right now."""


def execute_job(
    job: BatchJob,
    options: ExecuteOptions,
    digests: FileDigests | None = None,
    progress: JobProgress | None = None,
) -> dict[str, Any]:
    """Make one output, or find it made.

    Args:
        job: what to do.
        options: how.
        digests: of files read so far; kept by a worker over its jobs.
        progress: told how far the job is.

    Returns:
        JSON values: "status" ("done" or "skipped"), "key", "frames", "seconds", "stage_seconds", "warnings",
        "peak_memory_mb".

    Raises:
        BusyError: another process is at the same output.
        InputChangedError: an input was replaced while the job ran.
        RetargetError: as `run_video_job`.
    """
    began = time.perf_counter()
    digests = digests or FileDigests()
    video_job, output = job.video_job(), Path(job.output)
    _check_places(video_job, options.root)
    with output_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    with _claimed(output):
        key = job_key(video_job, digests)
        finished = read_sidecar(output)
        if options.resume and finished is not None and finished.key == key and finished.describes(output):
            return _outcome("skipped", key, finished.report, began)
        is_ours = finished is not None
        check_writable(output, overwrite=video_job.overwrite or is_ours, is_folder=video_job.encode.codec == "png")
        with output_errors(output):
            remove_leftovers(output)
            try:
                report = _make(video_job, key, digests, progress)
            finally:
                remove_path(staging_path(output))
    return _outcome("done", key, report, began)


def _check_places(job: VideoJob, root: str | None) -> None:
    if root is None:
        return
    options = {"background": job.render.background, "model": job.render.model}
    named = [Path(text) for name, text in options.items() if names_file(name, text)]
    for path in (job.source, job.driver, job.output, *named):
        check_inside(path, Path(root))


@contextmanager
def _claimed(output: Path) -> Iterator[None]:
    """Keep other processes that share the cache folder from making the same output at the same time."""
    folder = default_cache_folder() / "batch-locks"
    name = hashlib.sha256(str(output.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    try:
        make_private(folder, folder.parent)
        lock = filelock.FileLock(folder / f"{name}.lock", mode=0o600)
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise BusyError(f"{output}: another process is making it") from None
    except (OSError, NotImplementedError):
        # Without a place for locks two batches may both make an output; each still appears whole.
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _make(job: VideoJob, key: str, digests: FileDigests, progress: JobProgress | None) -> dict[str, Any]:
    output, staging = job.output, staging_path(job.output)
    try:
        report = run_video_job(replace(job, output=staging, overwrite=True), progress)
    except OutputError as error:  # people know the output by its own name
        raise OutputError(error.message.replace(staging.name, output.name), hint=error.hint) from error
    if job_key(job, digests) != key:
        raise InputChangedError(
            f"{output}: an input was replaced while the job ran", hint="start the batch again when the files are final"
        )
    report["output"]["path"] = str(output)
    with output_errors(output):
        sidecar = Sidecar(key, output_digest(staging), report, _thumbnail(staging))
        write_sidecar(output, sidecar)
        if output.is_dir():
            shutil.rmtree(output)
        staging.replace(output)
    return report


def _thumbnail(output: Path) -> str:
    """A small JPEG of the middle of an output, in base64; empty where it can't be read back."""
    try:
        picture = _middle_picture(output)
    except (RetargetError, OSError, StopIteration):
        return ""
    picture.thumbnail((4 * _THUMBNAIL_HEIGHT, _THUMBNAIL_HEIGHT))
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, format="JPEG", quality=_THUMBNAIL_QUALITY)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _middle_picture(output: Path) -> Image.Image:
    if output.is_dir():
        pictures = sorted(output.glob("*.png"))
        with Image.open(pictures[len(pictures) // 2]) as picture:
            return picture.copy()
    with open_video(output) as reader:
        seconds = reader.info.duration_seconds or 0.0
    middle = seconds / 2 if seconds > 1.0 else None
    with open_video(output, start_seconds=middle, max_height=2 * _THUMBNAIL_HEIGHT) as reader:
        return Image.fromarray(next(iter(reader)).rgb)


def _outcome(status: str, key: str, report: dict[str, Any], began: float) -> dict[str, Any]:
    output = report.get("output")
    return {
        "status": status,
        "key": key,
        "frames": output.get("num_frames", 0) if isinstance(output, dict) else 0,
        "seconds": round(time.perf_counter() - began, 3),
        "stage_seconds": report.get("seconds", {}),
        "warnings": report.get("warnings", []),
        "peak_memory_mb": report.get("peak_memory_mb"),
    }
