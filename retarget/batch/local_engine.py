"""Run the jobs of a batch in processes of this machine, each of which may die without harm."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from retarget.batch.ledger import Ledger, clear_away
from retarget.batch.plan import BatchJob
from retarget.batch.settings import BatchSettings, default_memory_limit_mb, default_threads, default_workers
from retarget.batch.state import BatchState
from retarget.batch.worker_process import WorkerEvent, WorkerProcess
from retarget.errors import RetargetError

__all__ = ["run_local"]

_TICK_SECONDS: Final = 0.25
_LIMIT_CHECK_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 12.0
_MAX_FALSE_STARTS: Final = 3


def run_local(
    state: BatchState,
    jobs: list[BatchJob],
    settings: BatchSettings,
    *,
    start_worker: Callable[[queue.SimpleQueue[WorkerEvent], int], WorkerProcess] = WorkerProcess,
) -> None:
    """Run jobs until all have finished or failed.

    Args:
        state: told what happens.
        jobs: to run; those of `state` that are not here stay as they are.
        settings: how.
        start_worker: makes a worker that sends its events to a queue and uses so many threads.

    Raises:
        RetargetError: workers can't be started at all.
        KeyboardInterrupt: passed on after all workers have stopped and cleaned up.
    """
    _LocalRun(state, jobs, settings, start_worker).run()


@dataclass
class _Slot:
    """A worker and what it does.

    Attributes:
        worker: the process.
        is_ready: it takes jobs.
        job: the one it runs.
        began: monotonic time at which it got that.
        verdict: why it was killed; empty while it wasn't.
        is_too_large: whether that was for its memory, which another try would take, too.
    """

    worker: WorkerProcess
    is_ready: bool = False
    job: BatchJob | None = None
    began: float = 0.0
    verdict: str = ""
    is_too_large: bool = False


class _LocalRun:
    def __init__(
        self,
        state: BatchState,
        jobs: list[BatchJob],
        settings: BatchSettings,
        start_worker: Callable[[queue.SimpleQueue[WorkerEvent], int], WorkerProcess],
    ) -> None:
        self._start_worker = start_worker
        self._state = state
        self._ledger = Ledger(state, jobs, settings)
        self._settings = settings
        self._num_workers = min(settings.workers or default_workers(), max(len(jobs), 1))
        self._num_threads = default_threads(self._num_workers)
        self._memory_limit_mb = settings.memory_limit_mb or default_memory_limit_mb(self._num_workers)
        self._events: queue.SimpleQueue[WorkerEvent] = queue.SimpleQueue()
        self._slots: dict[WorkerProcess, _Slot] = {}
        self._false_starts = 0
        self._next_check = 0.0

    def run(self) -> None:
        """Run all jobs."""
        try:
            while self._is_going():
                self._fill()
                with contextlib.suppress(queue.Empty):
                    self._handle(self._events.get(timeout=_TICK_SECONDS))
                self._enforce_limits()
                self._state.tick()
        finally:
            self._stop()

    def _is_going(self) -> bool:
        if self._ledger.is_closed:
            return False
        return len(self._ledger) > 0 or any(slot.job is not None for slot in self._slots.values())

    def _fill(self) -> None:
        """Start workers as far as there is work for them, and give jobs to those that wait."""
        num_busy = sum(slot.job is not None for slot in self._slots.values())
        wanted = min(self._num_workers, num_busy + len(self._ledger))
        while len(self._slots) < wanted:
            worker = self._start_worker(self._events, self._num_threads)
            self._slots[worker] = _Slot(worker)
        for slot in self._slots.values():
            if slot.is_ready and slot.job is None and not slot.verdict and (job := self._ledger.take()) is not None:
                slot.job, slot.began = job, time.monotonic()
                slot.worker.send(job, self._settings.execute_options)

    def _handle(self, event: WorkerEvent) -> None:
        slot = self._slots.get(event.worker)
        if slot is None:
            return
        job = slot.job
        if event.kind == "ready":
            slot.is_ready, self._false_starts = True, 0
        elif event.kind == "gone":
            self._bury(slot)
        elif job is None:
            return
        elif event.kind == "progress":
            self._state.progressed(job.number, str(event.values["stage"]), int(event.values["frames"]))
        elif event.kind == "finished":
            slot.job = None
            self._ledger.finish(job, event.values["outcome"])
        elif event.kind == "busy":
            slot.job = None
            self._ledger.postpone(job)
        elif event.kind == "failed":
            slot.job = None
            error = event.values["error"]
            self._ledger.fail(job, error["text"], error["exit_code"], may_pass=error["may_pass"])

    def _bury(self, slot: _Slot) -> None:
        """A worker is gone: its job is tried again or has failed."""
        del self._slots[slot.worker]
        obituary = slot.worker.close()
        if slot.job is None:
            self._false_starts += not slot.is_ready
            if self._false_starts >= _MAX_FALSE_STARTS:
                raise RetargetError(f"no worker can be started: {obituary}")
            return
        self._ledger.bury(slot.job, slot.verdict or obituary, may_pass=not slot.is_too_large)

    def _enforce_limits(self) -> None:
        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + _LIMIT_CHECK_SECONDS
        for slot in self._slots.values():
            if slot.job is None or slot.verdict:
                continue
            slot.verdict = self._settings.overtime(slot.began)
            if not slot.verdict and (used := slot.worker.memory_bytes() / 1e6) > self._memory_limit_mb:
                slot.verdict = f"used {used:.0f} MB of memory ({self._memory_limit_mb} allowed) and was stopped"
                slot.is_too_large = True
            if slot.verdict:
                slot.worker.kill()

    def _stop(self) -> None:
        """Have all workers stop; kill those that don't, and clear away what they leave."""
        for slot in self._slots.values():
            slot.worker.dismiss()
        deadline = time.monotonic() + _STOP_SECONDS
        for slot in self._slots.values():
            if not slot.worker.wait(max(0.0, deadline - time.monotonic())):
                slot.worker.kill()
            slot.worker.close()
            if slot.job is not None:
                clear_away(slot.job)
