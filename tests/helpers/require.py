"""Tests that need something a machine may lack: skipped with a reason, or failed where it is required."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["skip_or_fail"]


def skip_or_fail(name: str, reason: str) -> NoReturn:
    """Skip the test; fail it where `RETARGET_REQUIRE` (names with commas between) holds the name."""
    if name in os.environ.get("RETARGET_REQUIRE", "").split(","):
        pytest.fail(f"RETARGET_REQUIRE={name}, but {reason}")
    pytest.skip(reason)
