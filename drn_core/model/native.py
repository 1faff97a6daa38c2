"""The network's result at the photo's own resolution: it moves the prior's mesh and paints only where asked to.

Sharp pixels never pass through the network: the residual flow moves the vertices of the prior's mesh, which is then
rendered once, at native size, from the photo's own texels. What is added afterwards is content where the visibility
says so, and a low-frequency correction.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drn_core.model.crops import CropBox, points_to_crop
from drn_core.model.records import DRNOutput
from drn_core.model.sampling import resize_maps, sample_points

__all__ = ["blend_region", "displace_points"]

# Inverting a flow whose slope is below one half: after five rounds 1/32 of it is left.
_INVERSION_ROUNDS = 5
# Visibility below which the prior's native detail is dropped, and from which it is kept in full.
_DETAIL_FROM, _DETAIL_FULL = 0.1, 0.5


def displace_points(points: Tensor, residual_flow: Tensor, box: CropBox) -> Tensor:
    """Tell where points of the prior go when its picture is moved by a residual flow.

    Convention:
        the moved picture is out(x) = prior(x + r(x)), so what was at p appears at the x with x + r(x) = p, found by
        fixed-point iteration. Zero flow leaves every point bit-exact.

    Args:
        points: (B, V, 2), (x, y) in frame pixels.
        residual_flow: (B, 2, h, w), crop pixels, of the crop `box`.
        box: the crop's place in the frames.

    Returns:
        (B, V, 2), frame pixels, dtype of `points`. Points beyond the crop move like its nearest border pixel.
    """
    size_hw = (residual_flow.shape[-2], residual_flow.shape[-1])
    start = points_to_crop(points.float(), box, size_hw)
    moved = start
    for _ in range(_INVERSION_ROUNDS):
        moved = start - sample_points(residual_flow, moved)
    scale = points.new_tensor(box.scale_to(size_hw))
    return points + (moved - start).to(points.dtype) * scale


def blend_region(
    output: DRNOutput, region: Tensor, box: CropBox, frame_hw: tuple[int, int], *, feather_px: int = 8
) -> Tensor:
    """Bring content and corrections of a crop into the part of the frame that the crop covers.

    Convention:
        with I_c, W, v, D the upsampled coarse image, moved prior, visibility and correction (detail and face):
        out = I_c + h(v) * (region - W) + D. What the native picture has over the crop's resolution stays wherever the
        prior is kept at all, h(v) = 1 from v = 0.5 on, and goes where content replaces it, h(v) = 0 below 0.1.
        A network without a prior replaces the picture.

    Args:
        output: of the crop `box`, B frames.
        region: (B, 3, h', w') in [0, 1]: `box.clipped(frame_hw)` of the frames, the prior at native size after
            `displace_points`.
        box: the crop's place in the frames.
        frame_hw: size of the frames.
        feather_px: width, in crop pixels, over which everything fades out towards crop sides inside the frame.

    Returns:
        (B, 3, h', w') in [0, 1].
    """
    inside = box.clipped(frame_hw)
    crop_hw = (output.image.shape[-2], output.image.shape[-1])
    feather = _feather(box, inside, frame_hw, feather_px, crop_hw).to(region.device)

    def up(*maps: Tensor) -> Tensor:
        rows = slice(inside.y0 - box.y0, inside.y1 - box.y0)
        columns = slice(inside.x0 - box.x0, inside.x1 - box.x0)
        return resize_maps(torch.cat(maps, dim=1).float(), box.size_hw)[..., rows, columns]

    pose = output.pose
    if pose.visibility is None:
        return torch.lerp(region, up(output.image), feather).clamp(0, 1)
    picture = region
    if pose.content is not None and pose.warped is not None:
        low = up(pose.coarse - pose.warped, pose.warped, pose.visibility)
        dropped = 1 - ((low[:, 6:] - _DETAIL_FROM) / (_DETAIL_FULL - _DETAIL_FROM)).clamp(0, 1)
        picture = picture + feather * (low[:, :3] - dropped * (region - low[:, 3:6]))
    if output.detail is not None or output.face is not None:
        picture = picture + up(output.correction) * feather
    return picture.clamp(0, 1)


def _feather(
    box: CropBox, inside: CropBox, frame_hw: tuple[int, int], feather_px: int, crop_hw: tuple[int, int]
) -> Tensor:
    """Return (h, w) of the region: 1 inside, falling to 0 at sides of the box that lie inside the frame."""
    height, width = inside.size_hw
    scale_x, scale_y = box.scale_to(crop_hw)
    ramp_x = _ramp(width, feather_px * scale_x, fades_in=box.x0 > 0, fades_out=box.x1 < frame_hw[1])
    ramp_y = _ramp(height, feather_px * scale_y, fades_in=box.y0 > 0, fades_out=box.y1 < frame_hw[0])
    return ramp_y[:, None] * ramp_x[None, :]


def _ramp(length: int, width_px: float, *, fades_in: bool, fades_out: bool) -> Tensor:
    ramp = torch.ones(length)
    steps = (torch.arange(length) + 0.5) / max(width_px, 1e-6)
    if fades_in:
        ramp = torch.minimum(ramp, steps)
    if fades_out:
        ramp = torch.minimum(ramp, steps.flip(0))
    return ramp
