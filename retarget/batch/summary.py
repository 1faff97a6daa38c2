"""What a batch leaves for its supervisor: `summary.json`, `index.html` and a table on the terminal."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from retarget import __version__
from retarget.batch.progress import counted, format_seconds
from retarget.batch.sidecar import read_sidecar
from retarget.batch.state import BatchState, JobRecord
from retarget.errors import OutputError
from retarget.video.output_path import write_text_output

__all__ = ["SummaryObserver", "summary_table", "write_page", "write_summary"]

_FORMAT: Final = "retarget-batch/1"
_STATUSES: Final = ("done", "skipped", "failed", "stopped", "running", "waiting")
_INTERVAL_SECONDS: Final = 5.0
_MAX_SHARE: Final = 0.05
_MAX_THUMBNAILS: Final = 1000
_MAX_TABLE_FAILURES: Final = 20


def _counts(state: BatchState) -> dict[str, int]:
    counts = Counter(record.status for record in state.records.values())
    return {status: counts[status] for status in _STATUSES}


def _job_values(record: JobRecord) -> dict[str, Any]:
    job = record.job
    return {
        "number": job.number,
        "line": job.line,
        "source": job.source,
        "driver": job.driver,
        "output": job.output,
        "status": record.status,
        "tries": record.tries,
        "error": record.error or None,
        "exit_code": record.error_code or None,
        "frames": record.frames,
        "seconds": record.seconds,
        "stage_seconds": dict(record.stage_seconds),
        "peak_memory_mb": record.peak_memory_mb,
        "warnings": [{"code": code, "text": text} for code, text in record.warnings],
        "key": record.key or None,
    }


def write_summary(path: Path, state: BatchState, *, is_finished: bool) -> None:
    """Write what became of all jobs as JSON, whole or not at all.

    Args:
        path: the file; replaced.
        state: the batch.
        is_finished: False while it runs.

    Raises:
        OutputError: it can't be written.
    """
    head = {
        "format": _FORMAT,
        "retarget": __version__,
        "finished": is_finished,
        "began": round(state.began, 3),
        "seconds": round(time.time() - state.began, 3),
        "frames": state.frames_rendered,
        "counts": _counts(state),
    }

    def pieces() -> Iterator[str]:
        yield json.dumps(head, indent=1)[:-2] + ',\n "jobs": [\n'
        separator = ""
        for record in state.records.values():
            yield separator + "  " + json.dumps(_job_values(record), default=str)
            separator = ",\n"
        yield "\n ]\n}\n"

    write_text_output(path, pieces())


def write_page(path: Path, state: BatchState, *, is_finished: bool) -> None:
    """Write the page for people: one self-contained file with thumbnails, timings and errors.

    Args:
        path: the file; replaced.
        state: the batch.
        is_finished: False while it runs.

    Raises:
        OutputError: it can't be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("retarget.batch"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    stream = environment.get_template("index.html.jinja").generate(
        counts=_counts(state),
        total=len(state.records),
        seconds=format_seconds(time.time() - state.began),
        frames=state.frames_rendered,
        is_finished=is_finished,
        rows=_page_rows(state, path.absolute().parent),
        max_thumbnails=_MAX_THUMBNAILS,
        version=__version__,
    )
    write_text_output(path, stream)


def _page_rows(state: BatchState, folder: Path) -> Iterator[dict[str, Any]]:
    num_thumbnails = 0
    for record in state.records.values():
        output, thumbnail = Path(record.job.output), ""
        if record.status in ("done", "skipped") and num_thumbnails < _MAX_THUMBNAILS:
            sidecar = read_sidecar(output)
            thumbnail = sidecar.thumbnail if sidecar else ""
            num_thumbnails += bool(thumbnail)
        link = os.path.relpath(output, folder) if output.is_relative_to(folder) else output.as_uri()
        yield {
            "record": record,
            "thumbnail": thumbnail,
            "link": link if link.startswith("file:") else quote(os.fsencode(link)),
            "stages": ", ".join(f"{name} {value:.1f}" for name, value in record.stage_seconds.items()),
        }


class SummaryObserver:
    """Keeps summary and page up to date while the batch runs, so that they are there if it is killed.

    Args:
        folder: where `summary.json` and `index.html` go.
        state: the batch.
        warn: told once when they can't be written; the batch goes on.
    """

    def __init__(self, folder: Path, state: BatchState, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._state = state
        self._warn = warn
        self._has_changed = True
        self._next_time = 0.0
        self._has_warned = False

    @property
    def is_written(self) -> bool:
        """Whether both files could be written so far."""
        return not self._has_warned

    def changed(self, record: JobRecord, event: str) -> None:
        """Note that there is something new."""
        self._has_changed = True

    def tick(self) -> None:
        """Write anew when something has changed, seldom enough to cost nothing."""
        if not self._has_changed or time.monotonic() < self._next_time:
            return
        began = time.monotonic()
        self.write(is_finished=False)
        spent = time.monotonic() - began
        self._next_time = time.monotonic() + max(_INTERVAL_SECONDS, spent / _MAX_SHARE)

    def write(self, *, is_finished: bool) -> None:
        """Write both files now."""
        self._has_changed = False
        try:
            write_summary(self._folder / "summary.json", self._state, is_finished=is_finished)
            write_page(self._folder / "index.html", self._state, is_finished=is_finished)
        except OutputError as error:
            if not self._has_warned:
                self._warn(str(error))
            self._has_warned = True


def summary_table(state: BatchState) -> str:
    """Return what became of the batch as text: a line of counts, then the failures by name."""
    counts = _counts(state)
    told = [f"{counts[status]} {status}" for status in ("done", "skipped", "failed", "stopped") if counts[status]]
    elapsed = format_seconds(time.time() - state.began)
    jobs, frames = counted(len(state.records), "job"), counted(state.frames_rendered, "frame")
    lines = [f"{jobs}: {', '.join(told) or 'none'}; {frames} in {elapsed}"]
    failures = [record for record in state.records.values() if record.status == "failed"]
    lines += [f"  line {each.job.line}, {each.job.name}: {each.error}" for each in failures[:_MAX_TABLE_FAILURES]]
    if len(failures) > _MAX_TABLE_FAILURES:
        lines.append(f"  ... and {len(failures) - _MAX_TABLE_FAILURES} more: see summary.json")
    return "\n".join(lines)
