"""What derivatives do with a texel: add it, weighted, to another; multiply it with another. Many channels at a time."""

from __future__ import annotations

import numpy as np

from kernels.cpu.jit import Array, Integer, Real, inlined
from kernels.cpu.lanes import LANES, read_lanes, spread, sum_lanes, whole_lanes, write_lanes
from kernels.cpu.storage import load

__all__ = ["add_texel", "match_texel"]


@inlined()
def add_texel(source: Array, o: Integer, weight: Real, target: Array, a: Integer, count: Integer) -> None:
    """Add the `count` channels of `source` from o on, weighted, to those of `target` from a on."""
    whole, wide = whole_lanes(count), spread(weight)
    for c in range(np.uintp(0), whole, np.uintp(LANES)):
        write_lanes(target, a + c, read_lanes(target, a + c) + read_lanes(source, o + c) * wide)
    for c in range(whole, count):
        target[a + c] += load(source[o + c]) * weight


@inlined()
def match_texel(source: Array, o: Integer, target: Array, a: Integer, zero: Real, count: Integer) -> Real:
    """Sum up the products of the `count` channels of `source` from o on with those of `target` from a on."""
    whole, products = whole_lanes(count), spread(zero)
    for c in range(np.uintp(0), whole, np.uintp(LANES)):
        products = products + read_lanes(source, o + c) * read_lanes(target, a + c)
    match = sum_lanes(products)
    for c in range(whole, count):
        match += load(source[o + c]) * load(target[a + c])
    return match
