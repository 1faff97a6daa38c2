"""What a person at the terminal sees of a job: progress bars, warnings, the outcome."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from retarget.pipeline.video_job import JobProgress

__all__ = ["TerminalProgress", "print_outcome", "print_warnings"]


class TerminalProgress(JobProgress):
    """A progress bar per stage, on a terminal's stderr: frames, frames/s, time left; nothing where no one watches."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def begin(self, stage: str, total: int | None) -> None:
        """Open the stage's bar."""
        self._bar = tqdm(
            total=total,
            desc=f"{stage:<9}",
            unit="frame",
            dynamic_ncols=True,
            file=sys.stderr,
            mininterval=0.2,
            disable=not sys.stderr.isatty(),
        )

    def advance(self, num_frames: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(num_frames - self._bar.n)

    def end(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def print_warnings(report: dict[str, Any]) -> None:
    """Say what the user should know of a job.

    Args:
        report: of any job, with "warnings".
    """
    for warning in report["warnings"]:
        print(f"warning {warning['code']}: {warning['text']}", file=sys.stderr)


def print_outcome(report: dict[str, Any]) -> None:
    """Say what was written and what the user should know.

    Args:
        report: as `run_video_job` returns it.
    """
    print_warnings(report)
    output, seconds = report["output"], report["seconds"]
    height, width = output["size_hw"]
    print(f"{output['path']}: {output['num_frames']} frames, {width}x{height}, {seconds['total']:.1f} s")
