"""Content-adaptive sampling: an attention over the k x k neighbourhood of a flow's target."""

from __future__ import annotations

from torch import Tensor

from kernels.backend import BackendChoice, pick
from kernels.checks import check_choice, check_sampled, check_shape
from kernels.errors import ShapeError
from kernels.reference import local_attention as reference
from kernels.sampling_op import define_sampling_op
from kernels.warp import PADDINGS, Padding

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
    check_choice("padding", padding, PADDINGS)
    if pick(backend, features, flow, logits) == "reference":
        return reference.local_attention(features, flow, logits, padding == "border")
    return _local_attention(features, flow, logits, padding == "border")


_local_attention = define_sampling_op(
    "local_attention", ("features", "flow", "logits"), ("border",), backward=("local_attention", "backward")
)
