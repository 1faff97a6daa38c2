"""Which job is next: in order, but first of all jobs that don't wait for what a running one is preparing."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterable

from retarget.batch.plan import BatchJob

__all__ = ["JobQueue"]

_LOOK_AHEAD = 64
_BUSY_DELAY_SECONDS = 1.0


class JobQueue:
    """The jobs that wait for their turn.

    Two jobs of one driver started together would both want its track: one computes it, the other waits idly. So a job
    whose photo or driver is being prepared by a running one is passed over while there are others.

    Args:
        jobs: in order.
    """

    def __init__(self, jobs: Iterable[BatchJob]) -> None:
        self._waiting = deque(jobs)
        self._delayed: list[tuple[float, BatchJob]] = []
        self._running: dict[int, BatchJob] = {}
        self._prepared: set[str] = set()

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return len(self._waiting) + len(self._delayed)

    def take(self) -> BatchJob | None:
        """Return the next job and count it as running; None where none can run now."""
        self._wake()
        if not self._waiting:
            return None
        job = self._pick()
        self._running[job.number] = job
        return job

    def finish(self, job: BatchJob) -> None:
        """Note that a job runs no more."""
        self._running.pop(job.number, None)
        self._prepared.update((job.source, job.driver))

    def put_back(self, job: BatchJob, *, is_busy: bool = False) -> None:
        """Have a job run again: behind the others, after a moment where another process is at its output."""
        self._running.pop(job.number, None)
        if is_busy:
            self._delayed.append((time.monotonic() + _BUSY_DELAY_SECONDS, job))
        else:
            self._waiting.append(job)

    def _wake(self) -> None:
        now = time.monotonic()
        self._waiting.extend(job for due, job in self._delayed if due <= now)
        self._delayed = [(due, job) for due, job in self._delayed if due > now]

    def _pick(self) -> BatchJob:
        in_preparation = {path for job in self._running.values() for path in (job.source, job.driver)} - self._prepared
        ahead = itertools.islice(self._waiting, _LOOK_AHEAD)
        for index, job in enumerate(ahead):
            if job.source not in in_preparation and job.driver not in in_preparation:
                del self._waiting[index]
                return job
        return self._waiting.popleft()
