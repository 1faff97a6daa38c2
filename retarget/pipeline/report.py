"""Writing a job's report: JSON, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retarget.video.output_path import check_apart, check_writable, write_text_output

__all__ = ["check_report_path", "write_report"]


def check_report_path(path: Path | None, *, overwrite: bool = False, apart_from: Iterable[Path] = ()) -> None:
    """Refuse a report that can't be written, before any work is done.

    Args:
        path: the JSON file; None for no report.
        overwrite: it may exist.
        apart_from: the job's files, none of which it may be.

    Raises:
        OutputError: exists, is one of the job's files, no such folder, no permission.
    """
    if path is not None:
        check_apart(path, apart_from)
        check_writable(path, overwrite=overwrite)


def write_report(path: Path | None, report: dict[str, Any]) -> None:
    """Write a report.

    Args:
        path: the JSON file; None writes nothing.
        report: as `run_video_job` returns it.

    Raises:
        OutputError: it can't be written.
    """
    if path is not None:
        write_text_output(path, json.JSONEncoder(indent=1, default=str).iterencode(report))
