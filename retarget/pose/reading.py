"""One streaming pass over a clip: poses and motion of the picture, as numbers only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import NUM_JOINTS
from retarget.config import PoseConfig
from retarget.errors import PersonNotFoundError
from retarget.pose.confidence import DRIVER_MARGIN, in_picture_weight
from retarget.pose.cuts import CutDetector
from retarget.pose.estimator import PoseEstimator, resize_pose, size_of
from retarget.pose.follow import PersonFollower
from retarget.pose.image_motion import ImageMotion
from retarget.pose.people import PersonChoice
from retarget.records import FloatArray, Frame, Pose, PoseTrack
from retarget.smoothing.links import MotionLink, MotionLinks

__all__ = ["SEVERAL_PEOPLE", "Progress", "TrackReading", "read_frames"]

_LEAST_RUN: Final = 3
"""Successive frames that show somebody, ..."""
_LEAST_SHARE: Final = 0.2
"""... or share of all frames; with less of both it was nobody."""
SEVERAL_PEOPLE: Final = "W204"
"""Code of the warning that the person was chosen among several."""

Progress = Callable[[int], None]
"""Called with the number of frames read so far."""


@dataclass(frozen=True)
class TrackReading:
    """What was read of a person's motion, before smoothing.

    Attributes:
        raw: as the estimator read it; frames without a person hold zeros and confidence 0.
        links: motion of the picture at each joint between pairs of frames; none where it was not measured.
        cuts: frames that begin a new shot (never 0).
        stage_seconds: time spent per stage; empty where the reading comes from the cache.
    """

    raw: PoseTrack
    links: MotionLinks
    cuts: tuple[int, ...]
    stage_seconds: dict[str, float] = field(default_factory=dict)


def read_frames(
    frames: Iterable[Frame],
    estimator: PoseEstimator,
    *,
    pose: PoseConfig,
    with_motion: bool,
    size_hw: tuple[int, int] | None = None,
    where: str = "the clip",
    progress: Progress | None = None,
) -> TrackReading:
    """Read poses from frames as they come; three of them at most are held.

    Args:
        frames: in order of time.
        estimator: reads regions and skeletons.
        pose: person to follow.
        with_motion: also measure the motion of the picture.
        size_hw: size of the picture that the track is given in, where the frames are shrunk; None takes theirs.
        where: name of the clip for messages.
        progress: called after every frame.

    Raises:
        PersonNotFoundError: nobody is found in any frame.
        UsageError: `pose.person` is not understood.
    """
    pass_ = _Pass(estimator, PersonChoice.parse(pose.person), with_motion=with_motion, size_hw=size_hw, where=where)
    try:
        for count, frame in enumerate(frames, start=1):
            pass_.add(frame)
            if progress is not None:
                progress(count)
        return pass_.finish()
    finally:
        pass_.close()


class _Pass:
    """Reads poses in the caller's thread, measures image motion beside it."""

    def __init__(
        self,
        estimator: PoseEstimator,
        choice: PersonChoice,
        *,
        with_motion: bool,
        size_hw: tuple[int, int] | None,
        where: str,
    ) -> None:
        self._estimator, self._choice, self._where = estimator, choice, where
        self._size_hw = size_hw
        self._follower: PersonFollower | None = None
        self._cut_detector = CutDetector()
        self._image_motion = ImageMotion() if with_motion else None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="image-motion")
        self._pending: Future[list[MotionLink]] | None = None
        self._links: list[MotionLink] = []
        self._poses: list[Pose | None] = []
        self._cuts: list[int] = []
        self._pts: list[int] = []
        self._last_duration: int | None = None
        self._time_base = Fraction(1)
        self._frame_hw = (0, 0)
        self._seconds = {"pose": 0.0, "image_motion_wait": 0.0}

    def add(self, frame: Frame) -> None:
        """Read one more frame."""
        started = time.perf_counter()
        index, is_cut = len(self._pts), self._cut_detector.is_cut(frame.rgb)
        if is_cut:
            self._cuts.append(index)
        self._time_base, self._frame_hw = frame.time_base, size_of(frame.rgb)
        person = self._following().update(frame.rgb, is_cut=is_cut)
        self._poses.append(None if person is None else resize_pose(person.pose, self._size_hw))
        self._pts.append(frame.pts)
        self._last_duration = frame.duration
        self._seconds["pose"] += time.perf_counter() - started
        if self._image_motion is not None:
            self._collect()  # one frame at most waits to be measured
            self._pending = self._pool.submit(self._image_motion.add, index, frame.rgb, person, is_cut=is_cut)

    def finish(self) -> TrackReading:
        """Return what was read."""
        self._collect()
        size_hw = self._size_hw or self._frame_hw
        raw = _raw_track(self._poses, self._pts, self._time_base, size_hw)
        if _is_glimpse(raw.is_detected):
            count = int(raw.is_detected.sum())
            what = f"a person seems to be in {count} of" if count else "no person found in any of"
            raise PersonNotFoundError(
                f"{what} the {len(raw)} frames of {self._where}{', too few to follow' if count else ''}",
                hint="use a clip in which head, shoulders and hips can be seen",
            )
        scale_xy = np.array(size_hw[::-1], np.float32) / np.array(self._frame_hw[::-1], np.float32)
        links = MotionLinks.of(self._links).scaled(scale_xy)
        raw = replace(raw, warnings=self._people_warning(), last_duration=self._last_duration)
        return TrackReading(raw, links, tuple(self._cuts), dict(self._seconds))

    def close(self) -> None:
        """End the thread that measures motion."""
        self._pool.shutdown(cancel_futures=True)

    def _people_warning(self) -> tuple[tuple[str, str], ...]:
        """Say who is followed where that was left to us."""
        index, count = (self._follower and self._follower.first_choice) or (0, 1)
        if count == 1 or self._choice.rule != "largest":
            return ()
        text = f"{count} people in view: the largest is followed, index:{index} from the left; --person chooses another"
        return ((SEVERAL_PEOPLE, text),)

    def _following(self) -> PersonFollower:
        if self._follower is None:  # a point is given in the whole picture, frames may be shrunk
            scale = self._frame_hw[0] / self._size_hw[0] if self._size_hw else 1.0
            self._follower = PersonFollower(self._estimator, self._choice.scaled(scale), where=self._where)
        return self._follower

    def _collect(self) -> None:
        started = time.perf_counter()
        if self._pending is not None:
            self._links.extend(self._pending.result())
        self._pending = None
        self._seconds["image_motion_wait"] += time.perf_counter() - started


def _is_glimpse(is_detected: npt.NDArray[np.bool_]) -> bool:
    """Whether nobody is seen, or somebody for so short that it is more likely a piece of furniture."""
    edges = np.flatnonzero(np.diff(is_detected.astype(np.int8), prepend=0, append=0))
    longest = int((edges[1::2] - edges[::2]).max(initial=0))
    return longest == 0 or (longest < _LEAST_RUN and is_detected.sum() < _LEAST_SHARE * len(is_detected))


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
