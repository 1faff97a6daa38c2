"""Registration of the ops that sample features where a flow points to: they differ in their tensors' names alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kernels import library
from kernels.formats import format_of

__all__ = ["define_sampling_op"]


def define_sampling_op(
    name: str, tensors: Sequence[str], flags: Sequence[str], *, backward: tuple[str, str]
) -> Callable[..., Tensor]:
    """Define an op, its shapes and its derivative.

    Args:
        name: of the op, of its module below `kernels.cpu` and `kernels.cuda` (function `forward`), and with
            "_backward" added of its derivative.
        tensors: names of the inputs that it can be differentiated by: the features (B, C, Hs, Ws), then those with a
            value per pixel of the result, (..., H, W).
        flags: names of its options, all bool.
        backward: module and function of the derivative. It is called with the result's gradient, the tensors, the
            flags and for each tensor whether its gradient is wanted; it returns one tensor each, empty where not.

    Returns:
        The op, to be called with tensors and flags in order; it returns (B, C, H, W).
    """
    signature = ", ".join([*(f"Tensor {each}" for each in tensors), *(f"bool {each}" for each in flags)])
    num_tensors, num_flags = len(tensors), len(flags)

    def fake_result(features: Tensor, *others: Any) -> Tensor:
        shape = (*features.shape[:2], *others[0].shape[-2:])
        return features.new_empty(shape).contiguous(memory_format=format_of(features))

    def fake_gradients(gradient: Tensor, *others: Any) -> tuple[Tensor, ...]:
        sampled, needs = others[:num_tensors], others[-1]
        formats = [format_of(sampled[0])] + [torch.contiguous_format] * (num_tensors - 1)
        return tuple(
            torch.empty_like(each, memory_format=layout) if needed else each.new_empty(0)
            for each, layout, needed in zip(sampled, formats, needs, strict=True)
        )

    def save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:num_tensors])
        ctx.flags = inputs[num_tensors:]

    def differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        needs = list(ctx.needs_input_grad[:num_tensors])
        gradients = derivative(gradient, *ctx.saved_tensors, *ctx.flags, needs)
        wanted = (each if needed else None for each, needed in zip(gradients, needs, strict=True))
        return (*wanted, *[None] * num_flags)

    op = library.define(f"{name}({signature}) -> Tensor", module=name, function="forward", fake=fake_result)
    derivative = library.define(
        f"{name}_backward(Tensor gradient, {signature}, bool[] needs) -> ({', '.join(['Tensor'] * num_tensors)})",
        module=backward[0],
        function=backward[1],
        fake=fake_gradients,
    )
    library.differentiate(name, setup=save, backward=differentiate)
    library.forbid_second_derivative(f"{name}_backward")
    return op
