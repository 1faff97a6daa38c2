"""How processors and time are shared out among jobs, and how they tell where they are."""

from __future__ import annotations

import os
import time

import pytest

from retarget.batch.job_progress import ToldProgress
from retarget.batch.settings import BatchSettings, default_threads, default_workers


def test_processors_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert default_workers() == 8
    assert [default_threads(workers) for workers in (1, 2, 4, 8, 16, 64)] == [8, 4, 2, 1, 1, 1]
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert (default_workers(), default_threads(1)) == (1, 1)


def test_overtime_is_told_only_where_there_is_a_limit() -> None:
    long_ago = time.monotonic() - 100.0
    assert BatchSettings().overtime(long_ago) == ""
    assert BatchSettings(timeout_seconds=200.0).overtime(long_ago) == ""
    assert (
        BatchSettings(timeout_seconds=99.5).overtime(long_ago) == "took longer than the 99.5 s allowed and was stopped"
    )


def test_stages_are_told_at_once_and_frames_now_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [100.0], list[tuple[str, int]]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = ToldProgress(lambda stage, frames: told.append((stage, frames)), 0.5)
    progress.begin("reading", 30)
    for frames in (1, 2, 3, 4):
        now[0] += 0.2
        progress.advance(frames)
    progress.begin("rendering", 30)
    assert told == [("reading", 0), ("reading", 3), ("rendering", 0)]
