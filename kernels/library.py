"""Register ops with `torch.library`, so that torch.compile, CUDA graphs and autograd see them as torch's own.

An op is defined once by its schema; its CPU implementation is `kernels.cpu.MODULE.FUNCTION`, its CUDA
implementation `kernels.cuda.MODULE.FUNCTION`, both imported on first use: neither numba nor the CUDA compiler is
loaded by importing an op. The reference is not registered; it is plain torch already.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

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
    for package, key in (("kernels.cpu", "CPU"), ("kernels.cuda", "CUDA")):
        _library.impl(name, _Lazy(f"{package}.{module}", function), key)
    torch.library.register_fake(f"{NAMESPACE}::{name}", fake, lib=_library)
    op: Callable[..., Any] = getattr(getattr(torch.ops, NAMESPACE), name).default
    return op


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
