"""Forward splatting: send every pixel along its flow, weigh what meets by a softmax of importance."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import check_dtype, check_shape
from kernels.formats import format_of
from kernels.reference import splat as reference

__all__ = ["Splat", "splat"]


class Splat(NamedTuple):
    """What arrives at each pixel.

    Attributes:
        values: (B, C, H, W), weighted mean of what arrives; 0 where nothing does.
        coverage: (B, 1, H, W), sum of the bilinear shares that arrive: 1 where the flow keeps area, 0 in a hole,
            more where pixels pile up. 1 - min(coverage, 1) is the disocclusion.
    """

    values: Tensor
    coverage: Tensor


def splat(
    values: Tensor,
    flow: Tensor,
    importance: Tensor | None = None,
    *,
    backend: BackendChoice = "auto",
) -> Splat:
    """Send every pixel along a forward flow to the four pixels around where it lands.

    Convention:
        Pixel (x, y) lands at (x + dx, y + dy), in pixels, pixel centres integers; that is a *forward* flow, the only
        op that takes one. b is the bilinear share of a neighbouring pixel q:
        values(q) = sum exp(importance) b value / sum exp(importance) b, coverage(q) = sum b.
        What lands outside, or at a position that is not finite, is lost.

    Args:
        values: (B, C, H, W), float32 or float64.
        flow: (B, 2, H, W), forward flow, dtype of `values`.
        importance: (B, 1, H, W), dtype of `values`; larger wins where pixels meet (the softmax is taken exactly, per
            target pixel, so any range does). Not finite: the pixel is lost. None means all are equal.
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        A `Splat` in the memory format of `values`. Both parts are differentiable once, `values` by all inputs,
        `coverage` by `flow`; derivatives are gathered, never added to, so they are deterministic everywhere. The
        forward is deterministic too: on CUDA it adds in fixed point, to 2^-30 of the largest value.

    Raises:
        ShapeError: shapes do not fit each other.
        DtypeError: a dtype is not in the list above, or the tensors are on several devices.
        BackendUnavailable: the named backend is not present.

    Source: Niklaus and Liu 2020 (Softmax Splatting), eq. 8 to 12.
    """
    check_shape("values", values, ("B", "C", "H", "W"))
    batch, _, height, width = values.shape
    check_shape("flow", flow, (batch, 2, height, width))
    check_dtype("values", values, (torch.float32, torch.float64))
    check_dtype("flow", flow, (values.dtype,))
    if importance is None:
        importance = flow.new_zeros((batch, 1, height, width))
    check_shape("importance", importance, (batch, 1, height, width))
    check_dtype("importance", importance, (values.dtype,))
    if pick(backend, values, flow, importance) == "reference":
        return Splat(*reference.splat(values, flow, importance))
    result, coverage, _ = _forward(values, flow, importance)
    return Splat(result, coverage)


def _fake_forward(values: Tensor, flow: Tensor, importance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    plane = flow.new_empty((flow.shape[0], 1, *flow.shape[2:]))
    totals = flow.new_empty((flow.shape[0], 2, *flow.shape[2:]))
    return torch.empty_like(values, memory_format=format_of(values)), plane, totals


def _fake_backward(
    for_result: Tensor,
    for_coverage: Tensor,
    values: Tensor,
    flow: Tensor,
    importance: Tensor,
    result: Tensor,
    totals: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    contiguous = torch.contiguous_format
    return (
        torch.empty_like(values, memory_format=format_of(values)),
        torch.empty_like(flow, memory_format=contiguous),
        torch.empty_like(importance, memory_format=contiguous),
    )


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    result, _, totals = output
    ctx.save_for_backward(*inputs, result, totals)
    ctx.mark_non_differentiable(totals)


def _differentiate(ctx: Any, for_result: Tensor, for_coverage: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    gradients = _backward(for_result, for_coverage, *ctx.saved_tensors)
    return tuple(found if needed else None for found, needed in zip(gradients, ctx.needs_input_grad, strict=True))


_forward = library.define(
    "splat(Tensor values, Tensor flow, Tensor importance) -> (Tensor, Tensor, Tensor)",
    module="splat",
    function="forward",
    fake=_fake_forward,
)
_backward = library.define(
    "splat_backward(Tensor for_result, Tensor for_coverage, Tensor values, Tensor flow, Tensor importance,"
    " Tensor result, Tensor totals) -> (Tensor, Tensor, Tensor)",
    module="splat",
    function="backward",
    fake=_fake_backward,
)
library.differentiate("splat", setup=_save, backward=_differentiate)
library.forbid_second_derivative("splat_backward")
