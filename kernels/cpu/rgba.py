"""Texels of an RGBA byte picture as vectors of four channels: what a compiler does not find in loops over them.

The functions take addresses and read whole vectors from there: the caller guarantees that the bytes are its own.
They are spelled in LLVM's vector types, so they compile to AVX, NEON or scalar code alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.cpu.lanes import spread_over

__all__ = ["bicubic_rgba", "read_byte"]

_FLOAT = ir.FloatType()
_BYTE = ir.IntType(8)
_LANE = ir.IntType(32)


def _read_bytes(builder: Any, address: Any, count: int) -> Any:
    """Read `count` bytes at an address that need not be aligned, as floats."""
    pointer = builder.inttoptr(address, ir.VectorType(_BYTE, count).as_pointer())
    vector = builder.load(pointer)
    vector.align = 1
    return builder.uitofp(vector, ir.VectorType(_FLOAT, count))


def _shuffle(builder: Any, vector: Any, lanes: Sequence[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_LANE, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _combine(builder: Any, vectors: Sequence[Any], weights: Sequence[Any]) -> Any:
    """Sum up weighted vectors, in order."""
    total = None
    for vector, weight in zip(vectors, weights, strict=True):
        term = builder.fmul(vector, spread_over(builder, weight, vector.type.count))
        total = term if total is None else builder.fadd(total, term)
    return total


@intrinsic
def read_byte(typing_context: Any, address: Any) -> Any:
    """Read one byte at an address, as a float."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.uitofp(builder.load(builder.inttoptr(arguments[0], _BYTE.as_pointer())), _FLOAT)

    return types.float32(types.intp), generate


@intrinsic
def bicubic_rgba(
    typing_context: Any,
    row_0: Any,
    row_1: Any,
    row_2: Any,
    row_3: Any,
    weights_x: Any,
    weights_y: Any,
) -> Any:
    """Blend four by four RGBA texels; each row address is that of the left-most of its four texels.

    Returns the four channels in 0..255, not clamped; down the columns first, then across.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, (weights_x, weights_y) = arguments[:4], arguments[4:]
        across = [builder.extract_value(weights_x, i) for i in range(4)]
        down = [builder.extract_value(weights_y, i) for i in range(4)]
        columns = _combine(builder, [_read_bytes(builder, row, 16) for row in rows], down)
        texels = [_shuffle(builder, columns, range(4 * i, 4 * i + 4)) for i in range(4)]
        result = _combine(builder, texels, across)
        channels = [builder.extract_element(result, ir.Constant(_LANE, i)) for i in range(4)]
        return cgutils.pack_array(builder, channels)

    four = types.UniTuple(types.float32, 4)
    return four(types.intp, types.intp, types.intp, types.intp, four, four), generate
