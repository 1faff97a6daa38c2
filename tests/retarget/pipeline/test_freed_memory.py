"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes

import numpy as np
import psutil
import pytest

from retarget.pipeline.freed_memory import return_freed_memory

MEGABYTE = 1 << 20


def _resident() -> float:
    return psutil.Process().memory_info().rss / MEGABYTE


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library gives memory back by itself")
def test_what_lies_below_something_kept_is_returned() -> None:
    before = _resident()
    blocks = [np.ones(8_000) for _ in range(1600)]  # 100 MB in pieces that are not mapped one by one
    kept = blocks[-1]
    assert _resident() > before + 60
    del blocks
    return_freed_memory()
    assert _resident() < before + 40
    assert kept.all()
