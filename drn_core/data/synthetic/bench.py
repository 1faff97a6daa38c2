"""Measurement of the generator's speed."""

from __future__ import annotations

import multiprocessing
import time

from drn_core.data.synthetic.config import SyntheticConfig
from drn_core.data.synthetic.people import SyntheticPeople

__all__ = ["pairs_per_second"]


def _render_run(task: tuple[SyntheticConfig, int, int, int]) -> int:
    config, seed, start, count = task
    people = SyntheticPeople(config, seed)
    for index in range(start, start + count):
        people.pair(index)
    return count


def pairs_per_second(config: SyntheticConfig, seed: int, num_pairs: int, num_workers: int) -> float:
    """Pairs per second of `num_workers` processes, loading and compilation left out.

    Args:
        config: what to render.
        seed: of the people.
        num_pairs: how many pairs at least; whole runs of one person are rendered.
        num_workers: processes.
    """
    step = config.pairs_per_identity
    runs = [(config, seed, run * step, step) for run in range(max(num_workers, -(-num_pairs // step)))]
    with multiprocessing.get_context("spawn").Pool(num_workers) as pool:
        pool.map(_render_run, [(config, seed, 0, 2)] * num_workers, chunksize=1)
        start = time.perf_counter()
        done = sum(pool.map(_render_run, runs, chunksize=1))
        return done / (time.perf_counter() - start)
