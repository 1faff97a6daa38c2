"""A texel's channels as vectors: `Lanes`, a value that compiled loops add and multiply as if it were a number.

A loop over channels is too short for a compiler to vectorise well: at every pixel it would test again whether the
arrays overlap and how much remains. So loops take `LANES` channels at a time by hand, and the rest one by one.
`Lanes` are LLVM vectors: AVX-512, AVX2 or NEON instructions come from the same source. Their arithmetic rounds like
that of single numbers, and their sum adds up in one order everywhere: no result depends on the machine.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from kernels.cpu.jit import OPTIONS, Array, Four, Integer, inlined
from kernels.cpu.storage import computed_in, narrow, widen

__all__ = [
    "LANES",
    "Lanes",
    "address_of_lanes",
    "are_all",
    "exp_negative",
    "gather",
    "prefetch",
    "read_lanes",
    "read_lanes_each",
    "read_neighbours",
    "read_places",
    "read_rows",
    "spread",
    "spread_each",
    "spread_over",
    "sum_lanes",
    "whole_lanes",
    "write_lanes",
]

LANES = 16
"""How many channels loops over channels take at a time."""

_INDEX = ir.IntType(32)


class Lanes(types.Type):  # type: ignore[misc]  # numba has no types
    """The type of several numbers of one kind, as numba sees it."""

    def __init__(self, element: types.Type, count: int) -> None:
        self.element, self.count = element, count
        super().__init__(name=f"Lanes({element}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        element = manager.lookup(lanes.element).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(element, lanes.count))


@inlined()
def whole_lanes(count: Integer) -> Integer:
    """Return how many of `count` channels (unsigned) fill whole `Lanes`."""
    return count // np.uintp(LANES) * np.uintp(LANES)


def address_of_lanes(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Generate the address of an element of a flat array, as a pointer to a vector that need not be aligned."""
    element = builder.gep(context.make_array(array_type)(context, builder, array).data, [index])
    return builder.bitcast(element, ir.VectorType(element.type.pointee, LANES).as_pointer())


def _align(instruction: Any, array_type: Any) -> Any:
    instruction.align = array_type.dtype.bitwidth // 8
    return instruction


@intrinsic
def read_lanes(typing_context: Any, array: Any, index: Any) -> Any:
    """Read the `LANES` elements of a flat array from an index on, as what loops compute in (see `storage.load`)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = builder.load(address_of_lanes(context, builder, array, *arguments))
        return widen(builder, array.dtype, _align(stored, array))

    return Lanes(computed_in(array.dtype), LANES)(array, types.uintp), generate


@intrinsic
def write_lanes(typing_context: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Write `LANES` elements of a flat array from an index on, as what it stores (see `storage.store`)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = address_of_lanes(context, builder, array, *arguments[:2])
        _align(builder.store(narrow(builder, array.dtype, arguments[2]), place), array)
        return context.get_dummy_value()

    return types.none(array, types.uintp, lanes), generate


def gather(builder: Any, addresses: Any, element: Any) -> Any:
    """Generate the reading of an element at each of a vector of addresses, which need not be aligned.

    Where a machine can't gather, compilers read one after the other.
    """
    count = addresses.type.count
    result, pointers = ir.VectorType(element, count), ir.VectorType(element.as_pointer(), count)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(1), count), [1] * count)
    kind = ir.FunctionType(result, [pointers, _INDEX, everywhere.type, result])
    name = f"llvm.masked.gather.v{count}{element.intrinsic_name}.v{count}p0{element.intrinsic_name}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    places, alignment = builder.inttoptr(addresses, pointers), ir.Constant(_INDEX, 1)
    return builder.call(function, [places, alignment, everywhere, ir.Constant(result, ir.Undefined)])


def _gather_stored(context: Any, builder: Any, signature: Any, arguments: Any, neighbours: int) -> Any:
    """Generate the reading of so many neighbours from each of `LANES` places of a flat array, as one vector."""
    array_type, places_type, _ = signature.args
    array, places, index = arguments
    size, element = array_type.dtype.bitwidth // 8, context.get_data_type(array_type.dtype)
    stored = builder.load(address_of_lanes(context, builder, places_type, places, index))
    offsets = builder.mul(_align(stored, places_type), ir.Constant(stored.type, [size] * LANES))
    begin = builder.ptrtoint(context.make_array(array_type)(context, builder, array).data, ir.IntType(64))
    words = gather(builder, builder.add(spread_over(builder, begin, LANES), offsets), ir.IntType(8 * size * neighbours))
    return builder.bitcast(words, ir.VectorType(element, neighbours * LANES))


@intrinsic
def read_places(typing_context: Any, array: Any, places: Any, index: Any) -> Any:
    """Read a flat array at `LANES` of the places in another one, from an index on, as what loops compute in."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return widen(builder, array.dtype, _gather_stored(context, builder, signature, arguments, 1))

    return Lanes(computed_in(array.dtype), LANES)(array, places, types.uintp), generate


@intrinsic
def read_neighbours(typing_context: Any, array: Any, places: Any, index: Any) -> Any:
    """Read as `read_places` does, each element and the one after it: two `Lanes`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        both = _gather_stored(context, builder, signature, arguments, 2)
        sides = []
        for first in (0, 1):
            lanes = ir.Constant(ir.VectorType(_INDEX, LANES), list(range(first, 2 * LANES, 2)))
            side = builder.shuffle_vector(both, ir.Constant(both.type, ir.Undefined), lanes)
            sides.append(widen(builder, array.dtype, side))
        return cgutils.pack_array(builder, sides)

    return types.UniTuple(Lanes(computed_in(array.dtype), LANES), 2)(array, places, types.uintp), generate


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element that will be read soon; any index is harmless."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte_pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte_pointer, _INDEX, _INDEX, _INDEX])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        place = builder.bitcast(address_of_lanes(context, builder, array, *arguments), byte_pointer)
        is_write, everywhere, is_data = 0, 3, 1
        builder.call(function, [place, *(ir.Constant(_INDEX, flag) for flag in (is_write, everywhere, is_data))])
        return context.get_dummy_value()

    return types.none(array, types.uintp), generate


def spread_over(builder: Any, number: Any, count: int) -> Any:
    """Generate a vector that holds one number `count` times."""
    undefined = ir.Constant(ir.VectorType(number.type, count), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, count), [0] * count))


@intrinsic
def spread(typing_context: Any, number: Any) -> Any:
    """Put one number into all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return spread_over(builder, arguments[0], LANES)

    return Lanes(number, LANES)(number), generate


@inlined()
def spread_each(numbers: Four) -> Four:
    """Put each of four numbers into `Lanes` of its own."""
    return spread(numbers[0]), spread(numbers[1]), spread(numbers[2]), spread(numbers[3])


@inlined()
def read_lanes_each(array: Array, places: Four, offset: Integer) -> Four:
    """Read `Lanes` at one offset from each of four places of a flat array."""
    return (
        read_lanes(array, places[0] + offset),
        read_lanes(array, places[1] + offset),
        read_lanes(array, places[2] + offset),
        read_lanes(array, places[3] + offset),
    )


@inlined()
def read_rows(table: Array, i: Integer) -> Four:
    """Read `Lanes` from an index on from each of the first four rows of a table."""
    return read_lanes(table[0], i), read_lanes(table[1], i), read_lanes(table[2], i), read_lanes(table[3], i)


@intrinsic
def are_all(typing_context: Any, lanes: Any, number: Any, count: Any) -> Any:
    """Tell whether the first `count` lanes are all one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, number, count = arguments
        order = ir.Constant(ir.VectorType(count.type, LANES), list(range(LANES)))
        is_other = builder.fcmp_unordered("!=", lanes, spread_over(builder, number, LANES))
        is_counted = builder.icmp_signed("<", order, spread_over(builder, count, LANES))
        bits = builder.bitcast(builder.and_(is_other, is_counted), ir.IntType(LANES))
        return builder.icmp_unsigned("==", bits, ir.Constant(bits.type, 0))

    return types.boolean(lanes, lanes.element, types.int64), generate


@intrinsic
def sum_lanes(typing_context: Any, lanes: Any) -> Any:
    """Add up all lanes, in a tree: halves are added until one number is left."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (total,), count = arguments, LANES
        while count > 1:
            count //= 2
            undefined = ir.Constant(total.type, ir.Undefined)
            lower, upper = (
                builder.shuffle_vector(
                    total, undefined, ir.Constant(ir.VectorType(_INDEX, count), list(range(first, first + count)))
                )
                for first in (0, count)
            )
            total = builder.fadd(lower, upper)
        return builder.extract_element(total, ir.Constant(_INDEX, 0))

    return lanes.element(lanes), generate


_LEAST_EXPONENT = -60.0
_ROUNDING = 1.5 * 2.0**23  # added to a small number it leaves a whole one in the lowest bits
_LN2_HIGH = 0.693359375  # few enough bits for exact products with whole numbers
_LN2_LOW = math.log(2.0) - _LN2_HIGH


@intrinsic
def exp_negative(typing_context: Any, exponent: Any) -> Any:
    """Raise e to a float32 of at most 0, or to `Lanes` of them; 0 below -60, and for what is not a number.

    Within 2^-23 of the true value. Below -60 nobody sees a difference, and what is close to the smallest numbers takes
    a processor a hundred cycles.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (exponent,) = arguments

        def constant(number: float, like: Any = exponent) -> Any:
            is_vector = isinstance(like.type, ir.VectorType)
            return ir.Constant(like.type, [number] * like.type.count if is_vector else number)

        # e^x = 2^n e^r with whole n and |r| <= ln(2) / 2, where seven terms of the series do.
        shifted = builder.fadd(builder.fmul(exponent, constant(1.0 / math.log(2.0))), constant(_ROUNDING))
        whole = builder.fsub(shifted, constant(_ROUNDING))
        rest = builder.fsub(exponent, builder.fmul(whole, constant(_LN2_HIGH)))
        rest = builder.fsub(rest, builder.fmul(whole, constant(_LN2_LOW)))
        series = constant(1.0 / math.factorial(7))
        for order in range(6, -1, -1):
            series = builder.fadd(builder.fmul(series, rest), constant(1.0 / math.factorial(order)))
        bits = context.get_value_type(types.int32)
        word = ir.VectorType(bits, LANES) if isinstance(exponent.type, ir.VectorType) else bits
        power = builder.bitcast(shifted, word)
        raised = builder.add(builder.bitcast(series, word), builder.shl(power, constant(23, power)))
        is_seen = builder.fcmp_ordered(">", exponent, constant(_LEAST_EXPONENT))
        return builder.select(is_seen, builder.bitcast(raised, exponent.type), constant(0.0))

    return exponent(exponent), generate


def _define(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    """Let an operator's symbol work on two `Lanes` of one kind."""

    @intrinsic
    def combine(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return a(a, a), generate

    @overload(symbol, jit_options={**OPTIONS, "forceinline": True})
    def _symbol(a: Any, b: Any) -> Any:
        def apply(a: Any, b: Any) -> Any:
            return combine(a, b)

        return apply if isinstance(a, Lanes) and a == b else None


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
