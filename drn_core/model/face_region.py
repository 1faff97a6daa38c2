"""Where the face is: boxes from face points, crops and their way back, the softened mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from drn_core.model.sampling import warp_image

__all__ = ["FaceBoxes", "crop_boxes", "face_boxes", "paste_boxes", "points_in_boxes", "soft_box_mask"]


@dataclass(frozen=True)
class FaceBoxes:
    """Square boxes, one per picture.

    Attributes:
        centre: (B, 2), (x, y) in pixels.
        side: (B,), pixels.
        is_visible: (B,) bool; boxes of invisible faces are finite, but mean nothing.
    """

    centre: Tensor
    side: Tensor
    is_visible: Tensor


def face_boxes(
    points: Tensor, confidence: Tensor, *, scale: float, min_points: int, min_confidence: float
) -> FaceBoxes:
    """Box the visible face points.

    Args:
        points: (B, K, 2), (x, y) in pixels.
        confidence: (B, K) in [0, 1].
        scale: side of the box over the larger extent of the visible points.
        min_points: fewer visible points make the face invisible.
        min_confidence: a point is visible from here.

    Returns:
        One box per picture.
    """
    is_seen = (confidence >= min_confidence) & torch.isfinite(points).all(dim=-1)
    is_visible = is_seen.sum(dim=1) >= min_points
    anchor = torch.nan_to_num(points)
    low = torch.where(is_seen[..., None], anchor, torch.inf).amin(dim=1)
    high = torch.where(is_seen[..., None], anchor, -torch.inf).amax(dim=1)
    low = torch.where(is_visible[:, None], low, torch.zeros_like(low))
    high = torch.where(is_visible[:, None], high, torch.ones_like(high))
    # A profile's points span little across: never smaller than 8 pixels, so that the crop stays well defined.
    side = (scale * (high - low).amax(dim=1)).clamp_min(8.0)
    return FaceBoxes(centre=(low + high) / 2, side=side, is_visible=is_visible)


def crop_boxes(image: Tensor, boxes: FaceBoxes, size_px: int) -> Tensor:
    """Cut the boxes out and scale them to `size_px`, bilinear, edge values beyond the picture.

    Args:
        image: (B, C, h, w).
        boxes: B boxes.
        size_px: side S of the result.

    Returns:
        (B, C, S, S) float32.
    """
    steps = (torch.arange(size_px, device=image.device, dtype=torch.float32) + 0.5) / size_px - 0.5
    xs = boxes.centre[:, 0:1] + boxes.side[:, None] * steps
    ys = boxes.centre[:, 1:2] + boxes.side[:, None] * steps
    return _sample(image.float(), xs, ys)


def paste_boxes(crops: Tensor, boxes: FaceBoxes, size_hw: tuple[int, int]) -> Tensor:
    """Bring crops back to their place; beyond the box their edge values continue.

    Args:
        crops: (B, C, S, S).
        boxes: B boxes.
        size_hw: size of the picture.

    Returns:
        (B, C, h, w) float32.
    """
    size_px = crops.shape[-1]
    xs = torch.arange(size_hw[1], device=crops.device, dtype=torch.float32)
    ys = torch.arange(size_hw[0], device=crops.device, dtype=torch.float32)
    scale = size_px / boxes.side[:, None]
    crop_xs = (xs - boxes.centre[:, 0:1]) * scale + (size_px - 1) / 2
    crop_ys = (ys - boxes.centre[:, 1:2]) * scale + (size_px - 1) / 2
    return _sample(crops.float(), crop_xs, crop_ys)


def points_in_boxes(points: Tensor, boxes: FaceBoxes, size_px: int) -> Tensor:
    """Express picture points (B, K, 2) in pixels of the crops of `crop_boxes`."""
    return (points - boxes.centre[:, None]) * (size_px / boxes.side[:, None, None]) + (size_px - 1) / 2


def soft_box_mask(boxes: FaceBoxes, size_hw: tuple[int, int]) -> Tensor:
    """Blur the boxes' indicator with a Gaussian, so that it reaches exactly zero at the boxes' borders.

    Convention:
        M = g(sigma) * indicator(box), sigma = side / 8, the box eroded by 2 sigma first; the Gaussian of a box is
        a product of two differences of error functions, so nothing is convolved.

    Args:
        boxes: B boxes.
        size_hw: size of the picture.

    Returns:
        M_F, (B, 1, h, w) float32 in [0, 1], 0 for invisible faces.

    Source: DRN paper, composition (DESIGN.md); sigma and erosion are ours.
    """
    xs = torch.arange(size_hw[1], device=boxes.side.device, dtype=torch.float32)
    ys = torch.arange(size_hw[0], device=boxes.side.device, dtype=torch.float32)
    along_x = _soft_interval(xs - boxes.centre[:, 0:1], boxes.side[:, None])
    along_y = _soft_interval(ys - boxes.centre[:, 1:2], boxes.side[:, None])
    mask = along_y[:, None, :, None] * along_x[:, None, None, :]
    return mask * boxes.is_visible[:, None, None, None]


def _soft_interval(offset: Tensor, side: Tensor) -> Tensor:
    sigma = side / 8
    half = side / 2 - 2 * sigma

    def blurred(distance: Tensor) -> Tensor:
        return 0.5 * (
            torch.erf((distance + half) / (math.sqrt(2) * sigma))
            - torch.erf((distance - half) / (math.sqrt(2) * sigma))
        )

    floor, peak = blurred(side / 2), blurred(torch.zeros_like(side))
    return ((blurred(offset) - floor) / (peak - floor)).clamp_min(0.0)


def _sample(image: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Sample at the outer product of columns xs (B, w) and rows ys (B, h), in pixels."""
    width, height = xs.shape[1], ys.shape[1]
    own_xs = torch.arange(width, device=xs.device, dtype=xs.dtype)
    own_ys = torch.arange(height, device=ys.device, dtype=ys.dtype)
    flow_x = (xs - own_xs)[:, None, :].expand(-1, height, -1)
    flow_y = (ys - own_ys)[:, :, None].expand(-1, -1, width)
    return warp_image(image, torch.stack((flow_x, flow_y), dim=1))
