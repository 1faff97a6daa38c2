"""Run the jobs of a batch on a Ray cluster: Ray places them by processors and GPUs and notices lost nodes.

Nodes share inputs, outputs and, through `RETARGET_CACHE`, photos' models and drivers' tracks by a common file system;
the package has to be installed on all of them. Jobs are the same as on one machine, so a batch that was begun there
goes on here.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from retarget.batch.ledger import Ledger, clear_away
from retarget.batch.plan import BatchJob
from retarget.batch.settings import CPUS_PER_JOB, BatchSettings, threads_of
from retarget.batch.state import BatchState
from retarget.errors import RetargetError, UsageError

__all__ = ["run_on_ray"]

_TICK_SECONDS: Final = 0.25
_STOP_SECONDS: Final = 12.0
_MEMORY_CHECK_SECONDS: Final = 0.5
_BOARD_SECONDS: Final = 1.0
_SHARED_VARIABLES: Final = (
    "RETARGET_CACHE", "RETARGET_CACHE_GB", "RETARGET_BACKEND", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS",
)  # fmt: skip


def run_on_ray(state: BatchState, jobs: list[BatchJob], settings: BatchSettings) -> None:
    """Run jobs on a cluster until all have finished or failed.

    Args:
        state: told what happens.
        jobs: to run; those of `state` that are not here stay as they are.
        settings: how; without an address a Ray is started on this machine, unless one is connected already.

    Raises:
        UsageError: Ray is not installed.
        RetargetError: the cluster can't be reached.
        KeyboardInterrupt: passed on after all tasks were cancelled.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray: Ray is not installed", hint="pip install 'retarget[ray]'") from error
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(settings.address)
    try:
        _RayRun(state, jobs, settings).run()
    finally:
        if is_ours:
            ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options["include_dashboard"] = False
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise RetargetError(
            f"--address {address or 'local'}: no Ray can be reached ({error})",
            hint="start one with `ray start --head`; where it asks for tokens, set RAY_AUTH_MODE=token here, too",
        ) from error


class _Board:
    """Where tasks tell that they have begun and how far they are; an actor, read by the engine."""

    def __init__(self) -> None:
        self._news: dict[int, tuple[str, int]] = {}

    def tell(self, number: int, stage: str, frames: int) -> None:
        """Note how far a job is."""
        self._news[number] = (stage, frames)

    def take(self) -> dict[int, tuple[str, int]]:
        """Return what was told since the last time."""
        news, self._news = self._news, {}
        return news


class _MemoryLimitError(RetargetError):
    """The task held more memory than it may."""


@contextlib.contextmanager
def _memory_limit(limit_mb: int | None) -> Iterator[None]:
    """Interrupt the main thread when this process holds more than the limit."""
    import psutil

    ended, is_over = threading.Event(), threading.Event()

    def watch() -> None:
        process = psutil.Process()
        while not ended.wait(_MEMORY_CHECK_SECONDS):
            if limit_mb is not None and process.memory_info().rss > limit_mb * 1e6:
                is_over.set()
                _thread.interrupt_main()
                return

    watcher = threading.Thread(target=watch, daemon=True, name="memory limit")
    watcher.start()
    try:
        yield
    except KeyboardInterrupt:
        if is_over.is_set():
            raise _MemoryLimitError(f"used more than the {limit_mb} MB of memory allowed and was stopped") from None
        raise
    finally:
        ended.set()
        watcher.join()


def _run_task(job: dict[str, Any], options: dict[str, Any], memory_limit_mb: int | None, board: Any) -> dict[str, Any]:
    """One job, in a worker of the cluster; its result and its failure are both values."""
    from retarget.batch.execute import BusyError, execute_job
    from retarget.batch.job_progress import ToldProgress
    from retarget.batch.settings import ExecuteOptions
    from retarget.batch.worker import describe_error, limit_threads

    number = int(job["number"])

    def tell(stage: str, frames: int) -> None:
        board.tell.remote(number, stage, frames)

    tell("begun", 0)
    limit_threads()
    try:
        with _memory_limit(memory_limit_mb):
            progress = ToldProgress(tell, _BOARD_SECONDS)
            return {"outcome": execute_job(BatchJob.from_json(job), ExecuteOptions(**options), None, progress)}
    except BusyError:
        return {"busy": True}
    except Exception as error:  # noqa: BLE001 - reported as this job's failure
        return {"error": describe_error(error)}


@dataclass
class _Task:
    """A job under way.

    Attributes:
        job: the job.
        began: monotonic time at which it told that it has begun; None before.
        verdict: why it was cancelled; empty while it wasn't.
    """

    job: BatchJob
    began: float | None = None
    verdict: str = ""


class _RayRun:
    def __init__(self, state: BatchState, jobs: list[BatchJob], settings: BatchSettings) -> None:
        import ray

        self._state = state
        self._ledger = Ledger(state, jobs, settings)
        self._settings = settings
        self._tasks: dict[Any, _Task] = {}
        self._board = ray.remote(_Board).options(num_cpus=0).remote()
        # Retrying is decided here, so that every try is counted and told.
        self._remote = ray.remote(max_retries=0)(_run_task)

    def run(self) -> None:
        """Run all jobs."""
        try:
            while self._is_going():
                self._submit()
                self._collect()
                self._read_board()
                self._enforce_timeout()
                self._state.tick()
        finally:
            self._cancel_all()

    def _is_going(self) -> bool:
        return not self._ledger.is_closed and (bool(self._tasks) or len(self._ledger) > 0)

    def _submit(self) -> None:
        """Have as many jobs under way as the cluster has room for now; it may grow and shrink."""
        import ray

        resources = ray.cluster_resources()
        total = max(1, int(resources.get("CPU", 1)))
        cpus = min(CPUS_PER_JOB, max(1, total // (self._settings.workers or 1)))
        room = self._settings.workers or max(1, total // cpus)
        while len(self._tasks) < room and (job := self._ledger.take()) is not None:
            variables = {name: os.environ[name] for name in _SHARED_VARIABLES if name in os.environ}
            variables["OMP_NUM_THREADS"] = str(threads_of(cpus))
            limit_mb = self._settings.memory_limit_mb
            task = self._remote.options(
                num_cpus=cpus,
                num_gpus=_num_gpus(job, resources),
                memory=None if limit_mb is None else int(limit_mb * 1e6),
                runtime_env={"env_vars": variables},
                name=job.name,
            )
            reference = task.remote(job.to_json(), asdict(self._settings.execute_options), limit_mb, self._board)
            self._tasks[reference] = _Task(job)

    def _collect(self) -> None:
        """Wait a moment for results."""
        import ray

        if not self._tasks:
            time.sleep(_TICK_SECONDS)
            return
        ready, _ = ray.wait(list(self._tasks), timeout=_TICK_SECONDS)
        for reference in ready:
            task = self._tasks.pop(reference)
            try:
                result = ray.get(reference)
            except ray.exceptions.RayError as error:
                self._bury(task, error)
            else:
                self._take_result(task.job, result)

    def _take_result(self, job: BatchJob, result: dict[str, Any]) -> None:
        if "outcome" in result:
            clear_away(job)  # a killed worker may have been dying still when its job was buried
            self._ledger.finish(job, result["outcome"])
        elif "busy" in result:
            self._ledger.postpone(job)
        else:
            error = result["error"]
            self._ledger.fail(job, error["text"], error["exit_code"], may_pass=error["may_pass"])

    def _bury(self, task: _Task, error: Exception) -> None:
        """The worker or its node is gone: the job is tried again, on any node, or has failed."""
        reason = " ".join(str(error).split())[:200]
        text = task.verdict or f"the worker or its node was lost ({type(error).__name__}: {reason})"
        self._ledger.bury(task.job, text)

    def _read_board(self) -> None:
        import ray

        try:
            news = ray.get(self._board.take.remote(), timeout=1.0)
        except ray.exceptions.RayError:
            return  # busy or lost; progress is only for show
        for task in self._tasks.values():
            if task.job.number in news:
                stage, frames = news[task.job.number]
                task.began = task.began or time.monotonic()
                self._state.progressed(task.job.number, stage, frames)

    def _enforce_timeout(self) -> None:
        import ray

        for reference, task in self._tasks.items():
            if task.began is None or task.verdict:
                continue
            task.verdict = self._settings.overtime(task.began)
            if task.verdict:
                ray.cancel(reference, force=True)

    def _cancel_all(self) -> None:
        """Interrupt what is under way; end by force what doesn't stop, and clear away what it leaves."""
        import ray

        if not self._tasks:
            return
        for reference in self._tasks:
            ray.cancel(reference)
        _, still = ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=_STOP_SECONDS)
        for reference in still:
            ray.cancel(reference, force=True)
        for task in self._tasks.values():
            clear_away(task.job)


def _num_gpus(job: BatchJob, resources: dict[str, float]) -> int:
    """A GPU for jobs that ask for one, and for those that take what there is where there is one."""
    device = job.options.get("device", "auto")
    return int(device.startswith("cuda") or (device == "auto" and resources.get("GPU", 0) >= 1))
