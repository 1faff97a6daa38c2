"""Keypoints to maps for the network, for training and inference alike; joint sets of other skeletons."""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX, NUM_JOINTS

__all__ = [
    "FACE_POINTS",
    "OPENPOSE18_MIRROR",
    "FacePointSet",
    "JointSet",
    "gaussian_maps",
    "impulse_maps",
    "num_joints_of",
    "to_joint_set",
]

JointSet = Literal["blazepose33", "openpose18"]
FacePointSet = Literal["blazepose11", "openpose5"]

FACE_POINTS: Final[dict[FacePointSet, tuple[int, ...]]] = {
    "blazepose11": FACE_JOINTS,
    "openpose5": (0, 14, 15, 16, 17),
}
"""Indices of the face points (nose, eyes, ears, mouth) in their joint set."""

OPENPOSE18_MIRROR: Final = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
"""OPENPOSE18_MIRROR[j] is the joint that j becomes when the picture is flipped left to right."""

# OpenPose order: nose, neck, right arm, left arm, right leg, left leg, right eye, left eye, right ear, left ear.
# The neck (None) is the middle of the shoulders.
_OPENPOSE18_FROM_BLAZEPOSE: Final = (
    "nose", None, "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip


def num_joints_of(joints: JointSet) -> int:
    """Return the number of joints of a joint set."""
    return NUM_JOINTS if joints == "blazepose33" else len(_OPENPOSE18_FROM_BLAZEPOSE)


def to_joint_set(keypoints: Tensor, confidence: Tensor, joints: JointSet) -> tuple[Tensor, Tensor]:
    """Convert keypoints to the joint set a network was made for.

    Args:
        keypoints: (B, K, 2), (x, y) in pixels, K = 33 or the K of `joints`.
        confidence: (B, K) in [0, 1].
        joints: wanted joint set.

    Returns:
        Keypoints (B, K', 2) and confidence (B, K'); the inputs themselves where they are of that set already.

    Raises:
        ValueError: K belongs to neither set.
    """
    count = keypoints.shape[1]
    if count == num_joints_of(joints):
        return keypoints, confidence
    if count != NUM_JOINTS:
        raise ValueError(f"keypoints: expected {NUM_JOINTS} or {num_joints_of(joints)} joints, got {count}")
    left, right = JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]
    index = [left if name is None else JOINT_INDEX[name] for name in _OPENPOSE18_FROM_BLAZEPOSE]
    points, sure = keypoints[:, index].clone(), confidence[:, index].clone()
    points[:, 1] = (keypoints[:, left] + keypoints[:, right]) / 2
    sure[:, 1] = torch.minimum(confidence[:, left], confidence[:, right])
    return points, sure


def gaussian_maps(
    keypoints: Tensor, confidence: Tensor, size_hw: tuple[int, int], *, sigma_px: float, stride: int = 1
) -> Tensor:
    """Draw one Gaussian per joint.

    Convention:
        map k at (x, y) = confidence_k * exp(-|(x, y) - keypoint_k|^2 / (2 sigma^2)), pixel centres integers; with a
        stride s, map pixel (i, j) stands at full-size pixel (s i + (s - 1) / 2, s j + (s - 1) / 2).

    Args:
        keypoints: (B, K, 2), (x, y) in pixels of the full size.
        confidence: (B, K) in [0, 1].
        size_hw: full size; both sides multiples of `stride`.
        sigma_px: standard deviation in full-size pixels.
        stride: the maps are drawn on every `stride`-th pixel.

    Returns:
        (B, K, H / stride, W / stride), dtype of `keypoints`, values in [0, 1]; joints that are not finite draw nothing.
    """
    height, width = size_hw
    offset = (stride - 1) / 2
    ys = torch.arange(height // stride, device=keypoints.device, dtype=keypoints.dtype) * stride + offset
    xs = torch.arange(width // stride, device=keypoints.device, dtype=keypoints.dtype) * stride + offset
    is_finite = torch.isfinite(keypoints).all(dim=-1) & torch.isfinite(confidence)
    points = torch.where(is_finite[..., None], keypoints, torch.zeros_like(keypoints))
    weights = torch.where(is_finite, confidence, torch.zeros_like(confidence))
    # A Gaussian is separable: two (B, K, side) exponentials instead of one (B, K, H, W).
    along_x = torch.exp(-((xs - points[..., 0:1]) ** 2) / (2 * sigma_px**2))
    along_y = torch.exp(-((ys - points[..., 1:2]) ** 2) / (2 * sigma_px**2)) * weights[..., None]
    return along_y[..., :, None] * along_x[..., None, :]


def impulse_maps(keypoints: Tensor, confidence: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Draw each joint as a single pixel of value 1.

    This is what the published PATN pose maps amount to: Gaussians stored as uint8 and so truncated to their peak.

    Args:
        keypoints: (B, K, 2), (x, y) in pixels.
        confidence: (B, K); joints at 0 draw nothing.
        size_hw: size of the maps.

    Returns:
        (B, K, H, W) of zeros and ones, dtype of `keypoints`.
    """
    height, width = size_hw
    nearest = torch.nan_to_num(keypoints, nan=-1.0).round().long()
    x, y = nearest.unbind(dim=-1)
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (confidence > 0)
    flat = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1))[..., None]
    maps = keypoints.new_zeros((*keypoints.shape[:2], height * width))
    maps.scatter_(2, flat, is_inside[..., None].to(keypoints.dtype))
    return maps.view(*keypoints.shape[:2], height, width)
