"""What a person sees of a batch while it runs: one live line at a terminal, lines of a log elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Final, TextIO

from retarget.batch.state import BatchState, JobRecord
from retarget.event_log import EventLog

__all__ = ["LogObserver", "ProgressObserver", "counted", "format_seconds"]

_LINE_SECONDS: Final = 0.5
_QUIET_SECONDS: Final = 30.0
_MAX_STAGES: Final = 4


def format_seconds(seconds: float) -> str:
    """Write a duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def counted(number: int, thing: str) -> str:
    """Write a number of things: "1 job", "2 jobs"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


class ProgressObserver:
    """Shows jobs done, failed and running, frames per second and the time left.

    Args:
        state: the batch.
        stream: where to; a terminal gets a line that is rewritten.
    """

    def __init__(self, state: BatchState, stream: TextIO | None = None) -> None:
        self._state = state
        self._stream = stream or sys.stderr
        self._is_live = self._stream.isatty()
        self._shown = 0.0

    def changed(self, record: JobRecord, event: str) -> None:
        """Write a line for what is worth one."""
        number = f"[{record.job.number}/{len(self._state.records)}]"
        if event == "done":
            warned = f", {counted(len(record.warnings), 'warning')}" if record.warnings else ""
            self._say(
                f"{number} {record.job.name}: {counted(record.frames, 'frame')} in {record.seconds:.1f} s{warned}"
            )
        elif event == "retried":
            self._say(f"{number} {record.job.name}: {record.error}; trying again")
        elif event == "failed":
            self._say(f"{number} {record.job.name}: FAILED (line {record.job.line}): {record.error}")

    def tick(self) -> None:
        """Renew the live line, or now and then write where the batch stands."""
        if time.monotonic() - self._shown < (_LINE_SECONDS if self._is_live else _QUIET_SECONDS):
            return
        self._shown = time.monotonic()
        if self._is_live:  # a line that wraps could not be rewritten
            self._write(f"\r\x1b[K{self.line()[: shutil.get_terminal_size().columns - 1]}")
        else:
            self._write(f"{self.line()}\n")

    def line(self) -> str:
        """Return where the batch stands."""
        state = self._state
        done, failed, running = (
            state.count("done") + state.count("skipped"),
            state.count("failed"),
            state.count("running"),
        )
        elapsed = max(time.time() - state.began, 1e-3)
        left = state.count("waiting") + running
        rendered = state.count("done")
        remaining = f", {format_seconds(elapsed / rendered * left)} left" if rendered and left else ""
        return (
            f"{done}/{len(state.records)} done, {failed} failed, {running} running, "
            f"{state.frames_rendered / elapsed:.1f} frames/s{remaining}{self._stages()}"
        )

    def _stages(self) -> str:
        """What the running jobs do, as far as they fit into a line."""
        under_way = [
            f"{record.job.name} {record.stage} {record.stage_frames or ''}".rstrip()
            for record in self._state.records.values()
            if record.status == "running"
        ]
        return f" ({', '.join(under_way[:_MAX_STAGES])})" if under_way else ""

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._is_live:
            self._write("\r\x1b[K")

    def _say(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}\n" if self._is_live else f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # the terminal went away: the batch goes on
            return


class LogObserver:
    """Writes every change of a batch to the log for machines.

    Args:
        log: the log.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def changed(self, record: JobRecord, event: str) -> None:
        """Log a change, and the warnings of a job that is done."""
        name = {"number": record.job.number, "line": record.job.line, "output": record.job.output}
        self._log.write(f"job {event}", **name, tries=record.tries, seconds=record.seconds, error=record.error)
        if event == "done":
            for code, text in record.warnings:
                self._log.write("warning", **name, code=code, text=text)

    def tick(self) -> None:
        """Nothing to log."""
