"""Paths of a batch: where they start, and keeping those of an untrusted manifest inside one folder."""

from __future__ import annotations

import os
from pathlib import Path

from retarget.errors import UsageError
from retarget.file_options import names_file

__all__ = ["check_inside", "resolve_inside", "resolve_option", "resolve_path"]


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


def resolve_inside(text: str, base: Path, root: Path | None) -> Path:
    """Make a path of a manifest absolute, and refuse one that leaves the root.

    Args:
        text: as written.
        base: an absolute folder, where relative paths start.
        root: the folder that holds everything; None allows any path.

    Returns:
        As `resolve_path`.

    Raises:
        UsageError: it leads outside, or holds a zero byte.
    """
    path = resolve_path(text, base)
    check_inside(path, root, text=text)
    return path


def resolve_option(name: str, text: str, base: Path, root: Path | None) -> str:
    """Return the text of an option; where it names a file, as the absolute path of that.

    Args:
        name: of the option.
        text: as written.
        base: as for `resolve_inside`.
        root: as for `resolve_inside`.

    Raises:
        UsageError: as `resolve_inside`.
    """
    return str(resolve_inside(text, base, root)) if names_file(name, text) else text
