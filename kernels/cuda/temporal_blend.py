"""CUDA implementation of `kernels.temporal_blend`; kernel in `csrc/temporal_blend.cu`."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.cuda.build import Variant
from kernels.cuda.launch import launch
from kernels.cuda.layout import Layout, empty_as

__all__ = ["forward"]


def forward(
    current: Tensor, previous: Tensor, flow: Tensor, mask: Tensor | None, strength: float, tolerance: float
) -> Tensor:
    """Blend with the warped previous result; arguments and result as in `kernels.temporal_blend`."""
    layout = Layout.of(current)
    batch, channels, height, width = current.shape
    out = empty_as(current, (height, width), layout)
    if out.numel() == 0:
        return out
    unit = 255.0 if current.dtype == torch.uint8 else 1.0
    falloff = -1.0 / (tolerance**2 * unit**2 * channels)
    inputs = (layout.apply(current), layout.apply(previous), flow.contiguous())
    mask = mask.contiguous() if mask is not None else None
    numbers = (batch, channels, height, width, layout.texels, mask is not None, float(strength), falloff)
    variant = Variant("temporal_blend", current.dtype)
    launch(variant, "temporal_blend", batch * height * width, *inputs, mask, out, *numbers)
    return out
