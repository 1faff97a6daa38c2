"""The pose track of a clip: one streaming pass that keeps only numbers, then smoothing over the whole track."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from drn_core.skeleton import NUM_JOINTS
from retarget.config import PoseConfig, SmoothingConfig
from retarget.errors import PersonNotFoundError
from retarget.pose.confidence import DRIVER_MARGIN, in_picture_weight
from retarget.pose.cuts import CutDetector
from retarget.pose.estimator import PoseEstimator, resize_pose, size_of
from retarget.pose.follow import PersonFollower
from retarget.pose.image_motion import ImageMotion
from retarget.pose.people import PersonChoice
from retarget.pose.read_ahead import read_ahead
from retarget.records import FloatArray, Frame, Pose, PoseTrack
from retarget.smoothing.links import MotionLink, MotionLinks
from retarget.smoothing.track import smooth_track

__all__ = ["TrackResult", "extract_track", "read_track"]

_MAX_HEIGHT: Final = 1080
"""Higher pictures are shrunk while they are decoded."""

Progress = Callable[[int], None]
"""Called with the number of frames read so far."""


@dataclass(frozen=True)
class TrackResult:
    """What is known of a person's motion in a clip.

    Attributes:
        track: filled and smoothed; what the pipeline uses.
        raw: as the estimator read it; frames without a person hold zeros and confidence 0.
        links: motion of the picture at each joint between pairs of frames; none where flow anchoring is off.
        cuts: frames that begin a new shot (never 0).
        stage_seconds: time spent per stage.
    """

    track: PoseTrack
    raw: PoseTrack
    links: MotionLinks
    cuts: tuple[int, ...]
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def with_warnings(self, warnings: tuple[tuple[str, str], ...]) -> TrackResult:
        """Return the result with more warnings on both tracks."""
        return replace(
            self,
            track=replace(self.track, warnings=(*warnings, *self.track.warnings)),
            raw=replace(self.raw, warnings=(*warnings, *self.raw.warnings)),
        )


def extract_track(
    path: str | Path,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    pose: PoseConfig | None = None,
    smoothing: SmoothingConfig | None = None,
    keep_partial: bool = False,
    estimator: PoseEstimator | None = None,
    progress: Progress | None = None,
) -> TrackResult:
    """Extract the pose track of one person from a clip.

    Args:
        path: the clip.
        start_seconds: where to begin; None from the start.
        end_seconds: where to end; None at the end.
        pose: person to follow, hands, face.
        smoothing: how the track is smoothed.
        keep_partial: take what can be read of a clip whose end is missing.
        estimator: reads regions and skeletons; None opens MediaPipe's for this call.
        progress: called after every frame.

    Raises:
        InputError: the clip can't be read.
        PersonNotFoundError: nobody is found in any frame.
        UsageError: `pose.person` is not understood.
    """
    from retarget.video.reader import open_video

    pose = pose or PoseConfig()
    if estimator is None:
        from retarget.pose.mediapipe_estimator import MediaPipeEstimator

        with MediaPipeEstimator(pose) as own_estimator:
            return extract_track(
                path,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
                pose=pose,
                smoothing=smoothing,
                keep_partial=keep_partial,
                estimator=own_estimator,
                progress=progress,
            )
    with open_video(
        path,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        max_height=_MAX_HEIGHT,
        keep_partial=keep_partial,
    ) as frames:
        result = read_track(
            read_ahead(frames),
            estimator,
            pose=pose,
            smoothing=smoothing,
            size_hw=frames.info.size_hw,
            where=Path(path).name,
            progress=progress,
        )
        return result.with_warnings(frames.warnings)


def read_track(
    frames: Iterable[Frame],
    estimator: PoseEstimator,
    *,
    pose: PoseConfig | None = None,
    smoothing: SmoothingConfig | None = None,
    size_hw: tuple[int, int] | None = None,
    where: str = "the clip",
    progress: Progress | None = None,
) -> TrackResult:
    """Read the pose track from frames as they come; no more than two of them are held.

    Args:
        frames: in order of time.
        estimator: reads regions and skeletons.
        pose: person to follow.
        smoothing: how the track is smoothed.
        size_hw: size of the picture that the track is given in, where the frames are shrunk; None takes theirs.
        where: name of the clip for messages.
        progress: called after every frame.

    Raises:
        PersonNotFoundError: nobody is found in any frame.
        UsageError: `pose.person` is not understood.
    """
    pose, smoothing = pose or PoseConfig(), smoothing or SmoothingConfig()
    reading = _Reading(estimator, pose, smoothing, size_hw=size_hw, where=where)
    try:
        for count, frame in enumerate(frames, start=1):
            reading.add(frame)
            if progress is not None:
                progress(count)
        return reading.finish(smoothing)
    finally:
        reading.close()


class _Reading:
    """The streaming pass: reads poses in the caller's thread, measures image motion beside it."""

    def __init__(
        self,
        estimator: PoseEstimator,
        pose: PoseConfig,
        smoothing: SmoothingConfig,
        *,
        size_hw: tuple[int, int] | None,
        where: str,
    ) -> None:
        self._where = where
        self._size_hw = size_hw
        self._follower = PersonFollower(estimator, PersonChoice.parse(pose.person), where=where)
        self._cut_detector = CutDetector()
        self._with_motion = smoothing.anchor_to_flow
        self._image_motion = ImageMotion()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="image-motion")
        self._pending: Future[list[MotionLink]] | None = None
        self._links: list[MotionLink] = []
        self._poses: list[Pose | None] = []
        self._cuts: list[int] = []
        self._pts: list[int] = []
        self._time_base = Fraction(1)
        self._frame_hw = (0, 0)
        self._seconds = {"pose": 0.0, "image_motion_wait": 0.0, "smoothing": 0.0}

    def add(self, frame: Frame) -> None:
        """Read one more frame."""
        started = time.perf_counter()
        index, is_cut = len(self._pts), self._cut_detector.is_cut(frame.rgb)
        if is_cut:
            self._cuts.append(index)
        person = self._follower.update(frame.rgb, is_cut=is_cut)
        self._poses.append(None if person is None else resize_pose(person.pose, self._size_hw))
        self._pts.append(frame.pts)
        self._time_base, self._frame_hw = frame.time_base, size_of(frame.rgb)
        self._seconds["pose"] += time.perf_counter() - started
        if self._with_motion:
            self._collect()  # one frame at most waits to be measured
            self._pending = self._pool.submit(self._image_motion.add, index, frame.rgb, person, is_cut=is_cut)

    def _collect(self) -> None:
        started = time.perf_counter()
        if self._pending is not None:
            self._links.extend(self._pending.result())
        self._pending = None
        self._seconds["image_motion_wait"] += time.perf_counter() - started

    def finish(self, smoothing: SmoothingConfig) -> TrackResult:
        """Smooth what was read."""
        self._collect()
        self.close()
        started = time.perf_counter()
        size_hw = self._size_hw or self._frame_hw
        raw = _raw_track(self._poses, self._pts, self._time_base, size_hw)
        if not raw.is_detected.any():
            raise PersonNotFoundError(
                f"no person found in any of the {len(raw)} frames of {self._where}",
                hint="use a clip in which head, shoulders and hips can be seen",
            )
        ratio = np.array(size_hw[::-1], np.float32) / np.array(self._frame_hw[::-1], np.float32)
        links = MotionLinks.of(self._links).scaled(ratio)
        track = smooth_track(raw, smoothing, links=links, cuts=self._cuts)
        self._seconds["smoothing"] = time.perf_counter() - started
        return TrackResult(track, raw, links, tuple(self._cuts), dict(self._seconds))

    def close(self) -> None:
        """End the thread that measures motion."""
        self._pool.shutdown(cancel_futures=True)


def _raw_track(poses: list[Pose | None], pts: list[int], time_base: Fraction, size_hw: tuple[int, int]) -> PoseTrack:
    num_frames = len(poses)
    is_detected = np.array([pose is not None for pose in poses], bool)
    found = [pose for pose in poses if pose is not None]

    def stack(read: Callable[[Pose], FloatArray], shape: tuple[int, ...], empty: float = 0.0) -> FloatArray:
        rows = np.full((num_frames, *shape), empty, np.float32)
        if found:
            rows[is_detected] = np.stack([read(pose) for pose in found])
        return rows

    keypoints = stack(lambda pose: pose.keypoints, (NUM_JOINTS, 2))
    weight = in_picture_weight(keypoints, size_hw, margin=DRIVER_MARGIN)
    has_hands = bool(found) and found[0].hands is not None
    has_face = bool(found) and found[0].face is not None
    return PoseTrack(
        keypoints=keypoints,
        confidence=stack(lambda pose: pose.confidence, (NUM_JOINTS,)) * weight,
        depth=stack(lambda pose: pose.depth, (NUM_JOINTS,)),
        world=stack(lambda pose: pose.world, (NUM_JOINTS, 3)),
        is_detected=is_detected,
        pts=np.array(pts, np.int64),
        time_base=time_base,
        size_hw=size_hw,
        hands=stack(lambda pose: _given(pose.hands), (2, 21, 3)) if has_hands else None,
        face=stack(lambda pose: _given(pose.face), (468, 3), float("nan")) if has_face else None,
    )


def _given(points: FloatArray | None) -> FloatArray:
    if points is None:
        raise ValueError("an estimator has to give hands and face for all frames or for none")
    return points
