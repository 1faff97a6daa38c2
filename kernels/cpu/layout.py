"""Memory formats: how the loops see a (B, C, H, W) tensor, and how a result gets the format of its input."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.cpu.jit import Array
from kernels.cpu.memory import allocate_array
from kernels.cpu.storage import array_of, tensor_of
from kernels.cpu.transpose import to_channels_first, to_channels_last
from kernels.formats import is_texels

__all__ = ["allocate_planes", "allocate_texels", "formatted_as", "from_texels", "to_planes", "to_texels"]


def to_planes(tensor: Tensor) -> Array:
    """View (or copy) as (B, C * H * W), row by row."""
    return _rows(array_of(to_channels_first(tensor)))


def to_texels(tensor: Tensor) -> Array:
    """View (or copy) as (B, H * W * C), channels last."""
    return _rows(array_of(to_channels_last(tensor)).transpose(0, 2, 3, 1))


def formatted_as(like: Tensor, tensor: Tensor) -> Tensor:
    """Bring a (B, C, H, W) tensor to the memory format of another: channels-last, or contiguous."""
    return to_channels_last(tensor) if is_texels(like) else to_channels_first(tensor)


def from_texels(texels: Tensor, like: Tensor) -> Tensor:
    """Turn (B, H * W * C) into a tensor with the shape, dtype and memory format of `like`."""
    batch, channels, height, width = like.shape
    last = texels.view(batch, height, width, channels).permute(0, 3, 1, 2)
    return formatted_as(like, last.to(like.dtype))


def allocate_planes(shape: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Array]:
    """Allocate a contiguous (B, C, H, W) result; also returns its memory as (B, C * H * W)."""
    planes = allocate_array(shape, dtype)
    return tensor_of(planes, dtype), _rows(planes)


def allocate_texels(shape: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Array]:
    """Allocate a channels-last (B, C, H, W) result; also returns its memory as (B, H * W * C)."""
    batch, channels, height, width = shape
    texels = allocate_array((batch, height, width, channels), dtype)
    return tensor_of(texels.transpose(0, 3, 1, 2), dtype), _rows(texels)


def _rows(array: Array) -> Array:
    """View as one row per picture; also where there is nothing."""
    return array.reshape(len(array), math.prod(array.shape[1:]))
