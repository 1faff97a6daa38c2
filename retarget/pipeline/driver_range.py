"""The part of a driving video that a job is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retarget.records import Frame
from retarget.video.reader import open_video

__all__ = ["DriverRange"]


@dataclass(frozen=True)
class DriverRange:
    """Which frames of which file.

    Attributes:
        path: the driver.
        start_seconds: where it begins; None at its start.
        end_seconds: where it ends; None at its end.
    """

    path: Path
    start_seconds: float | None = None
    end_seconds: float | None = None

    def frames(self, max_height: int | None = None) -> Iterator[Frame]:
        """Yield the frames; higher ones are shrunk to `max_height` while they are decoded."""
        with open_video(
            self.path,
            start_seconds=self.start_seconds,
            end_seconds=self.end_seconds,
            max_height=max_height,
            keep_partial=True,
        ) as reader:
            yield from reader
