"""Where a report comes from: version, commit, packages, machine, time."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from retarget import __version__

__all__ = ["collect_provenance"]

_PACKAGES = ("numpy", "torch", "torchmetrics", "scikit-image", "mediapipe", "dlib-bin", "opencv-contrib-python", "av")


def _git(*arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    folder = Path(__file__).resolve().parent
    result = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=10
    )
    return result.stdout.strip() if result.returncode == 0 else None


def _commit() -> str | None:
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None
    return commit + "+changes" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def collect_provenance() -> dict[str, Any]:
    """Collect what a reader needs to repeat a measurement.

    Returns:
        Version and commit of this project (None outside a checkout), versions of the packages behind the metrics,
        machine and UTC time.
    """
    return {
        "retarget": __version__,
        "commit": _commit(),
        "packages": {name: version for name in _PACKAGES if (version := _version_of(name))},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
