"""Memory formats: how the loops see a (B, C, H, W) tensor, and how a result gets the format of its input."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.cpu.jit import Array
from kernels.cpu.memory import allocate
from kernels.cpu.storage import array_of

__all__ = ["allocate_as", "from_texels", "is_texels", "to_planes", "to_texels"]


def is_texels(tensor: Tensor) -> bool:
    """Tell whether a tensor is laid out channels-last, and not also contiguous."""
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def to_planes(tensor: Tensor) -> Array:
    """View (or copy) as (B, C * H * W), row by row."""
    return _rows(tensor.contiguous(), tensor.shape[0])


def to_texels(tensor: Tensor) -> Array:
    """View (or copy) as (B, H * W * C), channels last."""
    last = tensor.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    return _rows(last, tensor.shape[0])


def from_texels(texels: Array, like: Tensor) -> Tensor:
    """Turn (B, H * W * C) into a tensor with the shape, dtype and memory format of `like`."""
    batch, channels, height, width = like.shape
    last = torch.from_numpy(texels).view(batch, height, width, channels).permute(0, 3, 1, 2)
    memory_format = torch.channels_last if is_texels(like) else torch.contiguous_format
    return last.to(like.dtype).contiguous(memory_format=memory_format)


def allocate_as(like: Tensor, size_hw: Sequence[int], *, as_texels: bool = False) -> tuple[Tensor, Array]:
    """Allocate a result of another size with the batch, channels, dtype and format of `like` (or channels last).

    Returns:
        The (B, C, H, W) tensor, and its memory as (B, H * W * C) or (B, C * H * W).
    """
    batch, channels = like.shape[:2]
    if as_texels or is_texels(like):
        raw = allocate((batch, *size_hw, channels), like.dtype)
        return raw.permute(0, 3, 1, 2), _rows(raw, batch)
    raw = allocate((batch, channels, *size_hw), like.dtype)
    return raw, _rows(raw, batch)


def _rows(contiguous: Tensor, batch: int) -> Array:
    """View as one row per picture; also where there is nothing."""
    return array_of(contiguous).reshape(batch, math.prod(contiguous.shape[1:]))
