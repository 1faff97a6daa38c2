"""Stores that go past the caches, for results too large to be found there by whoever reads them next.

An ordinary store first reads the line it is about to overwrite: a result costs its bytes twice. A streaming store does
not, which halves the cost of clearing planes, and it leaves the caches to what is still needed. Vectors of LLVM with
a hint: where a machine has no such stores they are ordinary ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, Target, inlined
from kernels.cpu.lanes import LANES, address_of_lanes, spread, whole_lanes, write_lanes
from kernels.cpu.storage import narrow

__all__ = ["LINE", "fill_past_cache", "finish_streaming", "stream_lanes", "worth_streaming", "write_lanes_to"]

LINE = 64
"""Bytes of a cache line."""

_WORTH_STREAMING = 8 << 20


def worth_streaming(result: Tensor) -> bool:
    """Tell whether a result is larger than any core's own cache."""
    return result.nbytes >= _WORTH_STREAMING


@intrinsic
def stream_lanes(typing_context: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Write `LANES` elements as `write_lanes` does, past the caches; aligned to their size, or to a line if larger."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = address_of_lanes(context, builder, array, *arguments[:2])
        stored = builder.store(narrow(builder, array.dtype, arguments[2]), place)
        stored.align = min(LINE, LANES * array.dtype.bitwidth // 8)
        stored.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.none(array, types.uintp, lanes), generate


@intrinsic
def finish_streaming(typing_context: Any) -> Any:
    """Wait until streamed stores are visible to all threads; ordinary synchronisation need not wait for them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.none(), generate


@inlined()
def write_lanes_to(target: Target, index: Integer, lanes: Any) -> None:
    """Write `LANES` elements, past the caches (see `stream_lanes`) or not."""
    array, streams = target
    if streams:
        stream_lanes(array, index, lanes)
    else:
        write_lanes(array, index, lanes)


@inlined()
def fill_past_cache(row: Array, value: Real) -> None:
    """Fill a flat array with a value of its type, past the caches."""
    size, wide = np.uintp(row.size), spread(value)
    first = min(np.uintp((-row.ctypes.data % LINE) // row.itemsize), size)
    last = first + whole_lanes(size - first)
    for i in range(np.uintp(0), first):
        row[i] = value
    for i in range(first, last, np.uintp(LANES)):
        stream_lanes(row, i, wide)
    for i in range(last, size):
        row[i] = value
