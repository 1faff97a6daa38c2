"""Sample features at the positions a backward flow points to."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import check_choice, check_sampled, check_shape
from kernels.reference import warp as reference

__all__ = ["Interpolation", "Padding", "format_of", "warp"]

Interpolation = Literal["bilinear", "bicubic"]
Padding = Literal["border", "zeros"]


def warp(
    features: Tensor,
    flow: Tensor,
    *,
    interpolation: Interpolation = "bilinear",
    padding: Padding = "border",
    backend: BackendChoice = "auto",
) -> Tensor:
    """Sample features at the positions a backward flow points to.

    Convention:
        out(x, y) = features(x + dx, y + dy); flow[:, 0] is dx, flow[:, 1] dy, in pixels; pixel centres are
        integers. A position that is not finite samples nothing: 0, with gradient 0.

    Args:
        features: (B, C, Hs, Ws), float32, float64, float16, bfloat16 or uint8. Contiguous and channels-last memory
            are read as they are (channels-last is the faster); other strides are copied first.
        flow: (B, 2, H, W), float32; float64 where `features` are float64. Its size is that of the result.
        interpolation: "bilinear", or "bicubic" (Catmull-Rom: exact on ramps; may overshoot, uint8 is clamped).
        padding: what lies outside of the image: the edge's value, or zero.
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        (B, C, H, W), dtype and memory format of `features`. Computed in float32 (float64 for float64); uint8 is
        rounded to the nearest, halves up. Differentiable once in `features` (if floating) and `flow`. The forward
        is deterministic everywhere; so are the gradients on the CPU. On CUDA the gradient of `features` is summed
        with atomics unless `torch.use_deterministic_algorithms(True)` is set.

    Raises:
        ShapeError: a rank is wrong, or batch sizes differ.
        DtypeError: a dtype is not in the list above, or the tensors are on several devices.
        ValueError: unknown interpolation or padding.
        BackendUnavailable: the named backend is not present.

    Source: Jaderberg et al. 2015, eq. 5; Keys 1981 with a = -1/2.
    """
    check_shape("features", features, ("B", "C", "Hs", "Ws"))
    check_shape("flow", flow, (features.shape[0], 2, "H", "W"))
    check_sampled(features, flow=flow)
    check_choice("interpolation", interpolation, get_args(Interpolation))
    check_choice("padding", padding, get_args(Padding))
    options = (interpolation == "bicubic", padding == "border")
    if pick(backend, features, flow) == "reference":
        return reference.warp(features, flow, *options)
    result: Tensor = _forward(features, flow, *options)
    return result


def _fake_forward(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    shape = (*features.shape[:2], *flow.shape[2:])
    return features.new_empty(shape).contiguous(memory_format=format_of(features))


def _fake_backward(
    gradient: Tensor, features: Tensor, flow: Tensor, bicubic: bool, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor]:
    for_features = torch.empty_like(features, memory_format=format_of(features)) if needs[0] else features.new_empty(0)
    for_flow = torch.empty_like(flow, memory_format=torch.contiguous_format) if needs[1] else flow.new_empty(0)
    return for_features, for_flow


def format_of(features: Tensor) -> torch.memory_format:
    """Tell in which memory format ops answer: that of their features."""
    is_last = features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, flow, ctx.bicubic, ctx.border = inputs
    ctx.save_for_backward(features, flow)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
    features, flow = ctx.saved_tensors
    needs = list(ctx.needs_input_grad[:2])
    for_features, for_flow = _backward(gradient, features, flow, ctx.bicubic, ctx.border, needs)
    return (for_features if needs[0] else None), (for_flow if needs[1] else None), None, None


_forward = library.define(
    "warp(Tensor features, Tensor flow, bool bicubic, bool border) -> Tensor",
    module="warp",
    function="forward",
    fake=_fake_forward,
)
_backward = library.define(
    "warp_backward(Tensor gradient, Tensor features, Tensor flow, bool bicubic, bool border, bool[] needs)"
    " -> (Tensor, Tensor)",
    module="warp_backward",
    function="backward",
    fake=_fake_backward,
)
library.differentiate("warp", setup=_save, backward=_differentiate)
library.forbid_second_derivative("warp_backward")
