"""How the loops of this package are compiled, and the words their signatures use.

Compiled functions release the GIL, are cached on disk (a second process loads them), follow IEEE arithmetic to the
letter (no fastmath: NaN stays NaN, and a result doesn't depend on the vector width) and don't check for division by
zero. numba types its arguments by what it is called with; the annotations are for the reader.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numba
from numba.core.caching import FunctionCache

from kernels.cache import cache_folder

__all__ = [
    "OPTIONS",
    "Array",
    "Four",
    "Integer",
    "Pair",
    "Real",
    "Shape",
    "Source",
    "Span",
    "Taps",
    "Target",
    "compiled",
    "inlined",
]

Array: TypeAlias = Any
"""A numpy array; its shape is in the docstring."""

Real: TypeAlias = Any
"""A numpy float of the width the loop computes in."""

Integer: TypeAlias = Any
"""A Python or numpy integer."""

Four: TypeAlias = tuple[Any, Any, Any, Any]
"""Something for each of the texels around a position: upper left, lower left, upper right, lower right."""

Pair: TypeAlias = tuple[Any, Any]
"""Something for each of two neighbours along an axis."""

Shape: TypeAlias = tuple[Integer, Integer, Integer]
"""Height, width and channels of a picture."""

Span: TypeAlias = tuple[Integer, Integer]
"""The first of some rows, columns, channels or pixels, and the one after the last."""

Source: TypeAlias = tuple[Array, Shape, bool]
"""What is sampled: a flat picture, its shape, and whether its edge continues."""

Target: TypeAlias = tuple[Array, bool]
"""What is written: a flat picture, and whether past the caches."""

Taps: TypeAlias = tuple[Array, Array]
"""What some pixels sample: (4, N) places in the flat source, counted in elements, and (4, N) weights; see `Four`."""

# Without numba's run time a function can't allocate, and does not count references to each slice it takes: counting
# is atomic, and cost up to half of the time of a loop over pixels. Scratch memory therefore comes in as an argument.
OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}

inlined = functools.partial(numba.njit, forceinline=True, **OPTIONS)
"""Decorate a piece that only compiled functions call."""


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a loop that is called from Python.

    Args:
        options: of `numba.njit`, beside the ones that all loops have.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        # numba compares a loop's own file with its cache, but not the files of what is inlined into it: all of them
        # name the folder. It reads the folder's name when it decorates.
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = before or str(cache_folder(f"loops-{_digest_sources()}"))
        try:
            loop: Callable[..., Any] = numba.njit(**OPTIONS, **options)(function)
            loop._cache = _LoopCache(function)  # type: ignore[attr-defined]  # what `cache=True` does
        finally:
            numba.config.CACHE_DIR = before
        return loop

    return decorate


class _LoopCache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """numba's cache on disk, without what only compiling needs.

    Before it looks into its cache, numba registers all of its library and imports scipy: 0.45 of the 0.47 s that the
    first call in a process took. A loop without numba's run time refers to none of that, and the compiler registers
    it by itself where there is nothing to load.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


@functools.cache
def _digest_sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
