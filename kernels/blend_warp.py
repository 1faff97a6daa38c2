"""Blend K warps of the same features by per-pixel weights, without ever holding the K warped copies."""

from __future__ import annotations

from torch import Tensor

from kernels.backend import BackendChoice, pick
from kernels.checks import check_choice, check_sampled, check_shape
from kernels.reference import blend_warp as reference
from kernels.sampling_op import define_sampling_op
from kernels.warp import PADDINGS, Padding

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
    check_choice("padding", padding, PADDINGS)
    if pick(backend, features, flows, weights) == "reference":
        return reference.blend_warp(features, flows, weights, padding == "border")
    return _blend_warp(features, flows, weights, padding == "border")


_blend_warp = define_sampling_op(
    "blend_warp", ("features", "flows", "weights"), ("border",), backward=("warp_backward", "blend_backward")
)
