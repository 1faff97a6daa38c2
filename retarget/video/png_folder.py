"""Numbered PNG pictures in a folder, with their times beside them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retarget.config import EncodeConfig
from retarget.records import UInt8Array
from retarget.video.encoders import SYNTHETIC_MEDIA_NOTE
from retarget.video.output_path import PNG_NAME, TIMES_NAME

__all__ = ["PngFolderSink"]

_COMPRESSION_LEVEL = 1  # 70 ms for a 720p frame, 427 kB; level 6: 160 ms, 350 kB


class PngFolderSink:
    """Writes `frame_000000.png` and so on, and `timestamps.txt` (version 2: milliseconds, one line per picture).

    The times file is the one that mkvmerge and ffmpeg front ends take to rebuild a video of variable frame rate.

    Args:
        folder: an existing, empty folder.
        clock: seconds per tick of the times that are given.
        config: tags, written into each picture.

    Attributes:
        warnings: always empty; pictures carry no sound.
    """

    def __init__(self, folder: Path, clock: Fraction, config: EncodeConfig) -> None:
        self.warnings: list[tuple[str, str]] = []
        self._folder = folder
        self._clock = clock
        self._num_pictures = 0
        self._info = PngInfo()
        for key, value in (*config.metadata, ("Comment", SYNTHETIC_MEDIA_NOTE), ("Software", "retarget")):
            self._info.add_itxt(key, value)
        self._times = (folder / TIMES_NAME).open("w", encoding="ascii")
        self._times.write("# timestamp format v2\n")

    def start(self, shift: Fraction) -> None:
        """Begin; nothing is to be done."""

    def write(self, picture: UInt8Array, ticks: int) -> None:
        """Write one picture, shown from `ticks` of the clock on."""
        path = self._folder / PNG_NAME.format(index=self._num_pictures)
        Image.fromarray(picture).save(path, format="PNG", compress_level=_COMPRESSION_LEVEL, pnginfo=self._info)
        self._times.write(f"{float(ticks * self._clock * 1000):.6f}\n")
        self._num_pictures += 1

    def finish(self, end_ticks: int) -> None:
        """Complete the list of times."""
        self._times.close()

    def abort(self) -> None:
        """Close the list of times."""
        self._times.close()
