"""Taps and weights of separable interpolation: shared by the specifications of the sampling ops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["bicubic_weights", "gather", "positions", "round_to", "sample", "taps", "upcast"]


def upcast(tensor: Tensor) -> Tensor:
    """Convert to the dtype that ops compute in: float64 stays, everything else becomes float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def positions(flow: Tensor, size_hw: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Work out where a backward flow points to.

    Args:
        flow: (..., 2, H, W), px.
        size_hw: of the image that is sampled.

    Returns:
        x and y (..., H, W), clamped to 3 px around the image (which is as far outside as any other place), 0 where
        not finite; and the mask of the finite ones.
    """
    height, width = flow.shape[-2:]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device) + flow[..., 0, :, :]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + flow[..., 1, :, :]
    finite = x.isfinite() & y.isfinite()
    x = torch.where(finite, x, 0.0).clamp(-3, size_hw[1] + 2)
    y = torch.where(finite, y, 0.0).clamp(-3, size_hw[0] + 2)
    return x, y, finite


def taps(position: Tensor, size: int, bicubic: bool, border: bool) -> list[tuple[Tensor, Tensor]]:
    """List the taps along one axis: index clamped into the image, and weight; outside weighs 0 unless `border`."""
    base = position.floor()
    t = position - base
    weights = bicubic_weights(t) if bicubic else [1.0 - t, t]
    found = []
    for offset, weight in enumerate(weights, start=-1 if bicubic else 0):
        index = base.long() + offset
        inside = (index >= 0) & (index < size)
        found.append((index.clamp(0, max(size - 1, 0)), weight if border else torch.where(inside, weight, 0.0)))
    return found


def bicubic_weights(t: Tensor) -> list[Tensor]:
    """Weights of the texels at -1, 0, 1, 2 for a position t in [0, 1) after texel 0 (Keys 1981, a = -1/2)."""
    return [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]


def gather(features: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Pick texels: features (B, C, H, W) at indices (B, ...), giving (B, C, ...)."""
    batch, channels, height, width = features.shape
    if height * width == 0:
        return features.new_zeros((batch, channels, *row.shape[1:]))
    index = (row * width + column).flatten(1)[:, None].expand(-1, channels, -1)
    return features.flatten(2).gather(2, index).reshape(batch, channels, *row.shape[1:])


def sample(features: Tensor, flow: Tensor, bicubic: bool, border: bool) -> Tensor:
    """Sample features (B, C, Hs, Ws) at a flow (B, 2, H, W): (B, C, H, W), in the dtype that ops compute in.

    Weights are multiplied first; texels are summed down the columns, then across: so does every backend.
    """
    height, width = features.shape[2:]
    x, y, finite = positions(flow, (height, width))
    values = upcast(features)
    result = values.new_zeros((*features.shape[:2], *flow.shape[2:]))
    for column, weight_x in taps(x, width, bicubic, border):
        line = torch.zeros_like(result)
        for row, weight_y in taps(y, height, bicubic, border):
            line = line + gather(values, row, column) * (weight_x * weight_y)[:, None]
        result = result + line
    return torch.where(finite[:, None], result, 0.0)


def round_to(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert a result to the dtype of the input: uint8 by rounding halves up, after clamping."""
    if dtype == torch.uint8:
        return (values.nan_to_num(0.0).clamp(0.0, 255.0) + 0.5).floor().to(dtype)
    return values.to(dtype)
