"""Read the poses of a clip or a photo and write them: as a track, as an overlay, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from retarget.config import PoseConfig, SmoothingConfig
from retarget.errors import UsageError
from retarget.photo import PHOTO_EXTENSIONS, read_photo, write_photo
from retarget.pose.draw import draw_pose
from retarget.pose.extractor import extract_track
from retarget.pose.overlay import write_overlay
from retarget.pose.photo import estimate_photo, track_of_pose
from retarget.pose.track_json import write_track_json
from retarget.records import PoseTrack
from retarget.video.output_path import check_apart, check_writable

__all__ = ["PoseJob", "StageProgress", "run_pose_job"]

StageProgress = Callable[[str, int], None]
"""Called with the stage ("reading", "drawing") and the number of frames done in it."""


@dataclass(frozen=True)
class PoseJob:
    """What to read and what to write.

    Attributes:
        driver: a clip, or a photo (by its extension; an animated GIF is a clip).
        output: JSON file for the track; None for none.
        overlay: video (for a photo: picture) with the skeletons drawn; None for none.
        start_seconds: where the range of a clip begins; None from the start.
        end_seconds: where it ends; None at the end.
        pose: person to follow, hands, face.
        smoothing: how a track is smoothed.
        is_raw: write what was read: gaps empty, nothing smoothed.
        keep_partial: take what can be read of a clip whose end is missing.
        overwrite: replace existing files.
    """

    driver: Path
    output: Path | None = None
    overlay: Path | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    pose: PoseConfig = field(default_factory=PoseConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    is_raw: bool = False
    keep_partial: bool = False
    overwrite: bool = False


def run_pose_job(job: PoseJob, progress: StageProgress | None = None) -> PoseTrack:
    """Do a job; what can't be written is found before anything is read.

    Returns:
        The track that was written; one frame for a photo.

    Raises:
        InputError: the driver can't be read.
        OutputError: an output can't be written.
        PersonNotFoundError: nobody is found.
        UsageError: options that contradict each other.
    """
    for path in (job.output, job.overlay):
        if path is not None:
            check_writable(path, overwrite=job.overwrite)
            check_apart(path, (job.driver, job.output if path is job.overlay else None))
    suffix = job.driver.suffix.lower()
    is_photo = suffix in PHOTO_EXTENSIONS and suffix != ".gif"
    track = _read_photo(job) if is_photo else _read_clip(job, progress or (lambda stage, count: None))
    if job.output is not None:
        write_track_json(job.output, track, overwrite=job.overwrite)
    return track


def _read_photo(job: PoseJob) -> PoseTrack:
    if job.start_seconds is not None or job.end_seconds is not None:
        raise UsageError("start and end go with a video, not with a photo")
    rgb = read_photo(job.driver).rgb
    pose = estimate_photo(rgb, job.pose, where=str(job.driver)).pose
    if job.overlay is not None:
        write_photo(job.overlay, draw_pose(rgb, pose), overwrite=job.overwrite)
    return track_of_pose(pose)


def _read_clip(job: PoseJob, progress: StageProgress) -> PoseTrack:
    result = extract_track(
        job.driver,
        start_seconds=job.start_seconds,
        end_seconds=job.end_seconds,
        pose=job.pose,
        smoothing=job.smoothing,
        keep_partial=job.keep_partial,
        progress=lambda count: progress("reading", count),
    )
    track = result.raw if job.is_raw else result.track
    if job.overlay is not None:
        write_overlay(
            job.overlay,
            job.driver,
            track,
            start_seconds=job.start_seconds,
            end_seconds=job.end_seconds,
            keep_partial=job.keep_partial,
            overwrite=job.overwrite,
            progress=lambda count: progress("drawing", count),
        )
    return track
