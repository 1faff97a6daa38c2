"""Specification of `kernels.splat`, in plain torch: any device, differentiable any number of times."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["splat"]


def splat(values: Tensor, flow: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """Send every pixel along a forward flow; arguments and results as in `kernels.splat`."""
    batch, channels, height, width = values.shape
    # One bin more than there are pixels takes what is lost.
    highest = values.new_full((batch, height * width + 1), -math.inf)
    with torch.no_grad():
        for target, share in _landings(flow, importance):
            scores = torch.where(share > 0, importance[:, 0], -math.inf).flatten(1)
            highest = highest.scatter_reduce(1, target.flatten(1), scores, "amax")
    total = values.new_zeros((batch, height * width + 1))
    coverage, summed = torch.zeros_like(total), values.new_zeros((batch, channels, height * width + 1))
    for target, share in _landings(flow, importance):
        index = target.flatten(1)
        shift = highest.gather(1, index)
        score = torch.where(shift > -math.inf, importance[:, 0].flatten(1) - shift, -math.inf)
        weight = score.exp() * share.flatten(1)
        total = total.scatter_add(1, index, weight)
        coverage = coverage.scatter_add(1, index, share.flatten(1))
        expanded = index[:, None].expand(-1, channels, -1)
        summed = summed.scatter_add(2, expanded, values.flatten(2) * weight[:, None])
    mean = torch.where(total[:, None] > 0, summed / torch.where(total > 0, total, 1.0)[:, None], 0.0)
    return (
        mean[..., :-1].reshape(batch, channels, height, width),
        coverage[:, :-1].reshape(batch, 1, height, width),
    )


def _landings(flow: Tensor, importance: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the four neighbours: index of the target pixel and bilinear share, both (B, H, W)."""
    _, _, height, width = flow.shape
    x = torch.arange(width, dtype=flow.dtype, device=flow.device) + flow[:, 0]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + flow[:, 1]
    near = (x > -1) & (x < width) & (y > -1) & (y < height) & importance[:, 0].isfinite()
    x, y = torch.where(near, x, 0.0), torch.where(near, y, 0.0)
    left, top = x.floor(), y.floor()
    right, down = x - left, y - top
    for j, share_y in ((0, 1.0 - down), (1, down)):
        for i, share_x in ((0, 1.0 - right), (1, right)):
            column, row = left.long() + i, top.long() + j
            lands = near & (column >= 0) & (column < width) & (row >= 0) & (row < height)
            target = torch.where(lands, row * width + column, height * width)
            yield target, torch.where(lands, share_y * share_x, 0.0)
