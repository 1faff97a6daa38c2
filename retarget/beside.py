"""Work beside the main thread that an interrupted command does not wait for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

__all__ = ["beside", "is_work_abandoned"]

_PREFIX: Final = "beside-"


@contextmanager
def beside(name: str) -> Iterator[ThreadPoolExecutor]:
    """Open a thread for work beside the caller's; at the end, or on an error, its work is waited for.

    An interrupt does not wait: what the work would have made is of no use any more. It must therefore hold nothing
    that has to be put in order.

    Args:
        name: of the thread, for profiles.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix=_PREFIX + name)
    is_interrupted = False
    try:
        yield pool
    except KeyboardInterrupt:
        is_interrupted = True
        raise
    finally:
        pool.shutdown(wait=not is_interrupted, cancel_futures=is_interrupted)


def is_work_abandoned() -> bool:
    """Tell whether such work still runs: the interpreter would wait for it before it ends."""
    return any(thread.name.startswith(_PREFIX) for thread in threading.enumerate())
