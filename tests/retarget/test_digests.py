"""Digests: equal for what is equal, different for all else, and of files that stay what they were."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from retarget.digests import array_digest, cache_key, check_unchanged, code_digest, file_digest, input_digest
from retarget.errors import InputChangedError, InputError
from retarget.pipeline import source_cache, surface


def test_keys_tell_everything_apart() -> None:
    @dataclass(frozen=True)
    class Settings:
        sigma: float = 0.5
        names: tuple[str, ...] = ("a", "b")

    parts: list[tuple[object, ...]] = [
        (), (None,), (0,), (False,), (0.0,), ("0",), ("",), (b"",), ("ab",), ("a", "b"), (["a", "b"],),
        (Fraction(1, 2),), (0.5,), (1,), (True,), ({"a": 1},), ({"a": 1.0},), (Settings(),), (Settings(0.25),),
    ]  # fmt: skip
    assert len({cache_key(*part) for part in parts}) == len(parts)
    assert cache_key({"a": 1, "b": 2}) == cache_key({"b": 2, "a": 1})
    assert cache_key(Settings()) == cache_key(Settings())
    with pytest.raises(TypeError, match="can't hash a PosixPath"):
        cache_key(Path("x"))


def test_file_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_arrays_differ_by_content_type_and_shape() -> None:
    array = np.arange(6, dtype=np.int32)
    others = [array.astype(np.int64), array.reshape(2, 3), array.reshape(3, 2), array[::-1], array.view(np.float32)]
    assert len({array_digest(each) for each in (array, *others)}) == 6
    assert array_digest(array.reshape(2, 3)) == array_digest(np.asfortranarray(array.reshape(2, 3)))
    assert array_digest(array, array) != array_digest(array)


def test_a_file_that_was_replaced_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(InputError, match="can't be read"):
        input_digest(path)
    path.write_bytes(b"abc")
    digest = input_digest(path)
    check_unchanged(path, digest)
    path.write_bytes(b"abd")
    with pytest.raises(InputChangedError, match="was replaced"):
        check_unchanged(path, digest)
    path.unlink()
    with pytest.raises(InputChangedError, match="was replaced"):
        check_unchanged(path, digest)


@pytest.mark.parametrize("pattern", [*source_cache._READING_CODE, *source_cache._LAYERS_CODE, *surface._CODE])
def test_patterns_of_code_find_some(pattern: str) -> None:
    assert code_digest(pattern) != code_digest("retarget/no_such_module.py")
