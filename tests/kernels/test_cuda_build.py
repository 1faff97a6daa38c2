"""Every CUDA source compiles, GPU or not; what is compiled is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from kernels.cache import CACHE_VARIABLE
from kernels.cuda import build
from kernels.cuda.build import SOURCES, Variant, compile_cubin, find_cubin
from kernels.errors import BackendUnavailable, DtypeError

pytest.importorskip("cuda.core", reason="cuda-core is not installed")

STEMS = sorted(path.stem for path in SOURCES.glob("*.cu"))
BYTES_ONLY = {"composite_layers"}
EVERY_DTYPE = {"warp": (torch.float64, torch.float16, torch.bfloat16, torch.uint8)}
VARIANTS = [
    *(Variant(stem, torch.uint8 if stem in BYTES_ONLY else torch.float32) for stem in STEMS),
    *(Variant(stem, dtype) for stem, dtypes in EVERY_DTYPE.items() for dtype in dtypes),
    Variant("blend_warp", torch.float32, fixed_point=True),
]


def test_every_source_is_compiled_here() -> None:
    assert {variant.stem for variant in VARIANTS} == set(STEMS)


@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.stem}-{str(v.dtype)[6:]}{'-fixed' * v.fixed_point}")
def test_compiles(variant: Variant, arch: str) -> None:
    cubin = compile_cubin(variant, arch)
    assert cubin[:4] == b"\x7fELF"


def test_a_cubin_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    calls = []

    def compiled(variant: Variant, arch: str) -> bytes:
        calls.append((variant, arch))
        return b"cubin"

    monkeypatch.setattr(build, "compile_cubin", compiled)
    variant = Variant("warp", torch.float32)
    assert find_cubin(variant, "sm_80") == find_cubin(variant, "sm_80") == b"cubin"
    assert len(calls) == 1
    find_cubin(variant, "sm_90")
    find_cubin(variant._replace(dtype=torch.float16), "sm_90")
    assert len(calls) == 3
    assert len(list((tmp_path / "kernels" / "cubins").iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels").write_text("a file where the folder should be")
    monkeypatch.setattr(build, "cache_folder", lambda kind: tmp_path / "kernels" / kind)
    monkeypatch.setattr(build, "compile_cubin", lambda variant, arch: b"cubin")
    monkeypatch.setattr(Path, "read_bytes", lambda path: (_ for _ in ()).throw(FileNotFoundError))
    assert find_cubin(Variant("warp", torch.float32), "sm_80") == b"cubin"


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DtypeError, match=r"no CUDA kernel reads torch\.int64"):
        compile_cubin(Variant("warp", torch.int64), "sm_80")
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'retarget\[cuda\]'"):
        compile_cubin(Variant("warp", torch.float32), "sm_80")
