"""What a job's result depends on, as one key: the content of its inputs, its settings, its model, this version."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from retarget import __version__
from retarget.digests import cache_key, file_digest
from retarget.errors import InputError
from retarget.pipeline.video_job import VideoJob

__all__ = ["FileDigests", "job_key"]

_Signature = tuple[int, int, int, int, int]


class FileDigests:
    """Digests of files, remembered for as long as a file is the same one with the same times."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Signature, str]] = {}

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file's content.

        Raises:
            InputError: it can't be read.
        """
        try:
            signature = _signature(path)
            known = self._known.get(path)
            if known is None or known[0] != signature:
                known = (signature, file_digest(path))
                self._known[path] = known
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror or error})", hint="check the path") from error
        return known[1]


def _signature(path: Path) -> _Signature:
    facts = path.stat()
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def job_key(job: VideoJob, digests: FileDigests) -> str:
    """Return the key of a job's result: equal keys mean equal results; where files lie does not count.

    Args:
        job: the job.
        digests: of the files read so far.

    Returns:
        64 hexadecimal digits.

    Raises:
        InputError: an input can't be read.
    """
    settings = asdict(job)
    for name in ("source", "driver", "output", "overwrite"):
        del settings[name]
    for name in ("background", "model"):
        path = Path(settings["render"][name])
        if path.is_file():
            settings["render"][name] = digests.digest(path)
    files = [digests.digest(job.source), digests.digest(job.driver)]
    return cache_key("retarget-job/1", __version__, files, settings, job.output.suffix.lower())
