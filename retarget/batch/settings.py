"""How a batch is run; the one home of its defaults."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Final, Literal

import psutil

__all__ = [
    "CPUS_PER_JOB",
    "BatchSettings",
    "ExecuteOptions",
    "default_memory_limit_mb",
    "default_threads",
    "default_workers",
    "threads_of",
]

CPUS_PER_JOB: Final = 2
"""How many processors a job keeps busy, about."""


@dataclass(frozen=True)
class ExecuteOptions:
    """What a worker has to know beside the job.

    Attributes:
        resume: leave finished jobs as they are.
        root: folder that no path may leave; checked again just before files are opened. None for no limit.
    """

    resume: bool = True
    root: str | None = None


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is run.

    Attributes:
        workers: processes that run jobs side by side; None suits the machine.
        retries: how often a job is tried again after a failure that may pass (crash, hang, disk full, changed input).
        timeout_seconds: a try that takes longer is ended; None for no limit.
        memory_limit_mb: a worker that holds more is ended and the job fails; None suits the machine.
        fail_fast: stop everything at the first failure.
        resume: leave finished jobs as they are.
        root: folder that no path may leave; None for no limit.
        engine: where jobs run: processes of this machine, or a Ray cluster.
        address: of the cluster; None starts a Ray on this machine.
    """

    workers: int | None = None
    retries: int = 1
    timeout_seconds: float | None = None
    memory_limit_mb: int | None = None
    fail_fast: bool = False
    resume: bool = True
    root: str | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None

    @property
    def execute_options(self) -> ExecuteOptions:
        """The part that workers need."""
        return ExecuteOptions(resume=self.resume, root=self.root)

    def overtime(self, began: float) -> str:
        """Say that a try which began at a monotonic time has lasted too long; empty while it has not."""
        limit = self.timeout_seconds
        if limit is None or time.monotonic() - began <= limit:
            return ""
        return f"took longer than the {limit:g} s allowed and was stopped"


def default_workers() -> int:
    """Return how many workers suit this machine."""
    return max(1, _num_cpus() // CPUS_PER_JOB)


def threads_of(cpus: int) -> int:
    """Return how many threads the libraries of a job may use that has so many processors: half as many.

    A job reads, draws and encodes side by side, which keeps the other half busy. On two cores a job with one such
    thread takes as long as with two, and an eighth less processor time.
    """
    return max(1, cpus // 2)


def default_threads(workers: int) -> int:
    """Return how many threads the libraries of each of so many workers may use here."""
    return threads_of(_num_cpus() // workers)


def _num_cpus() -> int:
    return os.cpu_count() or 1


def default_memory_limit_mb(workers: int) -> int:
    """Return a worker's share of nine tenths of the machine's memory, in MB."""
    return int(0.9 * psutil.virtual_memory().total / 1e6 / workers)
