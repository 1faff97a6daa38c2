"""Give freed memory back to the system between the stages of a job."""

from __future__ import annotations

import ctypes

__all__ = ["return_freed_memory"]


def return_freed_memory() -> None:
    """Return what was freed; does nothing where the C library has no call for it.

    glibc keeps the pieces that threads have freed for the next ones to ask. The photo's model leaves 300 MB of them,
    in other sizes than drawing needs.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
