"""Random access to the frames of a clip, for preparing training data and for debugging.

decord decodes ahead of a slow consumer and starts slowly, so it never streams a whole clip here; PyAV does that
(`retarget.video.reader`). Where decord has no wheel (Apple silicon, Arm Linux), or where it does not read a file as
`open_video` would (non-square pixels, other formats), PyAV seeks in its place. Their pictures agree but for rounding
and for the chroma of odd sizes; damaged frames may be concealed differently.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from retarget.config import DecodeLimits
from retarget.errors import DecodeError
from retarget.records import ClipInfo, UInt8Array
from retarget.video.container import open_video_stream
from retarget.video.pyav_reader import PyAVReader

__all__ = ["RandomAccessReader"]

_DECORD_CONTAINERS: Final = ("mov", "matroska")
"""Containers whose index decord reads right; in transport streams, for one, its frame numbers are off."""

_MAX_DECODED_AHEAD: Final = 64
"""Wanted frames closer than this are reached by decoding on, farther ones by seeking."""


class RandomAccessReader:
    """Frames of one clip by number, in any order. Use as a context manager.

    Args:
        path: a local video file; refused on the same grounds as by `open_video`.
        backend: "auto" takes decord where it is installed and suits the file, else PyAV; naming "decord" makes its
            absence an error.
        limits: what the file may ask for; None takes the defaults.

    Attributes:
        info: the clip's facts.
        times_seconds: (T,) float64, presentation time of each frame since the first; rising.
        backend: which library answers.

    Raises:
        InputError, DecodeError: as `open_video`.
        ModuleNotFoundError: decord was named and is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        backend: Literal["auto", "decord", "pyav"] = "auto",
        limits: DecodeLimits | None = None,
    ) -> None:
        self._path = path
        self._limits = limits or DecodeLimits()
        with self._reader_from(None) as reader:
            self.info: ClipInfo = reader.info
        self._times, container = _packet_times(path, self._limits)
        self.times_seconds: npt.NDArray[np.float64] = np.array([float(time) for time in self._times])
        self._decord = None
        if backend == "decord" or (backend == "auto" and find_spec("decord") is not None):
            self._decord = self._open_decord(container, is_required=backend == "decord")
        self.backend: Literal["decord", "pyav"] = "pyav" if self._decord is None else "decord"

    def __len__(self) -> int:
        """Return the number of frames T."""
        return len(self._times)

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self._decord = None

    def __getitem__(self, index: int) -> UInt8Array:
        """Return frame `index` as (H, W, 3) uint8; negative numbers count from the end."""
        frame: UInt8Array = self.frames_at([index])[0]
        return frame

    def frames_at(self, indices: Sequence[int]) -> UInt8Array:
        """Return several frames.

        Args:
            indices: frame numbers in any order, repeats allowed; negative ones count from the end.

        Returns:
            (N, H, W, 3) uint8, in the order asked for.

        Raises:
            IndexError: a number is outside of the clip.
            DecodeError: a frame can't be decoded.
        """
        wanted = [range(len(self))[index] for index in indices]
        if not wanted:
            return np.empty((0, *self.info.size_hw, 3), np.uint8)
        if self._decord is not None:
            batch: UInt8Array = self._decord.get_batch(wanted).asnumpy()
            return batch
        frames = self._decode_by_seeking(sorted(set(wanted)))
        return np.stack([frames[index] for index in wanted])

    def _reader_from(self, start: Fraction | None) -> PyAVReader:
        return PyAVReader(
            self._path,
            start_seconds=None if start is None else float(start),
            end_seconds=None,
            max_height=None,
            keep_partial=True,
            exact_colour=False,
            limits=self._limits,
        )

    def _decode_by_seeking(self, wanted: list[int]) -> dict[int, UInt8Array]:
        """Decode frames of rising numbers, seeking only across long gaps."""
        frames: dict[int, UInt8Array] = {}
        while len(frames) < len(wanted):
            index = wanted[len(frames)]
            with self._reader_from(self._times[index]) as reader:
                for position, frame in enumerate(reader, start=index):
                    if position == wanted[len(frames)]:
                        frames[position] = frame.rgb
                    if len(frames) == len(wanted) or wanted[len(frames)] - position > _MAX_DECODED_AHEAD:
                        break
            if index not in frames:
                raise DecodeError(f"{os.fspath(self._path)}: frame {index} can't be decoded")
        return frames

    def _open_decord(self, container: str, *, is_required: bool) -> Any | None:
        """Open the file with decord; None where it would give other frames than `open_video`."""
        import decord

        decord.logging.set_level(decord.logging.QUIET)
        if not is_required and not container.startswith(_DECORD_CONTAINERS):
            return None
        try:
            reader = decord.VideoReader(os.fspath(self._path), ctx=decord.cpu(0), num_threads=1)
            is_same = len(reader) == len(self) and reader[0].shape[:2] == self.info.size_hw
        except decord.DECORDError:
            is_same = False
        if is_same:
            return reader
        if is_required:
            raise DecodeError(f"{os.fspath(self._path)}: decord reads this file differently", hint="use backend='pyav'")
        return None


def _packet_times(path: str | Path, limits: DecodeLimits) -> tuple[list[Fraction], str]:
    """Return the times of all pictures in seconds since the first, without decoding, and the container's name."""
    with open_video_stream(path, limits) as (container, stream):
        times = (
            packet.pts if packet.pts is not None else packet.dts for packet in container.demux(stream) if packet.size
        )
        ticks = sorted({time for time in times if time is not None})
        return [(tick - ticks[0]) * Fraction(stream.time_base or 1) for tick in ticks], container.format.name
