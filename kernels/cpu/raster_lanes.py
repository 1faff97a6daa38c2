"""Eight neighbouring pixels of a raster at once: drawn where nearer, shifted and copied between peels where drawn.

The functions take addresses and read whole vectors from there: the caller guarantees that the bytes are its own.
They are spelled in LLVM's vector types, so they compile to AVX, NEON or scalar code alike.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.cpu.jit import Integer, Real
from kernels.cpu.lanes import gather, spread_over
from kernels.cpu.storage import widen

__all__ = [
    "LANES",
    "Lookup",
    "Place",
    "Ramp",
    "any_drawn",
    "copy_where_drawn",
    "draw_lanes",
    "draw_masked_lanes",
    "fill_where_drawn",
    "shift_where_drawn",
]

LANES = 8
"""How many pixels are handled at once."""

Place: TypeAlias = tuple[Integer, Integer, Integer]
"""Where in a scratch band to draw: the address of the first depth, how many bytes on dx, dy and alpha follow, one after
the other, and the address of the first part id."""

Ramp: TypeAlias = tuple[tuple[Real, Real, Real], tuple[Real, Real, Real], Real]
"""Depth, dx and dy of a triangle in a row, as float64: at its origin's column, per column, and how far on to begin."""

Lookup: TypeAlias = tuple[Integer, Integer, Integer, Real, Real, Real]
"""Alpha of a layer: the address of its first texel, height and width, by what it is multiplied, below what it is a
hole, and any element, for its type."""

_FLOAT, _DOUBLE, _LANE, _WORD = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64)
_SINGLES = ir.VectorType(_FLOAT, LANES)
_THREE = types.UniTuple(types.float64, 3)
_PLACE, _RAMP = types.UniTuple(types.intp, 3), types.Tuple((_THREE, _THREE, types.float64))


def _all(vector_type: Any, number: float) -> Any:
    return ir.Constant(vector_type, [number] * vector_type.count)


def _steps(element: Any) -> Any:
    return ir.Constant(ir.VectorType(element, LANES), [element(lane).constant for lane in range(LANES)])


def _spread(builder: Any, number: Any) -> Any:
    return spread_over(builder, number, LANES)


def _unpack(builder: Any, packed: Any) -> list[Any]:
    return [builder.extract_value(packed, i) for i in range(len(packed.type.elements))]


def _follow(builder: Any, ramp: Any) -> list[Any]:
    """Generate depth, dx and dy of the pixels."""
    values, slopes, along = _unpack(builder, ramp)
    steps = builder.fadd(_spread(builder, along), _steps(_DOUBLE))
    found = []
    for value, slope in zip(_unpack(builder, values), _unpack(builder, slopes), strict=True):
        change = builder.fmul(_spread(builder, slope), steps)
        found.append(builder.fptrunc(builder.fadd(_spread(builder, value), change), _SINGLES))
    return found


def _is_counted(builder: Any, count: Any) -> Any:
    """Generate the mask of the first `count` lanes."""
    return builder.icmp_signed("<", _steps(_WORD), _spread(builder, count))


def _draw(builder: Any, place: Any, planes: list[Any], part_id: Any, may: Any) -> None:
    """Generate the depth test of the lanes that may be drawn, and the writing of those that win."""
    address, pitch, part_address = _unpack(builder, place)
    nearer = builder.fcmp_ordered("<", planes[0], _read(builder, address, _FLOAT))
    wins = builder.and_(nearer, may)
    for i, plane in enumerate(planes):
        _overwrite(builder, builder.add(address, builder.mul(pitch, ir.Constant(_WORD, i))), plane, wins)
    _overwrite(builder, part_address, _spread(builder, part_id), wins)


@intrinsic
def draw_lanes(typing_context: Any, place: Any, ramp: Any, part_id: Any, count: Any) -> Any:
    """Depth-test and write `LANES` neighbouring opaque pixels, of which the first `count` belong to the triangle."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, ramp, part_id, count = arguments
        _draw(builder, place, [*_follow(builder, ramp), _all(_SINGLES, 1.0)], part_id, _is_counted(builder, count))
        return context.get_dummy_value()

    return types.none(_PLACE, _RAMP, types.int8, types.int64), generate


@intrinsic
def draw_masked_lanes(
    typing_context: Any, place: Any, ramp: Any, part_id: Any, count: Any, corner: Any, lookup: Any
) -> Any:
    """Do as `draw_lanes` with alpha from the texture; draw nothing and return False where that takes a look outside.

    `corner` is the first pixel's x and y, as float32.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, ramp, part_id, count, corner, lookup = arguments
        address, height, width, scale, threshold, _ = _unpack(builder, lookup)
        planes, counted = _follow(builder, ramp), _is_counted(builder, count)
        first_x, first_y = (_spread(builder, number) for number in _unpack(builder, corner))
        x = builder.fadd(builder.fadd(first_x, _steps(_FLOAT)), planes[1])
        column, right, has_columns = _neighbours(builder, x, width)
        row, down, has_rows = _neighbours(builder, builder.fadd(first_y, planes[2]), height)
        outside = builder.and_(counted, builder.not_(builder.and_(has_columns, has_rows)))
        bits = builder.bitcast(outside, ir.IntType(LANES))
        is_inside = builder.icmp_unsigned("==", bits, ir.Constant(bits.type, 0))
        with builder.if_then(is_inside):
            texel = builder.add(builder.mul(row, _spread(builder, width)), column)
            upper = _read_pairs(builder, lookup_type, address, texel)
            lower = _read_pairs(builder, lookup_type, address, builder.add(texel, _spread(builder, width)))
            top, bottom = _between(builder, *upper, right), _between(builder, *lower, right)
            alpha = builder.fmul(_between(builder, top, bottom, down), _spread(builder, scale))
            # What is not a number is no hole.
            solid = builder.fcmp_unordered(">=", alpha, _spread(builder, threshold))
            _draw(builder, place, [*planes, alpha], part_id, builder.and_(counted, solid))
        return is_inside

    lookup_type = lookup.types[-1]
    pair = types.UniTuple(types.float32, 2)
    return types.boolean(_PLACE, _RAMP, types.int8, types.int64, pair, lookup), generate


def _neighbours(builder: Any, position: Any, size: Any) -> tuple[Any, Any, Any]:
    """Generate the texel before a position, the fraction beyond it, and whether it and the next one are inside.

    Where they are not, the texel is the first one.
    """
    last = _spread(builder, builder.sitofp(builder.sub(size, ir.Constant(_WORD, 1)), _FLOAT))
    kind = ir.FunctionType(_SINGLES, [_SINGLES])
    before = builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.floor.v{LANES}f32"), [position])
    zero = _all(_SINGLES, 0.0)
    inside = builder.and_(builder.fcmp_ordered(">=", before, zero), builder.fcmp_ordered("<", before, last))
    index = builder.fptosi(builder.select(inside, before, zero), ir.VectorType(_WORD, LANES))
    return index, builder.fsub(position, before), inside


def _read_pairs(builder: Any, element: Any, address: Any, texel: Any) -> tuple[Any, Any]:
    """Generate the reading of texels and of their right neighbours, as floats."""
    size = element.bitwidth // 8
    places = builder.add(_spread(builder, address), builder.mul(texel, _all(texel.type, size)))
    words = gather(builder, places, ir.IntType(16 * size))
    narrow = ir.VectorType(ir.IntType(8 * size), LANES)
    left, right = (builder.trunc(word, narrow) for word in (words, builder.lshr(words, _all(words.type, 8 * size))))
    if element == types.float32:
        return builder.bitcast(left, _SINGLES), builder.bitcast(right, _SINGLES)
    return widen(builder, element, left), widen(builder, element, right)


def _between(builder: Any, first: Any, second: Any, fraction: Any) -> Any:
    return builder.fadd(first, builder.fmul(builder.fsub(second, first), fraction))


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
    return builder.fcmp_ordered("<", _read(builder, depth, _FLOAT), _all(_SINGLES, float("inf")))


def _overwrite(builder: Any, target: Any, vector: Any, where: Any) -> None:
    chosen = builder.select(where, vector, _read(builder, target, vector.type.element))
    builder.store(chosen, builder.inttoptr(target, vector.type.as_pointer())).align = 1


def _overwrite_drawn(builder: Any, depth: Any, target: Any, vector: Any) -> None:
    _overwrite(builder, target, vector, _drawn(builder, depth))
