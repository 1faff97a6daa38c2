"""Specification of `kernels.composite_layers`: whole planes at a time, in float32."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.reference.sampling import bicubic_weights

__all__ = ["composite_layers"]


def composite_layers(
    textures: Tensor,
    flow: Tensor,
    layer: Tensor,
    background: Tensor | None,
    residual_flow: Tensor | None,
    bicubic: bool,
) -> Tensor:
    """Blend the peels; arguments and result as in `kernels.composite_layers`."""
    if layer.numel() and int(layer.amax()) >= textures.shape[0]:
        raise ValueError(f"raster.layer: expected ids below {textures.shape[0]}, got {int(layer.amax())}")
    batch, num_peels, _, height, width = flow.shape
    y = torch.arange(height, dtype=torch.float32, device=flow.device)[:, None]
    x = torch.arange(width, dtype=torch.float32, device=flow.device)
    colour = torch.zeros(batch, height, width, 3, device=flow.device)
    transmitted = torch.ones(batch, height, width, 1, device=flow.device)
    for k in range(num_peels):
        at_x, at_y = x + flow[:, k, 0], y + flow[:, k, 1]  # (B, H, W)
        if residual_flow is not None:
            at_x, at_y = at_x + residual_flow[:, 0], at_y + residual_flow[:, 1]
        shown = (layer[:, k] >= 0) & at_x.isfinite() & at_y.isfinite()
        ids = layer[:, k].clamp(min=0).long()
        # Far outside is as transparent as just outside, and fits an index.
        at_x = torch.where(shown, at_x, -9.0).clamp(-9.0, textures.shape[2] + 9.0)
        at_y = torch.where(shown, at_y, -9.0).clamp(-9.0, textures.shape[1] + 9.0)
        rgb, alpha = _sample(textures, ids, at_x, at_y, bicubic)
        weight = transmitted * alpha
        colour = colour + weight * rgb
        transmitted = transmitted * (1.0 - alpha)
    if background is not None:
        return _to_uint8(colour + transmitted * background)
    opacity = 1.0 - transmitted
    straight = torch.where(opacity > 0, colour / opacity, 0.0)
    return _to_uint8(torch.cat([straight, opacity * 255.0], dim=-1))


def _to_uint8(values: Tensor) -> Tensor:
    return (values + 0.5).floor().clamp(0, 255).to(torch.uint8)


def _sample(textures: Tensor, ids: Tensor, x: Tensor, y: Tensor, bicubic: bool) -> tuple[Tensor, Tensor]:
    """Sample colour (B, H, W, 3) in 0..255 and alpha (B, H, W, 1) in 0..1."""
    _, height, width, _ = textures.shape
    if textures.numel() == 0:
        return torch.zeros(*x.shape, 3, device=x.device), torch.zeros(*x.shape, 1, device=x.device)
    column, row = x.floor().long(), y.floor().long()
    right, down = x - x.floor(), y - y.floor()

    def texel(i: int, j: int) -> Tensor:
        inside_x, inside_y = (column + i).clamp(0, width - 1), (row + j).clamp(0, height - 1)
        return textures[ids, inside_y, inside_x].float()

    def opacity(i: int, j: int) -> Tensor:
        inside = (column + i >= 0) & (column + i < width) & (row + j >= 0) & (row + j < height)
        return texel(i, j)[..., 3] * inside

    top = opacity(0, 0) + (opacity(1, 0) - opacity(0, 0)) * right
    bottom = opacity(0, 1) + (opacity(1, 1) - opacity(0, 1)) * right
    alpha = (top + (bottom - top) * down) * (1.0 / 255.0)
    weights_x, weights_y = (bicubic_weights(t) if bicubic else [1.0 - t, t] for t in (right, down))
    taps = range(-1, 3) if bicubic else range(2)
    rgb = torch.zeros(*x.shape, 3, device=x.device)
    for i, weight_x in zip(taps, weights_x, strict=True):
        line = torch.zeros_like(rgb)
        for j, weight_y in zip(taps, weights_y, strict=True):
            line = line + texel(i, j)[..., :3] * weight_y[..., None]
        rgb = rgb + line * weight_x[..., None]
    return rgb.clamp(0.0, 255.0), alpha[..., None]
