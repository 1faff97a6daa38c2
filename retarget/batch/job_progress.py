"""How far the job of a worker is, told to whoever runs the batch."""

from __future__ import annotations

import time
from collections.abc import Callable

from retarget.pipeline.video_job import JobProgress

__all__ = ["ToldProgress"]


class ToldProgress(JobProgress):
    """Tells when a stage begins, and then now and again how many of its frames are done.

    Args:
        tell: is told the stage and the number of frames.
        interval_seconds: the least time between two times.
    """

    def __init__(self, tell: Callable[[str, int], object], interval_seconds: float) -> None:
        self._tell, self._interval = tell, interval_seconds
        self._stage, self._told_at = "", 0.0

    def begin(self, stage: str, total: int | None) -> None:
        """Tell of a new stage."""
        self._stage, self._told_at = stage, 0.0
        self.advance(0)

    def advance(self, num_frames: int) -> None:
        """Tell how many frames are done, unless that was done just now."""
        if time.monotonic() - self._told_at >= self._interval:
            self._told_at = time.monotonic()
            self._tell(self._stage, num_frames)
