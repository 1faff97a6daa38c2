"""Which backend runs, and what happens where it is absent."""

from __future__ import annotations

import re

import pytest
import torch

from kernels import backend
from kernels.backend import BACKEND_VARIABLE, available, pick, why_absent
from kernels.errors import BackendUnavailable, DtypeError
from kernels.warp import warp

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
CPU = torch.zeros(1)


def test_auto_takes_the_fastest_present_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BACKEND_VARIABLE, raising=False)
    assert pick("auto", CPU, None) == "numba"
    assert pick("auto", torch.zeros(1, device="meta")) == "reference"
    monkeypatch.setitem(backend._ABSENCES, "numba", "not today")
    assert pick("auto", CPU) == "reference"
    assert available()[0] == "reference"
    assert "numba" not in available()


def test_the_environment_overrides_auto_but_not_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BACKEND_VARIABLE, "reference")
    assert pick("auto", CPU) == "reference"
    assert pick("numba", CPU) == "numba"
    monkeypatch.setenv(BACKEND_VARIABLE, "auto")
    assert pick("auto", CPU) == "numba"
    monkeypatch.setenv(BACKEND_VARIABLE, "opencl")
    with pytest.raises(
        ValueError, match=rf"unknown backend 'opencl' \(set by {BACKEND_VARIABLE}\); choose one of auto"
    ):
        pick("auto", CPU)


def test_a_named_backend_that_is_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backend._ABSENCES, "numba", "numba is not installed: pip install numba")
    with pytest.raises(BackendUnavailable, match=re.escape("'numba' can't run here: numba is not installed: pip")):
        warp(torch.rand(1, 1, 2, 2), torch.zeros(1, 2, 2, 2), backend="numba")


@NO_GPU
def test_cuda_without_a_device_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cuda" not in available()
    assert why_absent("reference") is None
    with pytest.raises(BackendUnavailable, match="no CUDA device is visible"):
        pick("cuda", CPU)
    monkeypatch.setenv(BACKEND_VARIABLE, "cuda")
    with pytest.raises(BackendUnavailable, match=rf"\(set by {BACKEND_VARIABLE}\)"):
        pick("auto", CPU)


def test_a_backend_serves_its_own_device() -> None:
    with pytest.raises(DtypeError, match="'numba' takes tensors on cpu, got tensors on meta"):
        pick("numba", torch.zeros(1, device="meta"))
    with pytest.raises(DtypeError, match="on one device, got cpu, meta"):
        pick("auto", CPU, torch.zeros(1, device="meta"))
