"""A worker of a batch: a process that takes jobs as JSON lines on its input and tells what happens on its output.

It stops at once, cleaning up behind itself, when its input ends: that is how it learns that the batch was cancelled or
that its parent was killed. Run as `python -m retarget.batch.worker` by `retarget.batch.worker_process`.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import IO, Any, Final, NoReturn

from retarget.errors import INTERRUPTED_EXIT_CODE, InputChangedError, OutputError, RetargetError

__all__ = ["describe_error", "limit_threads", "main"]

_GRACE_SECONDS: Final = 10.0
_EVENT_INTERVAL_SECONDS: Final = 0.5


class _Events:
    """Writes events as JSON lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, kind: str, **values: Any) -> None:
        """Write one event; a parent that is gone is no error (the input's end tells that)."""
        line = json.dumps({"event": kind, **values}, default=str)
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def _own_output() -> IO[str]:
    """Keep standard output for events; whatever libraries print goes to standard error."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "w", encoding="utf-8")


def _read_jobs(jobs: queue.Queue[str]) -> None:
    """Read the input (in a thread); at its end stop whatever the worker does, by force where it doesn't listen."""
    for line in sys.stdin:
        jobs.put(line)
    # A real signal also wakes a main thread that waits for a lock.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON values: what the user is told, its class, and whether trying again may help."""
    if isinstance(error, RetargetError):
        may_pass = isinstance(error, (OutputError, InputChangedError))
        return {"type": type(error).__name__, "text": str(error), "exit_code": error.exit_code, "may_pass": may_pass}
    text = f"unexpected {type(error).__name__}: {error}"
    return {"type": type(error).__name__, "text": text, "exit_code": 1, "may_pass": True}


def limit_threads() -> None:
    """Follow OMP_NUM_THREADS where libraries don't by themselves."""
    import cv2
    import torch

    num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    if num_threads > 0:
        torch.set_num_threads(num_threads)
        cv2.setNumThreads(num_threads)


def _run_jobs(jobs: queue.Queue[str], events: _Events) -> NoReturn:
    from retarget.batch.execute import BusyError, execute_job
    from retarget.batch.job_key import FileDigests
    from retarget.batch.job_progress import ToldProgress
    from retarget.batch.plan import BatchJob
    from retarget.batch.settings import ExecuteOptions

    def tell(stage: str, frames: int) -> None:
        events.send("progress", stage=stage, frames=frames)

    progress = ToldProgress(tell, _EVENT_INTERVAL_SECONDS)
    limit_threads()
    digests = FileDigests()
    events.send("ready")
    while True:
        message = json.loads(jobs.get())
        try:
            outcome = execute_job(
                BatchJob.from_json(message["job"]), ExecuteOptions(**message["options"]), digests, progress
            )
        except BusyError:
            events.send("busy")
        except Exception as error:  # noqa: BLE001 - a job's failure is reported, the worker goes on
            _log_traceback(error)
            events.send("failed", error=describe_error(error))
        else:
            events.send("finished", outcome=outcome)


def _log_traceback(error: Exception) -> None:
    if not isinstance(error, RetargetError):
        import traceback

        traceback.print_exception(error)


def main() -> int:
    """Take jobs until the input ends."""
    events = _Events(_own_output())
    jobs: queue.Queue[str] = queue.Queue()
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True, name="input").start()
    try:
        _run_jobs(jobs, events)
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE


if __name__ == "__main__":
    sys.exit(main())
