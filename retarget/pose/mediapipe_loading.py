"""Import MediaPipe without what it imports for others' sake.

MediaPipe's package imports matplotlib for a drawing function and sounddevice for a recorder (which asks the machine
for its sound cards), neither of which is used here; together they take longer than MediaPipe itself.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any, Final

__all__ = ["load_mediapipe"]

_UNUSED: Final = ("matplotlib", "matplotlib.pyplot", "sounddevice")
_LOCK: Final = threading.Lock()


class _Deferred(ModuleType):
    """Stands in for a module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or sys.modules.get(self.__name__) is self:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(self.__name__), name)


def load_mediapipe() -> ModuleType:
    """Return the package `mediapipe`; who uses its drawing functions gets matplotlib then.

    Raises:
        ImportError: MediaPipe is not installed.
    """
    with _LOCK:
        deferred = {name: _Deferred(name) for name in _UNUSED if name not in sys.modules}
        if "mediapipe" in sys.modules:
            deferred = {}
        sys.modules.update(deferred)
        try:
            return importlib.import_module("mediapipe")
        finally:
            for name, module in deferred.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]
