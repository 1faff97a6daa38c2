"""Compile `kernels/csrc/*.cu` at first use, with NVIDIA's run-time compiler: no nvcc, no build step, no GPU needed.

A compiled file (cubin) is kept on disk under a digest of everything it depends on: all sources, the options, the
architecture and the compiler's version. It becomes visible by an atomic rename, so several processes may compile the
same file at once.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch

from kernels.cache import cache_folder
from kernels.errors import BackendUnavailable, DtypeError

__all__ = ["SOURCES", "Variant", "compile_cubin", "find_cubin", "load_kernel"]

SOURCES = Path(__file__).parents[1] / "csrc"

_STORAGE = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.bfloat16: 3, torch.uint8: 4}


class Variant(NamedTuple):
    """How a source file is compiled.

    Attributes:
        stem: the file below `kernels/csrc`, without suffix.
        dtype: of the features.
        fixed_point: add up derivatives as integers, in an order that does not matter.
    """

    stem: str
    dtype: torch.dtype
    fixed_point: bool = False

    @property
    def macros(self) -> dict[str, str]:
        """The preprocessor's definitions.

        Raises:
            DtypeError: no kernel reads this dtype.
        """
        if self.dtype not in _STORAGE:
            raise DtypeError(f"no CUDA kernel reads {self.dtype}")
        return {"STORAGE": str(_STORAGE[self.dtype]), "FIXED_POINT": str(int(self.fixed_point))}


def compile_cubin(variant: Variant, arch: str) -> bytes:
    """Compile one file for one architecture ("sm_90").

    Raises:
        BackendUnavailable: the compiler's packages are not installed.
    """
    try:
        from cuda.core import Program, ProgramOptions
    except ImportError as error:
        raise BackendUnavailable(f"cuda-core can't be imported ({error}): pip install 'retarget[cuda]'") from error
    options = ProgramOptions(
        name=f"{variant.stem}.cu",
        arch=arch,
        std="c++17",
        fma=False,  # the reference's arithmetic, to the letter
        define_macro=list(variant.macros.items()),
        include_path=str(SOURCES),
    )
    source = (SOURCES / f"{variant.stem}.cu").read_text(encoding="utf-8")
    return bytes(Program(source, "c++", options).compile("cubin").code)


def find_cubin(variant: Variant, arch: str) -> bytes:
    """Take a compiled file from the disk, or compile it and leave it there."""
    path = cache_folder("cubins") / f"{variant.stem}-{_digest(variant, arch)}.cubin"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        cubin = compile_cubin(variant, arch)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.stem, delete=False) as file:
            file.write(cubin)
        Path(file.name).replace(path)
    except OSError:  # a cache that can't be written only costs the next process a second
        pass
    return cubin


@functools.cache
def load_kernel(variant: Variant, name: str, device_index: int) -> Any:
    """Load a kernel onto a device, as a `cuda.core.Kernel`; the device has to be current."""
    from cuda.core import Device, ObjectCode

    Device(device_index).set_current()
    major, minor = torch.cuda.get_device_capability(device_index)
    return _load_module(variant, f"sm_{major}{minor}", ObjectCode).get_kernel(name)


@functools.cache
def _load_module(variant: Variant, arch: str, object_code: Any) -> Any:
    return object_code.from_cubin(find_cubin(variant, arch), name=variant.stem)


@functools.cache
def _digest(variant: Variant, arch: str) -> str:
    parts = [arch, *(f"{name}={value}" for name, value in sorted(variant.macros.items()))]
    parts += [f"{package} {importlib.metadata.version(package)}" for package in ("cuda-core", "nvidia-cuda-nvrtc")]
    digest = hashlib.sha256("\n".join(parts).encode())
    for path in sorted(SOURCES.glob("*.cu*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:24]
