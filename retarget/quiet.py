"""Silence native libraries that greet on stderr, and still have our own lines heard."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Final

__all__ = ["quiet_stderr", "say"]

_LOCK: Final = threading.Lock()
_PATIENCE_SECONDS: Final = 10.0


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send the process's stderr to nowhere, for libraries that can't be told to be quiet."""
    with _LOCK:  # two threads at once would save each other's nowhere
        try:
            saved = os.dup(2)
        except OSError:  # stderr is closed: nothing to silence
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(nowhere)
            os.close(saved)


def say(line: str) -> None:
    """Write a line to stderr; where another thread has silenced it, wait until it can be heard."""
    is_heard = _LOCK.acquire(timeout=_PATIENCE_SECONDS)
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    finally:
        if is_heard:
            _LOCK.release()
