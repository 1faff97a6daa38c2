"""Where compiled code is kept between processes."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CACHE_VARIABLE", "cache_folder"]

CACHE_VARIABLE = "RETARGET_CACHE"


def cache_folder(kind: str) -> Path:
    """Return the folder for one kind of compiled code; it need not exist yet.

    Below the folder that `RETARGET_CACHE` names, else below the user's cache folder.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser() / "kernels" / kind
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "retarget" / "kernels" / kind
