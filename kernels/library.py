"""Register ops with `torch.library`, so that torch.compile, CUDA graphs and autograd see them as torch's own.

An op is defined once by its schema; its CPU implementation is `kernels.cpu.MODULE.FUNCTION`, its CUDA
implementation `kernels.cuda.MODULE.FUNCTION`, both imported on first use: neither numba nor the CUDA compiler is
loaded by importing an op. The reference is not registered; it is plain torch already.

A call that nothing in torch observes goes straight to the implementation: the way through the dispatcher, to autograd's
Python and from there to the implementation's, takes 20 us, and 150 us where another op has just used up the caches.
"""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C import (
    DispatchKey,
    DispatchKeySet,
    _dispatch_keys,
    _dispatch_tls_local_exclude_set,
    _dispatch_tls_local_include_set,
)
from torch._C._autograd import _profiler_enabled
from torch.compiler import is_compiling
from torch.overrides import has_torch_function

__all__ = ["NAMESPACE", "define", "differentiate", "forbid_second_derivative"]

NAMESPACE = "retarget_kernels"

_library: Any = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]


def define(schema: str, *, module: str, function: str, fake: Callable[..., Any]) -> Callable[..., Any]:
    """Define an op and where its implementations are.

    Args:
        schema: name and signature in torch's schema language.
        module: stem of the modules below `kernels.cpu` and `kernels.cuda`.
        function: the implementation's name in both.
        fake: computes empty outputs of the right shape, dtype and strides, for tracing.

    Returns:
        The op, to be called with the arguments of the schema.
    """
    name = schema.split("(", maxsplit=1)[0]
    _library.define(schema)
    implementations = {}
    for device in ("cpu", "cuda"):
        implementations[device] = _Lazy(f"kernels.{device}.{module}", function)
        _library.impl(name, implementations[device], device.upper())
    torch.library.register_fake(f"{NAMESPACE}::{name}", fake, lib=_library)
    return _Op(getattr(getattr(torch.ops, NAMESPACE), name).default, implementations)


def differentiate(name: str, *, setup: Callable[..., None], backward: Callable[..., Any]) -> None:
    """Give an op its derivative.

    Args:
        name: the op's name.
        setup: called with (ctx, inputs, output); saves what the derivative needs.
        backward: called with (ctx, *gradients of the outputs); returns a gradient or None for each input.
    """
    torch.library.register_autograd(f"{NAMESPACE}::{name}", backward, setup_context=setup, lib=_library)


def forbid_second_derivative(name: str) -> None:
    """Make differentiating a derivative op an error that says what to do, instead of a silent zero."""

    def backward(ctx: Any, *gradients: Tensor | None) -> None:
        raise NotImplementedError(
            f"{NAMESPACE}::{name} can't be differentiated again; backend='reference' has derivatives of any order"
        )

    torch.library.register_autograd(f"{NAMESPACE}::{name}", backward, lib=_library)


class _Op:
    """An op: called through torch's dispatcher where something observes it there, else straight."""

    def __init__(self, dispatched: Callable[..., Any], implementations: dict[str, _Lazy]) -> None:
        self._dispatched = dispatched
        self._implementations = implementations

    def __call__(self, *arguments: Any) -> Any:
        if is_compiling() or _profiler_enabled():
            return self._dispatched(*arguments)
        tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
        if _is_observed(tensors):
            return self._dispatched(*arguments)
        return self._implementations[tensors[0].device.type](*arguments)


def _bits_of(*keys: Any) -> int:
    return functools.reduce(operator.or_, (DispatchKeySet(key).raw_repr() for key in keys))


# What the dispatcher goes by when all that is left to do is to run the op; autograd's keys concern an op only if an
# input requires a gradient.
_UNOBSERVED = _bits_of(
    DispatchKey.CPU,
    DispatchKey.CUDA,
    DispatchKey.AutogradCPU,
    DispatchKey.AutogradCUDA,
    DispatchKey.ADInplaceOrView,
    DispatchKey.BackendSelect,
)


def _is_observed(tensors: Sequence[Tensor]) -> bool:
    """Tell whether a call with these inputs concerns autograd, a mode, a transform, a tracer or a subclass of `Tensor`.

    The dispatcher's own rule: the keys of the inputs and of this thread, but for those that the thread excludes.
    """
    if has_torch_function(tensors) or (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        return True
    keys = _dispatch_tls_local_include_set().raw_repr()
    for tensor in tensors:
        keys |= _dispatch_keys(tensor).raw_repr()
    return bool(keys & ~_dispatch_tls_local_exclude_set().raw_repr() & ~_UNOBSERVED)


class _Lazy:
    """Call a function of a module that is imported at the first call."""

    def __init__(self, module: str, function: str) -> None:
        self._module = module
        self._function = function

    @functools.cached_property
    def _resolved(self) -> Callable[..., Any]:
        resolved: Callable[..., Any] = getattr(importlib.import_module(self._module), self._function)
        return resolved

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._resolved(*arguments, **options)
