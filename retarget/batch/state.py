"""What has become of the jobs of a batch: told by the engines, read by progress, logs and summary."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from retarget.batch.plan import BatchJob

__all__ = ["BatchState", "JobRecord", "Observer", "Status"]

Status = Literal["waiting", "running", "done", "skipped", "failed", "stopped"]
"""waiting for its turn, or again after a failed try; running; done now; skipped because it was done before; failed
for good; stopped because the batch ended before it."""


@dataclass(slots=True)
class JobRecord:
    """One job and what has become of it.

    Attributes:
        job: the job.
        status: see `Status`.
        tries: how often it was started.
        error: why it failed, as told to the user; of the last try while it waits for the next.
        error_code: exit code of the error's class; 0 without one.
        frames: of the output.
        seconds: the last try took.
        stage_seconds: the parts of it.
        warnings: code and text of each.
        key: of the result.
        peak_memory_mb: as the job measured it.
        stage: what it does while it runs.
        stage_frames: how far it is in that.
    """

    job: BatchJob
    status: Status = "waiting"
    tries: int = 0
    error: str = ""
    error_code: int = 0
    frames: int = 0
    seconds: float = 0.0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[tuple[str, str], ...] = ()
    key: str = ""
    peak_memory_mb: float | None = None
    stage: str = ""
    stage_frames: int = 0


class Observer(Protocol):
    """Is told what happens, from one thread."""

    def changed(self, record: JobRecord, event: str) -> None:
        """Hear that a job was "started", "retried", "done", "skipped", "failed" or "stopped"."""

    def tick(self) -> None:
        """Hear that time has passed; called a few times a second."""


class BatchState:
    """All jobs of a batch.

    Args:
        jobs: in order.
        observers: told of every change.
    """

    def __init__(self, jobs: Iterable[BatchJob], observers: Iterable[Observer] = ()) -> None:
        self.records = {job.number: JobRecord(job) for job in jobs}
        self.began = time.time()
        self.observers = list(observers)
        self._counts: Counter[str] = Counter(record.status for record in self.records.values())

    def count(self, status: Status) -> int:
        """Return how many jobs have a status."""
        return self._counts[status]

    @property
    def frames_rendered(self) -> int:
        """Frames written by finished jobs of this run, and by those under way."""
        return sum(
            record.frames if record.status == "done" else record.stage_frames
            for record in self.records.values()
            if record.status == "done" or (record.status == "running" and record.stage == "rendering")
        )

    def started(self, number: int) -> None:
        """Note that a try of a job has begun."""
        record = self.records[number]
        record.tries += 1
        record.stage, record.stage_frames = "starting", 0
        self._change(record, "running", "started")

    def progressed(self, number: int, stage: str, frames: int) -> None:
        """Note how far a running job is."""
        record = self.records[number]
        record.stage, record.stage_frames = stage, frames

    def finished(self, number: int, outcome: Mapping[str, Any]) -> None:
        """Note a result, as `execute_job` returned it."""
        record = self.records[number]
        record.error, record.error_code = "", 0
        record.frames, record.seconds = int(outcome["frames"]), float(outcome["seconds"])
        record.stage_seconds, record.key = outcome["stage_seconds"], str(outcome["key"])
        record.warnings = tuple((str(each["code"]), str(each["text"])) for each in outcome["warnings"])
        record.peak_memory_mb = outcome["peak_memory_mb"]
        status: Status = "skipped" if outcome["status"] == "skipped" else "done"
        self._change(record, status, status)

    def failed(self, number: int, error: str, error_code: int, *, is_final: bool) -> None:
        """Note a failed try; the job waits for another one unless this was its last."""
        record = self.records[number]
        record.error, record.error_code = error, error_code
        if is_final:
            self._change(record, "failed", "failed")
        else:
            self._change(record, "waiting", "retried")

    def postponed(self, number: int) -> None:
        """Note that a job can't run now because another process is at its output; the try does not count."""
        record = self.records[number]
        record.tries -= 1
        self._change(record, "waiting", "postponed")

    def stop(self) -> None:
        """Note that the batch ends here: what has not finished has stopped."""
        for record in self.records.values():
            if record.status in ("waiting", "running"):
                self._change(record, "stopped", "stopped")

    def tick(self) -> None:
        """Tell the observers that time has passed."""
        for observer in self.observers:
            observer.tick()

    def _change(self, record: JobRecord, status: Status, event: str) -> None:
        self._counts[record.status] -= 1
        self._counts[status] += 1
        record.status = status
        for observer in self.observers:
            observer.changed(record, event)
