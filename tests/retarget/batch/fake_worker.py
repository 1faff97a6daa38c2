"""A worker that behaves as the name of the job's photo says; it speaks the real protocol, in a real process."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from retarget.batch.staging import staging_path


def send(kind: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"event": kind, **values}) + "\n")
    sys.stdout.flush()


def is_first_time(job: dict[str, Any]) -> bool:
    mark = Path(job["output"] + ".mark")
    is_first = not mark.exists()
    mark.touch()
    return is_first


def run(job: dict[str, Any]) -> None:
    behaviour = Path(job["source"]).stem
    if behaviour.endswith("_once"):
        behaviour = behaviour.removesuffix("_once") if is_first_time(job) else "ok"
    if behaviour in ("die", "hang", "eat"):
        staging_path(Path(job["output"])).write_text("half")
    if behaviour == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "hang":
        time.sleep(600)
    if behaviour == "eat":
        hoard = bytearray(400_000_000)
        time.sleep(600)
        del hoard
    if behaviour == "crash":
        sys.exit("ValueError: no reason")
    if behaviour == "busy":
        send("busy")
    elif behaviour in ("bad", "full"):
        error = {"text": f"{behaviour} input", "exit_code": 3, "may_pass": behaviour == "full"}
        send("failed", error=error)
    else:
        send("progress", stage="rendering", frames=5, total=10)
        outcome = {
            "status": "done", "key": "k", "frames": 10, "seconds": 0.1, "stage_seconds": {}, "warnings": [],
            "peak_memory_mb": 1.0,
        }  # fmt: skip
        send("finished", outcome=outcome)


if __name__ == "__main__":
    if "false-start" in sys.argv:
        sys.exit("ImportError: nothing works")
    send("ready")
    for line in sys.stdin:
        run(json.loads(line)["job"])
