"""What is behind the person: the photo's own room, a colour, a picture, a clip, the driver's place, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from drn_core.prior.render import PriorFrame
from retarget.errors import InputError, UsageError
from retarget.file_options import names_file, parse_colour
from retarget.photo import read_photo
from retarget.pipeline.room import SourceRoom
from retarget.pipeline.source import SourceModel
from retarget.pose.read_ahead import read_ahead
from retarget.records import UInt8Array
from retarget.video.reader import open_video

__all__ = [
    "Background",
    "StillBackground",
    "VideoBackground",
    "check_background",
    "cover",
    "open_background",
]

_VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".ts", ".gif"})
"""Not tried as photos; other names are, and then as videos."""
_USUAL_STEP_SECONDS = 0.04


class Background(Protocol):
    """Gives the picture behind the person, in order of time."""

    def at(self, time_seconds: float, person: PriorFrame) -> UInt8Array:
        """Return the (H, W, 3) uint8 background of an output time, behind a posed person; times never go back."""

    def close(self) -> None:
        """Free what is held."""


class StillBackground:
    """The same picture at all times.

    Args:
        rgb: (H, W, 3) uint8.
    """

    def __init__(self, rgb: UInt8Array) -> None:
        self._rgb = rgb

    def at(self, time_seconds: float, person: PriorFrame) -> UInt8Array:
        """Return the picture."""
        return self._rgb

    def close(self) -> None:
        """Nothing to free."""


class VideoBackground:
    """A clip behind the person, covered to the output's size; it starts over when it ends.

    Args:
        path: the clip.
        size_hw: size of the output.
    """

    def __init__(self, path: str | Path, size_hw: tuple[int, int]) -> None:
        self._reader = open_video(path, exact_colour=True)
        self._size_hw = size_hw
        self._frames = read_ahead(self._looped())
        self._current = next(self._frames)
        self._next = next(self._frames)

    def _looped(self) -> Iterator[tuple[float, UInt8Array]]:
        offset = 0.0
        while True:
            start, end = None, 0.0
            for frame in self._reader:
                start = frame.time_seconds if start is None else start
                time = frame.time_seconds - start
                step = float(frame.duration * frame.time_base) if frame.duration else _USUAL_STEP_SECONDS
                end = time + step
                yield offset + time, cover(frame.rgb, self._size_hw)
            offset += end

    def at(self, time_seconds: float, person: PriorFrame) -> UInt8Array:
        """Return the clip's picture at a time."""
        while self._next[0] <= time_seconds + 1e-6:
            self._current, self._next = self._next, next(self._frames)
        return self._current[1]

    def close(self) -> None:
        """Close the clip."""
        self._frames.close()
        self._reader.close()


def cover(rgb: UInt8Array, size_hw: tuple[int, int]) -> UInt8Array:
    """Scale a picture to cover a size, its proportions kept, and cut what sticks out evenly.

    Args:
        rgb: (h, w, 3).
        size_hw: the size to cover.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = size_hw
    scale = max(height / rgb.shape[0], width / rgb.shape[1])
    new_hw = (max(round(rgb.shape[0] * scale), height), max(round(rgb.shape[1] * scale), width))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(rgb, new_hw[::-1], interpolation=interpolation)
    y, x = (new_hw[0] - height) // 2, (new_hw[1] - width) // 2
    return np.ascontiguousarray(large[y : y + height, x : x + width])


def check_background(choice: str) -> None:
    """Refuse a background that can't be read, before any work is done.

    Args:
        choice: as the option has it.

    Raises:
        UsageError, InputError: as `open_background`.
    """
    if names_file("background", choice):
        _open_file(choice, (2, 2)).close()


def open_background(choice: str, source: SourceModel) -> Background:
    """Open the background that an option names ("source", "#rrggbb", an image or a video).

    Args:
        choice: the option's text; "driver" and "transparent" are not opened here.
        source: the photo's model; gives the size, too.

    Returns:
        The background.

    Raises:
        UsageError: the text is neither a colour nor an existing file.
        InputError: the file can't be read.
    """
    size_hw = source.size_hw
    if choice == "source":
        return SourceRoom(source)
    colour = parse_colour(choice)
    if colour is not None:
        return StillBackground(np.full_like(source.rgb, colour))
    return _open_file(choice, size_hw)


def _open_file(choice: str, size_hw: tuple[int, int]) -> Background:
    path = Path(choice)
    if not path.exists():
        raise UsageError(
            f"--background {choice}: no such file, and not a colour",
            hint="use source, driver, transparent, #rrggbb, or the path of an image or video",
        )
    if path.suffix.lower() in _VIDEO_SUFFIXES:
        return VideoBackground(path, size_hw)
    try:
        return StillBackground(cover(read_photo(path).rgb, size_hw))
    except InputError as no_photo:
        try:
            return VideoBackground(path, size_hw)
        except InputError:
            raise no_photo from None
