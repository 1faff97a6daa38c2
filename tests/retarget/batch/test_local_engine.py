"""The engine against real processes that die, hang, hoard and fail."""

from __future__ import annotations

import functools
import io
import sys
import time
from pathlib import Path

import psutil
import pytest

from retarget.batch.job_queue import JobQueue
from retarget.batch.local_engine import run_local
from retarget.batch.plan import BatchJob
from retarget.batch.progress import ProgressObserver
from retarget.batch.settings import BatchSettings
from retarget.batch.state import BatchState
from retarget.batch.summary import summary_table
from retarget.batch.worker_process import WorkerProcess
from retarget.errors import RetargetError

COMMAND = (sys.executable, "-m", "tests.retarget.batch.fake_worker")


def jobs_of(folder: Path, *names: str) -> list[BatchJob]:
    return [
        BatchJob(number, number + 1, f"{name}.jpg", f"{number}.mp4", str(folder / f"{number}.mp4"))
        for number, name in enumerate(names, start=1)
    ]


def run(folder: Path, names: tuple[str, ...], **settings: object) -> BatchState:
    jobs = jobs_of(folder, *names)
    state = BatchState(jobs)
    start = functools.partial(WorkerProcess, command=COMMAND)
    before = _children()  # other tests of this process may have left helpers of their own, such as a resource tracker
    run_local(state, jobs, BatchSettings(**settings), start_worker=start)  # type: ignore[arg-type]
    assert _children() <= before
    assert not list(folder.glob(".retarget*"))
    return state


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


def statuses(state: BatchState) -> list[tuple[str, int]]:
    return [(record.status, record.tries) for record in state.records.values()]


def test_a_failing_job_stops_no_other(tmp_path: Path) -> None:
    state = run(tmp_path, ("ok", "bad", "die", "ok", "full"), workers=2)
    assert statuses(state) == [("done", 1), ("failed", 1), ("failed", 2), ("done", 1), ("failed", 2)]
    assert state.records[2].error == "bad input"
    assert state.records[2].error_code == 3
    assert "killed by SIGKILL" in state.records[3].error
    assert "3 failed" in summary_table(state)
    assert "line 4, 3.mp4: the worker was killed" in summary_table(state)


def test_what_passes_is_tried_again(tmp_path: Path) -> None:
    state = run(tmp_path, ("die_once", "hang_once", "full_once", "crash_once"), workers=2, timeout_seconds=2.0)
    assert statuses(state) == [("done", 2)] * 4
    assert not any(record.error for record in state.records.values())


def test_a_hang_and_a_hoard_are_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    state = run(tmp_path, ("hang", "eat", "ok"), workers=3, retries=0, timeout_seconds=3.0, memory_limit_mb=300)
    assert time.monotonic() - began < 60
    assert statuses(state) == [("failed", 1), ("failed", 1), ("done", 1)]
    assert "longer than the 3 s" in state.records[1].error
    assert "MB of memory (300 allowed)" in state.records[2].error


def test_memory_is_not_tried_again(tmp_path: Path) -> None:
    assert statuses(run(tmp_path, ("eat",), retries=3, memory_limit_mb=300)) == [("failed", 1)]


def test_a_crash_is_told_with_its_last_words(tmp_path: Path) -> None:
    state = run(tmp_path, ("crash",), retries=0)
    assert "ended with code 1 (ValueError: no reason)" in state.records[1].error


def test_fail_fast_stops_the_rest(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, "bad", "ok", "ok")
    state = BatchState(jobs)
    start = functools.partial(WorkerProcess, command=COMMAND)
    run_local(state, jobs, BatchSettings(workers=1, fail_fast=True), start_worker=start)
    state.stop()
    assert [record.status for record in state.records.values()] == ["failed", "stopped", "stopped"]


def test_a_busy_output_waits_without_counting_tries(tmp_path: Path) -> None:
    assert statuses(run(tmp_path, ("busy_once", "ok"), workers=1, retries=0)) == [("done", 1), ("done", 1)]


def test_workers_that_never_start_end_the_batch(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, "ok")
    start = functools.partial(WorkerProcess, command=(*COMMAND, "false-start"))
    with pytest.raises(RetargetError, match=r"no worker can be started.*ImportError: nothing works"):
        run_local(BatchState(jobs), jobs, BatchSettings(), start_worker=start)


def test_jobs_that_wait_for_a_running_one_go_last() -> None:
    jobs = [BatchJob(n, n, f"s{n}", driver, f"{n}") for n, driver in enumerate("aabb", start=1)]
    queue = JobQueue(jobs)
    first, second = queue.take(), queue.take()
    assert (first, second) == (jobs[0], jobs[2])
    assert queue.take() == jobs[1]  # nothing else is left that needs no preparation of a running job
    queue.finish(jobs[2])
    assert queue.take() == jobs[3]
    assert queue.take() is None


def test_progress_degrades_to_lines(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, "ok", "bad")
    state = BatchState(jobs)
    stream = io.StringIO()
    progress = ProgressObserver(state, stream)
    state.observers = [progress]
    state.started(1)
    state.progressed(1, "reading", 12)
    state.tick()
    assert stream.getvalue() == "0/2 done, 0 failed, 1 running, 0.0 frames/s (1.mp4 reading 12)\n"
    outcome = {"status": "done", "key": "k", "frames": 7, "seconds": 2.0, "stage_seconds": {}, "warnings": [],
               "peak_memory_mb": None}  # fmt: skip
    state.finished(1, outcome)
    state.failed(2, "broken", 3, is_final=True)
    told = stream.getvalue()
    assert "[1/2] 1.mp4: 7 frames in 2.0 s" in told
    assert "[2/2] 2.mp4: FAILED (line 3): broken" in told
    assert progress.line().startswith("1/2 done, 1 failed, 0 running")
    assert "\r" not in told
