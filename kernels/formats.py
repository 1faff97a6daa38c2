"""In which memory format pictures are read and answered."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["format_of", "is_texels"]


def is_texels(tensor: Tensor) -> bool:
    """Tell whether a (B, C, H, W) tensor is laid out channels-last, and not also contiguous."""
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def format_of(features: Tensor) -> torch.memory_format:
    """Tell in which memory format ops answer: that of their features."""
    return torch.channels_last if is_texels(features) else torch.contiguous_format
