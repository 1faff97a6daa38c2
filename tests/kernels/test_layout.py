"""One op, one stem, everywhere."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import kernels
from drn_core import ops

ROOT = Path(kernels.__file__).parent
OPS = [
    "blend_warp", "composite_layers", "local_attention", "pose_maps", "rasterize_prior", "splat", "temporal_blend",
    "warp",
]  # fmt: skip


@pytest.mark.parametrize("name", OPS)
def test_an_op_has_all_its_places(name: str) -> None:
    public = importlib.import_module(f"kernels.{name}")
    assert name in public.__all__
    assert getattr(ops, name) is getattr(public, name)
    for package in ("reference", "cpu", "cuda"):
        importlib.import_module(f"kernels.{package}.{name}")
    assert (ROOT / "csrc" / f"{name}.cu").is_file()
    assert (Path(__file__).parent / f"test_{name}.py").is_file() or name in ("blend_warp", "local_attention")


def test_importing_the_ops_loads_neither_numba_nor_the_cuda_compiler() -> None:
    code = "import sys, drn_core.ops; print([n for n in ('numba', 'llvmlite', 'cuda.core') if n in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_exported_names_exist() -> None:
    for name in ops.__all__:
        assert hasattr(ops, name)
