"""The half of a job that draws: the photo's model, ready before the driver is read, and the frames into the output."""

from __future__ import annotations

from dataclasses import dataclass

from retarget.doctor.photo import score_photo
from retarget.photo import Photo
from retarget.pipeline.background import Background, StillBackground, check_background, open_background
from retarget.pipeline.conveyor import consume_behind
from retarget.pipeline.driver_range import DriverRange
from retarget.pipeline.driver_room import DriverRoom
from retarget.pipeline.freed_memory import return_freed_memory
from retarget.pipeline.models import load_model
from retarget.pipeline.retargeter import MotionPlan, RenderedFrame, Retargeter
from retarget.pipeline.source import rebuilding_notes
from retarget.pipeline.source_cache import source_of_photo
from retarget.pipeline.video_job import JobProgress, VideoJob
from retarget.pipeline.watermark import Watermark
from retarget.pose.extractor import TrackResult
from retarget.pose.photo import track_of_pose
from retarget.records import ClipInfo
from retarget.video.writer import VideoWriter

__all__ = ["Studio"]


@dataclass(frozen=True)
class Studio:
    """All that is needed to draw a person, before it is known what they do.

    Attributes:
        retargeter: the person, modelled, and what draws them.
    """

    retargeter: Retargeter

    @classmethod
    def open(cls, job: VideoJob, photo: Photo) -> Studio:
        """Model the photo and draw it once: compiled loops are loaded (at their first use ever, compiled) then.

        The room behind that one picture is of no interest.

        Args:
            job: the job.
            photo: its photo, as read.

        Raises:
            ModelError, DeviceError: the network can't be loaded.
            PersonNotFoundError: the photo shows nobody.
            UsageError, InputError: the background can't be read.
        """
        check_background(job.render.background)
        model = load_model(job.render.model, job.render.device)
        source = source_of_photo(
            photo, str(job.source), person=job.source_person, pose=job.pose, max_side_px=job.render.max_side_px
        )
        retargeter = Retargeter(source, render=job.render, transfer=job.transfer, model=model)
        next(retargeter.render(retargeter.plan(track_of_pose(source.pose)), StillBackground(source.plate)))
        return cls(retargeter)

    def notes(self) -> tuple[tuple[str, str], ...]:
        """Return what the user should know of the photo: (code, text)."""
        source = self.retargeter.source
        score = score_photo(source.rgb, source.pose, source.matte.alpha, num_others=source.num_others)
        return (*score.warnings, *rebuilding_notes(source.person))

    def plan(self, driver: DriverRange, result: TrackResult, progress: JobProgress) -> MotionPlan:
        """Carry the driver's motion over.

        Args:
            driver: where its frames are.
            result: what was read of the driver.
            progress: told how far it is.

        Returns:
            The plan.
        """
        progress.begin("following", len(result.track))
        try:
            return self.retargeter.plan(result.track, driver, progress.advance)
        finally:
            progress.end()

    def render(
        self, job: VideoJob, clip: ClipInfo, plan: MotionPlan, result: TrackResult, progress: JobProgress
    ) -> tuple[tuple[str, str], ...]:
        """Draw all frames and write the output.

        Args:
            job: the job.
            clip: the driver's facts.
            plan: the motion.
            result: what was read of the driver.
            progress: told how far it is.

        Returns:
            (code, text) of what could not be carried over.

        Raises:
            RetargetError: see `retarget.errors`; nothing is left behind.
        """
        return_freed_memory()
        size_hw = self.retargeter.source.size_hw
        background = self.background(job, result)
        mark = Watermark(job.render.watermark, size_hw)
        writer = VideoWriter(
            job.output,
            size_hw,
            result.track.time_base,
            clip.average_rate,
            job.encode,
            alpha=background is None,
            overwrite=job.overwrite,
            audio_source=job.driver,
            audio_range=(job.start_seconds, job.end_seconds),
        )
        progress.begin("rendering", len(plan))

        def write(frame: RenderedFrame) -> None:
            is_last = frame.index == len(plan) - 1
            writer.write(mark.draw(frame.image), frame.pts, result.track.last_duration if is_last else None)
            progress.advance(frame.index + 1)

        try:
            with writer:
                consume_behind(self.retargeter.render(plan, background), write)
        finally:
            progress.end()
            if background is not None:
                background.close()
        return writer.warnings

    def background(self, job: VideoJob, result: TrackResult) -> Background | None:
        """Open what is behind the person.

        Args:
            job: the job.
            result: what was read of the driver.

        Returns:
            The background, to be closed; None for transparency.

        Raises:
            UsageError, InputError: as `open_background`.
        """
        if job.render.background == "transparent":
            return None
        source = self.retargeter.source
        if job.render.background != "driver":
            return open_background(job.render.background, source)
        return DriverRoom(job.driver_range, result.track, source.size_hw)
