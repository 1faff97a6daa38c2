"""Input checks shared by the public ops: they raise, and they say expected and actual."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from kernels.errors import DtypeError, ShapeError

__all__ = ["FEATURE_DTYPES", "check_choice", "check_dtype", "check_indices", "check_sampled", "check_shape"]

FEATURE_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8)
"""What features may be stored in."""


def check_shape(name: str, tensor: Tensor, expected: Sequence[int | str]) -> None:
    """Hold a tensor's shape against a pattern.

    Args:
        name: the argument's name, for the message.
        tensor: the tensor to look at.
        expected: one entry per axis; a number must match, a word (the axis' name) matches any size.

    Raises:
        ShapeError: rank or size differ.
    """
    shape = tensor.shape
    fits = len(shape) == len(expected)
    for want, size in zip(expected, shape, strict=False):
        fits = fits and (want == size or isinstance(want, str))
    if not fits:
        pattern = ", ".join(str(want) for want in expected)
        raise ShapeError(f"{name}: expected shape ({pattern}), got {tuple(shape)}")


def check_dtype(name: str, tensor: Tensor, allowed: Collection[torch.dtype]) -> None:
    """Hold a tensor's dtype against the list the op takes.

    Raises:
        DtypeError: the dtype is not in the list.
    """
    if tensor.dtype not in allowed:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
        raise DtypeError(f"{name}: expected dtype {names}, got {str(tensor.dtype).removeprefix('torch.')}")


def check_sampled(features: Tensor, **reals: Tensor) -> None:
    """Hold the dtypes of an op that samples features against what it takes.

    Args:
        features: what is sampled, one of `FEATURE_DTYPES`.
        reals: flows, weights and the like by their argument's name: float64 where `features` are, else float32.

    Raises:
        DtypeError: a dtype is another.
    """
    check_dtype("features", features, FEATURE_DTYPES)
    allowed = (torch.float64 if features.dtype == torch.float64 else torch.float32,)
    for name, tensor in reals.items():
        check_dtype(name, tensor, allowed)


def check_choice(name: str, value: str, allowed: Collection[str]) -> None:
    """Hold a word against the closed set an option takes.

    Raises:
        ValueError: the word is not in the set.
    """
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")


def check_indices(
    triangles: Tensor,
    triangle_layer: Tensor,
    triangle_part: Tensor,
    layer_order: Tensor,
    num_vertices: int,
    layers: int,
) -> None:
    """Hold the indices of a layered mesh against what they point to. Reads the data: on a GPU it would wait for it.

    Raises:
        ValueError: an index is out of range, or the triangles are not sorted by layer.
    """
    _check_range("triangles", triangles, 0, num_vertices - 1)
    _check_range("triangle_layer", triangle_layer, 0, layers - 1)
    _check_range("triangle_part", triangle_part, 0, 127)
    _check_range("layer_order", layer_order, -1, layers - 1)
    if triangle_layer.numel() > 1 and bool((triangle_layer[1:] < triangle_layer[:-1]).any()):
        raise ValueError("triangle_layer: expected triangles sorted by layer, got a decreasing layer id")


def _check_range(name: str, tensor: Tensor, low: int, high: int) -> None:
    if tensor.numel() == 0:
        return
    smallest, largest = (int(value) for value in torch.aminmax(tensor))
    if smallest < low or largest > high:
        raise ValueError(f"{name}: expected values in [{low}, {high}], got {smallest} to {largest}")
