"""Memory for results, handed out again once nobody holds it.

A result of a few megabytes is fresh memory from the system at every call, and touching it for the first time costs
more than many an op: measured at 1080 x 1920, drawing a mesh took 16 ms and the page faults of its result 37 ms more.
A buffer is free again when no array and no tensor refers to it any longer, which its reference count tells.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array
from kernels.cpu.storage import stored_as, tensor_of

__all__ = ["allocate", "allocate_array", "allocate_zeros", "sum_in_order"]

_ALIGNMENT = 64
_WORTH_KEEPING = 1 << 20
_MOST_BYTES_KEPT = 256 << 20
_IDLE_REFERENCES = 3  # the pair's, the variable's and the counting call's own

_kept: list[tuple[Array, int]] = []  # bytes, and the first of them that is aligned
_lock = threading.Lock()


def allocate(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Allocate a contiguous result; its content is undefined."""
    return tensor_of(allocate_array(shape, dtype), dtype)


def allocate_array(shape: Sequence[int], dtype: torch.dtype) -> Array:
    """Allocate as `allocate` does, as the array that loops see."""
    raw, start = _acquire(_rounded(math.prod(shape) * dtype.itemsize + _ALIGNMENT))
    return np.ndarray(shape, stored_as(dtype), raw, start)


def allocate_zeros(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Allocate a contiguous result of zeros."""
    return allocate(shape, dtype).zero_()


def sum_in_order(parts: Tensor) -> Tensor:
    """Add up a tensor along its first axis, in order and in place."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def _rounded(num_bytes: int) -> int:
    """Round up by an eighth at most: a picture around somebody who moves is hardly ever of the same size twice."""
    step = 1 << max(num_bytes.bit_length() - 4, 0)
    return -(-num_bytes // step) * step


def _acquire(num_bytes: int) -> tuple[Array, int]:
    if num_bytes < _WORTH_KEEPING:
        return _make(num_bytes)
    with _lock:
        for position in range(len(_kept)):  # enumerate would hold a reference of its own
            raw, start = _kept[position]
            if raw.size == num_bytes and sys.getrefcount(raw) <= _IDLE_REFERENCES:
                _kept.append(_kept.pop(position))  # the last used at the end
                return raw, start
        fresh = _make(num_bytes)
        _kept.append(fresh)
        excess = sum(raw.size for raw, _ in _kept) - _MOST_BYTES_KEPT
        while excess > 0:
            excess -= _kept.pop(0)[0].size
        return fresh


def _make(num_bytes: int) -> tuple[Array, int]:
    raw = np.empty(num_bytes, dtype=np.uint8)
    return raw, -raw.__array_interface__["data"][0] % _ALIGNMENT
