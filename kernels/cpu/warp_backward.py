"""numba implementation of the derivatives of `kernels.warp` and `kernels.blend_warp`: one loop serves both.

No atomics, and the same bits for any number of threads: the work is cut into groups of channels and, where one
group is all there is, into parts of the picture that add to buffers of their own. The cut depends on the shape alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, compiled
from kernels.cpu.layout import from_texels, to_texels
from kernels.cpu.sampling import fill_taps, is_finite
from kernels.cpu.storage import array_of, load
from kernels.cpu.threads import run_bands

__all__ = ["backward", "blend_backward"]

_CHANNELS_PER_GROUP = 32
_PARTS = 4
_PIXELS_WORTH_PARTS = 1 << 14


def backward(
    gradient: Tensor, features: Tensor, flow: Tensor, bicubic: bool, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor]:
    """Derive `warp` by features and flow; the ones not needed are empty."""
    weights = flow.new_ones(()).expand(flow.shape[0], 1, *flow.shape[2:])
    for_features, for_flows, _ = _derive(
        gradient, features, flow[:, None], weights, bicubic, border, [needs[0], needs[1], False]
    )
    return for_features, for_flows[:, 0] if needs[1] else for_flows


def blend_backward(
    gradient: Tensor, features: Tensor, flows: Tensor, weights: Tensor, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Derive `blend_warp` by features, flows and weights; the ones not needed are empty."""
    return _derive(gradient, features, flows, weights, False, border, needs)


def _derive(
    gradient: Tensor, features: Tensor, flows: Tensor, weights: Tensor, bicubic: bool, border: bool, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    batch, channels, height, width = features.shape
    num_flows, _, out_height, out_width = flows.shape[1:]
    images, gradients = to_texels(features), to_texels(gradient)
    targets, shares = array_of(flows.contiguous()), array_of(weights.contiguous())
    num_groups = -(-channels // _CHANNELS_PER_GROUP)
    num_parts = _PARTS if batch * num_groups == 1 and out_height * out_width >= _PIXELS_WORTH_PARTS else 1

    texels = (num_parts, batch, height * width * channels)
    planes = (max(num_groups, 1), batch, num_flows)
    for_image = np.zeros(texels if needs[0] else (num_parts, batch, 0), dtype=targets.dtype)
    for_flows = np.zeros((*planes, 2, *((out_height, out_width) if needs[1] else (0, 0))), dtype=targets.dtype)
    for_weights = np.zeros((*planes, *((out_height, out_width) if needs[2] else (0, 0))), dtype=targets.dtype)

    def scatter(first: int, last: int) -> None:
        for task in range(first, last):
            rest, part = divmod(task, num_parts)
            b, group = divmod(rest, num_groups)
            rows = (out_height * part // num_parts, out_height * (part + 1) // num_parts)
            span = (group * _CHANNELS_PER_GROUP, min((group + 1) * _CHANNELS_PER_GROUP, channels))
            inputs = (images[b], targets[b], shares[b], gradients[b])
            results = (for_image[part, b], for_flows[group, b], for_weights[group, b])
            scratch = (np.empty((2, 4), np.int64), np.empty((4, 4), targets.dtype))
            _scatter(*inputs, *results, height, width, channels, *span, *rows, *needs, bicubic, border, *scratch)

    if features.numel() > 0:
        run_bands(scatter, batch * num_groups * num_parts, grain=1)
    return (
        from_texels(_summed(for_image), features) if needs[0] else features.new_empty(0),
        torch.from_numpy(_summed(for_flows)) if needs[1] else flows.new_empty(0),
        torch.from_numpy(_summed(for_weights)) if needs[2] else weights.new_empty(0),
    )


def _summed(parts: Array) -> Array:
    """Add up along the first axis, in order."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


@compiled(fastmath={"reassoc", "nsz"})
def _scatter(
    image: Array,
    flows: Array,
    weights: Array,
    gradient: Array,
    for_image: Array,
    for_flows: Array,
    for_weights: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    channel_first: Integer,
    channel_last: Integer,
    first: Integer,
    last: Integer,
    needs_image: bool,
    needs_flows: bool,
    needs_weights: bool,
    bicubic: bool,
    border: bool,
    indices: Array,
    values: Array,
) -> None:
    """Handle rows [first, last) and a span of channels; sums over channels may run in vector lanes."""
    num_flows, _, _, out_width = flows.shape
    columns, rows, wx, wy, slope_x, slope_y = indices[0], indices[1], values[0], values[1], values[2], values[3]
    count = np.uintp(channel_last - channel_first)
    for y in range(first, last):
        for x in range(out_width):
            o = np.uintp((y * out_width + x) * channels + channel_first)
            for k in range(num_flows):
                share = weights[k, y, x]
                at_x, at_y = flows.dtype.type(x) + flows[k, 0, y, x], flows.dtype.type(y) + flows[k, 1, y, x]
                if not is_finite(at_x, at_y) or (share == 0.0 and not needs_weights):
                    continue
                taps = fill_taps(at_x, width, bicubic, border, columns, wx, slope_x)
                fill_taps(at_y, height, bicubic, border, rows, wy, slope_y)
                by_x, by_y, by_weight = type(at_x)(0.0), type(at_x)(0.0), type(at_x)(0.0)
                for j in range(taps):
                    for i in range(taps):
                        a = np.uintp((rows[j] * width + columns[i]) * channels + channel_first)
                        if needs_image and share != 0.0:
                            weight = share * (wx[i] * wy[j])
                            for c in range(count):
                                for_image[a + c] += load(gradient[o + c]) * weight
                        if needs_flows or needs_weights:
                            match = type(at_x)(0.0)
                            for c in range(count):
                                match += load(gradient[o + c]) * load(image[a + c])
                            by_x += match * (slope_x[i] * wy[j])
                            by_y += match * (wx[i] * slope_y[j])
                            by_weight += match * (wx[i] * wy[j])
                if needs_flows:
                    for_flows[k, 0, y, x], for_flows[k, 1, y, x] = share * by_x, share * by_y
                if needs_weights:
                    for_weights[k, y, x] = by_weight
