"""What tensors store against what loops compute in: float16, bfloat16 and uint8 are read and written as float32.

numpy has no bfloat16 and numba computes in no half precision, so both travel as their bits: float16 as uint16,
bfloat16 as int16. `load` and `store` convert one element by the array's dtype; `widen` and `narrow` generate that
code, for one element or for a vector of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from torch import Tensor

from kernels.cpu.jit import Array, Four, Integer, inlined

__all__ = [
    "array_of",
    "clamp_to_byte",
    "computed_in",
    "load",
    "load_each",
    "narrow",
    "round_byte",
    "store",
    "stored_as",
    "tensor_of",
    "widen",
]

_BITS = {torch.float16: torch.uint16, torch.bfloat16: torch.int16}
_ELEMENTS = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.float16: np.uint16,
    torch.bfloat16: np.int16,
    torch.uint8: np.uint8,
    torch.int8: np.int8,
}
_FLOAT, _HALF, _WORD, _SHORT, _BYTE = ir.FloatType(), ir.HalfType(), ir.IntType(32), ir.IntType(16), ir.IntType(8)


def array_of(tensor: Tensor) -> Array:
    """View a CPU tensor as a numpy array of what `load` and `store` understand; shares memory."""
    # Below autograd an input may still require a gradient, which `numpy` refuses.
    plain, bits = tensor.detach() if tensor.requires_grad else tensor, _BITS.get(tensor.dtype)
    return (plain if bits is None else plain.view(bits)).numpy()


def tensor_of(array: Array, dtype: torch.dtype) -> Tensor:
    """View an array of what `load` and `store` understand as a tensor of its dtype; shares memory."""
    tensor = torch.from_numpy(array)
    return tensor.view(dtype) if dtype in _BITS else tensor


def stored_as(dtype: torch.dtype) -> Any:
    """Tell numpy's type of the elements of `array_of` a tensor of this dtype."""
    return _ELEMENTS[dtype]


def computed_in(stored: types.Type) -> types.Type:
    """Tell in which type loops compute what is stored in this one: float64 stays, everything else is float32."""
    return stored if stored == types.float64 else types.float32


def widen(builder: Any, stored: types.Type, value: Any) -> Any:
    """Generate the conversion of a stored element, or a vector of them, to what loops compute in."""
    single = _shaped(value, _FLOAT)
    if stored == types.uint16:
        return builder.fpext(builder.bitcast(value, _shaped(value, _HALF)), single)
    if stored == types.int16:
        wide = builder.zext(value, _shaped(value, _WORD))
        return builder.bitcast(builder.shl(wide, _constant(wide, 16)), single)
    if stored == types.uint8:
        return builder.uitofp(value, single)
    return value


def narrow(builder: Any, stored: types.Type, value: Any) -> Any:
    """Generate the conversion of a result, or a vector of them, to what is stored; bytes as in `round_byte`."""
    if stored == types.uint16:
        return builder.bitcast(builder.fptrunc(value, _shaped(value, _HALF)), _shaped(value, _SHORT))
    if stored == types.int16:
        return _narrow_bfloat(builder, value)
    if stored == types.uint8:
        return _narrow_byte(builder, value)
    return value


def _narrow_bfloat(builder: Any, value: Any) -> Any:
    bits = builder.bitcast(value, _shaped(value, _WORD))
    # Round to nearest even: add half a unit, and the last kept bit.
    last = builder.and_(builder.lshr(bits, _constant(bits, 16)), _constant(bits, 1))
    rounded = builder.add(bits, builder.add(last, _constant(bits, 0x7FFF)))
    is_nan = builder.fcmp_unordered("uno", value, value)
    kept = builder.select(is_nan, _constant(bits, 0x7FC00000), rounded)
    return builder.trunc(builder.lshr(kept, _constant(bits, 16)), _shaped(value, _SHORT))


def clamp_to_byte(builder: Any, value: Any) -> Any:
    """Generate the clamping of a float, or a vector of them, to 0..255; NaN becomes 0."""
    zero, full = _constant(value, 0.0), _constant(value, 255.0)
    # An ordered comparison sends NaN to 0.
    lower = builder.select(builder.fcmp_ordered(">", value, zero), value, zero)
    return builder.select(builder.fcmp_ordered("<", lower, full), lower, full)


def _narrow_byte(builder: Any, value: Any) -> Any:
    raised = builder.fadd(clamp_to_byte(builder, value), _constant(value, 0.5))
    whole = builder.fptosi(raised, _shaped(value, _WORD))
    return builder.trunc(whole, _shaped(value, _BYTE))


def _shaped(value: Any, element: Any) -> Any:
    """Return the type that holds `element` where `value` holds its own: a scalar, or a vector of as many."""
    return ir.VectorType(element, value.type.count) if isinstance(value.type, ir.VectorType) else element


def _constant(value: Any, number: float) -> Any:
    """Make a constant of the type of `value`."""
    is_vector = isinstance(value.type, ir.VectorType)
    return ir.Constant(value.type, [number] * value.type.count if is_vector else number)


@intrinsic
def load(typing_context: Any, value: Any) -> Any:
    """Convert a stored element to what loops compute in: float64 stays, everything else becomes float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return widen(builder, value, arguments[0])

    return computed_in(value)(value), generate


@inlined()
def load_each(array: Array, places: Four, offset: Integer) -> Four:
    """Load the elements at one offset from each of four places of a flat array."""
    return (
        load(array[places[0] + offset]),
        load(array[places[1] + offset]),
        load(array[places[2] + offset]),
        load(array[places[3] + offset]),
    )


@intrinsic
def store(typing_context: Any, like: Any, value: Any) -> Any:
    """Convert a result to the element type of the array `like`; uint8 is clamped, then rounded halves up."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return narrow(builder, like.dtype, arguments[1])

    return like.dtype(like, computed_in(like.dtype)), generate


@intrinsic
def round_byte(typing_context: Any, value: Any) -> Any:
    """Clamp to 0..255 and round to the nearest, halves up; NaN becomes 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return narrow(builder, types.uint8, arguments[0])

    return types.uint8(types.float32), generate
