"""Where the time goes: the stacks of all threads, sampled while something runs."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

from typing_extensions import Self

__all__ = ["StackSampler"]

_WAITING: Final = frozenset({
    ("threading.py", "wait"), ("threading.py", "join"), ("threading.py", "_wait_for_tstate_lock"),
    ("queue.py", "get"), ("queue.py", "put"), ("thread.py", "_worker"), ("selectors.py", "select"),
})  # fmt: skip
"""Innermost Python functions of a thread that only waits."""

Stack = tuple[str, ...]


class StackSampler:
    """Samples the Python stacks of all other threads; use as a context manager.

    Threads that wait are left out, so that what is counted is work (in Python, or in C called from it). Stacks of the
    thread that entered begin below the function that did.

    Args:
        interval_seconds: between samples.

    Attributes:
        stacks: how often each stack was seen, outermost function first.
        num_samples: how often was looked.
        seconds: how long it ran.
    """

    def __init__(self, interval_seconds: float = 0.005) -> None:
        self.stacks: Counter[Stack] = Counter()
        self.num_samples = 0
        self.seconds = 0.0
        self._interval = interval_seconds
        self._home = threading.get_ident()
        self._home_depth = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        """Begin to sample."""
        self._home_depth = len(_stack_of(sys._getframe(1)))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End sampling."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.perf_counter()
        own = threading.get_ident()
        while not self._ended.wait(self._interval):
            self.num_samples += 1
            for thread, frame in sys._current_frames().items():
                if thread != own and not _is_waiting(frame):
                    outer = self._home_depth if thread == self._home else 0
                    if stack := _stack_of(frame)[outer:]:
                        self.stacks[stack] += 1
            self.seconds = time.perf_counter() - began

    def table(self, *, min_share: float = 0.01, max_depth: int = 25) -> list[tuple[int, str, float]]:
        """Return the tree of calls, heaviest branch first.

        Args:
            min_share: branches below this share of the run's time are left out.
            max_depth: levels.

        Returns:
            Rows of (depth, function, seconds); seconds of several threads add up.
        """
        unit = self.seconds / max(self.num_samples, 1)
        return list(self._branch((), self.stacks, unit, min_share * self.num_samples, max_depth))

    def _branch(
        self, above: Stack, stacks: Counter[Stack], unit: float, least: float, max_depth: int
    ) -> Iterator[tuple[int, str, float]]:
        depth = len(above)
        if depth >= max_depth:
            return
        children: dict[str, Counter[Stack]] = {}
        for stack, count in stacks.items():
            if len(stack) > depth:
                children.setdefault(stack[depth], Counter())[stack] += count
        for name, below in sorted(children.items(), key=lambda item: -item[1].total()):
            if below.total() >= least:
                yield depth, name, below.total() * unit
                yield from self._branch((*above, name), below, unit, least, max_depth)

    def collapsed(self) -> str:
        """Return the stacks in the text form that flame-graph programs read: "a;b;c count" a line."""
        return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(self.stacks.items()))


def _is_waiting(frame: FrameType) -> bool:
    code = frame.f_code
    return (Path(code.co_filename).name, code.co_name) in _WAITING


def _stack_of(frame: FrameType | None) -> Stack:
    names = []
    while frame is not None:
        code = frame.f_code
        names.append(f"{Path(code.co_filename).stem}.{code.co_name}")
        frame = frame.f_back
    return tuple(reversed(names))
