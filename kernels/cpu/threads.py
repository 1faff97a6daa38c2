"""Share the rows of an op among threads: compiled loops without the GIL, on a pool of our own.

numba's own parallel loops are not used: which threading layer they get depends on the machine, and the one that is
always there (workqueue) aborts the process when two Python threads enter it at once, which a pipeline with a
decode, a compute and an encode thread does. A plain pool has no such state, and its bands are fixed by the caller,
so a result never depends on how many threads there are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch

__all__ = ["run_bands", "run_rows"]

_BANDS_PER_THREAD = 3
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def run_bands(body: Callable[[int, int], object], length: int, *, grain: int) -> None:
    """Call `body(first, last)` over consecutive bands of range(length), in parallel where that pays.

    The calling thread works too. How many threads take part follows `torch.get_num_threads()`, so one setting
    governs torch and these ops.

    Args:
        body: handles rows [first, last); has to release the GIL and must not call an op itself.
        length: how many rows there are.
        grain: rows below which a band is not worth a thread.
    """
    num_threads = min(torch.get_num_threads(), length // max(grain, 1))
    if num_threads <= 1:
        if length > 0:
            body(0, length)
        return
    num_bands = min(num_threads * _BANDS_PER_THREAD, length // max(grain, 1))
    edges = [length * band // num_bands for band in range(num_bands + 1)]
    _Bands(body, edges).run(num_threads)


def run_rows(body: Callable[[int, int, int], object], batch: int, size_hw: Sequence[int], *, pixels: int) -> None:
    """Call `body(b, first, last)` for all rows [first, last) of all pictures of a batch, as `run_bands` does.

    Args:
        body: handles some rows of picture b.
        batch: how many pictures there are.
        size_hw: height and width of each.
        pixels: below which a band is not worth a thread.
    """
    height, width = size_hw

    def run(first: int, last: int) -> None:
        for b in range(first // height, -(-last // height)):
            body(b, max(first - b * height, 0), min(last - b * height, height))

    run_bands(run, batch * height, grain=-(-pixels // max(width, 1)))


class _Bands:
    """Bands that several threads take one after the other."""

    def __init__(self, body: Callable[[int, int], object], edges: list[int]) -> None:
        self._body = body
        self._edges = edges
        self._next = iter(range(len(edges) - 1))

    def run(self, num_threads: int) -> None:
        others = [future for future in (_submit(self._work) for _ in range(num_threads - 1)) if future is not None]
        try:
            self._work()
        finally:
            # Threads that found nothing left, or never started, cost nothing; their errors are ours.
            for future in others:
                if not future.cancel():
                    future.result()

    def _work(self) -> None:
        # One `next` on a range iterator is atomic under the GIL: no band is taken twice.
        for band in self._next:
            self._body(self._edges[band], self._edges[band + 1])


def _submit(work: Callable[[], None]) -> Future[None] | None:
    global _pool  # noqa: PLW0603 - one pool per process, made on first use
    try:
        with _lock:
            if _pool is None:
                _pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="kernels")
            return _pool.submit(work)
    except RuntimeError:  # the interpreter is shutting down: the caller does all the work
        return None


def _forget_pool() -> None:
    """After a fork the child has none of the parent's threads, and perhaps a lock nobody will release."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
