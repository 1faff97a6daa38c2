"""A store of computed results under content hashes, safe between processes and against damage.

Where: the platform's user cache folder, or the folder that `RETARGET_CACHE` names. Entries are one private file each
(NumPy's npz without pickles, plus JSON facts, behind a SHA-256), appear by an atomic rename, and are checked when they
are read: a damaged one is computed anew. Processes that want the same entry wait for the one that computes it. When
the store outgrows its limit (5 GB; `RETARGET_CACHE_GB` changes it) the entries unused for longest go. A store that
can't be written is no reason to fail: results are then computed without it, with a warning.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import re
import secrets
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

import filelock
import numpy as np
import numpy.typing as npt
import platformdirs

from retarget.errors import UsageError

__all__ = ["Cache", "CacheResult", "Payload", "default_cache_folder", "make_private"]

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

_MAGIC: Final = b"retarget-cache-1\n"
_DIGEST_BYTES: Final = 32
_FACTS_NAME: Final = "facts.json"
_DEFAULT_MAX_GB: Final = 5.0
_KEPT_SHARE_AFTER_EVICTION: Final = 0.9
_STALE_TEMPORARY_SECONDS: Final = 24 * 3600.0
_LOCK_TIMEOUT_SECONDS: Final = 1800.0
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True)
class Payload:
    """What an entry holds: nothing but numbers and text, so that reading one can't run anything.

    Attributes:
        arrays: by name; numeric and boolean types only.
        facts: JSON values (numbers, text, lists, dictionaries, None).
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class CacheResult(Generic[_T]):
    """A value and where it came from.

    Attributes:
        value: the result.
        origin: "stored"; "computed" (and stored now); "repaired" (the entry was damaged, computed and stored anew);
            "uncached" (computed, but it could not be stored).
    """

    value: _T
    origin: Literal["stored", "computed", "repaired", "uncached"]


class _DamagedEntryError(Exception):
    """The file of an entry is not what was written."""


def default_cache_folder() -> Path:
    """Return the folder that `RETARGET_CACHE` names, else the platform's user cache folder for retarget."""
    named = os.environ.get("RETARGET_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("retarget"))


def make_private(folder: Path, root: Path) -> None:
    """Make a folder for nobody else to look into.

    Args:
        folder: the folder.
        root: the uppermost of the folders that are made so: itself or one above it.

    Raises:
        OSError: it can't be made.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    for level in (*reversed(folder.parents), folder):
        if level.is_relative_to(root):
            level.mkdir(mode=0o700, exist_ok=True)


def _pack(payload: Payload) -> bytes:
    stream = io.BytesIO()
    facts = np.frombuffer(json.dumps(payload.facts).encode("utf-8"), dtype=np.uint8)
    arrays: dict[str, Any] = {_FACTS_NAME: facts, **payload.arrays}
    if any(np.asarray(array).dtype.hasobject for array in arrays.values()):
        raise TypeError("Payload: arrays of objects can't be stored")
    np.savez(stream, **arrays)
    content = stream.getvalue()
    return _MAGIC + hashlib.sha256(content).digest() + content


def _unpack(data: bytes) -> Payload:
    body = data[len(_MAGIC) + _DIGEST_BYTES :]
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != data[len(_MAGIC) :][:_DIGEST_BYTES]:
        raise _DamagedEntryError("checksum")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as entry:
            arrays = {name: entry[name] for name in entry.files}
        facts = json.loads(arrays.pop(_FACTS_NAME).tobytes().decode("utf-8"))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise _DamagedEntryError(str(error)) from error
    return Payload(arrays, facts)


def _max_bytes_from_environment() -> int:
    text = os.environ.get("RETARGET_CACHE_GB", "")
    try:
        gigabytes = float(text) if text else _DEFAULT_MAX_GB
    except ValueError:
        raise UsageError(f"RETARGET_CACHE_GB is {text!r}", hint="give a number of gigabytes") from None
    return int(gigabytes * 1e9)


class Cache:
    """The store of one folder. Any number of processes and threads may use the same one.

    Args:
        folder: where it lies; None takes `default_cache_folder`.
        max_bytes: size at which entries unused for longest are removed; None takes the documented limit.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int | None = None) -> None:
        self.folder = folder or default_cache_folder()
        self._max_bytes = _max_bytes_from_environment() if max_bytes is None else max_bytes
        self._has_warned = False

    def get_or_compute(
        self,
        kind: str,
        key: str,
        compute: Callable[[], _T],
        *,
        encode: Callable[[_T], Payload],
        decode: Callable[[Payload], _T],
    ) -> CacheResult[_T]:
        """Return the stored result of this kind and key, or compute and store it.

        Args:
            kind: what it is, e.g. "pose-track"; letters, digits, "-" and "_".
            key: from `cache_key` in `retarget.digests`; has to cover all that the result depends on, the version of the
                code included.
            compute: makes the value. Its exceptions pass through; nothing is stored then.
            encode: value to payload.
            decode: payload to value; raising `ValueError`, `LookupError` or `TypeError` counts as damage.

        Returns:
            The value and its origin.
        """
        if not _SAFE_NAME.fullmatch(kind) or not _SAFE_NAME.fullmatch(key):
            raise ValueError(f"Cache: not usable as names: {kind!r}, {key!r}")
        path = self.folder / kind / key[:2] / f"{key}.npz"
        with self._locked(kind, key) as is_writable:
            was_damaged = False
            try:
                stored = decode(_unpack(path.read_bytes()))
            except FileNotFoundError:
                pass
            except OSError as error:
                self._warn("read", error)
            except (_DamagedEntryError, ValueError, LookupError, TypeError) as error:
                was_damaged = True
                _LOG.warning("W501: a damaged cache entry (%s) is computed anew: %s", error, path)
            else:
                self._touch(path)
                return CacheResult(stored, "stored")
            value = compute()
            if not (is_writable and self._store(path, _pack(encode(value)))):
                return CacheResult(value, "uncached")
        return CacheResult(value, "repaired" if was_damaged else "computed")

    @contextmanager
    def _locked(self, kind: str, key: str) -> Iterator[bool]:
        """Hold the entry's lock; yields False where the store can't be written (and nothing is locked)."""
        lock = None
        try:
            locks = self.folder / "locks"
            make_private(locks, self.folder)
            lock = filelock.FileLock(locks / f"{kind}-{key}.lock", timeout=_LOCK_TIMEOUT_SECONDS, mode=0o600)
            lock.acquire()
        except filelock.Timeout:
            lock = None
            _LOG.warning("W502: another process has been computing %s for long; not waiting for it any more", kind)
        except (OSError, NotImplementedError) as error:
            lock = None
            self._warn("write", error)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def _store(self, path: Path, data: bytes) -> bool:
        if len(data) > self._max_bytes:
            return False
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            make_private(path.parent, self.folder)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            self._evict(kept=path)
        except OSError as error:
            self._warn("write", error)
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    @staticmethod
    def _touch(path: Path) -> None:
        """Mark an entry as just used; where that isn't permitted, its age is that of its making."""
        try:
            os.utime(path)
        except OSError:
            _LOG.debug("can't mark %s as used", path)

    def _evict(self, kept: Path) -> None:
        """Remove what killed processes left, and the entries unused for longest while the store is too large."""
        entries = []
        for path in self.folder.glob("*/??/*"):
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue  # another process was faster
            if path.suffix == ".tmp":
                if time.time() - facts.st_mtime > _STALE_TEMPORARY_SECONDS:
                    path.unlink(missing_ok=True)
            elif path.suffix == ".npz":
                entries.append((facts.st_mtime, facts.st_size, path))
        total = sum(size for _, size, _ in entries)
        if total <= self._max_bytes:
            return
        for _, size, path in sorted(entries):
            if total <= self._max_bytes * _KEPT_SHARE_AFTER_EVICTION:
                return
            if path != kept:
                path.unlink(missing_ok=True)
                total -= size

    def _warn(self, verb: str, error: BaseException) -> None:
        if not self._has_warned:
            self._has_warned = True
            _LOG.warning("W503: can't %s the cache in %s (%s); going on without it", verb, self.folder, error)
