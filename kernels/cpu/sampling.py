"""Positions, taps and weights inside compiled loops: the twins of `kernels.reference.sampling`."""

from __future__ import annotations

import numpy as np

from kernels.cpu.jit import Array, Integer, Real, inlined

__all__ = [
    "bicubic_weights",
    "bilinear_taps",
    "clamped_position",
    "fill_taps",
    "inside_index",
    "is_finite",
    "outside_weight",
]


@inlined()
def is_finite(x: Real, y: Real) -> bool:
    """Tell whether a position can be sampled at all."""
    return bool(abs(x) < np.inf and abs(y) < np.inf)


@inlined()
def clamped_position(position: Real, size: Integer, reach: Integer = 0) -> Real:
    """Bring a finite position within 3 px (and the reach of a patch) of the image: as far outside as any place."""
    return min(max(position, type(position)(-3 - reach)), type(position)(size + 2 + reach))


@inlined()
def inside_index(index: Integer, size: Integer) -> Integer:
    """Clamp a tap into the image."""
    return min(max(index, 0), size - 1)


@inlined()
def outside_weight(weight: Real, index: Integer, size: Integer, border: bool) -> Real:
    """Take away the weight of a tap outside of the image, unless the border continues."""
    return weight if border or (index >= 0 and index < size) else type(weight)(0.0)


@inlined()
def bicubic_weights(t: Real) -> tuple[Real, Real, Real, Real]:
    """Weights of the texels at -1, 0, 1, 2 for a position t in [0, 1) after texel 0 (Keys 1981, a = -1/2)."""
    half, one, two = type(t)(0.5), type(t)(1.0), type(t)(2.0)
    three_halves, five_halves = type(t)(1.5), type(t)(2.5)
    return (
        ((-half * t + one) * t - half) * t,
        (three_halves * t - five_halves) * t * t + one,
        ((-three_halves * t + two) * t + half) * t,
        (half * t - half) * t * t,
    )


@inlined()
def fill_taps(
    position: Real, size: Integer, bicubic: bool, border: bool, indices: Array, weights: Array, slopes: Array
) -> Integer:
    """Fill in the taps along one axis: clamped index, weight and the weight's derivative; returns how many."""
    position = clamped_position(position, size)
    base = np.floor(position)
    t = position - base
    half, one = type(t)(0.5), type(t)(1.0)
    count, first = 2, int(base)
    if bicubic:
        count, first = 4, int(base) - 1
        found = bicubic_weights(t)
        weights[0], weights[1], weights[2], weights[3] = found[0], found[1], found[2], found[3]
        slopes[0] = (type(t)(-1.5) * t + type(t)(2.0)) * t - half
        slopes[1] = (type(t)(4.5) * t - type(t)(5.0)) * t
        slopes[2] = (type(t)(-4.5) * t + type(t)(4.0)) * t + half
        slopes[3] = (type(t)(1.5) * t - one) * t
    else:
        weights[0], weights[1], slopes[0], slopes[1] = one - t, t, -one, one
    for i in range(count):
        indices[i] = inside_index(first + i, size)
        weights[i] = outside_weight(weights[i], first + i, size, border)
        slopes[i] = outside_weight(slopes[i], first + i, size, border)
    return count


@inlined()
def bilinear_taps(
    dx: Real, dy: Real, x: Integer, y: Integer, height: Integer, width: Integer, border: bool
) -> tuple[Integer, Integer, Integer, Integer, Real, Real, Real, Real]:
    """Find the four texels a pixel looks at (upper left, lower left, upper right, lower right) and their weights.

    All weights are 0 where the position is not finite.
    """
    at_x, at_y = type(dx)(x) + dx, type(dy)(y) + dy
    zero, one = type(at_x)(0.0), type(at_x)(1.0)
    if not is_finite(at_x, at_y):
        return 0, 0, 0, 0, zero, zero, zero, zero
    at_x, at_y = clamped_position(at_x, width), clamped_position(at_y, height)
    left, top = np.floor(at_x), np.floor(at_y)
    right, down = at_x - left, at_y - top
    column, row = int(left), int(top)
    c0, c1 = inside_index(column, width), inside_index(column + 1, width)
    r0, r1 = inside_index(row, height) * width, inside_index(row + 1, height) * width
    wx0 = outside_weight(one - right, column, width, border)
    wx1 = outside_weight(right, column + 1, width, border)
    wy0 = outside_weight(one - down, row, height, border)
    wy1 = outside_weight(down, row + 1, height, border)
    return r0 + c0, r1 + c0, r0 + c1, r1 + c1, wx0 * wy0, wx0 * wy1, wx1 * wy0, wx1 * wy1
