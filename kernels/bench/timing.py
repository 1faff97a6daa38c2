"""Interleaved timing: every implementation of a case takes its turn, round after round, and the median counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["Case", "Result", "measure_copy", "run_case"]

_FEWEST_ROUNDS = 5
_SETTLING_SECONDS = 0.02


@dataclass(frozen=True)
class Case:
    """Several implementations of one computation.

    Attributes:
        name: of the computation.
        bytes_moved: what has to be read and written at least, once each.
        implementations: by name; those whose name begins with "torch" or "cv2" are what ours are compared with.
        device: where it runs.
    """

    name: str
    bytes_moved: int
    implementations: dict[str, Callable[[], object]]
    device: torch.device


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        case: name of the computation.
        implementation: name of the implementation.
        milliseconds: median over the rounds.
        gb_per_s: bytes that have to be moved, by that time.
        share_of_copy: the same, as a share of a plain copy's speed.
        times_torch: how many times faster than the fastest torch implementation; None where there is none.
    """

    case: str
    implementation: str
    milliseconds: float
    gb_per_s: float
    share_of_copy: float
    times_torch: float | None

    def line(self) -> str:
        """Format as a line of the table."""
        ratio = f"{self.times_torch:9.2f}" if self.times_torch is not None else f"{'-':>9}"
        figures = f"{self.milliseconds:9.3f}{self.gb_per_s:8.1f}{self.share_of_copy:9.0%}"
        return f"{self.case:<26}{self.implementation:<26}{figures}{ratio}"


def measure_copy(device: torch.device, scale: float = 1.0) -> float:
    """Measure a plain copy of 64 MB, in GB/s read and written."""
    source = torch.ones(max(int(scale * (16 << 20)), 1), device=device)
    target = torch.empty_like(source)
    case = Case("copy", 2 * source.nbytes, {"torch copy_": lambda: target.copy_(source)}, device)
    times = _time(case, seconds=1.0 * scale)
    return case.bytes_moved / times["torch copy_"] / 1e9


def run_case(case: Case, copy_gb_per_s: float, seconds: float) -> list[Result]:
    """Time all implementations of a case, in turns."""
    times = _time(case, seconds)
    baselines = [value for name, value in times.items() if name.startswith(("torch", "cv2"))]
    return [
        Result(
            case=case.name,
            implementation=name,
            milliseconds=value * 1e3,
            gb_per_s=case.bytes_moved / value / 1e9,
            share_of_copy=case.bytes_moved / value / 1e9 / copy_gb_per_s,
            times_torch=min(baselines) / value if baselines else None,
        )
        for name, value in times.items()
    ]


def _time(case: Case, seconds: float) -> dict[str, float]:
    """Take the median time of each implementation, in seconds."""
    for implementation in case.implementations.values():
        implementation()  # compiles, or loads what was compiled
    found: dict[str, list[float]] = {name: [] for name in case.implementations}
    spent, rounds = 0.0, 0
    while rounds < _FEWEST_ROUNDS or spent < seconds:
        for name, implementation in case.implementations.items():
            _settle(case.device, seconds)
            before = time.perf_counter()
            implementation()
            _wait(case.device)
            found[name].append(time.perf_counter() - before)
            spent += found[name][-1]
        rounds += 1
    return {name: statistics.median(values) for name, values in found.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _settle(device: torch.device, seconds: float) -> None:
    """Let what ran before come to an end, where there is time for it.

    OpenMP's threads, which torch computes with, wait for more by spinning, for up to 15 ms: who comes next would share
    the processors with them.
    """
    _wait(device)
    if device.type == "cpu" and torch.get_num_threads() > 1:
        time.sleep(min(_SETTLING_SECONDS, seconds / 10))
