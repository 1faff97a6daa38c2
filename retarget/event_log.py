"""The log for machines: one JSON object a line, appended as things happen."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from typing_extensions import Self

from retarget.errors import RetargetError
from retarget.video.output_path import output_errors

__all__ = ["EventLog", "collect_warnings", "run_logged"]

_LOGGER_NAME: Final = "retarget"
_CODED: Final = re.compile(r"(W\d{3}): (.*)", re.DOTALL)


class EventLog:
    """Appends events to a file as JSON lines; what the package logs by itself is among them.

    Every line has "time" (seconds since 1970) and "event"; warnings have "code" and "text". Use as a context manager.

    Args:
        path: the file; None keeps nothing.

    Raises:
        OutputError: it can't be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._stream = None
        if path is not None:
            with output_errors(path):
                self._stream = path.open("a", encoding="utf-8", buffering=1)
        self._handler = _Forward(self)

    def __enter__(self) -> Self:
        """Begin to take what the package logs."""
        if self._stream is not None:
            logging.getLogger(_LOGGER_NAME).addHandler(self._handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        logging.getLogger(_LOGGER_NAME).removeHandler(self._handler)
        if self._stream is not None:
            self._stream.close()

    def write(self, event: str, **values: Any) -> None:
        """Append one event; a disk that is full loses lines of the log, nothing else."""
        if self._stream is None:
            return
        line = json.dumps({"time": round(time.time(), 3), "event": event, **values}, default=str)
        with self._lock:
            try:
                self._stream.write(line + "\n")
            except OSError:
                return

    def has_told(self, code: str, text: str) -> bool:
        """Tell whether a warning is in the file because the package logged it."""
        return (code, text) in self._handler.warnings


class _Forward(logging.Handler):
    """Hands the package's own log records over; `warnings` are those with codes so far."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self.warnings: set[tuple[str, str]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if match := _CODED.fullmatch(text):
            self.warnings.add((match[1], match[2]))
            self._log.write("warning", code=match[1], text=match[2])
        else:
            self._log.write("log", level=record.levelname.lower(), logger=record.name, text=text)


class _Collect(logging.Handler):
    """Keeps the warnings with codes, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        match = _CODED.fullmatch(record.getMessage())
        if match and match.groups() not in self.warnings:
            self.warnings.append((match[1], match[2]))


@contextmanager
def collect_warnings() -> Iterator[list[tuple[str, str]]]:
    """Keep the warnings that the package logs meanwhile, of its cache for instance, for the report of a job.

    Yields:
        (code, text) of each, as they come.
    """
    handler = _Collect()
    logging.getLogger(_LOGGER_NAME).addHandler(handler)
    try:
        yield handler.warnings
    finally:
        logging.getLogger(_LOGGER_NAME).removeHandler(handler)


def run_logged(path: Path | None, facts: Mapping[str, Any], run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run one job and log it: that it started, its warnings, that it is done or why it failed.

    Args:
        path: the log; None for none.
        facts: what tells the job from others.
        run: does it; returns its report.

    Returns:
        The report.

    Raises:
        RetargetError: as `run`, or `OutputError` where the log can't be written.
    """
    with EventLog(path) as log:
        log.write("job started", **facts)
        try:
            report = run()
        except RetargetError as error:
            log.write("job failed", **facts, error=str(error), exit_code=error.exit_code)
            raise
        for warning in report["warnings"]:
            if not log.has_told(warning["code"], warning["text"]):
                log.write("warning", **facts, **warning)
        log.write("job done", **facts, seconds=report["seconds"])
    return report
