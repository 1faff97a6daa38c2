"""Retarget: one photo of a person + a driving video = a video in which that person makes that motion.

The names of the Python interface are loaded when they are first used: `import retarget` alone stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from retarget.pipeline.driver_range import DriverRange
    from retarget.pipeline.retargeter import Retargeter
    from retarget.pose.extractor import extract_track

__all__ = ["DriverRange", "Retargeter", "__version__", "extract_track"]

__version__ = "0.1.0"

_MODULES: Final = {
    "DriverRange": "retarget.pipeline.driver_range",
    "Retargeter": "retarget.pipeline.retargeter",
    "extract_track": "retarget.pose.extractor",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
