"""How the loops of this package are compiled, and the words their signatures use.

Compiled functions release the GIL, are cached on disk (a second process loads them), follow IEEE arithmetic to the
letter (no fastmath: NaN stays NaN, and a result doesn't depend on the vector width) and don't check for division by
zero. numba types its arguments by what it is called with; the annotations are for the reader.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numba

__all__ = ["Array", "Integer", "Real", "compiled", "inlined"]

Array: TypeAlias = Any
"""A numpy array; its shape is in the docstring."""

Real: TypeAlias = Any
"""A numpy float of the width the loop computes in."""

Integer: TypeAlias = Any
"""A Python or numpy integer."""

# Without numba's run time a function can't allocate, and does not count references to each slice it takes: counting
# is atomic, and cost up to half of the time of a loop over pixels. Scratch memory therefore comes in as an argument.
_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}

compiled = functools.partial(numba.njit, cache=True, **_OPTIONS)
"""Decorate a loop that is called from Python."""

inlined = functools.partial(numba.njit, forceinline=True, **_OPTIONS)
"""Decorate a piece that only compiled functions call."""
