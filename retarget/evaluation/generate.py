"""Run the command that makes a video, and note its wall time and peak memory."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from retarget.errors import RetargetError, UsageError

__all__ = ["PIPELINE_COMMAND", "Cost", "check_command", "run_command"]

PIPELINE_COMMAND = (
    "{python} -m retarget video --source {source} --driver {driver} --output {output} --model {model}"
    " --overwrite --quiet"
)
"""How this project makes a video; another method is measured by another command."""

_POLL_SECONDS = 0.05
_LOG_TAIL = 500


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: wall time.
        peak_mb: peak resident memory of its process in MB; None where the system does not tell.
    """

    seconds: float
    peak_mb: float | None


def check_command(command: str) -> None:
    """Make sure that a command template names its inputs and output.

    Args:
        command: with the fields {source}, {driver} and {output}; {model} and {python} may be used.

    Raises:
        UsageError: a field is missing or unknown.
    """
    for field in ("source", "driver", "output"):
        if f"{{{field}}}" not in command:
            raise UsageError(f"--command: {{{field}}} is missing", hint=f"for example: {PIPELINE_COMMAND}")
    try:
        command.format(python="", source="", driver="", output="", model="")
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(
            f"--command: unknown field {error}", hint="known: {python} {source} {driver} {output} {model}"
        ) from error


def _peak_mb(pid: int) -> float | None:
    """Read the peak resident memory that the kernel keeps for a process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def run_command(command: str, *, source: Path, driver: Path, output: Path, model: str) -> Cost:
    """Make one video.

    Args:
        command: template, see `check_command`; split into arguments before the fields are filled in, no shell.
        source: the photo.
        driver: the driving clip.
        output: the video to write.
        model: for the field {model}.

    Returns:
        Wall time and peak memory of the process.

    Raises:
        RetargetError: the command failed; with the end of what it said.
    """
    fields = {"python": sys.executable, "source": source, "driver": driver, "output": output, "model": model}
    arguments = [part.format(**fields) for part in shlex.split(command)]
    log = output.with_suffix(".log")
    began, peak = time.perf_counter(), None
    with log.open("wb") as stream:
        try:
            process = subprocess.Popen(arguments, stdout=stream, stderr=subprocess.STDOUT)  # noqa: S603 - user's own
        except OSError as error:
            raise UsageError(f"--command: {arguments[0]} can't be run: {error.strerror}") from error
        try:
            while process.poll() is None:
                peak = _peak_mb(process.pid) or peak
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    seconds = time.perf_counter() - began
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
        raise RetargetError(f"{driver}: the command ended with {process.returncode}: {said}")
    return Cost(seconds, peak)
