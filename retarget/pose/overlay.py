"""Write a clip with its skeletons drawn over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from retarget.config import EncodeConfig
from retarget.pose.draw import draw_pose
from retarget.pose.read_ahead import read_ahead
from retarget.records import PoseTrack
from retarget.video.reader import open_video
from retarget.video.writer import VideoWriter

__all__ = ["write_overlay"]


def write_overlay(
    path: Path,
    driver: Path,
    track: PoseTrack,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    keep_partial: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the clip that a track was read from, with the skeleton over every frame; times and sound are kept.

    Args:
        path: video to write.
        driver: the clip.
        track: read from the same range of it.
        start_seconds: where the range begins; None from the start.
        end_seconds: where it ends; None at the end.
        keep_partial: take what can be read of a clip whose end is missing.
        overwrite: replace an existing file.
        progress: called with the number of frames written so far.

    Raises:
        InputError: the clip can't be read.
        OutputError: the video can't be written.
    """
    reader = open_video(driver, start_seconds=start_seconds, end_seconds=end_seconds, keep_partial=keep_partial)
    with (
        reader as frames,
        VideoWriter(
            path,
            track.size_hw,
            track.time_base,
            frames.info.average_rate,
            EncodeConfig(),
            overwrite=overwrite,
            audio_source=driver,
            audio_range=(start_seconds, end_seconds),
        ) as writer,
    ):
        for frame in read_ahead(frames):
            is_detected = bool(track.is_detected[frame.index])
            picture = draw_pose(frame.rgb, track.pose_at(frame.index), is_detected=is_detected)
            writer.write(picture, frame.pts, frame.duration)
            if progress is not None:
                progress(frame.index + 1)
