"""Run the CUDA sources on the CPU: compiled as C++ with a page of stand-ins, launched as one thread or one warp.

This holds the kernels' arithmetic and indexing, what the lanes of a warp share and exchange, and all of `kernels.cuda`
but the launch itself, against the reference on machines without a GPU. It says nothing about many warps, or speed.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from kernels import library
from kernels.cuda import build

WARP = 4
"""Lanes of an emulated warp; fewer than a device's, for a thread of their own each."""

HEADER = Path(__file__).with_name("emulation.h")
COMPILER = shutil.which("g++")
OPS = (
    "warp", "warp_backward", "blend_warp", "local_attention", "splat", "pose_maps", "temporal_blend",
    "rasterize_prior", "composite_layers",
)  # fmt: skip


@functools.cache
def compiles() -> bool:
    """Tell whether there is a C++ compiler that knows half precision."""
    if COMPILER is None:
        return False
    probe = subprocess.run(
        [COMPILER, "-fsyntax-only", "-x", "c++", "-"], input=b"_Float16 half;", capture_output=True, check=False
    )
    return probe.returncode == 0


@functools.cache
def load(variant: build.Variant) -> ctypes.CDLL:
    """Compile one file as C++."""
    folder = Path(tempfile.mkdtemp(prefix="emulated-kernels-"))
    path = folder / f"{variant.stem}.so"
    macros = [f"-D{name}={value}" for name, value in {**variant.macros, "WARP": str(WARP)}.items()]
    flags = [
        "-std=c++17",
        "-O1",
        "-pthread",
        "-ffp-contract=off",
        "-fwrapv",
        "-shared",
        "-fPIC",
        "-Wno-unknown-pragmas",
    ]
    source = build.SOURCES / f"{variant.stem}.cu"
    command = [str(COMPILER), *flags, *macros, "-include", str(HEADER), "-x", "c++", str(source), "-o", str(path)]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(path))
    shutil.rmtree(folder)
    return loaded


def launch(variant: build.Variant, name: str, num_threads: int, *arguments: Tensor | int | float | bool | None) -> None:
    """Stand in for `kernels.cuda.launch.launch`."""
    if num_threads <= 0:
        return
    converted: list[Any] = []
    for argument in arguments:
        if argument is None or isinstance(argument, Tensor):
            converted.append(ctypes.c_void_p(argument.data_ptr() if argument is not None else 0))
        elif isinstance(argument, float):
            converted.append(ctypes.c_double(argument))
        else:
            converted.append(ctypes.c_longlong(int(argument)))
    library_of_kernel = load(variant)

    def run(lane: int, count: int) -> None:
        library_of_kernel.become_lane(lane, count)
        getattr(library_of_kernel, name)(*converted)

    if not name.endswith("_lanes") and name != "raster_draw":
        run(0, 1)
        return
    with ThreadPoolExecutor(WARP) as pool:
        for future in [pool.submit(run, lane, WARP) for lane in range(WARP)]:
            future.result()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ops on CPU tensors take the way of CUDA tensors, up to the launch."""
    for op in OPS:
        monkeypatch.setattr(importlib.import_module(f"kernels.cuda.{op}"), "launch", launch)

    def redirected(self: Any, *arguments: Any, **options: Any) -> Any:
        module = importlib.import_module(self._module.replace("kernels.cpu", "kernels.cuda"))
        return getattr(module, self._function)(*arguments, **options)

    monkeypatch.setattr(library._Lazy, "__call__", redirected)
