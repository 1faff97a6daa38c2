"""Which weights file `--model` names; told without loading anything."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from retarget.errors import ModelError

__all__ = ["DEFAULT_WEIGHTS", "weights_of"]

DEFAULT_WEIGHTS: Final = Path(__file__).parent.parent / "assets" / "default.safetensors"
"""The shipped network; where there is none, "default" and "fast" are the prior."""


def weights_of(name: str) -> Path | None:
    """Return the weights file of a model.

    Args:
        name: "prior", "default", "fast" (the same network on smaller crops) or the path of a weights file.

    Returns:
        The file; None for geometry alone.

    Raises:
        ModelError: no such model or file.
    """
    is_shipped = name in {"default", "fast"}
    if name == "prior" or (is_shipped and not DEFAULT_WEIGHTS.exists()):
        return None
    path = DEFAULT_WEIGHTS if is_shipped else Path(name)
    if not path.exists():
        raise ModelError(
            f"--model {name}: no such model or file", hint="use prior, default, fast or a .safetensors file"
        )
    return path
