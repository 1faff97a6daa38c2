"""A whole batch: read and check the manifest, run the jobs, leave the summary."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from retarget.batch.plan import BatchPlan, Places, plan_jobs
from retarget.batch.progress import LogObserver, ProgressObserver, counted
from retarget.batch.roots import check_inside, resolve_option
from retarget.batch.rows import Problem, Row, matrix_rows, read_rows
from retarget.batch.settings import BatchSettings
from retarget.batch.state import BatchState
from retarget.batch.summary import SummaryObserver, summary_table
from retarget.errors import InputError, JobsFailedError, UsageError
from retarget.event_log import EventLog
from retarget.video.output_path import output_errors

__all__ = ["BatchRequest", "plan_batch", "run_batch"]

_MATRIX_FOLDER: Final = "retarget_batch"


@dataclass(frozen=True)
class BatchRequest:
    """What is to be rendered.

    Attributes:
        manifest: the file; None with a matrix.
        matrix: folders of photos and clips; None with a manifest.
        output_folder: where relative outputs and the summary go; None for the manifest's folder, or
            "retarget_batch" here with a matrix.
        defaults: options of `retarget video` as text by name, for rows that give none; paths start here.
        log_path: file for machine-readable events.
        is_quiet: say nothing but errors.
        check_only: stop after checking.
    """

    manifest: Path | None = None
    matrix: tuple[Path, Path] | None = None
    output_folder: Path | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    log_path: Path | None = None
    is_quiet: bool = False
    check_only: bool = False

    @property
    def places(self) -> Places:
        """Where relative paths of the rows start."""
        base = Path.cwd() if self.manifest is None else self.manifest.absolute().parent
        output = self.output_folder or (base if self.matrix is None else Path(_MATRIX_FOLDER))
        return Places(base=base, output_folder=output.absolute())


def plan_batch(request: BatchRequest, root: Path | None = None) -> BatchPlan:
    """Read and check all rows.

    Args:
        request: what is to be rendered.
        root: folder that no path may leave.

    Raises:
        InputError: manifest or folders can't be read.
        UsageError: not a manifest; rows that make no sense, each named with its line; no rows at all.
    """
    rows: Iterator[Row | Problem]
    if request.matrix is not None:
        rows, where = matrix_rows(*request.matrix), "--matrix"
    elif request.manifest is not None:
        rows, where = read_rows(request.manifest), str(request.manifest)
    else:
        raise UsageError("neither a manifest nor a matrix is given")
    places = request.places
    check_inside(places.output_folder, root)
    defaults = {name: resolve_option(name, text, Path.cwd(), root) for name, text in request.defaults.items()}
    plan = plan_jobs(rows, defaults, Places(places.base, places.output_folder, root))
    if plan.problems:
        for problem in plan.problems:
            print(f"{where}: {problem}", file=sys.stderr)  # noqa: T201 - each bad row, before the error itself
        count = counted(len(plan.problems), "bad row")
        raise UsageError(f"{where}: {count}, nothing was started", hint="mend the lines above")
    if not plan.jobs:
        raise UsageError(f"{where}: holds no jobs", hint="give columns source, driver, output and at least one row")
    return plan


def run_batch(request: BatchRequest, settings: BatchSettings) -> BatchState:
    """Run a batch to its end.

    Args:
        request: what is to be rendered.
        settings: how.

    Returns:
        What became of the jobs, when all went well.

    Raises:
        UsageError: the manifest makes no sense; nothing was started.
        JobsFailedError: some jobs failed; the others are done, the summary is written.
        InputError: the manifest can't be read; or, with fail-fast, an input is missing (nothing was started).
    """
    root = None if settings.root is None else Path(settings.root)
    plan = plan_batch(request, root)
    if plan.unreadable and (settings.fail_fast or request.check_only):
        for number, reason in plan.unreadable.items():
            _tell(f"line {plan.jobs[number - 1].line}: {reason}", is_quiet=False)
        raise InputError(f"inputs of {counted(len(plan.unreadable), 'job')} can't be read, nothing was started")
    if request.check_only:
        _tell(f"{counted(len(plan.jobs), 'job')}, all rows make sense", is_quiet=request.is_quiet)
        return BatchState(plan.jobs)
    folder, state = request.places.output_folder, BatchState(plan.jobs)
    summary = SummaryObserver(folder, state, lambda text: _tell(text, is_quiet=False))
    with EventLog(request.log_path) as log:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _run(plan, request, settings, log, state, summary)
    num_failed, num_stopped = state.count("failed"), state.count("stopped")
    if num_failed or num_stopped:
        not_run = f", {num_stopped} not run" if num_stopped else ""
        where_told = folder / "summary.json" if summary.is_written else "above"
        raise JobsFailedError(
            f"{num_failed} of {counted(len(plan.jobs), 'job')} failed{not_run}",
            hint=f"see {where_told}; the same command goes on where this one ended",
        )
    return state


def _run(
    plan: BatchPlan,
    request: BatchRequest,
    settings: BatchSettings,
    log: EventLog,
    state: BatchState,
    summary: SummaryObserver,
) -> None:
    """Run what can be run of a batch, and leave its summary."""
    progress = ProgressObserver(state)
    state.observers = [LogObserver(log), summary, *([] if request.is_quiet else [progress])]
    log.write("batch started", jobs=len(plan.jobs), engine=settings.engine, folder=str(request.places.output_folder))
    for number, reason in plan.unreadable.items():
        state.failed(number, reason, InputError.exit_code, is_final=True)
    jobs = [job for job in plan.jobs if job.number not in plan.unreadable]
    try:
        if settings.engine == "ray":
            from retarget.batch.ray_engine import run_on_ray

            run_on_ray(state, jobs, settings)
        else:
            from retarget.batch.local_engine import run_local

            run_local(state, jobs, settings)
    finally:
        state.stop()
        progress.close()
        summary.write(is_finished=True)
        log.write("batch ended", done=state.count("done"), skipped=state.count("skipped"), failed=state.count("failed"))
        if not request.is_quiet:
            print(summary_table(state))  # noqa: T201 - the outcome of the command


def _tell(text: str, *, is_quiet: bool) -> None:
    if not is_quiet:
        print(f"retarget batch: {text}", file=sys.stderr)  # noqa: T201 - a warning for the terminal
