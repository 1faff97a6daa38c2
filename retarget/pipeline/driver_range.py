"""The part of a driving video that a job is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from retarget.errors import UsageError
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
        yield from self._frames(self.start_seconds, max_height)

    def frame_at(self, pts: int, max_height: int | None = None) -> Frame | None:
        """Fetch one frame, from the nearest key picture before it where the file can be entered there.

        Args:
            pts: its time in ticks, as a pass over the frames tells it.
            max_height: as for `frames`.

        Returns:
            The frame, numbered from where reading began; None where the range has none of that time.
        """
        with open_video(self.path, keep_partial=True) as reader:
            seconds = reader.seconds_of(pts)
        if seconds > 0:
            with suppress(UsageError):  # nothing there: the file has changed
                first = next(self._frames(seconds, max_height))
                if first.pts == pts:
                    return first
        # Times that had to be repaired on the way there are not what the file says.
        return next((frame for frame in self.frames(max_height) if frame.pts == pts), None)

    def _frames(self, start_seconds: float | None, max_height: int | None) -> Iterator[Frame]:
        with open_video(
            self.path,
            start_seconds=start_seconds,
            end_seconds=self.end_seconds,
            max_height=max_height,
            keep_partial=True,
        ) as reader:
            yield from reader
