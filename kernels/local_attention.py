"""Content-adaptive sampling: an attention over the k x k neighbourhood of a flow's target."""

from __future__ import annotations

from typing import Any, get_args

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import check_choice, check_sampled, check_shape
from kernels.errors import ShapeError
from kernels.reference import local_attention as reference
from kernels.warp import Padding, format_of

__all__ = ["MAX_ATTENTION_SIZE", "local_attention"]

MAX_ATTENTION_SIZE = 7


def local_attention(
    features: Tensor,
    flow: Tensor,
    logits: Tensor,
    *,
    padding: Padding = "border",
    backend: BackendChoice = "auto",
) -> Tensor:
    """Sample the k x k neighbourhood of a flow's target, weighed by a softmax of per-pixel logits.

    Convention:
        out(x, y) = sum_ij softmax(logits(x, y))_ij * features(x + dx + j - r, y + dy + i - r) with r = (k - 1) / 2,
        bilinear, in pixels, pixel centres integers; channel i * k + j of the logits belongs to row offset i - r and
        column offset j - r. A position that is not finite gives 0.

    Args:
        features: (B, C, Hs, Ws), float32, float64, float16, bfloat16 or uint8.
        flow: (B, 2, H, W), backward flow, float32; float64 where `features` are float64.
        logits: (B, k * k, H, W), k odd and at most `MAX_ATTENTION_SIZE`, dtype of `flow`.
        padding: what lies outside of the image: the edge's value, or zero.
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        (B, C, H, W), dtype and memory format of `features`; rounding, determinism and derivatives (by `features`,
        `flow` and `logits`) as in `kernels.warp`. Neither patches nor weights are kept.

    Raises:
        ShapeError: shapes do not fit each other, or the number of logits is no odd square up to 49.
        DtypeError: a dtype is not in the list above, or the tensors are on several devices.
        ValueError: unknown padding.
        BackendUnavailable: the named backend is not present.

    Source: Ren et al. 2020 (Deep Image Spatial Transformation), section 3.2.
    """
    check_shape("features", features, ("B", "C", "Hs", "Ws"))
    check_shape("flow", flow, (features.shape[0], 2, "H", "W"))
    check_shape("logits", logits, (features.shape[0], "k * k", *flow.shape[2:]))
    if logits.shape[1] not in {size * size for size in range(1, MAX_ATTENTION_SIZE + 1, 2)}:
        raise ShapeError(f"logits: expected 1, 9, 25 or 49 channels (an odd k, squared), got {logits.shape[1]}")
    check_sampled(features, flow=flow, logits=logits)
    check_choice("padding", padding, get_args(Padding))
    if pick(backend, features, flow, logits) == "reference":
        return reference.local_attention(features, flow, logits, padding == "border")
    result: Tensor = _forward(features, flow, logits, padding == "border")
    return result


def _fake_forward(features: Tensor, flow: Tensor, logits: Tensor, border: bool) -> Tensor:
    shape = (*features.shape[:2], *flow.shape[2:])
    return features.new_empty(shape).contiguous(memory_format=format_of(features))


def _fake_backward(
    gradient: Tensor, features: Tensor, flow: Tensor, logits: Tensor, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    for_features = torch.empty_like(features, memory_format=format_of(features))
    return (
        for_features if needs[0] else features.new_empty(0),
        torch.empty_like(flow, memory_format=torch.contiguous_format) if needs[1] else flow.new_empty(0),
        torch.empty_like(logits, memory_format=torch.contiguous_format) if needs[2] else logits.new_empty(0),
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, flow, logits, ctx.border = inputs
    ctx.save_for_backward(features, flow, logits)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    needs = list(ctx.needs_input_grad[:3])
    gradients = _backward(gradient, *ctx.saved_tensors, ctx.border, needs)
    return (*(found if needed else None for found, needed in zip(gradients, needs, strict=True)), None)


_forward = library.define(
    "local_attention(Tensor features, Tensor flow, Tensor logits, bool border) -> Tensor",
    module="local_attention",
    function="forward",
    fake=_fake_forward,
)
_backward = library.define(
    "local_attention_backward(Tensor gradient, Tensor features, Tensor flow, Tensor logits, bool border, bool[] needs)"
    " -> (Tensor, Tensor, Tensor)",
    module="local_attention",
    function="backward",
    fake=_fake_backward,
)
library.differentiate("local_attention", setup=_save, backward=_differentiate)
library.forbid_second_derivative("local_attention_backward")
