"""The record beside each finished output: which job made it, and what the output has to be to the byte.

A finished job is one whose record names the job's key and whose output has the record's digest. The record is
published before the output, so that an output without a record is never ours: it is left alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from retarget.digests import file_digest
from retarget.video.output_path import write_text_output

__all__ = ["Sidecar", "output_digest", "read_sidecar", "sidecar_path", "write_sidecar"]

_FORMAT: Final = "retarget-job/1"


@dataclass(frozen=True)
class Sidecar:
    """The record of a finished job.

    Attributes:
        key: of the job, see `job_key`.
        output_sha256: of the output.
        report: as `run_video_job` returns it.
        thumbnail: a small picture of the result, JPEG in base64; empty for none.
    """

    key: str
    output_sha256: str
    report: dict[str, Any] = field(default_factory=dict)
    thumbnail: str = ""

    def describes(self, output: Path) -> bool:
        """Tell whether the output is there and has not changed since it was made."""
        try:
            return output_digest(output) == self.output_sha256
        except OSError:
            return False


def sidecar_path(output: Path) -> Path:
    """Return where the record of an output lies: its name with ".json" behind it."""
    return output.with_name(f"{output.name}.json")


def output_digest(output: Path) -> str:
    """Return the SHA-256 of an output; of a folder, over the names and contents of its files.

    Raises:
        OSError: it is missing or can't be read.
    """
    if not output.is_dir():
        return file_digest(output)
    digest = hashlib.sha256()
    for file in sorted(output.iterdir()):
        digest.update(f"{file.name}\0{file_digest(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def read_sidecar(output: Path) -> Sidecar | None:
    """Read the record of an output; None where there is none, or something that is not one."""
    try:
        content = json.loads(sidecar_path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return None
    key, digest = content.get("key"), content.get("output_sha256")
    if not (isinstance(key, str) and isinstance(digest, str)):
        return None
    report, thumbnail = content.get("report"), content.get("thumbnail")
    return Sidecar(
        key, digest, report if isinstance(report, dict) else {}, thumbnail if isinstance(thumbnail, str) else ""
    )


def write_sidecar(output: Path, sidecar: Sidecar) -> None:
    """Write the record of an output, whole or not at all; an older one is replaced.

    Raises:
        OutputError: it can't be written.
    """
    path = sidecar_path(output)
    content = {
        "format": _FORMAT,
        "key": sidecar.key,
        "output": output.name,
        "output_sha256": sidecar.output_sha256,
        "report": sidecar.report,
        "thumbnail": sidecar.thumbnail,
    }
    write_text_output(path, json.JSONEncoder(indent=1, default=str).iterencode(content))
