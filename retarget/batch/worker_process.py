"""The parent's side of a worker: start it, send jobs, hear events, watch its memory, end it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any, Final

import psutil

from retarget.batch.plan import BatchJob
from retarget.batch.settings import ExecuteOptions

__all__ = ["WorkerEvent", "WorkerProcess"]

_THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
_LOG_TAIL_BYTES: Final = 2000
_LISTENER_SECONDS: Final = 5.0


@dataclass(frozen=True)
class WorkerEvent:
    """What a worker told.

    Attributes:
        worker: who.
        kind: "ready", "progress", "finished", "failed", "busy", or "gone" when its output has ended.
        values: what belongs to it.
    """

    worker: WorkerProcess
    kind: str
    values: dict[str, Any]


class WorkerProcess:
    """One worker.

    Args:
        events: where its events go; they arrive from a thread of its own.
        num_threads: threads that its libraries may use.
        command: what is run.
    """

    def __init__(
        self,
        events: queue.SimpleQueue[WorkerEvent],
        num_threads: int,
        command: Sequence[str] = (sys.executable, "-m", "retarget.batch.worker"),
    ) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        environment = dict(os.environ)
        environment.update(dict.fromkeys(_THREAD_VARIABLES, str(num_threads)))
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,  # Ctrl-C at the terminal is for the parent, which tells its workers
            text=True,
            encoding="utf-8",
        )
        self._listener = threading.Thread(target=self._listen, args=(events,), daemon=True, name="worker events")
        self._listener.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def _listen(self, events: queue.SimpleQueue[WorkerEvent]) -> None:
        stream = self._process.stdout
        with stream or contextlib.nullcontext(()) as lines:
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # a line cut by a kill
                events.put(WorkerEvent(self, str(message.pop("event", "")), message))
        self._process.wait()
        events.put(WorkerEvent(self, "gone", {}))

    def send(self, job: BatchJob, options: ExecuteOptions) -> None:
        """Give it a job; a worker that is gone says so by its event."""
        message = json.dumps({"job": job.to_json(), "options": asdict(options)})
        stdin = self._process.stdin
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError, ValueError):
                stdin.write(message + "\n")
                stdin.flush()

    def memory_bytes(self) -> int:
        """Return the resident memory of the worker and its children; 0 when it is gone."""
        total = 0
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            for each in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += each.memory_info().rss
        return total

    def dismiss(self) -> None:
        """Tell it to stop: its input ends; a job under way is interrupted and cleaned up."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def kill(self) -> None:
        """End it and its children by force, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until it is gone; False when it is still there after the time."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> str:
        """Let go of a worker that is gone.

        Returns:
            How it ended, with the last error it wrote.
        """
        code = self._process.wait()
        self.dismiss()
        self._listener.join(timeout=_LISTENER_SECONDS)
        last = self._last_words()
        self._log.close()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"the worker {how}" + (f" ({last})" if last else "")

    def _last_words(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL_BYTES))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        errors = [line.strip() for line in lines if "Error" in line]
        return errors[-1][:200] if errors else ""
