"""Keeping the paths of an untrusted manifest inside one folder."""

from __future__ import annotations

import os
from pathlib import Path

from retarget.errors import UsageError

__all__ = ["check_inside", "resolve_path"]


def resolve_path(text: str, base: Path) -> Path:
    """Make a path of a manifest absolute.

    Args:
        text: as written; relative paths start at `base`.
        base: an absolute folder.

    Returns:
        The absolute path, ".." and "." folded away by name; symbolic links are left as they are.

    Raises:
        UsageError: the text holds a zero byte.
    """
    if "\0" in text:
        raise UsageError(f"{text!r}: not a file name")
    return Path(os.path.normpath(base / text))


def check_inside(path: Path, root: Path | None, *, text: str | None = None) -> None:
    """Refuse a path that leaves the root, by name or through symbolic links.

    Parts of the path that don't exist yet are judged by the folder that they will be made in.

    Args:
        path: an absolute path.
        root: the folder that holds everything; None allows any path.
        text: the path as the user wrote it; one with ".." in it is refused wherever it ends.

    Raises:
        UsageError: it leads outside.
    """
    if root is None:
        return
    if text is not None and ".." in Path(text).parts:
        raise UsageError(f"{text}: '..' is not allowed in paths when --root is given")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise UsageError(f"{text or path}: leads outside of --root {root}")
