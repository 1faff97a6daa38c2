"""What tensors store against what loops compute in: float16, bfloat16 and uint8 are read and written as float32.

numpy has no bfloat16 and numba computes in no half precision, so both travel as their bits: float16 as uint16,
bfloat16 as int16. `load` and `store` convert by the array's dtype, inside the loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from torch import Tensor

from kernels.cpu.jit import Array, Real

__all__ = ["array_of", "load", "round_byte", "store"]

_OPTIONS = {"forceinline": True, "error_model": "numpy", "_nrt": False}
_BITS = {torch.float16: torch.uint16, torch.bfloat16: torch.int16}


def array_of(tensor: Tensor) -> Array:
    """View a CPU tensor as a numpy array of what `load` and `store` understand; shares memory."""
    bits = _BITS.get(tensor.dtype)
    return (tensor.detach() if bits is None else tensor.detach().view(bits)).numpy()


def load(value: Real) -> Real:
    """Convert a stored element to what loops compute in: float64 stays, everything else becomes float32."""
    raise NotImplementedError("only for compiled code")


def store(like: Array, value: Real) -> Real:
    """Convert a result to the element type of the array `like`; uint8 is clamped, then rounded halves up."""
    raise NotImplementedError("only for compiled code")


@overload(load, jit_options=_OPTIONS)
def _load(value: Any) -> Any:
    def of_half(value: Any) -> Any:
        return _from_half(value)

    def of_bfloat(value: Any) -> Any:
        return _from_bfloat(value)

    def of_double(value: Any) -> Any:
        return value

    def of_any(value: Any) -> Any:
        return np.float32(value)

    return {types.uint16: of_half, types.int16: of_bfloat, types.float64: of_double}.get(value, of_any)


@overload(store, jit_options=_OPTIONS)
def _store(like: Any, value: Any) -> Any:
    def as_half(like: Any, value: Any) -> Any:
        return _to_half(np.float32(value))

    def as_bfloat(like: Any, value: Any) -> Any:
        return _to_bfloat(np.float32(value))

    def as_byte(like: Any, value: Any) -> Any:
        return round_byte(value)

    def as_double(like: Any, value: Any) -> Any:
        return value

    def as_single(like: Any, value: Any) -> Any:
        return np.float32(value)

    known = {types.uint16: as_half, types.int16: as_bfloat, types.uint8: as_byte, types.float64: as_double}
    return known.get(like.dtype, as_single)


def round_byte(value: Real) -> Real:
    """Clamp to 0..255 and round to the nearest, halves up; NaN becomes 0."""
    raise NotImplementedError("only for compiled code")


@overload(round_byte, jit_options=_OPTIONS)
def _round_byte(value: Any) -> Any:
    def convert(value: Any) -> Any:
        # The order of the comparison sends NaN to 0.
        lower = value if value > np.float32(0.0) else np.float32(0.0)
        return np.uint8(np.int32(min(lower, np.float32(255.0)) + np.float32(0.5)))

    return convert


@intrinsic
def _from_half(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), generate


@intrinsic
def _to_half(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(types.float32), generate


@intrinsic
def _from_bfloat(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        wide = builder.shl(builder.zext(arguments[0], word), ir.Constant(word, 16))
        return builder.bitcast(wide, ir.FloatType())

    return types.float32(types.int16), generate


@intrinsic
def _to_bfloat(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.bitcast(arguments[0], word)
        # Round to nearest even: add half a unit, and the last kept bit.
        last = builder.and_(builder.lshr(bits, ir.Constant(word, 16)), ir.Constant(word, 1))
        rounded = builder.add(bits, builder.add(last, ir.Constant(word, 0x7FFF)))
        is_nan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        kept = builder.select(is_nan, ir.Constant(word, 0x7FC00000), rounded)
        return builder.trunc(builder.lshr(kept, ir.Constant(word, 16)), ir.IntType(16))

    return types.int16(types.float32), generate
