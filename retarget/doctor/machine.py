"""What this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

from retarget import __version__

__all__ = ["Check", "check_machine"]

_REQUIRED: Final = ("torch", "torchvision", "mediapipe", "av", "numba", "numpy", "scipy", "opencv-contrib-python")
_OPTIONAL: Final = {
    "decord": "reads frames at random a little faster; PyAV does it, too",
    "ray": "batches on a cluster: pip install 'retarget[ray]'",
    "cuda-core": "the CUDA kernels: pip install 'retarget[cuda]'",
    "torchmetrics": "measuring results: pip install 'retarget[eval]'",
    "tensorboard": "curves while training: pip install 'retarget[train]'",
}
_LOW_DISK_GB: Final = 2.0
_LOW_MEMORY_GB: Final = 2.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: "system", "packages", "devices", "codecs", "models" or "cache".
        name: what.
        state: "ok"; "absent" for what can be done without; "broken" for what can't.
        text: what was found.
        advice: what to do; empty where there is nothing to.
    """

    group: str
    name: str
    state: Literal["ok", "absent", "broken"]
    text: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return asdict(self)


def check_machine() -> tuple[Check, ...]:
    """Look at everything; nothing is rendered, downloaded or left behind."""
    checks: list[Check] = []
    for group, look in _GROUPS.items():
        try:
            checks.extend(look())
        except Exception as error:  # noqa: BLE001 - one broken library must not hide what the others are
            checks.append(Check(group, group, "broken", f"{type(error).__name__}: {error}", "install retarget anew"))
    return tuple(checks)


def _system() -> Iterator[Check]:
    import psutil

    python = platform.python_version()
    fits = (3, 10) <= sys.version_info < (3, 13)
    advice = "" if fits else "use Python 3.10 to 3.12: MediaPipe has no wheels for others"
    yield Check("system", "retarget", "ok", __version__)
    yield Check("system", "python", "ok" if fits else "broken", python, advice)
    yield Check("system", "platform", "ok", f"{platform.system()} {platform.release()}, {platform.machine()}")
    yield Check("system", "processors", "ok", f"{os.cpu_count()} logical, {psutil.cpu_count(logical=False)} cores")
    memory = psutil.virtual_memory()
    is_low = memory.available < _LOW_MEMORY_GB * 1e9
    text = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    yield Check("system", "memory", "ok", text, "close other programs: a job takes up to 2 GB" if is_low else "")


def _packages() -> Iterator[Check]:
    for name in _REQUIRED:
        found = _version(name)
        advice = "" if found else "install retarget anew: pip install --force-reinstall retarget"
        yield Check("packages", name, "ok" if found else "broken", found or "not installed", advice)
    for name, use in _OPTIONAL.items():
        found = _version(name)
        yield Check("packages", name, "ok" if found else "absent", found or "not installed", "" if found else use)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices() -> Iterator[Check]:
    import torch

    from drn_core import ops

    yield Check("devices", "cpu", "ok", f"{torch.get_num_threads()} threads")
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        text = f"{facts.name}, {facts.total_memory / 1e9:.0f} GB, compute {facts.major}.{facts.minor}"
        yield Check("devices", f"cuda:{index}", "ok", text)
    if not torch.cuda.is_available():
        advice = "all runs on the CPU; for a GPU install NVIDIA's driver and a CUDA build of torch"
        yield Check("devices", "cuda", "absent", "no CUDA device", advice)
    present = ops.available_backends()
    advice = "" if "numba" in present else "rendering is slow without numba: pip install numba"
    yield Check("devices", "warping core", "ok", ", ".join(present), advice)


def _codecs() -> Iterator[Check]:
    import av
    import imageio_ffmpeg

    from retarget.video.encoders import CODEC_SPECS

    for name, spec in CODEC_SPECS.items():
        if name == "png":
            continue
        has = spec.encoder in av.codecs_available
        advice = "" if has else f"--codec {name} can't be used; install PyAV from its wheel: pip install av"
        yield Check("codecs", name, "ok" if has else "absent", spec.encoder if has else f"no {spec.encoder}", advice)
    yield Check("codecs", "FFmpeg of PyAV", "ok", ".".join(map(str, av.library_versions["libavcodec"])))
    try:
        yield Check("codecs", "ffmpeg", "ok", f"{imageio_ffmpeg.get_ffmpeg_version()} (previews)")
    except RuntimeError:
        advice = "previews need it: pip install imageio-ffmpeg"
        yield Check("codecs", "ffmpeg", "absent", "no ffmpeg binary", advice)


def _models() -> Iterator[Check]:
    spec = importlib.util.find_spec("mediapipe")
    folder = Path(spec.origin).parent / "modules" if spec and spec.origin else None
    found = folder is not None and any(folder.glob("pose_landmark/*.tflite"))
    advice = "" if found else "install mediapipe>=0.10.14,<0.10.22; later ones come without models"
    text = "pose, hand and face models of MediaPipe" if found else "MediaPipe's models are missing"
    yield Check("models", "pose", "ok" if found else "broken", text, advice)
    yield Check("models", "prior", "ok", "geometry alone, needs no weights")


def _cache() -> Iterator[Check]:
    from retarget.cache import default_cache_folder

    folder = default_cache_folder()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if not os.access(existing, os.W_OK):
        advice = "set RETARGET_CACHE to a folder that can be written; without it, everything is read anew"
        yield Check("cache", "folder", "absent", f"{folder}: can't be written", advice)
        return
    held = sum(path.stat().st_size for path in folder.glob("*/??/*.npz")) / 1e9 if folder.exists() else 0.0
    advice = "free some space, or set RETARGET_CACHE to another disk" if free_gb < _LOW_DISK_GB else ""
    yield Check("cache", "folder", "ok", f"{folder}: {held:.2f} GB kept, {free_gb:.0f} GB free on its disk", advice)


def _quiet(look: Callable[[], Iterator[Check]]) -> Callable[[], list[Check]]:
    def run() -> list[Check]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries while they load; what matters is in the checks
            return list(look())

    return run


_GROUPS: Final[dict[str, Callable[[], list[Check]]]] = {
    "system": _quiet(_system),
    "packages": _quiet(_packages),
    "devices": _quiet(_devices),
    "codecs": _quiet(_codecs),
    "models": _quiet(_models),
    "cache": _quiet(_cache),
}
