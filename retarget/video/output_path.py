"""Outputs that appear whole or not at all: checked before work starts, written beside, renamed at the end."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil
from typing_extensions import Self

from retarget.config import EncodeConfig
from retarget.errors import OutputError
from retarget.video.encoders import codec_spec, container_of

__all__ = [
    "PendingOutput",
    "check_apart",
    "check_output_path",
    "check_writable",
    "output_errors",
    "remove_stale_temporaries",
    "write_text_output",
]

PNG_NAME: Final = "frame_{index:06d}.png"
TIMES_NAME: Final = "timestamps.txt"
_PNG_FOLDER_ENTRY: Final = re.compile(r"frame_\d{6,}\.png|timestamps\.txt")


def check_output_path(path: str | Path, config: EncodeConfig, *, overwrite: bool = False, alpha: bool = False) -> Path:
    """Refuse an output that can't be written, before any work is done for it.

    Args:
        path: the output file; for codec "png" a folder.
        config: codec and settings.
        overwrite: an existing output may be replaced.
        alpha: whether transparency is to be written.

    Returns:
        The path.

    Raises:
        UsageError: the settings don't suit the codec.
        OutputError: unknown extension, wrong container, exists, no such folder, no permission.
    """
    file = Path(path)
    codec_spec(config, alpha=alpha)
    container_of(file, config)
    check_writable(file, overwrite=overwrite, is_folder=config.codec == "png")
    return file


def check_writable(path: Path, *, overwrite: bool, is_folder: bool = False) -> None:
    """Check that a file (or folder) of this name can be made; a temporary is made beside it, and removed.

    Args:
        path: the name.
        overwrite: it may exist already.
        is_folder: a folder of pictures is to be made; only one that holds nothing else is ever replaced.

    Raises:
        OutputError: it exists, is of the wrong kind, or its folder is missing or read-only.
    """
    parent = path.absolute().parent
    with output_errors(path):
        if not parent.is_dir():
            raise OutputError(f"{path}: the folder {parent} does not exist", hint="make it first")
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise OutputError(f"{path}: is a pipe or device", hint="give the name of a file")
        if path.is_dir() != is_folder and path.exists():
            kind = "folder" if path.is_dir() else "file"
            raise OutputError(f"{path}: is a {kind}", hint=f"give the name of a {'folder' if is_folder else 'file'}")
        if path.exists() or path.is_symlink():
            if not overwrite:
                raise OutputError(f"{path}: exists already", hint="use --overwrite, or another name")
            if is_folder:
                _check_only_pictures(path)
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(f"{path}: no permission to write into {parent}", hint="choose another folder")
        probe = parent / _temporary_name(path)  # some folders grant permission and refuse all the same
        probe.touch(exist_ok=False)
        probe.unlink()


def check_apart(path: Path | None, others: Iterable[Path | None]) -> None:
    """Refuse an output that is the same file as an input, or as another output.

    Args:
        path: the output; None for none.
        others: the inputs and other outputs, whether they exist or not; None for none.

    Raises:
        OutputError: they are the same, by name or by link.
    """
    if path is None:
        return
    with output_errors(path):
        for other in filter(None, others):
            if path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
                raise OutputError(
                    f"{path}: is the same file as {other}, which it would destroy", hint="give another name"
                )


def _check_only_pictures(folder: Path) -> None:
    foreign = next((entry.name for entry in folder.iterdir() if not _PNG_FOLDER_ENTRY.fullmatch(entry.name)), None)
    if foreign is not None:
        raise OutputError(
            f"{folder}: holds other things than numbered frames ({foreign})", hint="choose an empty or new folder"
        )


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing `path` into `OutputError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path}: can't be written ({reason})", hint=_advice(error.errno)) from error


def _advice(code: int | None) -> str:
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "free some space, or choose another folder"
    return "choose another folder, or check its permissions"


def _temporary_prefix(path: Path) -> str:
    """Name all temporaries of one output by a digest (any name fits) and by the machine that made them."""
    digest = hashlib.sha256(path.name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    host = re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:32]
    return f".retarget-{digest}-{host}-"


def _temporary_name(path: Path) -> str:
    return f"{_temporary_prefix(path)}{os.getpid()}-{secrets.token_hex(4)}.part"


def remove_stale_temporaries(path: Path) -> int:
    """Remove what killed processes of this machine left behind while writing `path`.

    Args:
        path: an output.

    Returns:
        How many temporaries were removed.
    """
    num_removed = 0
    prefix = _temporary_prefix(path)
    for leftover in path.absolute().parent.glob(f"{prefix}*.part"):
        process = leftover.name[len(prefix) :].split("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            _remove(leftover)
            num_removed += 1
    return num_removed


def _is_running(process: int) -> bool:
    """A killed process that nobody has waited for yet counts as gone."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Have the disk hold what was written to a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class PendingOutput:
    """An output that is written under a temporary name and appears when it is complete.

    Use as a context manager; leaving it without `commit`, for whatever reason, removes what was written.

    Args:
        path: the final name; the temporary lies in the same folder, so that the rename is atomic.
        overwrite: replace what has this name at the time of `commit`.
        is_folder: the output is a folder of files.

    Attributes:
        path: the final name.
        temporary: where to write.

    Raises:
        OutputError: the temporary can't be made.
    """

    def __init__(self, path: Path, *, overwrite: bool, is_folder: bool = False) -> None:
        self.path = path
        self._overwrite = overwrite
        self._is_folder = is_folder
        self.temporary = path.absolute().parent / _temporary_name(path)
        with output_errors(path):
            remove_stale_temporaries(path)
            if is_folder:
                self.temporary.mkdir()
            else:
                self.temporary.touch(exist_ok=False)

    def __enter__(self) -> Self:
        """Return the pending output."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the temporary unless it was committed."""
        self.discard()

    def discard(self) -> None:
        """Remove what was written; nothing happens after `commit`."""
        _remove(self.temporary)

    def commit(self) -> None:
        """Flush to disk and give the output its name.

        Raises:
            OutputError: the disk refuses, or the name was taken meanwhile.
        """
        with output_errors(self.path):
            if self._is_folder:
                for entry in self.temporary.iterdir():
                    _sync(entry)
                self._publish_folder()
            else:
                _sync(self.temporary)
                self._publish_file()
            _sync(self.temporary.parent)

    def _publish_file(self) -> None:
        if self._overwrite:
            self.temporary.replace(self.path)
            return
        try:
            # Unlike a rename, a link never replaces a file that appeared meanwhile.
            os.link(self.temporary, self.path)
        except FileExistsError:
            raise OutputError(f"{self.path}: exists already", hint="use --overwrite, or another name") from None
        except OSError:  # the file system has no hard links
            check_writable(self.path, overwrite=False)
            self.temporary.rename(self.path)
        else:
            self.temporary.unlink()

    def _publish_folder(self) -> None:
        if not (self._overwrite and self.path.is_dir()):
            self.temporary.rename(self.path)
            return
        _check_only_pictures(self.path)
        old = self.temporary.with_suffix(".old.part")
        self.path.rename(old)
        try:
            self.temporary.rename(self.path)
        except OSError:
            old.rename(self.path)
            raise
        _remove(old)


def write_text_output(path: Path, pieces: Iterable[str], *, overwrite: bool = True) -> None:
    """Write a text in UTF-8, whole or not at all.

    Args:
        path: the file.
        pieces: of the text, in order; what UTF-8 can't hold (names that are none) is escaped.
        overwrite: replace what has this name.

    Raises:
        OutputError: it can't be written, or exists.
    """
    with output_errors(path), PendingOutput(path, overwrite=overwrite) as pending:
        with pending.temporary.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.writelines(pieces)
        pending.commit()
