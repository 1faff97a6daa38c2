"""The texel of a byte image, and pixels of a raster, as vectors: what a compiler does not find in loops over them.

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

__all__ = [
    "LANES",
    "any_drawn",
    "bicubic_rgba",
    "copy_where_drawn",
    "draw_lanes",
    "fill_where_drawn",
    "read_byte",
    "shift_where_drawn",
]

LANES = 8
"""How many pixels `draw_lanes` handles at once."""

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


@intrinsic
def draw_lanes(
    typing_context: Any,
    address: Any,
    pitch: Any,
    part_address: Any,
    count: Any,
    along: Any,
    part_id: Any,
    values: Any,
    slopes: Any,
) -> Any:
    """Depth-test and write `LANES` neighbouring opaque pixels, of which the first `count` belong to the triangle.

    At `address` lie the depths of a scratch band, one, two and three `pitch` bytes on its dx, dy and alpha; at
    `part_address` its part ids. values and slopes (of depth, dx, dy) are of the row and along it.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, pitch, part_address, count, along, part_id, values, slopes = arguments
        singles, word = ir.VectorType(_FLOAT, LANES), ir.IntType(64)
        lanes = ir.Constant(ir.VectorType(word, LANES), list(range(LANES)))
        offsets = ir.Constant(ir.VectorType(ir.DoubleType(), LANES), [float(lane) for lane in range(LANES)])
        steps = builder.fadd(spread_over(builder, along, LANES), offsets)

        def plane(i: int) -> Any:
            slope = builder.fmul(spread_over(builder, builder.extract_value(slopes, i), LANES), steps)
            return builder.fptrunc(
                builder.fadd(spread_over(builder, builder.extract_value(values, i), LANES), slope), singles
            )

        def place(offset: int) -> Any:
            return builder.add(address, builder.mul(pitch, ir.Constant(word, offset)))

        def overwrite(target: Any, vector: Any, wins: Any) -> None:
            chosen = builder.select(wins, vector, _read(builder, target, vector.type.element))
            builder.store(chosen, builder.inttoptr(target, vector.type.as_pointer())).align = 1

        depth = plane(0)
        nearer = builder.fcmp_ordered("<", depth, _read(builder, address, _FLOAT))
        wins = builder.and_(nearer, builder.icmp_signed("<", lanes, spread_over(builder, count, LANES)))
        overwrite(place(0), depth, wins)
        overwrite(place(1), plane(1), wins)
        overwrite(place(2), plane(2), wins)
        overwrite(place(3), ir.Constant(singles, [1.0] * LANES), wins)
        overwrite(part_address, spread_over(builder, part_id, LANES), wins)
        return context.get_dummy_value()

    three = types.UniTuple(types.float64, 3)
    address_type = types.intp
    arguments = (address_type, address_type, address_type, types.int64, types.float64, types.int8, three, three)
    return types.none(*arguments), generate


@intrinsic
def any_drawn(typing_context: Any, depth: Any) -> Any:
    """Tell whether any of `LANES` depths at an address is finite."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(_drawn(builder, arguments[0]), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(types.intp), generate


@intrinsic
def copy_where_drawn(typing_context: Any, depth: Any, source: Any, target: Any, kind: Any) -> Any:
    """Copy those of `LANES` elements whose depth is finite; the first three are addresses, `kind` any such element."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        depth, source, target, kind = arguments
        _overwrite_drawn(builder, depth, target, _read(builder, source, kind.type))
        return context.get_dummy_value()

    return types.none(types.intp, types.intp, types.intp, kind), generate


@intrinsic
def shift_where_drawn(typing_context: Any, depth: Any, front: Any, pitch: Any, k: Any, kind: Any) -> Any:
    """Copy those of `LANES` elements whose depth is finite from peel k - 1 to k; `front` is their place in peel 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        depth, front, pitch, k, kind = arguments
        target = builder.add(front, builder.mul(pitch, k))
        _overwrite_drawn(builder, depth, target, _read(builder, builder.sub(target, pitch), kind.type))
        return context.get_dummy_value()

    return types.none(types.intp, types.intp, types.intp, types.intp, kind), generate


@intrinsic
def fill_where_drawn(typing_context: Any, depth: Any, target: Any, value: Any) -> Any:
    """Write a value to those of `LANES` elements whose depth is finite."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        depth, target, value = arguments
        _overwrite_drawn(builder, depth, target, spread_over(builder, value, LANES))
        return context.get_dummy_value()

    return types.none(types.intp, types.intp, value), generate


def _read(builder: Any, address: Any, lane_type: Any) -> Any:
    loaded = builder.load(builder.inttoptr(address, ir.VectorType(lane_type, LANES).as_pointer()))
    loaded.align = 1
    return loaded


def _drawn(builder: Any, depth: Any) -> Any:
    infinity = ir.Constant(ir.VectorType(_FLOAT, LANES), [float("inf")] * LANES)
    return builder.fcmp_ordered("<", _read(builder, depth, _FLOAT), infinity)


def _overwrite_drawn(builder: Any, depth: Any, target: Any, vector: Any) -> None:
    chosen = builder.select(_drawn(builder, depth), vector, _read(builder, target, vector.type.element))
    builder.store(chosen, builder.inttoptr(target, vector.type.as_pointer())).align = 1
