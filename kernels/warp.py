"""Sample features at the positions a backward flow points to."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from kernels.backend import BackendChoice, pick
from kernels.checks import check_choice, check_sampled, check_shape
from kernels.reference import warp as reference
from kernels.sampling_op import define_sampling_op

__all__ = ["INTERPOLATIONS", "PADDINGS", "Interpolation", "Padding", "warp"]

Interpolation = Literal["bilinear", "bicubic"]
Padding = Literal["border", "zeros"]

INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
PADDINGS: tuple[Padding, ...] = get_args(Padding)


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
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_choice("padding", padding, PADDINGS)
    options = (interpolation == "bicubic", padding == "border")
    if pick(backend, features, flow) == "reference":
        return reference.warp(features, flow, *options)
    return _warp(features, flow, *options)


_warp = define_sampling_op("warp", ("features", "flow"), ("bicubic", "border"), backward=("warp_backward", "backward"))
