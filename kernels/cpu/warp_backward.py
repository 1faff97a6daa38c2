"""numba implementation of the derivatives of `kernels.warp`: no atomics, and the same bits for any number of threads.

The work is cut into groups of channels and, where one group is all there is, into parts of the picture that add to
buffers of their own. The cut depends on the shape alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, compiled
from kernels.cpu.sampling import fill_taps, is_finite
from kernels.cpu.storage import array_of, load
from kernels.cpu.threads import run_bands

__all__ = ["backward"]

_CHANNELS_PER_GROUP = 32
_PARTS = 4
_PIXELS_WORTH_PARTS = 1 << 14


def backward(
    gradient: Tensor, features: Tensor, flow: Tensor, bicubic: bool, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor]:
    """Derive `warp` by features and flow; the ones not needed are empty."""
    batch, channels, height, width = features.shape
    needs_features, needs_flow = needs
    was_last = features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous()
    images, gradients = (_texels(tensor) for tensor in (features, gradient))
    flows = array_of(flow.contiguous())
    num_groups = -(-channels // _CHANNELS_PER_GROUP)
    num_parts = _PARTS if batch * num_groups == 1 and height * width >= _PIXELS_WORTH_PARTS else 1

    sums = (num_parts, batch, height * width * channels if needs_features else 0)
    for_image = np.zeros(sums, dtype=flows.dtype)
    for_flow = np.zeros((num_groups, batch, 2, height, width) if needs_flow else (1, 1, 2, 0, 0), dtype=flows.dtype)

    def scatter(first: int, last: int) -> None:
        for task in range(first, last):
            rest, part = divmod(task, num_parts)
            b, group = divmod(rest, num_groups)
            rows = (height * part // num_parts, height * (part + 1) // num_parts)
            span = (group * _CHANNELS_PER_GROUP, min((group + 1) * _CHANNELS_PER_GROUP, channels))
            targets = (for_image[part, b], for_flow[group if needs_flow else 0, b if needs_flow else 0])
            scratch = (np.empty((2, 4), np.int64), np.empty((4, 4), flows.dtype))
            flags = (needs_features, needs_flow, bicubic, border)
            _scatter(images[b], flows[b], gradients[b], *targets, channels, *span, *rows, *flags, *scratch)

    if features.numel() > 0:
        run_bands(scatter, batch * num_groups * num_parts, grain=1)
    return (
        _assemble(for_image, features, was_last) if needs_features else features.new_empty(0),
        torch.from_numpy(_summed(for_flow)) if needs_flow else flow.new_empty(0),
    )


def _texels(tensor: Tensor) -> Array:
    """View (or copy) as (B, H * W * C)."""
    last = tensor.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    return array_of(last).reshape(tensor.shape[0], -1)


def _summed(parts: Array) -> Array:
    """Add up along the first axis, in order."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def _assemble(parts: Array, features: Tensor, was_last: bool) -> Tensor:
    """Sum up the parts of the gradient of the features, in their dtype and memory format."""
    batch, channels, height, width = features.shape
    texels = torch.from_numpy(_summed(parts)).view(batch, height, width, channels).permute(0, 3, 1, 2)
    memory_format = torch.channels_last if was_last else torch.contiguous_format
    return texels.to(features.dtype).contiguous(memory_format=memory_format)


@compiled(fastmath={"reassoc", "nsz"})
def _scatter(
    image: Array,
    flow: Array,
    gradient: Array,
    for_image: Array,
    for_flow: Array,
    channels: Integer,
    channel_first: Integer,
    channel_last: Integer,
    first: Integer,
    last: Integer,
    needs_image: bool,
    needs_flow: bool,
    bicubic: bool,
    border: bool,
    indices: Array,
    values: Array,
) -> None:
    """Handle rows [first, last) and a span of channels; sums over channels may run in vector lanes."""
    _, height, width = flow.shape
    columns, rows, wx, wy, slope_x, slope_y = indices[0], indices[1], values[0], values[1], values[2], values[3]
    count = np.uintp(channel_last - channel_first)
    for y in range(first, last):
        for x in range(width):
            at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
            if not is_finite(at_x, at_y):
                continue
            taps = fill_taps(at_x, width, bicubic, border, columns, wx, slope_x)
            fill_taps(at_y, height, bicubic, border, rows, wy, slope_y)
            o = np.uintp((y * width + x) * channels + channel_first)
            by_x, by_y = type(at_x)(0.0), type(at_x)(0.0)
            for j in range(taps):
                for i in range(taps):
                    a = np.uintp((rows[j] * width + columns[i]) * channels + channel_first)
                    if needs_image:
                        weight = wx[i] * wy[j]
                        for c in range(count):
                            for_image[a + c] += load(gradient[o + c]) * weight
                    if needs_flow:
                        match = type(at_x)(0.0)
                        for c in range(count):
                            match += load(gradient[o + c]) * load(image[a + c])
                        by_x += match * (slope_x[i] * wy[j])
                        by_y += match * (wx[i] * slope_y[j])
            if needs_flow:
                for_flow[0, y, x], for_flow[1, y, x] = by_x, by_y
