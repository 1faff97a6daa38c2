"""Backward warping as the model needs it: always in float32, with the source shared over a batch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from drn_core import ops

__all__ = ["compose_flow", "float32_arithmetic", "resize_maps", "sample_points", "warp_image"]


def float32_arithmetic(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which ambient lower precision is off; does nothing on the meta device."""
    return nullcontext() if device.type == "meta" else torch.autocast(device_type=device.type, enabled=False)


def warp_image(image: Tensor, flow: Tensor) -> Tensor:
    """Sample an image (or features) at the positions a backward flow points to; the edge value beyond the edge.

    Convention:
        out(x, y) = image(x + dx, y + dy), pixels, pixel centres integers.

    Args:
        image: (B, C, H', W') or (1, C, H', W'), shared by the batch; any precision.
        flow: (B, 2, H, W), pixels of `image`; its own size is that of the result.

    Returns:
        (B, C, H, W), dtype of `image`. Positions are taken in float32 whatever the ambient precision, because a
        bfloat16 position is off by half a pixel at 100 pixels.
    """
    batch = flow.shape[0]
    features = image if image.shape[0] == batch else image.expand(batch, -1, -1, -1)
    return ops.warp(features, flow.float(), padding="border")


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Read maps at points, bilinear; the edge value beyond the edge.

    Args:
        maps: (B, C, H, W).
        points: (B, V, 2), (x, y) in pixels of the maps.

    Returns:
        (B, V, C) float32.
    """
    # A row of points is a picture one pixel high; flow counts from where its pixels are.
    rows = points.float().movedim(2, 1)[:, :, None]
    columns = torch.arange(points.shape[1], device=points.device, dtype=torch.float32)
    start = torch.stack((columns, torch.zeros_like(columns)))[None, :, None]
    return warp_image(maps.float(), rows - start)[:, :, 0].movedim(1, 2)


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
    return warp_image(flow.float(), residual) + residual.float()
