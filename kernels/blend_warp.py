"""Blend K warps of the same features by per-pixel weights, without ever holding the K warped copies."""

from __future__ import annotations

from typing import Any, get_args

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import check_choice, check_sampled, check_shape
from kernels.reference import blend_warp as reference
from kernels.warp import Padding, format_of

__all__ = ["blend_warp"]


def blend_warp(
    features: Tensor,
    flows: Tensor,
    weights: Tensor,
    *,
    padding: Padding = "border",
    backend: BackendChoice = "auto",
) -> Tensor:
    """Blend K warps of the same features by per-pixel weights, in one pass.

    Convention:
        out(x, y) = sum_k weights_k(x, y) * features((x, y) + flow_k(x, y)), bilinear, in pixels, pixel centres
        integers. A position that is not finite adds 0; a weight of 0 takes no part, whatever it would have sampled.

    Args:
        features: (B, C, Hs, Ws), float32, float64, float16, bfloat16 or uint8.
        flows: (B, K, 2, H, W), one backward flow per part; float32, float64 where `features` are float64.
        weights: (B, K, H, W), any real numbers (they are not normalised), dtype of `flows`.
        padding: what lies outside of the image: the edge's value, or zero.
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        (B, C, H, W), dtype and memory format of `features`; rounding, determinism and derivatives (by `features`,
        `flows` and `weights`) as in `kernels.warp`. Extra memory does not grow with K.

    Raises:
        ShapeError: shapes do not fit each other.
        DtypeError: a dtype is not in the list above, or the tensors are on several devices.
        ValueError: unknown padding.
        BackendUnavailable: the named backend is not present.

    Source: Siarohin et al. 2019 (First Order Motion Model), section 3.2, which warps K times and then blends.
    """
    check_shape("features", features, ("B", "C", "Hs", "Ws"))
    check_shape("flows", flows, (features.shape[0], "K", 2, "H", "W"))
    batch, num_flows, _, height, width = flows.shape
    check_shape("weights", weights, (batch, num_flows, height, width))
    check_sampled(features, flows=flows, weights=weights)
    check_choice("padding", padding, get_args(Padding))
    if pick(backend, features, flows, weights) == "reference":
        return reference.blend_warp(features, flows, weights, padding == "border")
    result: Tensor = _forward(features, flows, weights, padding == "border")
    return result


def _fake_forward(features: Tensor, flows: Tensor, weights: Tensor, border: bool) -> Tensor:
    shape = (*features.shape[:2], *flows.shape[3:])
    return features.new_empty(shape).contiguous(memory_format=format_of(features))


def _fake_backward(
    gradient: Tensor, features: Tensor, flows: Tensor, weights: Tensor, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    for_features = torch.empty_like(features, memory_format=format_of(features))
    return (
        for_features if needs[0] else features.new_empty(0),
        torch.empty_like(flows, memory_format=torch.contiguous_format) if needs[1] else flows.new_empty(0),
        torch.empty_like(weights, memory_format=torch.contiguous_format) if needs[2] else weights.new_empty(0),
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, flows, weights, ctx.border = inputs
    ctx.save_for_backward(features, flows, weights)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    needs = list(ctx.needs_input_grad[:3])
    gradients = _backward(gradient, *ctx.saved_tensors, ctx.border, needs)
    return (*(found if needed else None for found, needed in zip(gradients, needs, strict=True)), None)


_forward = library.define(
    "blend_warp(Tensor features, Tensor flows, Tensor weights, bool border) -> Tensor",
    module="blend_warp",
    function="forward",
    fake=_fake_forward,
)
_backward = library.define(
    "blend_warp_backward(Tensor gradient, Tensor features, Tensor flows, Tensor weights, bool border, bool[] needs)"
    " -> (Tensor, Tensor, Tensor)",
    module="warp_backward",
    function="blend_backward",
    fake=_fake_backward,
)
library.differentiate("blend_warp", setup=_save, backward=_differentiate)
library.forbid_second_derivative("blend_warp_backward")
