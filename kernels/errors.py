"""Errors of the warping core."""

from __future__ import annotations

__all__ = ["BackendUnavailable", "DtypeError", "ShapeError"]


class ShapeError(ValueError):
    """A tensor has another shape than the op needs; the message says expected and actual."""


class DtypeError(TypeError):
    """A tensor has another dtype or device than the op takes."""


class BackendUnavailable(RuntimeError):  # noqa: N818 - reads as a state, and is part of the public contract
    """The named backend is not present on this machine; the message says how to get it."""
