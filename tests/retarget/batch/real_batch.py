"""Running real batches from tests."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import retarget

ASSETS = Path(retarget.__file__).parent / "assets"
ROOT = Path(retarget.__file__).parent.parent
PATIENCE_SECONDS = 240.0

Start = Callable[..., "subprocess.Popen[str]"]


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def manifest(folder: Path, inputs: Path, *rows: str) -> Path:
    path = folder / "m.csv"
    lines = [",".join(str(inputs / cell) if index < 2 else cell for index, cell in enumerate(row.split(",")))
             for row in rows]  # fmt: skip
    path.write_text("\n".join(["source,driver,output,end", *lines]) + "\n")
    return path


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        assert process is None or process.poll() is None, "the batch ended before what was waited for"
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(".*"))


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def statuses(folder: Path) -> list[str]:
    return [job["status"] for job in summary(folder)["jobs"]]
