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
from queue import SimpleQueue

import torch

__all__ = ["run_bands", "run_rows"]


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
    if num_threads > 1:
        _Bands(body, _cut(length, num_threads, max(grain, 1))).run(num_threads)
    elif length > 0:
        body(0, length)


def _cut(length: int, num_threads: int, grain: int) -> list[int]:
    """Cut range(length) into bands: large ones first, for few calls, small ones last, for threads to end together."""
    edges = [0]
    while edges[-1] < length:
        rest = length - edges[-1]
        size = max(rest // (2 * num_threads), grain)
        edges.append(edges[-1] + size if rest >= size + grain else length)
    return edges


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
        pool, offers = _pool, [_Offer(self._work) for _ in range(num_threads - 1)]
        pool.open(offers)
        try:
            self._work()
        finally:
            errors = pool.close(offers)
        for error in errors:
            raise error

    def _work(self) -> None:
        # One `next` on a range iterator is atomic under the GIL: no band is taken twice.
        for band in self._next:
            self._body(self._edges[band], self._edges[band + 1])


class _Offer:
    """Work that another thread may take on, until it is no longer needed there."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._taken, self._done = threading.Lock(), threading.Lock()
        self._done.acquire()
        self._error: BaseException | None = None

    def take(self) -> None:
        """Do the work, unless it was withdrawn."""
        if not self._taken.acquire(blocking=False):
            return
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised where the work was offered
            self._error = error
        self._done.release()

    def settle(self) -> BaseException | None:
        """Withdraw the offer, or wait for who has taken it; returns what went wrong there."""
        if not self._taken.acquire(blocking=False):
            self._done.acquire()
        del self._work  # what it refers to is not held until a thread comes across the withdrawn offer
        return self._error


class _Pool:
    """Threads that wait for offers, started as they are needed.

    An executor of the standard library does the same; handing work to it takes 10 us, and five times that where the
    caches have just been used up.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Offer] = SimpleQueue()
        self._lock = threading.Lock()
        self._num_open = self._num_threads = 0

    def open(self, offers: Sequence[_Offer]) -> None:
        """Let threads of the pool take these offers."""
        with self._lock:
            self._num_open += len(offers)
            while self._num_threads < min(self._num_open, os.cpu_count() or 1):
                try:
                    threading.Thread(target=self._serve, name=f"kernels-{self._num_threads}", daemon=True).start()
                except RuntimeError:  # the interpreter is shutting down: the callers do all the work
                    break
                self._num_threads += 1
        for offer in offers:
            self._waiting.put(offer)

    def close(self, offers: Sequence[_Offer]) -> list[BaseException]:
        """Withdraw the offers, or wait for those taken; returns what went wrong."""
        errors = [offer.settle() for offer in offers]
        with self._lock:
            self._num_open -= len(offers)
        return [error for error in errors if error is not None]

    def _serve(self) -> None:
        while True:
            self._waiting.get().take()


def _forget_pool() -> None:
    """After a fork the child has none of the parent's threads, and perhaps a lock nobody will release."""
    global _pool  # noqa: PLW0603 - one pool per process
    _pool = _Pool()


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
