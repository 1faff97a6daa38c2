"""Backward warping as the model needs it: always in float32, with the source shared over a batch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["compose_flow", "resize_flow", "resize_maps", "warp_image"]


def warp_image(image: Tensor, flow: Tensor, *, mode: Literal["bilinear", "bicubic"] = "bilinear") -> Tensor:
    """Sample an image (or features) at the positions a backward flow points to; the edge value beyond the edge.

    Convention:
        out(x, y) = image(x + dx, y + dy), pixels, pixel centres integers.

    Args:
        image: (B, C, H', W') or (1, C, H', W'), shared by the batch.
        flow: (B, 2, H, W), pixels of `image`; its own size is that of the result.
        mode: interpolation.

    Returns:
        (B, C, H, W) float32; computed in float32 whatever the ambient precision, because a bfloat16 position is
        off by half a pixel at 100 pixels.
    """
    with torch.autocast(device_type=flow.device.type, enabled=False):
        image, flow = image.float(), flow.float()
        batch, _, height, width = flow.shape
        size_y, size_x = image.shape[-2:]
        ys = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
        xs = torch.arange(width, device=flow.device, dtype=flow.dtype)[None, :]
        # With align_corners=True the centres of the outermost pixels are at -1 and 1.
        grid_x = (flow[:, 0] + xs) * (2.0 / max(size_x - 1, 1)) - 1.0
        grid_y = (flow[:, 1] + ys) * (2.0 / max(size_y - 1, 1)) - 1.0
        grid = torch.stack((grid_x, grid_y), dim=-1)
        source = image.expand(batch, -1, -1, -1)
        return F.grid_sample(source, grid, mode=mode, padding_mode="border", align_corners=True)


def resize_flow(flow: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize a flow whose source and result are resized alike; values scale along with the size.

    Args:
        flow: (B, 2, H, W), pixels.
        size_hw: wanted size.

    Returns:
        (B, 2, H', W'), pixels of the new size.
    """
    height, width = flow.shape[-2:]
    resized = resize_maps(flow, size_hw)
    scale = flow.new_tensor([size_hw[1] / width, size_hw[0] / height])
    return resized * scale[None, :, None, None]


def resize_maps(maps: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize images or maps: area mean on integer reductions, bilinear otherwise (values unchanged).

    Args:
        maps: (B, C, H, W).
        size_hw: wanted size.

    Returns:
        (B, C, H', W'), the input itself where the size fits already.
    """
    height, width = maps.shape[-2:]
    if (height, width) == size_hw:
        return maps
    if height % size_hw[0] == 0 and width % size_hw[1] == 0:
        return F.avg_pool2d(maps, kernel_size=(height // size_hw[0], width // size_hw[1]))
    return F.interpolate(maps, size_hw, mode="bilinear", align_corners=False)


def compose_flow(flow: Tensor, residual: Tensor) -> Tensor:
    """Chain two backward flows: first the residual in the driver's frame, then the flow from there.

    Convention:
        out(x) = residual(x) + flow(x + residual(x)); warping once by the result equals warping by `flow` and then
        warping what came out by `residual`.

    Args:
        flow: (B, 2, H, W), pixels.
        residual: (B, 2, H, W), pixels.

    Returns:
        (B, 2, H, W) float32, pixels.
    """
    return warp_image(flow, residual) + residual.float()
