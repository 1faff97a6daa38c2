"""One picture: the person of a photo in the pose of another photo, or of a video at one time."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from retarget import __version__
from retarget.config import PoseConfig, RenderConfig, TransferConfig
from retarget.doctor.photo import score_photo
from retarget.errors import InputError, UsageError
from retarget.event_log import collect_warnings
from retarget.photo import read_photo, write_photo
from retarget.pipeline.background import Background, open_background
from retarget.pipeline.driver_range import DriverRange
from retarget.pipeline.driver_room import DriverRoom
from retarget.pipeline.retargeter import Retargeter
from retarget.pipeline.source import SourceModel, fit_photo
from retarget.pipeline.source_cache import source_of_photo
from retarget.pipeline.watermark import Watermark
from retarget.pose.extractor import extract_track
from retarget.pose.photo import estimate_photo, track_of_pose
from retarget.records import PoseTrack
from retarget.video.output_path import check_apart, check_writable
from retarget.video.reader import open_video

__all__ = ["FrameJob", "run_frame_job"]

_AROUND_SECONDS: Final = 1.0
"""How much of a video is read on each side of the wanted time: enough for true bone lengths and smoothing."""


@dataclass(frozen=True)
class FrameJob:
    """All that one picture needs.

    Attributes:
        source: the photo.
        pose_from: another photo, or a video.
        output: the picture to write: PNG, JPEG or WebP.
        at_seconds: time in the video, from its first picture; None takes the first. Not for a photo.
        overwrite: replace an existing output.
        source_person: which person of the photo; see `PoseConfig.person`.
        pose: reading of the pose.
        transfer: how the pose is carried over.
        render: how to draw.
    """

    source: Path
    pose_from: Path
    output: Path
    at_seconds: float | None = None
    overwrite: bool = False
    source_person: str = "largest"
    pose: PoseConfig = field(default_factory=PoseConfig)
    transfer: TransferConfig = field(default_factory=TransferConfig)
    render: RenderConfig = field(default_factory=RenderConfig)


def run_frame_job(job: FrameJob) -> dict[str, Any]:
    """Make one picture.

    Args:
        job: what to do.

    Returns:
        The report, ready for JSON.

    Raises:
        RetargetError: see `retarget.errors`; nothing is left behind.
    """
    began = time.perf_counter()
    check_writable(job.output, overwrite=job.overwrite)
    behind = Path(job.render.background)
    check_apart(job.output, (job.source, job.pose_from, behind if behind.is_file() else None))
    is_transparent = job.render.background == "transparent"
    if is_transparent and job.output.suffix.lower() in (".jpg", ".jpeg"):
        raise UsageError(f"{job.output}: JPEG can't hold transparency", hint="write PNG or WebP")
    with collect_warnings() as logged:
        track, index, driver = _track_at(job)
        photo = read_photo(job.source)
        source = source_of_photo(
            photo, str(job.source), person=job.source_person, pose=job.pose, max_side_px=job.render.max_side_px
        )
    retargeter = Retargeter(source, render=job.render, transfer=job.transfer)
    plan = retargeter.plan(track, driver)
    background = None if is_transparent else _background(job, source, track, driver)
    try:
        picture = next(retargeter.render(plan.part(index, index + 1), background)).image
    finally:
        if background is not None:
            background.close()
    picture = Watermark(job.render.watermark, source.size_hw).draw(picture)
    write_photo(job.output, picture, overwrite=job.overwrite)
    score = score_photo(source.rgb, source.pose, source.matte.alpha, num_others=source.num_others)
    warnings = [*score.warnings, *track.warnings, *plan.track.warnings, *logged]
    settings = {key: value for key, value in asdict(job).items() if key not in {"source", "pose_from", "output"}}
    return {
        "format": "retarget-frame-report/1",
        "retarget": __version__,
        "source": {"path": str(job.source), "size_hw": list(source.size_hw)},
        "pose": {"path": str(job.pose_from), "seconds": float(track.times_seconds[index] - track.times_seconds[0])},
        "output": {"path": str(job.output), "size_hw": list(picture.shape[:2])},
        "model": job.render.model,
        "settings": settings,
        "warnings": [{"code": code, "text": text} for code, text in warnings],
        "seconds": {"total": round(time.perf_counter() - began, 3)},
    }


def _background(job: FrameJob, source: SourceModel, track: PoseTrack, driver: DriverRange | None) -> Background:
    if job.render.background != "driver":
        return open_background(job.render.background, source)
    if driver is None:
        raise UsageError(
            f"--background driver: {job.pose_from} is a photo, not a driver",
            hint="take the pose from a video, or name a picture",
        )
    return DriverRoom(driver, track, source.size_hw)


def _track_at(job: FrameJob) -> tuple[PoseTrack, int, DriverRange | None]:
    """The poses around the wanted one, which of them it is, and where their frames are."""
    if not _is_video(job.pose_from):
        if job.at_seconds is not None:
            raise UsageError(f"--at: {job.pose_from} is a photo, which has no time")
        photo = read_photo(job.pose_from)
        rgb, _ = fit_photo(photo.rgb, photo.alpha)
        return track_of_pose(estimate_photo(rgb, job.pose, where=str(job.pose_from)).pose), 0, None
    wanted = job.at_seconds or 0.0
    around = DriverRange(job.pose_from, max(wanted - _AROUND_SECONDS, 0.0) or None, wanted + _AROUND_SECONDS)
    track = extract_track(
        around.path, start_seconds=around.start_seconds, end_seconds=around.end_seconds, pose=job.pose
    ).track
    return track, _index_at(job.pose_from, track, wanted), around


def _is_video(path: Path) -> bool:
    """Tell by content whether a file is a video; what can't be read as one is taken for a photo."""
    try:
        with open_video(path):
            return True
    except InputError:
        return False


def _index_at(path: Path, track: PoseTrack, wanted: float) -> int:
    """The frame that a player shows at a time."""
    with open_video(path) as reader:
        first = next(iter(reader))
    ticks = round(wanted / track.time_base) + first.pts
    index = int(np.searchsorted(track.pts, ticks, side="right")) - 1
    last_step = int(track.pts[-1] - track.pts[-2]) if len(track) > 1 else ticks - int(track.pts[-1])
    if ticks > track.pts[-1] + 2 * last_step:
        end = float((int(track.pts[-1]) - first.pts) * track.time_base)
        raise UsageError(f"--at {wanted:g}: {path} ends at {end:.2f} s", hint="give an earlier time")
    return max(index, 0)
