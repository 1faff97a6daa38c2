"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from tests.retarget.batch.real_batch import ROOT

# In a process of its own: one that has worked already serves the blocks from what it holds.
MEASURE = """
import numpy as np, psutil
from retarget.pipeline.freed_memory import return_freed_memory
def resident():
    return psutil.Process().memory_info().rss / 2**20
before = resident()
blocks = [np.ones(8_000) for _ in range(1600)]  # 100 MB in pieces that are not mapped one by one
kept = blocks[-1]
held = resident()
del blocks
return_freed_memory()
print(held - before, resident() - before, kept.sum())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library gives memory back by itself")
def test_what_lies_below_something_kept_is_returned() -> None:
    command = [sys.executable, "-c", MEASURE]
    held, left, kept = map(float, subprocess.check_output(command, cwd=ROOT, timeout=120).split())
    assert held > 60
    assert left < 40
    assert kept == 8_000
