"""From rows to jobs: everything that can be checked before the first job starts is checked here, for all rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retarget.batch.roots import resolve_inside, resolve_option
from retarget.batch.row_options import JOB_COLUMNS, option_names, parse_options
from retarget.batch.rows import Problem, Row
from retarget.errors import InputError, RetargetError, UsageError
from retarget.file_options import names_file

if TYPE_CHECKING:
    from retarget.pipeline.video_job import VideoJob

__all__ = ["BatchJob", "BatchPlan", "Places", "plan_jobs"]


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One job of a batch; plain text and numbers, so that it can be sent to any worker as JSON.

    Attributes:
        number: counted from 1 in the order of the rows.
        line: where the row begins in the manifest.
        source: absolute path of the photo.
        driver: absolute path of the clip.
        output: absolute path of the result.
        options: the options of `retarget video` as text by name, defaults of the batch included.
    """

    number: int
    line: int
    source: str
    driver: str
    output: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call the job: the name of its output."""
        return Path(self.output).name

    def video_job(self) -> VideoJob:
        """Build what the pipeline runs.

        Raises:
            UsageError: an option is not understood, or options contradict each other.
        """
        from retarget.job_options import job_from_args

        return job_from_args(parse_options(self.options, source=self.source, driver=self.driver, output=self.output))

    def to_json(self) -> dict[str, Any]:
        """Return the job as JSON values."""
        names = ("number", "line", "source", "driver", "output")
        return {**{name: getattr(self, name) for name in names}, "options": dict(self.options)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> BatchJob:
        """Build the job that `to_json` described."""
        return cls(**values)


@dataclass(frozen=True)
class Places:
    """Where the paths of a batch start and must stay.

    Attributes:
        base: absolute folder at which relative inputs start.
        output_folder: absolute folder at which relative outputs start.
        root: folder that no path may leave; None for no limit.
    """

    base: Path
    output_folder: Path
    root: Path | None = None


@dataclass(frozen=True)
class BatchPlan:
    """What a manifest asks for.

    Attributes:
        jobs: in the order of the rows.
        problems: rows that make no sense; nothing may be started while there are any.
        unreadable: why the inputs of a job can't be read, by job number; such a job fails, the others can run.
    """

    jobs: list[BatchJob]
    problems: list[Problem]
    unreadable: dict[int, str]


def plan_jobs(rows: Iterable[Row | Problem], defaults: Mapping[str, str], places: Places) -> BatchPlan:
    """Check all rows and make jobs of them.

    Args:
        rows: of the manifest.
        defaults: options of the command line; paths in them already absolute.
        places: where paths start.

    Returns:
        Jobs and everything that is wrong, with line numbers; problems in the order of the lines.
    """
    planner = _Planner(defaults, places)
    for row in rows:
        planner.add(row)
    return planner.finish()


class _Planner:
    def __init__(self, defaults: Mapping[str, str], places: Places) -> None:
        self._defaults = dict(defaults)
        self._places = places
        self._known = frozenset((*option_names(), *JOB_COLUMNS, "stem"))
        self._options: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        self._accepted: set[tuple[int, str]] = set()
        self._inputs: dict[str, str | None] = {}
        self._line_of_output: dict[str, int] = {}
        self._jobs: list[BatchJob] = []
        self._problems: list[Problem] = []
        self._unreadable: dict[int, str] = {}

    def add(self, row: Row | Problem) -> None:
        """Take one more row."""
        if isinstance(row, Problem):
            self._problems.append(row)
            return
        try:
            job = self._job(row)
            self._check_options(job)
            self._check_output(job)
        except RetargetError as error:
            self._problems.append(Problem(row.line, str(error)))
            return
        self._jobs.append(job)
        reason = self._why_unreadable(job.source) or self._why_unreadable(job.driver)
        if reason:
            self._unreadable[job.number] = reason

    def finish(self) -> BatchPlan:
        """Check what only shows over all rows."""
        for job in self._jobs:
            if job.output in self._inputs:
                self._problems.append(Problem(job.line, f"{job.output}: is the input of a job, too"))
        return BatchPlan(self._jobs, sorted(self._problems, key=lambda problem: problem.line), self._unreadable)

    def _job(self, row: Row) -> BatchJob:
        unknown = sorted(set(row.values) - self._known)
        if unknown:
            known = ", ".join((*JOB_COLUMNS, *option_names()))
            raise UsageError(f"unknown column {', '.join(map(repr, unknown))}", hint=f"known are {known}")
        for name in ("source", "driver"):
            if name not in row.values:
                raise UsageError(f"no {name} is given")
        options = self._merged(row)
        source = self._inside(row.values["source"], self._places.base)
        driver = self._inside(row.values["driver"], self._places.base)
        output = self._inside(self._output_name(row, options), self._places.output_folder)
        return BatchJob(len(self._jobs) + 1, row.line, str(source), str(driver), str(output), options)

    def _merged(self, row: Row) -> dict[str, str]:
        """Options of the batch and the row; rows with the same options share one dictionary."""
        own = {
            name: resolve_option(name, text, self._places.base, self._places.root)
            for name, text in row.values.items()
            if name not in (*JOB_COLUMNS, "stem")
        }
        merged = {**self._defaults, **own}
        return self._options.setdefault(tuple(sorted(merged.items())), merged)

    def _inside(self, text: str, base: Path) -> Path:
        return resolve_inside(text, base, self._places.root)

    def _output_name(self, row: Row, options: Mapping[str, str]) -> str:
        if "output" in row.values:
            return row.values["output"]
        from retarget.job_options import default_suffix

        stem = row.values.get("stem") or f"{Path(row.values['source']).stem}_{Path(row.values['driver']).stem}"
        return stem + default_suffix(options.get("codec"), options.get("background", ""))

    def _check_options(self, job: BatchJob) -> None:
        """Check options, once for each combination of options and extension."""
        seen = (id(job.options), Path(job.output).suffix.lower())
        if seen in self._accepted:
            return
        from retarget.pipeline.model_files import weights_of
        from retarget.pose.people import PersonChoice
        from retarget.video.encoders import codec_spec, container_of

        video_job = job.video_job()
        codec_spec(video_job.encode, alpha=video_job.render.background == "transparent")
        container_of(video_job.output, video_job.encode)
        for person in (video_job.pose.person, video_job.source_person):
            PersonChoice.parse(person)
        start, end = video_job.start_seconds, video_job.end_seconds
        if start is not None and end is not None and end <= start:
            raise UsageError(f"end {end:g} is not after start {start:g}")
        weights_of(video_job.render.model)
        if names_file("background", video_job.render.background):
            _check_input(video_job.render.background)
        self._accepted.add(seen)

    def _check_output(self, job: BatchJob) -> None:
        earlier = self._line_of_output.setdefault(job.output, job.line)
        if earlier != job.line:
            raise UsageError(f"{job.output}: line {earlier} writes the same output")
        if Path(job.output).is_dir() and job.options.get("codec") != "png":
            raise UsageError(f"{job.output}: is a folder", hint="give the name of a file")

    def _why_unreadable(self, path: str) -> str | None:
        if path not in self._inputs:
            self._inputs[path] = None
            try:
                _check_input(path)
            except InputError as error:
                self._inputs[path] = str(error)
        return self._inputs[path]


def _check_input(path: str) -> None:
    from retarget.video.container import check_input_file

    check_input_file(path)
