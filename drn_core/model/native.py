"""The network's result at the photo's own resolution: sharp pixels from the photo, the rest from the crop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from drn_core.model.crops import CropBox, NativePrior
from drn_core.model.records import DRNOutput
from drn_core.model.sampling import compose_flow, resize_flow, resize_maps, warp_image

__all__ = ["NativeOptions", "apply_native"]

# Neighbouring flow vectors further apart than this (pixels) belong to different layers or to a fold.
_LAYER_JUMP_PX = 2.0
# Residuals below the first move nothing visible; from the second on the photo is sampled anew.
_RESAMPLE_FROM_PX, _RESAMPLE_FULL_PX = 0.1, 0.5


@dataclass(frozen=True)
class NativeOptions:
    """Quality against speed.

    Attributes:
        interpolation: of the moved prior.
        resample_photo: take the inside of visible surfaces from the photo through the composed flow, so that they are
            interpolated once instead of twice.
        feather_px: width, in crop pixels, over which all changes fade out towards crop sides inside the frame.
    """

    interpolation: str = "bicubic"
    resample_photo: bool = True
    feather_px: int = 8


def apply_native(
    output: DRNOutput,
    prior: NativePrior,
    box: CropBox,
    *,
    photo: Tensor | None = None,
    options: NativeOptions | None = None,
) -> Tensor:
    """Apply a result to whole frames at native size.

    Convention:
        with r, v, C, D the upsampled residual flow, visibility, content and low-frequency correction (detail and
        face): out = v * prior(x + r) + (1 - v) * C + D. `prior(x + r)` keeps the prior's matte and background, and r
        may move its silhouette; where the surface is whole it equals photo(x + r + flow(x + r)), which is then
        sampled directly.

    Args:
        output: of the crop `box`, B frames.
        prior: the B frames' prior at native size.
        box: the crop's place in the frames; as given to `crop_driver`.
        photo: (1 or B, 3, H', W') in [0, 1]; needed to sample the photo anew, else the prior's picture is moved.
        options: None takes the defaults.

    Returns:
        (B, 3, H, W) in [0, 1], equal to `prior.image` outside the box.
    """
    options = options or NativeOptions()
    frame_hw = (prior.image.shape[-2], prior.image.shape[-1])
    inside = box.clipped(frame_hw)
    rows, columns = slice(inside.y0, inside.y1), slice(inside.x0, inside.x1)
    region = NativePrior(*(m[..., rows, columns].float() for m in (prior.image, prior.flow, prior.visibility)))
    low = _upsampled(output, box, inside, _feather(box, inside, frame_hw, options.feather_px, output.image))
    moved = region.image if low.flow is None else _moved_prior(region, low.flow, photo, inside, options)
    picture = torch.lerp(low.content, moved, low.visibility) + low.correction
    result = prior.image.float().clone()
    result[..., rows, columns] = picture.clamp(0, 1)
    return result


@dataclass(frozen=True)
class _LowFrequency:
    """The crop's result at the size of the region, faded out at its inner sides."""

    flow: Tensor | None
    visibility: Tensor
    content: Tensor
    correction: Tensor


def _upsampled(output: DRNOutput, box: CropBox, inside: CropBox, feather: Tensor) -> _LowFrequency:
    rows = slice(inside.y0 - box.y0, inside.y1 - box.y0)
    columns = slice(inside.x0 - box.x0, inside.x1 - box.x0)

    def up(maps: Tensor) -> Tensor:
        return resize_maps(maps.float(), box.size_hw)[..., rows, columns]

    pose = output.pose
    if pose.residual_flow is None or pose.visibility is None:
        # Without a prior the whole picture comes from the network.
        return _LowFrequency(None, 1 - feather, up(output.image), torch.zeros_like(feather))
    flow = resize_flow(pose.residual_flow.float(), box.size_hw)[..., rows, columns] * feather
    hidden = (1 - up(pose.visibility)) * feather
    content = pose.coarse if pose.content is None else pose.content
    return _LowFrequency(flow, 1 - hidden, up(content), up(output.correction) * feather)


def _moved_prior(
    region: NativePrior, flow: Tensor, photo: Tensor | None, inside: CropBox, options: NativeOptions
) -> Tensor:
    mode = "bicubic" if options.interpolation == "bicubic" else "bilinear"
    moved = warp_image(region.image, flow, mode=mode)  # type: ignore[arg-type]
    if photo is None or not options.resample_photo:
        return moved
    to_photo = compose_flow(region.flow, flow)
    to_photo = to_photo + to_photo.new_tensor([inside.x0, inside.y0])[None, :, None, None]
    sharp = warp_image(photo, to_photo, mode="bicubic")
    return torch.lerp(moved, sharp, _resampled_share(region, flow))


def _resampled_share(region: NativePrior, flow: Tensor) -> Tensor:
    """Return (B, 1, H, W): where one whole surface of the photo is moved by a visible amount."""
    jump = torch.zeros_like(region.visibility)
    step_x = (region.flow[..., 1:] - region.flow[..., :-1]).abs().amax(dim=1, keepdim=True)
    step_y = (region.flow[..., 1:, :] - region.flow[..., :-1, :]).abs().amax(dim=1, keepdim=True)
    jump[..., 1:] = torch.maximum(jump[..., 1:], step_x)
    jump[..., 1:, :] = torch.maximum(jump[..., 1:, :], step_y)
    is_broken = ((jump > _LAYER_JUMP_PX) | (region.visibility < 0.999)).float()
    # Two pixels of margin: bicubic sampling must not touch the other side.
    is_whole = warp_image(1 - F.max_pool2d(is_broken, 5, stride=1, padding=2), flow) > 0.999
    length = torch.linalg.vector_norm(flow, dim=1, keepdim=True)
    share = ((length - _RESAMPLE_FROM_PX) / (_RESAMPLE_FULL_PX - _RESAMPLE_FROM_PX)).clamp(0, 1)
    return torch.mul(share, is_whole)


def _feather(box: CropBox, inside: CropBox, frame_hw: tuple[int, int], feather_px: int, like: Tensor) -> Tensor:
    """Return (1, 1, h, w) of the region: 1 inside, falling to 0 at sides of the box that lie inside the frame."""
    height, width = inside.y1 - inside.y0, inside.x1 - inside.x0
    scale_x, scale_y = box.scale_to((like.shape[-2], like.shape[-1]))
    xs = torch.arange(width, device=like.device, dtype=torch.float32) + 0.5
    ys = torch.arange(height, device=like.device, dtype=torch.float32) + 0.5
    ramp_x, ramp_y = torch.ones_like(xs), torch.ones_like(ys)
    if feather_px > 0:
        if box.x0 > 0:
            ramp_x = torch.minimum(ramp_x, xs / (feather_px * scale_x))
        if box.x1 < frame_hw[1]:
            ramp_x = torch.minimum(ramp_x, (width - xs) / (feather_px * scale_x))
        if box.y0 > 0:
            ramp_y = torch.minimum(ramp_y, ys / (feather_px * scale_y))
        if box.y1 < frame_hw[0]:
            ramp_y = torch.minimum(ramp_y, (height - ys) / (feather_px * scale_y))
    return (ramp_y[:, None] * ramp_x[None, :])[None, None]
