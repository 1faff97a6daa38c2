"""Digests of what a result depends on: files, arrays, settings and the code that makes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from retarget.errors import InputChangedError, InputError

__all__ = ["array_digest", "cache_key", "check_unchanged", "code_digest", "file_digest", "input_digest"]

_READ_BYTES: Final = 1 << 20


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Args:
        path: a readable file; read in pieces, so that its size doesn't matter.

    Raises:
        OSError: the file can't be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while piece := stream.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def array_digest(*arrays: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of arrays, their types and shapes included, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode("ascii"))
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def input_digest(path: str | Path) -> str:
    """Return the digest of a file that a result is to be made from.

    Args:
        path: the file.

    Returns:
        As `file_digest`.

    Raises:
        InputError: the file can't be read.
    """
    try:
        return file_digest(path)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})", hint="check the path") from error


def check_unchanged(path: str | Path, digest: str) -> None:
    """Refuse to keep, under a file's digest, what may have been made from another content of it.

    Args:
        path: the file, from which the result has been made by now.
        digest: of what it held before.

    Raises:
        InputChangedError: it holds something else.
    """
    try:
        is_same = file_digest(path) == digest
    except OSError:
        is_same = False
    if not is_same:
        raise InputChangedError(f"{path}: was replaced while it was read", hint="start again")


@lru_cache
def code_digest(*patterns: str) -> str:
    """Return a digest of the modules that make a result: changed code never meets old results.

    Args:
        patterns: of their files, from the folder that holds this project's packages, e.g. "retarget/pose/*.py".

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for pattern in patterns:
        for file in sorted(Path(__file__).parents[1].glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def cache_key(*parts: object) -> str:
    """Return a key for everything that a result depends on.

    Args:
        parts: text, numbers, booleans, None, fractions, bytes, and lists, tuples, dictionaries and dataclasses of
            them. Paths are refused: hash the file's content instead. The order of dictionaries doesn't count.

    Returns:
        64 hexadecimal digits; equal for equal parts of equal types, in any process.

    Raises:
        TypeError: a part of another type.
    """
    text = json.dumps([_canonical(part) for part in parts], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(part: object) -> object:
    if part is None or isinstance(part, (bool, int, str)):
        return part
    if isinstance(part, (list, tuple)):
        return [_canonical(item) for item in part]
    return {type(part).__qualname__: _canonical_content(part)}


def _canonical_content(part: object) -> object:
    if isinstance(part, (float, bytes)):
        return part.hex()
    if isinstance(part, Fraction):
        return [part.numerator, part.denominator]
    if isinstance(part, dict):
        return sorted([str(key), _canonical(value)] for key, value in part.items())
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        return {field.name: _canonical(getattr(part, field.name)) for field in dataclasses.fields(part)}
    raise TypeError(f"cache_key: can't hash a {type(part).__name__}")
