"""Where an output is made before it gets its name, and the clearing away of what killed workers left there."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from retarget.batch.sidecar import sidecar_path
from retarget.video.output_path import remove_stale_temporaries

__all__ = ["remove_leftovers", "remove_path", "staging_path"]


def staging_path(output: Path) -> Path:
    """Return the name under which an output is made: beside it, hidden, with its extension."""
    digest = hashlib.sha256(output.name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return output.with_name(f".retarget-batch-{digest}{output.suffix}")


def remove_leftovers(output: Path) -> None:
    """Remove what a killed worker left of an output; a finished output stays.

    Raises:
        OSError: something is there and can't be removed.
    """
    staging = staging_path(output)
    for path in (output, staging, sidecar_path(output)):
        remove_stale_temporaries(path)
    remove_path(staging)


def remove_path(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
