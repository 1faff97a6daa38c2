"""Calls that go straight to the implementation: nothing that observes torch's ops may miss one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from kernels import warp as module
from kernels.warp import warp

FEATURES, FLOW = torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4)
OP = torch.ops.retarget_kernels.warp.default


class _Recorder(TorchDispatchMode):  # type: ignore[misc]  # torch leaves it untyped
    """A mode that writes down which ops it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def __torch_dispatch__(
        self, op: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        self.seen.append(op)
        return op(*arguments, **(options or {}))


class _Wrapped(Tensor):
    """A kind of tensor of its own."""

    seen: list[Any]

    @classmethod
    def __torch_function__(cls, op: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        cls.seen.append(op)
        return super().__torch_function__(op, types, arguments, options or {})


@pytest.fixture
def _no_dispatcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a call through the dispatcher an error."""

    def fail(*arguments: Any) -> None:
        raise AssertionError("dispatched")

    monkeypatch.setattr(module._warp, "_dispatched", fail)


@pytest.mark.usefixtures("_no_dispatcher")
@pytest.mark.parametrize("context", [nullcontext, torch.no_grad, torch.inference_mode])
def test_a_plain_call_goes_straight_to_the_implementation(context: Callable[[], AbstractContextManager[None]]) -> None:
    with context():
        assert torch.equal(warp(FEATURES, torch.zeros_like(FLOW)), FEATURES)


@pytest.mark.usefixtures("_no_dispatcher")
def test_without_gradients_an_input_that_wants_one_is_plain() -> None:
    with torch.no_grad():
        assert not warp(FEATURES.clone().requires_grad_(), FLOW).requires_grad
    with pytest.raises(AssertionError, match="dispatched"):
        warp(FEATURES.clone().requires_grad_(), FLOW)


def test_a_mode_sees_the_op() -> None:
    with _Recorder() as recorder:
        warp(FEATURES, FLOW)
    assert OP in recorder.seen


def test_the_profiler_sees_the_op() -> None:
    with torch.autograd.profiler.profile() as profile:
        warp(FEATURES, FLOW)
    assert "retarget_kernels::warp" in {event.name for event in profile.function_events}


def test_a_tracer_sees_the_op() -> None:
    graph = make_fx(lambda features, flow: 2 * warp(features, flow))(FEATURES, FLOW)
    assert OP in {node.target for node in graph.graph.nodes}


def test_a_kind_of_tensor_sees_the_op() -> None:
    _Wrapped.seen = []
    warp(FEATURES.as_subclass(_Wrapped), FLOW)
    assert OP in _Wrapped.seen
