"""`LANES` pixels of a byte picture at once: read where a flow points to, taken apart into channels, put together again.

A pixel is a word of 32 bits whose lowest byte is the first channel; of three channels the highest byte is junk. The
functions take addresses and read whole words from there: the caller guarantees that the bytes are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.cpu.jit import Four, inlined
from kernels.cpu.lanes import LANES, Lanes, address_of_lanes, gather, spread_over
from kernels.cpu.sampling import mix
from kernels.cpu.storage import clamp_to_byte

__all__ = [
    "MARGIN",
    "are_usual",
    "channels_of",
    "clamp_lanes",
    "mix_squares",
    "read_pixels",
    "read_squares",
    "write_pixels",
]

MARGIN = 8
"""How many bytes `read_squares` reads from a place on."""

_FLOATS, _WORDS = Lanes(types.float32, LANES), Lanes(types.int32, LANES)
_BYTE, _WORD, _LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)


def _vector(element: Any) -> Any:
    return ir.VectorType(element, LANES)


def _all(vector_type: Any, number: float) -> Any:
    return ir.Constant(vector_type, [number] * vector_type.count)


def _shuffle(builder: Any, vector: Any, lanes: Sequence[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_WORD, len(lanes)), list(lanes))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _read(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    loaded = builder.load(address_of_lanes(context, builder, array_type, array, index))
    loaded.align = array_type.dtype.bitwidth // 8
    return loaded


def _address_of_pixels(builder: Any, address: Any, channels: int) -> Any:
    return builder.inttoptr(address, ir.VectorType(_BYTE, LANES * channels).as_pointer())


@intrinsic
def are_usual(typing_context: Any, places: Any, fractions: Any, most: Any, index: Any) -> Any:
    """Tell of `LANES` pixels whether all have a place of at most `most` and a fraction that is not negative."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places, fractions, most, index = arguments
        found = _read(context, builder, signature.args[0], places, index)
        is_near = builder.icmp_signed("<=", found, spread_over(builder, most, LANES))
        right = _read(context, builder, signature.args[1], fractions, index)
        is_usual = builder.and_(is_near, builder.fcmp_ordered(">=", right, _all(right.type, 0.0)))
        bits = builder.bitcast(is_usual, ir.IntType(LANES))
        return builder.icmp_unsigned("==", bits, ir.Constant(bits.type, -1))

    return types.boolean(places, fractions, types.int64, types.uintp), generate


@intrinsic
def read_squares(typing_context: Any, channels: Any, address: Any, pitch: Any, places: Any, index: Any) -> Any:
    """Read the two by two pixels that begin at each of `LANES` places, as words.

    Reads `MARGIN` bytes from each place after the address, and as many from `pitch` further on.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        channels, address, pitch, places, index = arguments
        found = _read(context, builder, signature.args[3], places, index)
        one_pixel = spread_over(builder, builder.mul(channels, ir.Constant(_LONG, 8)), LANES)
        words = []
        for start in (address, builder.add(address, pitch)):
            pair = gather(builder, builder.add(found, spread_over(builder, start, LANES)), _LONG)
            words.append([builder.trunc(pixel, _vector(_WORD)) for pixel in (pair, builder.lshr(pair, one_pixel))])
        (upper_left, upper_right), (lower_left, lower_right) = words
        return cgutils.pack_array(builder, [upper_left, lower_left, upper_right, lower_right])

    four = types.UniTuple(_WORDS, 4)
    return four(types.int64, types.intp, types.intp, places, types.uintp), generate


@intrinsic(prefer_literal=True)
def read_pixels(typing_context: Any, channels: Any, address: Any) -> Any:
    """Read `LANES` neighbouring pixels of 3 or 4 bytes at an address, as words."""
    if not isinstance(channels, types.IntegerLiteral):
        return None
    count = channels.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        read = builder.load(_address_of_pixels(builder, arguments[1], count))
        read.align = 1
        return builder.bitcast(
            _shuffle(builder, read, [i * count + c % count for i in range(LANES) for c in range(4)]), _vector(_WORD)
        )

    return _WORDS(channels, types.intp), generate


@intrinsic(prefer_literal=True)
def write_pixels(typing_context: Any, channels: Any, address: Any, texel: Any) -> Any:
    """Write `LANES` neighbouring pixels of 3 or 4 bytes, given their channels in 0..255; halves are rounded up."""
    if not isinstance(channels, types.IntegerLiteral):
        return None
    count = channels.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, address, texel = arguments
        words = None
        for c in range(count):
            value = builder.extract_value(texel, c)
            rounded = builder.fptosi(builder.fadd(value, _all(value.type, 0.5)), _vector(_WORD))
            shifted = builder.shl(rounded, _all(rounded.type, 8 * c))
            words = shifted if words is None else builder.or_(words, shifted)
        stored = _shuffle(
            builder,
            builder.bitcast(words, ir.VectorType(_BYTE, 4 * LANES)),
            [4 * i + c for i in range(LANES) for c in range(count)],
        )
        builder.store(stored, _address_of_pixels(builder, address, count)).align = 1
        return context.get_dummy_value()

    return types.none(channels, types.intp, types.UniTuple(_FLOATS, 4)), generate


@intrinsic
def _channel_of(typing_context: Any, words: Any, channel: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words, channel = arguments
        bits = builder.mul(builder.trunc(channel, _WORD), ir.Constant(_WORD, 8))
        byte = builder.and_(builder.lshr(words, spread_over(builder, bits, LANES)), _all(words.type, 255))
        return builder.sitofp(byte, _vector(ir.FloatType()))

    return _FLOATS(_WORDS, types.int64), generate


@inlined()
def channels_of(words: Any) -> Four:
    """Take pixels apart into four channels, as floats in 0..255; what is not used is not worked out."""
    return _channel_of(words, 0), _channel_of(words, 1), _channel_of(words, 2), _channel_of(words, 3)


@inlined()
def mix_squares(squares: Four, weights: Four) -> Four:
    """Sum up two by two weighted pixels, down the columns, then across; returns the four channels."""
    a, b, c, d = channels_of(squares[0]), channels_of(squares[1]), channels_of(squares[2]), channels_of(squares[3])
    return (
        mix((a[0], b[0], c[0], d[0]), weights),
        mix((a[1], b[1], c[1], d[1]), weights),
        mix((a[2], b[2], c[2], d[2]), weights),
        mix((a[3], b[3], c[3], d[3]), weights),
    )


@intrinsic
def clamp_lanes(typing_context: Any, lanes: Any) -> Any:
    """Clamp numbers to 0..255; what is not a number becomes 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return clamp_to_byte(builder, arguments[0])

    return lanes(lanes), generate
