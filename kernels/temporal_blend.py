"""Steady a video: blend each frame with the previous result, warped, where the two agree."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import FEATURE_DTYPES, check_dtype, check_shape
from kernels.formats import format_of
from kernels.reference import temporal_blend as reference

__all__ = ["temporal_blend"]


def temporal_blend(
    current: Tensor,
    previous: Tensor,
    flow: Tensor,
    mask: Tensor | None = None,
    *,
    strength: float = 0.5,
    tolerance: float = 0.05,
    backend: BackendChoice = "auto",
) -> Tensor:
    """Warp the previous result, weigh it by how well it agrees with the current frame, and blend, in one pass.

    Convention:
        warped(x, y) = previous(x + dx, y + dy), bilinear, in pixels, pixel centres integers.
        agreement = exp(-(d / tolerance)^2), with d the root mean square over channels of warped - current;
        weight = strength * mask * agreement; out = current + weight * (warped - current). The weight is 0 where the
        flow points outside of the image or is not finite, and where `d` is not finite.

    Args:
        current: (B, C, H, W), float32, float16, bfloat16 in [0, 1], or uint8 in 0..255 (taken as [0, 1]).
        previous: like `current`; the previous result, not the previous input.
        flow: (B, 2, H, W) float32, backward flow from the current to the previous frame, px.
        mask: (B, 1, H, W) float32 in [0, 1], where blending is allowed; None means everywhere.
        strength: the largest weight, in [0, 1].
        tolerance: difference (of [0, 1]) at which the agreement has fallen to 1 / e, above 0.
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        (B, C, H, W), dtype and memory format of `current`. Not differentiable; deterministic.

    Raises:
        ShapeError: shapes do not fit each other.
        DtypeError: a dtype is not in the list above, or the tensors are on several devices.
        ValueError: strength or tolerance is out of range.
        BackendUnavailable: the named backend is not present.

    Source: ours; occlusion by photometric consistency as in Lai et al. 2018 (Learning Blind Video Temporal
    Consistency), section 3.2.
    """
    check_shape("current", current, ("B", "C", "H", "W"))
    batch, _, height, width = current.shape
    check_shape("previous", previous, current.shape)
    check_shape("flow", flow, (batch, 2, height, width))
    check_dtype("current", current, [dtype for dtype in FEATURE_DTYPES if dtype != torch.float64])
    check_dtype("previous", previous, (current.dtype,))
    check_dtype("flow", flow, (torch.float32,))
    if mask is not None:
        check_shape("mask", mask, (batch, 1, height, width))
        check_dtype("mask", mask, (torch.float32,))
    if not 0.0 <= strength <= 1.0 or not tolerance > 0.0:
        raise ValueError(f"expected strength in [0, 1] and tolerance above 0, got {strength} and {tolerance}")
    arguments: tuple[Any, ...] = (current, previous, flow, mask, strength, tolerance)
    if pick(backend, current, previous, flow, mask) == "reference":
        return reference.temporal_blend(*arguments)
    result: Tensor = _forward(*arguments)
    return result


def _fake_forward(
    current: Tensor, previous: Tensor, flow: Tensor, mask: Tensor | None, strength: float, tolerance: float
) -> Tensor:
    return torch.empty_like(current, memory_format=format_of(current))


_forward = library.define(
    "temporal_blend(Tensor current, Tensor previous, Tensor flow, Tensor? mask, float strength, float tolerance)"
    " -> Tensor",
    module="temporal_blend",
    function="forward",
    fake=_fake_forward,
)
