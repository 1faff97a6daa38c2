"""Draw keypoints as Gaussian maps, as networks take them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels import library
from kernels.backend import BackendChoice, pick
from kernels.checks import check_dtype, check_shape
from kernels.errors import ShapeError
from kernels.reference import pose_maps as reference

__all__ = ["pose_maps"]


def pose_maps(
    keypoints: Tensor,
    confidence: Tensor,
    *,
    size_hw: tuple[int, int],
    sigma_px: float,
    stride: int = 1,
    backend: BackendChoice = "auto",
) -> Tensor:
    """Draw one Gaussian per keypoint.

    Convention:
        map k at (x, y) = confidence_k * exp(-|(x, y) - keypoint_k|^2 / (2 sigma^2)), pixel centres are integers. With
        a stride s, map pixel (i, j) stands at full-size pixel (s i + (s - 1) / 2, s j + (s - 1) / 2).

    Args:
        keypoints: (B, K, 2) float32, (x, y) in px of the full size.
        confidence: (B, K) float32. A keypoint that is not finite, or whose confidence is not, draws nothing.
        size_hw: full size, px; the maps have its sides divided by `stride`, rounded down.
        sigma_px: standard deviation in full-size px, above 0.
        stride: the maps are drawn on every `stride`-th pixel.
        backend: "auto" picks the fastest present; naming one makes its absence an error.

    Returns:
        (B, K, H // stride, W // stride) float32. Not differentiable; deterministic.

    Raises:
        ShapeError: shapes do not fit each other.
        DtypeError: a dtype is not float32, or the tensors are on several devices.
        ValueError: sigma or stride is not positive.
        BackendUnavailable: the named backend is not present.
    """
    check_shape("keypoints", keypoints, ("B", "K", 2))
    check_shape("confidence", confidence, keypoints.shape[:2])
    check_dtype("keypoints", keypoints, (torch.float32,))
    check_dtype("confidence", confidence, (torch.float32,))
    if len(size_hw) != 2 or min(size_hw) < 0:
        raise ShapeError(f"size_hw: expected two sizes of 0 or more, got {tuple(size_hw)}")
    if not sigma_px > 0.0 or stride < 1:
        raise ValueError(f"expected sigma_px above 0 and stride of at least 1, got {sigma_px} and {stride}")
    size = (size_hw[0] // stride, size_hw[1] // stride)
    if pick(backend, keypoints, confidence) == "reference":
        return reference.pose_maps(keypoints, confidence, size, sigma_px, stride)
    result: Tensor = _forward(keypoints, confidence, size, sigma_px, stride)
    return result


def _fake_forward(
    keypoints: Tensor, confidence: Tensor, size_hw: Sequence[int], sigma_px: float, stride: int
) -> Tensor:
    return keypoints.new_empty((*keypoints.shape[:2], *size_hw))


_forward = library.define(
    "pose_maps(Tensor keypoints, Tensor confidence, SymInt[] size_hw, float sigma_px, int stride) -> Tensor",
    module="pose_maps",
    function="forward",
    fake=_fake_forward,
)
