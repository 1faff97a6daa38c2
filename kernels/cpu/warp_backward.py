"""numba implementation of the derivatives of `kernels.warp` and `kernels.blend_warp`: one loop serves both.

No atomics, and the same bits for any number of threads: the work is cut into groups of channels and, where one
group is all there is, into parts of the picture that add to buffers of their own. The cut depends on the shape alone.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kernels.cpu.jit import Array, Four, Integer, Real, Shape, Span, compiled, inlined
from kernels.cpu.lanes import (
    LANES,
    read_lanes,
    read_lanes_each,
    spread,
    spread_each,
    sum_lanes,
    whole_lanes,
    write_lanes,
)
from kernels.cpu.layout import from_texels, to_texels
from kernels.cpu.memory import allocate_zeros, sum_in_order
from kernels.cpu.sampling import (
    bicubic_axis,
    bilinear_axis,
    column_places,
    dot,
    is_finite,
    outer,
    scaled,
    square_places,
    texels_from,
)
from kernels.cpu.storage import array_of, load, load_each
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

    planes = (max(num_groups, 1), batch, num_flows)
    for_image = allocate_zeros((num_parts, batch, height * width * channels if needs[0] else 0), flows.dtype)
    for_flows = allocate_zeros((*planes, 2, *((out_height, out_width) if needs[1] else (0, 0))), flows.dtype)
    for_weights = allocate_zeros((*planes, *((out_height, out_width) if needs[2] else (0, 0))), flows.dtype)

    def scatter(first: int, last: int) -> None:
        for task in range(first, last):
            rest, part = divmod(task, num_parts)
            b, group = divmod(rest, num_groups)
            rows = (out_height * part // num_parts, out_height * (part + 1) // num_parts)
            span = (group * _CHANNELS_PER_GROUP, min((group + 1) * _CHANNELS_PER_GROUP, channels))
            inputs = (images[b], targets[b], shares[b], gradients[b])
            results = map(array_of, (for_image[part, b], for_flows[group, b], for_weights[group, b]))
            shape, needed = (height, width, channels), (needs[0], needs[1], needs[2])
            _scatter(*inputs, *results, shape, span, rows, needed, bicubic, border)

    if features.numel() > 0:
        run_bands(scatter, batch * num_groups * num_parts, grain=1)
    return (
        from_texels(sum_in_order(for_image), features) if needs[0] else features.new_empty(0),
        sum_in_order(for_flows) if needs[1] else flows.new_empty(0),
        sum_in_order(for_weights) if needs[2] else weights.new_empty(0),
    )


@compiled()
def _scatter(
    image: Array,
    flows: Array,
    shares: Array,
    gradient: Array,
    for_image: Array,
    for_flows: Array,
    for_shares: Array,
    shape: Shape,
    span: Span,
    rows: Span,
    needs: tuple[bool, bool, bool],
    bicubic: bool,
    border: bool,
) -> None:
    """Handle some rows and a span of channels: add to `for_image`, fill in what is derived by flows and shares."""
    height, width, channels = shape
    num_flows, _, _, out_width = flows.shape
    apart, begin, count = np.uintp(channels), np.uintp(span[0]), np.uintp(span[1] - span[0])
    for y in range(*rows):
        for x in range(out_width):
            arrays = (gradient, np.uintp(y * out_width + x) * apart + begin, image, for_image)
            for k in range(num_flows):
                share = shares[k, y, x]
                at_x, at_y = flows.dtype.type(x) + flows[k, 0, y, x], flows.dtype.type(y) + flows[k, 1, y, x]
                if not is_finite(at_x, at_y) or (share == 0.0 and not needs[2]):
                    continue
                by_x, by_y, by_share = type(share)(0.0), type(share)(0.0), type(share)(0.0)
                if bicubic:
                    columns, wx, slope_x = bicubic_axis(at_x, width, border)
                    lines, wy, slope_y = bicubic_axis(at_y, height, border)
                    for i in range(4):
                        texels = texels_from(column_places(columns[i], lines, width), apart, begin)
                        factors = (scaled(wx[i], wy), scaled(slope_x[i], wy), scaled(wx[i], slope_y))
                        found = _pull(arrays, texels, factors, share, needs, count)
                        by_x, by_y, by_share = by_x + found[0], by_y + found[1], by_share + found[2]
                else:
                    sides, across, step_x = bilinear_axis(at_x, width, border)
                    ends, down, step_y = bilinear_axis(at_y, height, border)
                    texels = texels_from(square_places(sides, ends, width), apart, begin)
                    factors = (outer(across, down), outer(step_x, down), outer(across, step_y))
                    by_x, by_y, by_share = _pull(arrays, texels, factors, share, needs, count)
                if needs[1]:
                    for_flows[k, 0, y, x], for_flows[k, 1, y, x] = share * by_x, share * by_y
                if needs[2]:
                    for_shares[k, y, x] = by_share


@inlined()
def _pull(
    arrays: tuple[Array, Integer, Array, Array],
    texels: Four,
    factors: tuple[Four, Four, Four],
    share: Real,
    needs: tuple[bool, bool, bool],
    count: Integer,
) -> tuple[Real, Real, Real]:
    """Add a pixel's gradient to four texels; derive by x, y and share what those texels contribute.

    Args:
        arrays: gradient of the result and where in it the pixel begins, image, gradient of the image.
        texels: where in the image the four texels begin.
        factors: their weights, and those derived by x and y.
        share: weight of the warp.
        needs: whether the derivatives by image, flows and shares are wanted.
        count: how many channels.
    """
    gradient, above, image, for_image = arrays
    if needs[0] and share != 0.0:
        _add(gradient, above, scaled(share, factors[0]), for_image, texels, count)
    zero = type(share)(0.0)
    if not (needs[1] or needs[2]):
        return zero, zero, zero
    matches = _match(gradient, above, image, texels, zero, count)
    return dot(matches, factors[1]), dot(matches, factors[2]), dot(matches, factors[0])


@inlined()
def _add(gradient: Array, above: Integer, weights: Four, for_image: Array, texels: Four, count: Integer) -> None:
    """Add a weighted pixel to four texels, which may be one and the same."""
    whole, wide = whole_lanes(count), spread_each(weights)
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        lanes = read_lanes(gradient, above + i)
        for tap in range(4):
            place = texels[tap] + i
            write_lanes(for_image, place, read_lanes(for_image, place) + lanes * wide[tap])
    for i in range(whole, count):
        for tap in range(4):
            for_image[texels[tap] + i] += load(gradient[above + i]) * weights[tap]


@inlined()
def _match(gradient: Array, above: Integer, image: Array, texels: Four, zero: Real, count: Integer) -> Four:
    """Multiply a pixel's gradient with each of four texels, channel by channel, and sum up."""
    whole = whole_lanes(count)
    a, b, c, d = spread(zero), spread(zero), spread(zero), spread(zero)
    for i in range(np.uintp(0), whole, np.uintp(LANES)):
        lanes, (upper_left, lower_left, upper_right, lower_right) = (
            read_lanes(gradient, above + i),
            read_lanes_each(image, texels, i),
        )
        a, b = a + lanes * upper_left, b + lanes * lower_left
        c, d = c + lanes * upper_right, d + lanes * lower_right
    sums = (sum_lanes(a), sum_lanes(b), sum_lanes(c), sum_lanes(d))
    for i in range(whole, count):
        one, each = load(gradient[above + i]), load_each(image, texels, i)
        sums = (sums[0] + one * each[0], sums[1] + one * each[1], sums[2] + one * each[2], sums[3] + one * each[3])
    return sums
