"""The backends that tests of ops run on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.kernels import emulation


@dataclass
class Runner:
    """Run an op on a backend, with CPU tensors in and out."""

    backend: str
    device: str

    def __call__(self, op: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        result = op(*map(self._move, inputs), backend=self.backend, **{k: self._move(v) for k, v in options.items()})
        return result.cpu() if isinstance(result, Tensor) else type(result)(*(part.cpu() for part in result))

    def _move(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(self.device)
        return type(value)(*(part.to(self.device) for part in value)) if hasattr(value, "_fields") else value

    def derive(self, op: Callable[..., Any], *inputs: Tensor, **options: Any) -> list[Tensor]:
        """Run an op and derive by all inputs, along a gradient that depends on the shapes alone."""
        leaves = [tensor.detach().clone(memory_format=torch.preserve_format).requires_grad_() for tensor in inputs]
        result = self(op, *leaves, **options)
        outputs = [result] if isinstance(result, Tensor) else list(result)
        generator = torch.Generator().manual_seed(7)
        above = [torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out.dtype) for out in outputs]
        return [
            *(out.detach() for out in outputs),
            *torch.autograd.grad(outputs, leaves, above, materialize_grads=True),
        ]


def _cuda_runner() -> Runner:
    if not torch.cuda.is_available():
        if "cuda" in os.environ.get("RETARGET_REQUIRE", "").split(","):
            pytest.fail("RETARGET_REQUIRE names cuda, but torch sees no CUDA device")
        pytest.skip("no CUDA device")
    return Runner("cuda", "cuda")


@pytest.fixture(params=["numba", "emulated", pytest.param("cuda", marks=pytest.mark.cuda)])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A fast backend, to be held against the reference or a table."""
    if request.param == "cuda":
        return _cuda_runner()
    if request.param == "emulated":
        if not emulation.compiles():
            pytest.skip("no C++ compiler with half precision to emulate CUDA with")
        emulation.install(monkeypatch)
    return Runner("numba", "cpu")


@pytest.fixture
def reference() -> Runner:
    """The specification."""
    return Runner("reference", "cpu")
