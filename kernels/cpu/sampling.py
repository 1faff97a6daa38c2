"""Positions, taps and weights inside compiled loops: the twins of `kernels.reference.sampling`."""

from __future__ import annotations

import numpy as np

from kernels.cpu.jit import Array, Four, Integer, Pair, Real, Source, Span, Taps, inlined

__all__ = [
    "bicubic_axis",
    "bicubic_weights",
    "bilinear_axis",
    "bilinear_taps",
    "clamped_position",
    "column_places",
    "dot",
    "each_at",
    "fill_bilinear_taps",
    "inside_index",
    "is_finite",
    "mix",
    "outer",
    "scaled",
    "square_places",
    "texels_from",
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
def bicubic_weights(t: Real) -> Four:
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
def bicubic_slopes(t: Real) -> Four:
    """Derivatives of `bicubic_weights` by t."""
    half, one, two, four, five = type(t)(0.5), type(t)(1.0), type(t)(2.0), type(t)(4.0), type(t)(5.0)
    return (
        (type(t)(-1.5) * t + two) * t - half,
        (type(t)(4.5) * t - five) * t,
        (type(t)(-4.5) * t + four) * t + half,
        (type(t)(1.5) * t - one) * t,
    )


@inlined()
def bicubic_axis(position: Real, size: Integer, border: bool) -> tuple[Four, Four, Four]:
    """Find the four taps along one axis: clamped indices, weights and the weights' derivatives."""
    position = clamped_position(position, size)
    base = np.floor(position)
    a = int(base) - 1
    b, c, d = a + 1, a + 2, a + 3
    return (
        (inside_index(a, size), inside_index(b, size), inside_index(c, size), inside_index(d, size)),
        _outside_weights(bicubic_weights(position - base), a, size, border),
        _outside_weights(bicubic_slopes(position - base), a, size, border),
    )


@inlined()
def _outside_weights(weights: Four, first: Integer, size: Integer, border: bool) -> Four:
    return (
        outside_weight(weights[0], first, size, border),
        outside_weight(weights[1], first + 1, size, border),
        outside_weight(weights[2], first + 2, size, border),
        outside_weight(weights[3], first + 3, size, border),
    )


@inlined()
def bilinear_axis(position: Real, size: Integer, border: bool) -> tuple[Pair, Pair, Pair]:
    """Find the two taps along one axis: clamped indices, weights and the weights' derivatives."""
    position, one = clamped_position(position, size), type(position)(1.0)
    base = np.floor(position)
    t, first = position - base, int(base)
    return (
        (inside_index(first, size), inside_index(first + 1, size)),
        (outside_weight(one - t, first, size, border), outside_weight(t, first + 1, size, border)),
        (outside_weight(-one, first, size, border), outside_weight(one, first + 1, size, border)),
    )


@inlined()
def outer(across: Pair, down: Pair) -> Four:
    """Multiply what belongs to two columns by what belongs to two rows."""
    return across[0] * down[0], across[0] * down[1], across[1] * down[0], across[1] * down[1]


@inlined()
def scaled(number: Real, four: Four) -> Four:
    """Multiply each of four numbers by one more."""
    return number * four[0], number * four[1], number * four[2], number * four[3]


@inlined()
def dot(a: Four, b: Four) -> Real:
    """Sum up four products, in order; numbers or `Lanes`."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]


@inlined()
def mix(texels: Four, weights: Four) -> Real:
    """Sum up four weighted texels, down the columns, then across; numbers or `Lanes`."""
    return (texels[0] * weights[0] + texels[1] * weights[1]) + (texels[2] * weights[2] + texels[3] * weights[3])


@inlined()
def square_places(columns: Pair, rows: Pair, width: Integer) -> Four:
    """Tell where two by two texels lie, counted in texels."""
    upper, lower = rows[0] * width, rows[1] * width
    return upper + columns[0], lower + columns[0], upper + columns[1], lower + columns[1]


@inlined()
def column_places(column: Integer, rows: Four, width: Integer) -> Four:
    """Tell where the four texels of a column lie, counted in texels."""
    return rows[0] * width + column, rows[1] * width + column, rows[2] * width + column, rows[3] * width + column


@inlined()
def texels_from(places: Four, apart: Integer, first: Integer) -> Four:
    """Tell where in a flat array four texels begin, at a channel, given how many elements texels are apart."""
    return (
        np.uintp(places[0]) * apart + first,
        np.uintp(places[1]) * apart + first,
        np.uintp(places[2]) * apart + first,
        np.uintp(places[3]) * apart + first,
    )


@inlined()
def bilinear_taps(source: Source, flow: Array, x: Integer, y: Integer) -> tuple[Four, Four]:
    """Find where in the flat source the four texels of a pixel begin, and their weights.

    All weights are 0 where the position is not finite.
    """
    _, (height, width, channels), border = source
    at_x, at_y = flow.dtype.type(x) + flow[0, y, x], flow.dtype.type(y) + flow[1, y, x]
    if not is_finite(at_x, at_y):
        zero, nowhere = type(at_x)(0.0), np.uintp(0)
        return (nowhere, nowhere, nowhere, nowhere), (zero, zero, zero, zero)
    columns, wx, _ = bilinear_axis(at_x, width, border)
    rows, wy, _ = bilinear_axis(at_y, height, border)
    return texels_from(square_places(columns, rows, width), np.uintp(channels), np.uintp(0)), outer(wx, wy)


@inlined()
def fill_bilinear_taps(source: Source, flow: Array, y: Integer, columns: Span, taps: Taps) -> None:
    """Fill in the taps of some pixels of row y of a (2, H, W) flow.

    A loop of its own, because compilers turn it into vectors.
    """
    places, weights = taps
    start, end = columns
    for i in range(end - start):
        found, shares = bilinear_taps(source, flow, start + i, y)
        places[0, i], places[1, i], places[2, i], places[3, i] = found
        weights[0, i], weights[1, i], weights[2, i], weights[3, i] = shares


@inlined()
def each_at(table: Array, i: Integer) -> Four:
    """Return a column of a table of four rows, or the first four of more."""
    return table[0, i], table[1, i], table[2, i], table[3, i]
