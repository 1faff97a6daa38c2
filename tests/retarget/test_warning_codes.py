"""Warnings have stable codes, all of them documented, and reach the log for machines."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from retarget.errors import InputError, OutputError
from retarget.event_log import EventLog, collect_warnings, run_logged

ROOT = Path(__file__).parent.parent.parent
_CODE = re.compile(r"\"(W\d{3})[\":]")
_DOCUMENTED = re.compile(r"^\| (W\d{3})(?:( - |, )(W\d{3}))? \|", re.MULTILINE)


def events(path: Path) -> list[dict[str, object]]:
    return [
        {key: value for key, value in json.loads(line).items() if key != "time"}
        for line in path.read_text().splitlines()
    ]


def test_every_code_in_use_is_documented() -> None:
    used = {
        code
        for package in ("retarget", "drn_core")
        for file in (ROOT / package).rglob("*.py")
        for code in _CODE.findall(file.read_text(encoding="utf-8"))
    }
    documented: set[str] = set()
    for first, between, last in _DOCUMENTED.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        numbers = (
            range(int(first[1:]), int(last[1:]) + 1) if between == " - " else (int(first[1:]), int((last or first)[1:]))
        )
        documented |= {f"W{number}" for number in numbers}
    assert used
    assert used <= documented, f"not in the README: {sorted(used - documented)}"


def test_a_job_is_logged_with_its_warnings(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"

    def run() -> dict[str, object]:
        with collect_warnings() as logged:
            for _ in range(2):
                logging.getLogger("retarget.cache").warning("W503: can't %s", "write")
            logging.getLogger("retarget.other").warning("plain")
        assert logged == [("W503", "can't write")]
        warnings = [{"code": code, "text": text} for code, text in [("W201", "gap"), *logged]]
        return {"warnings": warnings, "seconds": {"total": 1.0}}

    assert len(run_logged(log, {"output": "o.mp4"}, run)["warnings"]) == 2
    assert events(log) == [
        {"event": "job started", "output": "o.mp4"},
        {"event": "warning", "code": "W503", "text": "can't write"},
        {"event": "warning", "code": "W503", "text": "can't write"},
        {"event": "log", "level": "warning", "logger": "retarget.other", "text": "plain"},
        {"event": "warning", "output": "o.mp4", "code": "W201", "text": "gap"},
        {"event": "job done", "output": "o.mp4", "seconds": {"total": 1.0}},
    ]


def test_a_failure_is_logged_and_passed_on(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"

    def run() -> dict[str, object]:
        raise InputError("d.mp4: empty")

    with pytest.raises(InputError):
        run_logged(log, {}, run)
    assert events(log)[-1] == {"event": "job failed", "error": "d.mp4: empty", "exit_code": 3}


def test_a_log_that_cannot_be_written_is_told_first(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="can't be written"):
        EventLog(tmp_path / "missing" / "log.jsonl")
    with EventLog(None) as silent:
        silent.write("nothing")
