"""Run a job up to its frames and keep the stages of those that are asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from retarget.doctor.photo import score_photo
from retarget.errors import UsageError
from retarget.inspect.stages import Stage, driver_stage, frame_stages, source_stages
from retarget.photo import read_photo
from retarget.pipeline.background import open_background
from retarget.pipeline.rendering import Studio
from retarget.pipeline.retargeter import MotionPlan, RenderedFrame, Retargeter
from retarget.pipeline.source import SourceModel
from retarget.pipeline.video_job import VideoJob
from retarget.pose.extractor import TrackResult, extract_track

__all__ = ["FrameStages", "InspectedClip", "choose_frames", "inspect_clip", "warnings_of_frame"]

_FRAME_RANGE = re.compile(r"frames? (\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class FrameStages:
    """One frame.

    Attributes:
        index: its number in what was read of the driver.
        seconds: its time from the first frame read.
        stages: in order.
    """

    index: int
    seconds: float
    stages: tuple[Stage, ...]


@dataclass
class InspectedClip:
    """A job, ready to be looked into.

    Attributes:
        job: the job.
        retargeter: the photo's person, modelled, and what draws them.
        result: the driver's motion, raw and smoothed.
        plan: the motion on the source's body.
        warnings: code and text of each.
        seconds: what took how long.
    """

    job: VideoJob
    retargeter: Retargeter
    result: TrackResult
    plan: MotionPlan
    warnings: tuple[tuple[str, str], ...]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def source(self) -> SourceModel:
        """The photo's model."""
        return self.retargeter.source

    @property
    def times_seconds(self) -> npt.NDArray[np.float64]:
        """(T,) times of the frames from the first one read."""
        times = self.result.track.times_seconds
        return np.asarray(times - times[0], np.float64)

    def source_stages(self) -> list[Stage]:
        """Return the stages that are made once of the photo."""
        return source_stages(self.source)

    def frames(self, indices: Sequence[int]) -> Iterator[FrameStages]:
        """Render frames and yield their stages; pictures of one frame at a time are held.

        Args:
            indices: frame numbers, ascending.
        """
        began = time.perf_counter()
        times = self.times_seconds
        for index, (_, rgb), rendered in zip(
            indices, self._driver_pictures(indices), self._rendered(indices), strict=True
        ):
            previous, frame = rendered
            track, raw = self.result.track, self.result.raw
            first = driver_stage(
                rgb, raw.pose_at(index), track.pose_at(index), is_detected=bool(track.is_detected[index])
            )
            stages = frame_stages(self.source, self.plan, index, frame, previous)
            yield FrameStages(index, float(times[index]), (first, *stages))
        self.seconds["frames"] = self.seconds.get("frames", 0.0) + time.perf_counter() - began

    def _rendered(self, indices: Sequence[int]) -> Iterator[tuple[RenderedFrame | None, RenderedFrame]]:
        """Each frame with the one before it."""
        choice = self.job.render.background
        background = None if choice == "transparent" else open_background(choice, self.source)
        try:
            for index in indices:
                part = self.plan.part(max(index - 1, 0), index + 1)
                rendered = list(self.retargeter.render(part, background))
                yield (rendered[0] if len(rendered) == 2 else None), rendered[-1]
        finally:
            if background is not None:
                background.close()

    def _driver_pictures(self, indices: Sequence[int]) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        wanted = set(indices)
        for frame in self.job.driver_range.frames():
            if frame.index in wanted:
                yield frame.index, frame.rgb
            if frame.index >= max(wanted):
                return


def inspect_clip(job: VideoJob, *, progress: Callable[[int], None] | None = None) -> InspectedClip:
    """Do everything of a job that comes before its frames.

    Args:
        job: the job; its output is not touched.
        progress: called with the number of driver frames read so far.

    Raises:
        RetargetError: as `run_video_job`.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "photo and driver"), ThreadPoolExecutor(1, thread_name_prefix="source") as pool:
        photo = read_photo(job.source)
        building = pool.submit(Studio.open, job, photo)
        result = extract_track(
            job.driver,
            start_seconds=job.start_seconds,
            end_seconds=job.end_seconds,
            pose=job.pose,
            smoothing=job.smoothing,
            keep_partial=job.keep_partial,
            progress=progress,
        )
        retargeter = building.result().retargeter
    seconds.update({f"driver: {name}": value for name, value in result.stage_seconds.items()})
    with _timed(seconds, "transfer"):
        plan = retargeter.plan(result.track, job.driver_range)
    source = retargeter.source
    score = score_photo(source.rgb, source.pose, source.matte.alpha, num_others=source.num_others)
    warnings = (*score.warnings, *result.track.warnings, *plan.track.warnings)
    return InspectedClip(job, retargeter, result, plan, warnings, seconds)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - began


def choose_frames(
    times_seconds: npt.NDArray[np.float64], *, at_seconds: float | None = None, max_frames: int = 24
) -> list[int]:
    """Choose the frames to look into.

    Args:
        times_seconds: (T,) of all frames, from 0.
        at_seconds: the one that a player shows at this time; None spreads over all.
        max_frames: how many, where none is named.

    Returns:
        Frame numbers, ascending.

    Raises:
        UsageError: the clip ends before that time.
    """
    if at_seconds is None:
        spread = np.linspace(0, len(times_seconds) - 1, min(max_frames, len(times_seconds)))
        return sorted(set(np.round(spread).astype(int).tolist()))
    step = float(np.median(np.diff(times_seconds))) if len(times_seconds) > 1 else 1.0
    if at_seconds > times_seconds[-1] + 2 * step:
        raise UsageError(
            f"--at {at_seconds:g}: what was read of the driver ends at {times_seconds[-1]:.2f} s",
            hint="give an earlier time",
        )
    # Times are printed to microseconds: a frame is found by its own printed time.
    return [max(int(np.searchsorted(times_seconds, at_seconds + 1e-6, side="right")) - 1, 0)]


def warnings_of_frame(warnings: Sequence[tuple[str, str]], index: int) -> list[tuple[str, str]]:
    """Return the warnings whose text names this frame, alone or in a range."""
    return [(code, text) for code, text in warnings if any(a <= index <= b for a, b in _ranges(text))]


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    for first, last in _FRAME_RANGE.findall(text):
        yield int(first), int(last or first)
