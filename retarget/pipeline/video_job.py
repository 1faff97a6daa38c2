"""What a video job is, and where it tells how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from retarget.config import EncodeConfig, PoseConfig, RenderConfig, SmoothingConfig, TransferConfig
from retarget.pipeline.driver_range import DriverRange

__all__ = ["JobProgress", "VideoJob"]


@dataclass(frozen=True)
class VideoJob:
    """All that a job needs.

    Attributes:
        source: the photo.
        driver: the driving video.
        output: the video to write; a folder for codec "png".
        start_seconds: where the driver begins; None at its start.
        end_seconds: where it ends (not included); None at its end.
        overwrite: replace an existing output.
        keep_partial: take what can be read of a driver whose end is missing.
        source_person: which person of the photo; see `PoseConfig.person`.
        pose: reading of the driver.
        smoothing: smoothing of the driver's track.
        transfer: how motion is carried over.
        render: how to draw.
        encode: how to write.
    """

    source: Path
    driver: Path
    output: Path
    start_seconds: float | None = None
    end_seconds: float | None = None
    overwrite: bool = False
    keep_partial: bool = False
    source_person: str = "largest"
    pose: PoseConfig = field(default_factory=PoseConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    transfer: TransferConfig = field(default_factory=TransferConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    encode: EncodeConfig = field(default_factory=EncodeConfig)

    @property
    def driver_range(self) -> DriverRange:
        """The part of the driver that the job is about."""
        return DriverRange(self.driver, self.start_seconds, self.end_seconds)


class JobProgress:
    """Where a job tells how far it is; this one keeps silent."""

    def begin(self, stage: str, total: int | None) -> None:
        """Begin a stage ("reading", "following", "rendering") of so many frames, where known."""

    def advance(self, num_frames: int) -> None:
        """Say how many frames of the stage are done."""

    def end(self) -> None:
        """End the stage."""
