"""Run a job up to its frames and keep the stages of those that are asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retarget.errors import UsageError
from retarget.event_log import collect_warnings
from retarget.inspect.driver_pictures import WatchedDriver
from retarget.pipeline.preparation import Clock, check_inputs, prepare_job
from retarget.pipeline.video_job import JobProgress, VideoJob
from retarget.pose.extractor import TrackResult
from retarget.records import UInt8Array

if TYPE_CHECKING:  # what draws is imported beside the reading of the driver
    from retarget.inspect.stages import Stage
    from retarget.pipeline.rendering import Studio
    from retarget.pipeline.retargeter import MotionPlan, RenderedFrame
    from retarget.pipeline.source import SourceModel

__all__ = ["InspectedClip", "InspectedFrame", "choose_frames", "inspect_clip", "warnings_of_frame"]

_FRAME_RANGE = re.compile(r"frames? (\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class InspectedFrame:
    """One frame as it was rendered, ready to be taken apart.

    Attributes:
        clip: what it belongs to.
        index: its number in what was read of the driver.
        driver_rgb: (H, W, 3) uint8, the driver's own picture.
        rendered: the output and what it was made from.
        previous: the output before it; None for the first.
    """

    clip: InspectedClip
    index: int
    driver_rgb: UInt8Array
    rendered: RenderedFrame
    previous: RenderedFrame | None

    @property
    def seconds(self) -> float:
        """Its time from the first frame read."""
        return float(self.clip.times_seconds[self.index])

    def stages(self, height: int | None = None) -> list[Stage]:
        """Draw the stages, in order.

        Args:
            height: at which they are to be looked at: maps that are at least twice as high are drawn on fewer pixels.
                None keeps every pixel.
        """
        from retarget.inspect.stages import driver_stage, frame_stages

        clip, index = self.clip, self.index
        track, raw = clip.result.track, clip.result.raw
        seen = bool(track.is_detected[index])
        first = driver_stage(self.driver_rgb, raw.pose_at(index), track.pose_at(index), is_detected=seen)
        stride = 1 if height is None else max(1, clip.source.size_hw[0] // height)
        return [first, *frame_stages(clip.source, clip.plan, index, self.rendered, self.previous, stride=stride)]


@dataclass
class InspectedClip:
    """A job, ready to be looked into.

    Attributes:
        job: the job.
        studio: the photo's person, modelled, and what draws them.
        result: the driver's motion, raw and smoothed.
        plan: the motion on the source's body.
        driver: the driver's frames, and which of them are looked into.
        warnings: code and text of each.
        seconds: what took how long.
    """

    job: VideoJob
    studio: Studio
    result: TrackResult
    plan: MotionPlan
    driver: WatchedDriver
    warnings: tuple[tuple[str, str], ...]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def source(self) -> SourceModel:
        """The photo's model."""
        return self.studio.retargeter.source

    @property
    def times_seconds(self) -> npt.NDArray[np.float64]:
        """(T,) times of the frames from the first one read."""
        return _from_zero(self.result.track.times_seconds)

    @property
    def chosen(self) -> tuple[int, ...]:
        """Numbers of the frames that are looked into, ascending."""
        return self.driver.wanted

    def source_stages(self) -> list[Stage]:
        """Return the stages that are made once of the photo."""
        from retarget.inspect.stages import source_stages

        return source_stages(self.source)

    def frames(self) -> Iterator[InspectedFrame]:
        """Render the chosen frames; the pictures of the one at hand alone are held."""
        began = time.perf_counter()
        for index, rgb, (previous, frame) in zip(self.chosen, self.driver.pictures(), self._rendered(), strict=True):
            yield InspectedFrame(self, index, rgb, frame, previous)
        self.seconds["frames"] = time.perf_counter() - began

    def _rendered(self) -> Iterator[tuple[RenderedFrame | None, RenderedFrame]]:
        """Each chosen frame with the one before it."""
        background = self.studio.background(self.job, self.result)
        known, frame = -1, None
        try:
            for index in self.chosen:
                previous = frame if known == index - 1 else None
                start = index if previous is not None else max(index - 1, 0)
                *before, frame = self.studio.retargeter.render(self.plan.part(start, index + 1), background)
                known = index
                yield (before[0] if before else previous), frame
        finally:
            if background is not None:
                background.close()


def inspect_clip(
    job: VideoJob,
    *,
    at: tuple[float, float] | None = None,
    max_frames: int = 24,
    progress: JobProgress | None = None,
) -> InspectedClip:
    """Do everything of a job that comes before its frames, and choose some of these.

    Args:
        job: the job; its output is not touched.
        at: first and last time, seconds, to look into; None looks into all. See `choose_frames`.
        max_frames: how many frames are chosen at most.
        progress: told how far it is.

    Raises:
        UsageError: the clip ends before `at`.
        RetargetError: as `run_video_job`.
    """
    progress, clock = progress or JobProgress(), Clock()
    check_inputs(job)
    with collect_warnings() as logged:
        ready = prepare_job(job, progress, clock)
    studio, result = ready.studio, ready.result
    chosen = choose_frames(_from_zero(result.track.times_seconds), at=at, max_frames=max_frames)
    driver = WatchedDriver(job.driver, job.start_seconds, job.end_seconds, tuple(chosen), result.track.size_hw)
    with clock.stage("transfer"):
        plan = studio.plan(driver, result, progress)
    seconds = {**clock.seconds, **{f"driver: {name}": value for name, value in result.stage_seconds.items()}}
    warnings = (*studio.notes(), *result.track.warnings, *plan.track.warnings, *logged)
    return InspectedClip(job, studio, result, plan, driver, warnings, seconds)


def _from_zero(times: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    return np.asarray(times - times[0], np.float64)


def choose_frames(
    times_seconds: npt.NDArray[np.float64], *, at: tuple[float, float] | None = None, max_frames: int = 24
) -> list[int]:
    """Choose the frames to look into.

    Args:
        times_seconds: (T,) of all frames, from 0.
        at: those that a player shows from the first to the second of these times; None takes all.
        max_frames: how many at most; they are spread evenly.

    Returns:
        Frame numbers, ascending.

    Raises:
        UsageError: the clip ends before the first time.
    """
    first, last = 0, len(times_seconds) - 1
    if at is not None:
        step = float(np.median(np.diff(times_seconds))) if len(times_seconds) > 1 else 1.0
        if at[0] > times_seconds[-1] + 2 * step:
            raise UsageError(
                f"--at {at[0]:g}: what was read of the driver ends at {times_seconds[-1]:.2f} s",
                hint="give an earlier time",
            )
        # Times are printed to microseconds: a frame is found by its own printed time.
        shown = np.searchsorted(times_seconds, np.array(at) + 1e-6, side="right") - 1
        first, last = (max(int(index), 0) for index in shown)
    spread = np.linspace(first, last, min(max_frames, last - first + 1))
    return sorted(set(np.round(spread).astype(int).tolist()))


def warnings_of_frame(warnings: Sequence[tuple[str, str]], index: int) -> list[tuple[str, str]]:
    """Return the warnings whose text names this frame, alone or in a range."""
    return [(code, text) for code, text in warnings if any(a <= index <= b for a, b in _ranges(text))]


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    for first, last in _FRAME_RANGE.findall(text):
        yield int(first), int(last or first)
