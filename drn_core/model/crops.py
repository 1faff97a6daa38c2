"""Between a picture at its native size and the network's crop of it: boxes, pictures, points and flows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from drn_core.model.records import SourceInput

__all__ = [
    "CropBox",
    "crop_maps",
    "crop_source",
    "flow_between_crops",
    "person_crop_box",
    "points_to_crop",
    "track_crop_boxes",
]


# Around the joints' extent, as a share of it; the top of the head lies beyond them.
_MARGIN = 0.16
_MIN_CONFIDENCE = 0.3


@dataclass(frozen=True)
class CropBox:
    """A box of whole pixels, half-open; may reach beyond the picture.

    Convention:
        with s = width / crop width, crop position u stands at picture position x0 + (u + 0.5) s - 0.5; pixel centres
        are integers on both sides.

    Attributes:
        x0: left edge.
        y0: top edge.
        x1: right edge, exclusive.
        y1: bottom edge, exclusive.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise ValueError(f"CropBox: empty box {self}")

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) in pixels of the picture."""
        return self.y1 - self.y0, self.x1 - self.x0

    def scale_to(self, size_hw: tuple[int, int]) -> tuple[float, float]:
        """Return picture pixels per crop pixel, (along x, along y)."""
        height, width = self.size_hw
        return width / size_hw[1], height / size_hw[0]

    def clipped(self, size_hw: tuple[int, int]) -> CropBox:
        """Return the part of the box inside a picture of this size."""
        return CropBox(max(self.x0, 0), max(self.y0, 0), min(self.x1, size_hw[1]), min(self.y1, size_hw[0]))


def person_crop_box(
    keypoints: Tensor,
    confidence: Tensor,
    frame_hw: tuple[int, int],
    size_hw: tuple[int, int],
    *,
    margin: float = _MARGIN,
    min_confidence: float = _MIN_CONFIDENCE,
) -> CropBox:
    """Box a person for the network: training and inference frame people by the same rule.

    Args:
        keypoints: (33, 2) or (T, 33, 2), (x, y) in frame pixels; several frames share one box.
        confidence: (33,) or (T, 33) in [0, 1].
        frame_hw: size of the frame.
        size_hw: the network's size, whose aspect the box takes.
        margin: added on each side, as a share of the extent of the joints.
        min_confidence: joints below are left out, if any are above.

    Returns:
        A box of whole pixels; it reaches beyond the frame only where it does not fit in.
    """
    centre, scale = _framing(keypoints, confidence, frame_hw, size_hw, margin, min_confidence)
    return _box_around(centre, scale, size_hw, frame_hw)


def track_crop_boxes(
    keypoints: Tensor, confidence: Tensor, frame_hw: tuple[int, int], size_hw: tuple[int, int], *, radius: int = 15
) -> list[CropBox]:
    """Box a moving person, frame by frame, calmly: one size for all frames, a centre that glides.

    A crop that jumps would make the network's input, and with it the result, flicker.

    Args:
        keypoints: (T, 33, 2), (x, y) in frame pixels.
        confidence: (T, 33) in [0, 1].
        frame_hw: size of the frames.
        size_hw: the network's size.
        radius: frames before and after that the centre is the mean of.

    Returns:
        T boxes of one size. It is that of the frame which needs the largest, up to the 95th percentile.
    """
    framings = [
        _framing(points, sure, frame_hw, size_hw, _MARGIN, _MIN_CONFIDENCE)
        for points, sure in zip(keypoints, confidence, strict=True)
    ]
    if not framings:
        return []
    centres = torch.stack([centre for centre, _ in framings])
    scale = float(torch.quantile(torch.tensor([scale for _, scale in framings]), 0.95))
    boxes = []
    for index in range(len(centres)):
        window = centres[max(index - radius, 0) : index + radius + 1]
        boxes.append(_box_around(window.mean(dim=0), scale, size_hw, frame_hw))
    return boxes


def _framing(
    keypoints: Tensor,
    confidence: Tensor,
    frame_hw: tuple[int, int],
    size_hw: tuple[int, int],
    margin: float,
    min_confidence: float,
) -> tuple[Tensor, float]:
    """Return the box's centre (2,) and the frame pixels per crop pixel."""
    points, sure = keypoints.reshape(-1, 2).float(), confidence.reshape(-1)
    height, width = frame_hw
    # Joints guessed outside of the frame would only enlarge the box beyond anything to be seen.
    bound = points.new_tensor([width - 1.0, height - 1.0])
    inside = points.clamp(min=points.new_zeros(2), max=bound)
    usable = inside[(sure >= min_confidence) & torch.isfinite(points).all(dim=-1)]
    if len(usable) == 0:
        return bound / 2, max(width / size_hw[1], height / size_hw[0])
    low, high = usable.amin(dim=0), usable.amax(dim=0)
    extent_x, extent_y = ((high - low) * (1 + 2 * margin)).clamp_min(16.0).tolist()
    return (low + high) / 2, max(extent_x / size_hw[1], extent_y / size_hw[0])


def _box_around(centre: Tensor, scale: float, size_hw: tuple[int, int], frame_hw: tuple[int, int]) -> CropBox:
    height, width = max(round(scale * size_hw[0]), 1), max(round(scale * size_hw[1]), 1)
    x0, y0 = round(float(centre[0]) - (width - 1) / 2), round(float(centre[1]) - (height - 1) / 2)
    x0, y0 = _pushed_inside(x0, width, frame_hw[1]), _pushed_inside(y0, height, frame_hw[0])
    return CropBox(x0, y0, x0 + width, y0 + height)


def _pushed_inside(start: int, length: int, limit: int) -> int:
    """Move an interval into the frame if it fits: a person cut by the frame is cut by the crop, as in training."""
    return min(max(start, 0), limit - length) if length <= limit else start


def points_to_crop(points: Tensor, box: CropBox, size_hw: tuple[int, int]) -> Tensor:
    """Express points (..., 2), (x, y) in picture pixels, in pixels of the crop."""
    scale_x, scale_y = box.scale_to(size_hw)
    scale = points.new_tensor([scale_x, scale_y])
    corner = points.new_tensor([box.x0, box.y0])
    return (points - corner + 0.5) / scale - 0.5


def crop_maps(maps: Tensor, box: CropBox, size_hw: tuple[int, int], *, smooth: bool = True) -> Tensor:
    """Cut a box out of pictures or maps and bring it to the network's size; edge values beyond the picture.

    Args:
        maps: (B, C, H, W).
        box: what to cut.
        size_hw: size of the result.
        smooth: antialiased; False takes the nearest pixel (labels, flows: nothing is mixed).

    Returns:
        (B, C, *size_hw).
    """
    inside = box.clipped((maps.shape[-2], maps.shape[-1]))
    region = maps[..., inside.y0 : inside.y1, inside.x0 : inside.x1]
    pad = (inside.x0 - box.x0, box.x1 - inside.x1, inside.y0 - box.y0, box.y1 - inside.y1)
    if any(pad):
        region = F.pad(region, pad, mode="replicate")
    if box.size_hw == size_hw:
        return region
    if not smooth:
        return F.interpolate(region, size_hw, mode="nearest-exact")
    return F.interpolate(region, size_hw, mode="bilinear", align_corners=False, antialias=True)


def crop_source(
    photo: Tensor, keypoints: Tensor, confidence: Tensor, box: CropBox, size_hw: tuple[int, int]
) -> SourceInput:
    """Make the network's source from a whole photo.

    Args:
        photo: (B, 3, H, W) in [0, 1].
        keypoints: (B, K, 2), pixels of the photo.
        confidence: (B, K).
        box: the person's box in the photo.
        size_hw: the network's size.

    Returns:
        The cropped source.
    """
    return SourceInput(
        image=crop_maps(photo, box, size_hw).clamp(0, 1),
        keypoints=points_to_crop(keypoints, box, size_hw),
        confidence=confidence,
    )


def flow_between_crops(points_in_photo: Tensor, source_box: CropBox, size_hw: tuple[int, int]) -> Tensor:
    """Turn "this crop pixel shows that photo pixel" into a backward flow from crop to source crop.

    Args:
        points_in_photo: (B, h, w, 2), (x, y) in photo pixels, for every pixel of the driver's crop.
        source_box: the source crop's place in the photo.
        size_hw: size of the source crop; that of the driver's crop is (h, w).

    Returns:
        (B, 2, h, w), pixels.
    """
    height, width = points_in_photo.shape[1:3]
    like = points_in_photo
    ys = torch.arange(height, device=like.device, dtype=like.dtype)[:, None].expand(height, width)
    xs = torch.arange(width, device=like.device, dtype=like.dtype)[None, :].expand(height, width)
    target = points_to_crop(points_in_photo, source_box, size_hw)
    return (target - torch.stack((xs, ys), dim=-1)).movedim(-1, 1)
