"""Which jobs of a batch wait, and what becomes of those that were taken: the part all engines share."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

from retarget.batch.job_queue import JobQueue
from retarget.batch.plan import BatchJob
from retarget.batch.settings import BatchSettings
from retarget.batch.staging import remove_leftovers
from retarget.batch.state import BatchState

__all__ = ["Ledger", "clear_away"]

_CRASH_EXIT_CODE: Final = 1


def clear_away(job: BatchJob) -> None:
    """Remove what a worker that is gone left of a job, as far as that can be done; the next try meets the rest."""
    with contextlib.suppress(OSError):
        remove_leftovers(Path(job.output))


class Ledger:
    """The jobs that wait; every outcome is told to the batch's state.

    Args:
        state: told what happens.
        jobs: to run.
        settings: how often a job is tried, and whether one failure ends the batch.
    """

    def __init__(self, state: BatchState, jobs: list[BatchJob], settings: BatchSettings) -> None:
        self._state = state
        self._queue = JobQueue(jobs)
        self._settings = settings
        self._has_failed = False

    def __len__(self) -> int:
        """Return the number of jobs that wait."""
        return len(self._queue)

    @property
    def is_closed(self) -> bool:
        """No job is to be started any more, because one has failed."""
        return self._has_failed and self._settings.fail_fast

    def take(self) -> BatchJob | None:
        """Return a job that is started now; None where none can be."""
        job = self._queue.take()
        if job is not None:
            self._state.started(job.number)
        return job

    def finish(self, job: BatchJob, outcome: dict[str, Any]) -> None:
        """Take note of a job that was done.

        Args:
            job: the job.
            outcome: what it told of its output.
        """
        self._queue.finish(job)
        self._state.finished(job.number, outcome)

    def postpone(self, job: BatchJob) -> None:
        """Put back a job whose output somebody else is making."""
        self._queue.put_back(job, is_busy=True)
        self._state.postponed(job.number)

    def bury(self, job: BatchJob, text: str, *, may_pass: bool = True) -> None:
        """Take note of a job whose worker is gone, and clear away what that left.

        Args:
            job: the job.
            text: what became of the worker.
            may_pass: whether another try can end otherwise.
        """
        clear_away(job)
        self.fail(job, text, _CRASH_EXIT_CODE, may_pass=may_pass)

    def fail(self, job: BatchJob, text: str, exit_code: int, *, may_pass: bool) -> None:
        """Take note of a job that failed: it is tried again as often as it may be.

        Args:
            job: the job.
            text: what went wrong.
            exit_code: what a single command would have ended with.
            may_pass: whether another try can end otherwise.
        """
        is_final = not may_pass or self._state.records[job.number].tries > self._settings.retries
        if is_final:
            self._queue.finish(job)
            self._has_failed = True
        else:
            self._queue.put_back(job)
        self._state.failed(job.number, text, exit_code, is_final=is_final)
