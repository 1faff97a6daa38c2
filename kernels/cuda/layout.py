"""How CUDA kernels see features: planar or channels-last, one thread or a warp per pixel; where sums are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kernels.formats import is_texels

__all__ = ["LANES", "Layout", "Sums", "empty_as", "fixed_point_scale"]

LANES = 32


class Layout(NamedTuple):
    """The way an op reads its features.

    Attributes:
        texels: channels are last.
        lanes: how many threads share a pixel.
    """

    texels: bool
    lanes: int

    @classmethod
    def of(cls, features: Tensor) -> Layout:
        """Channels-last features with enough channels are read by a warp per pixel."""
        texels = is_texels(features)
        return cls(texels, LANES if texels and features.shape[1] >= LANES else 1)

    @property
    def suffix(self) -> str:
        """What the kernel's name ends in."""
        return "_lanes" if self.lanes > 1 else ""

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout as torch calls it."""
        return torch.channels_last if self.texels else torch.contiguous_format

    def apply(self, tensor: Tensor) -> Tensor:
        """Bring a tensor into this layout."""
        return tensor.contiguous(memory_format=self.memory_format)


def empty_as(features: Tensor, size_hw: Sequence[int], layout: Layout) -> Tensor:
    """Allocate a result of another size with the batch, channels and dtype of features."""
    shape = (*features.shape[:2], *size_hw)
    return torch.empty(shape, dtype=features.dtype, device=features.device, memory_format=layout.memory_format)


class Sums:
    """What derivatives of features are added to: floats, or fixed point where the order must not matter.

    Args:
        features: what is derived by.
        gradient: what comes from above; bounds the terms.
        layout: of the features.
        real: dtype that the kernels compute in.
    """

    def __init__(self, features: Tensor, gradient: Tensor, layout: Layout, real: torch.dtype) -> None:
        self.is_fixed_point = torch.are_deterministic_algorithms_enabled()
        self._features = features
        dtype = torch.int64 if self.is_fixed_point else real
        self.total = torch.zeros_like(features, dtype=dtype, memory_format=layout.memory_format)
        self.scale: Tensor | None = None
        if self.is_fixed_point:
            # At most every pixel adds to one texel, with a weight of less than 2 (bicubic).
            num_terms = max(math.prod(gradient.shape[2:]), 1)
            self.scale = fixed_point_scale(gradient, 2.0 * num_terms)

    def result(self) -> Tensor:
        """Turn the sums into a gradient in the dtype and format of the features."""
        if self.scale is None:
            return self.total.to(self._features.dtype)
        return (self.total.double() / self.scale).to(self._features.dtype)


def fixed_point_scale(values: Tensor, num_terms: float) -> Tensor:
    """Choose the power of two by which values are multiplied so that so many of them fit 62 bits.

    Nothing waits for the device. NaN where a value is not finite, which makes NaN of all that is divided by it.
    """
    largest = values.abs().amax().double() if values.numel() else values.new_zeros((), dtype=torch.float64)
    bound = (largest * num_terms).clamp(min=torch.finfo(torch.float32).tiny)
    return torch.where(bound.isfinite(), torch.exp2(torch.floor(62.0 - torch.log2(bound))), math.nan)
