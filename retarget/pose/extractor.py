"""The pose track of a clip: read in one streaming pass (or from the cache), then smoothed over the whole track."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from retarget.cache import Cache
from retarget.config import PoseConfig, SmoothingConfig
from retarget.digests import cache_key, check_unchanged, input_digest
from retarget.pose.estimator import PoseEstimator
from retarget.pose.read_ahead import read_ahead
from retarget.pose.reading import Progress, TrackReading, read_frames
from retarget.pose.reading_store import pack_reading, unpack_reading
from retarget.records import Frame, PoseTrack
from retarget.smoothing.links import MotionLinks
from retarget.smoothing.track import smooth_track
from retarget.video.reader import open_video

__all__ = ["TrackResult", "extract_track", "read_track"]

_MAX_HEIGHT: Final = 1080
"""Higher pictures are shrunk while they are decoded."""
_CACHE_REVISION: Final = 2
"""Raised when the same clip and settings give another reading than before."""


@dataclass(frozen=True)
class TrackResult:
    """What is known of a person's motion in a clip.

    Attributes:
        track: filled and smoothed; what the pipeline uses.
        raw: as the estimator read it; frames without a person hold zeros and confidence 0.
        links: motion of the picture at each joint between pairs of frames; none where flow anchoring is off.
        cuts: frames that begin a new shot (never 0).
        is_cached: the reading comes from the cache.
        stage_seconds: time spent per stage.
    """

    track: PoseTrack
    raw: PoseTrack
    links: MotionLinks
    cuts: tuple[int, ...]
    is_cached: bool = False
    stage_seconds: dict[str, float] = field(default_factory=dict)


def extract_track(
    path: str | Path,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    pose: PoseConfig | None = None,
    smoothing: SmoothingConfig | None = None,
    keep_partial: bool = False,
    estimator: PoseEstimator | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> TrackResult:
    """Extract the pose track of one person from a clip.

    The reading is kept in the cache under the clip's content, the range, the estimator's version and the settings it
    depends on; smoothing it anew takes milliseconds.

    Args:
        path: the clip.
        start_seconds: where to begin; None from the start.
        end_seconds: where to end; None at the end.
        pose: person to follow, hands, face.
        smoothing: how the track is smoothed.
        keep_partial: take what can be read of a clip whose end is missing.
        estimator: reads regions and skeletons; None opens MediaPipe's for this call, if the cache has no reading.
        cache: where readings are kept; None takes the user's own.
        progress: called with the number of frames read so far.

    Raises:
        InputError: the clip can't be read.
        PersonNotFoundError: nobody is found in any frame.
        UsageError: `pose.person` is not understood.
        InputChangedError: the file was replaced while it was read.
    """
    pose, smoothing = pose or PoseConfig(), smoothing or SmoothingConfig()

    def read() -> TrackReading:
        clip = _Clip(path, start_seconds, end_seconds, keep_partial)
        if estimator is not None:
            return clip.read(estimator, pose, smoothing, progress)
        from retarget.pose.mediapipe_estimator import MediaPipeEstimator

        with MediaPipeEstimator(pose) as own_estimator:
            return clip.read(own_estimator, pose, smoothing, progress)

    # Refuses what is no video, before anything else is done for it.
    open_video(path, start_seconds=start_seconds, end_seconds=end_seconds, keep_partial=keep_partial).close()
    digest = input_digest(path)

    def read_unchanged() -> TrackReading:
        reading = read()
        check_unchanged(path, digest)
        return reading

    key = cache_key(
        _CACHE_REVISION, digest, start_seconds, end_seconds, keep_partial,
        _version_of(estimator, pose), pose.person, smoothing.anchor_to_flow,
    )  # fmt: skip
    kept = (cache or Cache()).get_or_compute(
        "pose-reading", key, read_unchanged, encode=pack_reading, decode=unpack_reading
    )
    if kept.origin == "stored" and progress is not None:
        progress(len(kept.value.raw))
    return _finish(kept.value, smoothing, is_cached=kept.origin == "stored")


def read_track(
    frames: Iterable[Frame],
    estimator: PoseEstimator,
    *,
    pose: PoseConfig | None = None,
    smoothing: SmoothingConfig | None = None,
    where: str = "the clip",
) -> TrackResult:
    """Read and smooth the pose track of frames as they come, without cache.

    Args:
        frames: in order of time.
        estimator: reads regions and skeletons.
        pose: person to follow.
        smoothing: how the track is smoothed.
        where: name of the clip for messages.

    Raises:
        PersonNotFoundError: nobody is found in any frame.
        UsageError: `pose.person` is not understood.
        InputChangedError: the file was replaced while it was read.
    """
    pose, smoothing = pose or PoseConfig(), smoothing or SmoothingConfig()
    reading = read_frames(frames, estimator, pose=pose, with_motion=smoothing.anchor_to_flow, where=where)
    return _finish(reading, smoothing, is_cached=False)


@dataclass(frozen=True)
class _Clip:
    """A range of a file."""

    path: str | Path
    start_seconds: float | None
    end_seconds: float | None
    keep_partial: bool

    def read(
        self, estimator: PoseEstimator, pose: PoseConfig, smoothing: SmoothingConfig, progress: Progress | None
    ) -> TrackReading:
        """Decode and read, each in a thread of its own."""
        with open_video(
            self.path,
            start_seconds=self.start_seconds,
            end_seconds=self.end_seconds,
            max_height=_MAX_HEIGHT,
            keep_partial=self.keep_partial,
        ) as frames:
            reading = read_frames(
                read_ahead(frames),
                estimator,
                pose=pose,
                with_motion=smoothing.anchor_to_flow,
                size_hw=frames.info.size_hw,
                where=Path(self.path).name,
                progress=progress,
            )
            warnings = (*frames.warnings, *reading.raw.warnings)
            return replace(reading, raw=replace(reading.raw, warnings=warnings))


def _version_of(estimator: PoseEstimator | None, pose: PoseConfig) -> str:
    if estimator is not None:
        return estimator.version
    from retarget.pose.mediapipe_estimator import estimator_version

    return estimator_version(pose)


def _finish(reading: TrackReading, smoothing: SmoothingConfig, *, is_cached: bool) -> TrackResult:
    started = time.perf_counter()
    track = smooth_track(reading.raw, smoothing, links=reading.links, cuts=reading.cuts)
    seconds = {**reading.stage_seconds, "smoothing": time.perf_counter() - started}
    return TrackResult(track, reading.raw, reading.links, reading.cuts, is_cached, seconds)
