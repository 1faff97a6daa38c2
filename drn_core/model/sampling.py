"""Backward warping as the model needs it: always in float32, with the source shared over a batch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["compose_flow", "float32_arithmetic", "resize_maps", "sample_points", "warp_image"]


def float32_arithmetic(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which ambient lower precision is off; does nothing on the meta device."""
    return nullcontext() if device.type == "meta" else torch.autocast(device_type=device.type, enabled=False)


def warp_image(image: Tensor, flow: Tensor) -> Tensor:
    """Sample an image (or features) at the positions a backward flow points to; the edge value beyond the edge.

    Convention:
        out(x, y) = image(x + dx, y + dy), pixels, pixel centres integers.

    Args:
        image: (B, C, H', W') or (1, C, H', W'), shared by the batch.
        flow: (B, 2, H, W), pixels of `image`; its own size is that of the result.

    Returns:
        (B, C, H, W) float32; computed in float32 whatever the ambient precision, because a bfloat16 position is
        off by half a pixel at 100 pixels.
    """
    with float32_arithmetic(flow.device):
        image, flow = image.float(), flow.float()
        height, width = flow.shape[-2:]
        ys = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
        xs = torch.arange(width, device=flow.device, dtype=flow.dtype)[None, :]
        return _sample(image, torch.stack((flow[:, 0] + xs, flow[:, 1] + ys), dim=-1))


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps at points, bilinear; the edge value beyond the edge.

    Args:
        maps: (B, C, H, W).
        points: (B, V, 2), (x, y) in pixels of the maps.

    Returns:
        (B, V, C) float32.
    """
    return _sample(maps.float(), points.float()[:, :, None])[..., 0].movedim(1, 2)


def _sample(image: Tensor, positions: Tensor) -> Tensor:
    size_y, size_x = image.shape[-2:]
    # With align_corners=True the centres of the outermost pixels are at -1 and 1.
    scale = positions.new_tensor([2.0 / max(size_x - 1, 1), 2.0 / max(size_y - 1, 1)])
    source = image.expand(positions.shape[0], -1, -1, -1)
    return F.grid_sample(source, positions * scale - 1.0, mode="bilinear", padding_mode="border", align_corners=True)


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
