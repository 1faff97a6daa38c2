"""Reading a clip: the protocol that readers share, and the two calls that everything else uses.

Convention:
    Times that a caller gives are seconds since the clip's first picture, as a player shows them. Ranges are half
    open: a picture belongs to [start, end) when start <= its time < end, compared in whole microseconds, so that a
    printed time such as 3.2032 finds its frame. `Frame.pts` are the container's own ticks, whatever they start at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from typing_extensions import Self

from retarget.config import DecodeLimits
from retarget.records import ClipInfo, Frame

__all__ = ["FrameReader", "open_video", "probe"]


class FrameReader(Protocol):
    """A clip whose frames can be iterated, front to back, in flat memory.

    Attributes:
        info: what is known of the clip.
        warnings: (code, text) of what had to be repaired; complete after an iteration has ended.
    """

    info: ClipInfo
    warnings: tuple[tuple[str, str], ...]

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of the range; every iteration starts anew."""

    def seconds_of(self, pts: int) -> float:
        """Return when a player shows the picture of time `pts` in ticks: seconds since the clip's first picture."""

    def __enter__(self) -> Self:
        """Return the reader."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""

    def close(self) -> None:
        """Close the file; iterations under way end."""


def open_video(
    path: str | Path,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_height: int | None = None,
    keep_partial: bool = False,
    exact_colour: bool = False,
    limits: DecodeLimits | None = None,
) -> FrameReader:
    """Open a video for sequential reading; its first picture is decoded to be sure that there is one.

    Args:
        path: a local file; see `retarget.video.container` for what is refused.
        start_seconds: first time that is read, since the first picture; None reads from there.
        end_seconds: time before which reading stops; None reads to the end.
        max_height: upright pictures higher than this are scaled down to it while decoding; `info.size_hw` stays
            that of the whole picture. None keeps all pixels.
        keep_partial: take what can be read of a file whose end is missing, with a warning, instead of raising.
        exact_colour: convert colours without the quick path's rounding and chroma replication (slower; see
            `retarget.video.colour.RgbConverter`). For pictures that are shown or learnt from, not for poses.
        limits: what the file may ask for; None takes the defaults.

    Returns:
        A reader; use it as a context manager. Iterating raises `DecodeError` at the end of a file whose end turns
        out to be missing, if the range reaches there.

    Raises:
        InputError: not a readable video file (missing, empty, a folder, a playlist, sound only, absurd, ...).
        DecodeError: not one picture can be decoded, or no end was given and that of the file is missing.
        UsageError: the range is empty or negative.
    """
    from retarget.video.pyav_reader import PyAVReader

    return PyAVReader(
        path,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        max_height=max_height,
        keep_partial=keep_partial,
        exact_colour=exact_colour,
        limits=limits or DecodeLimits(),
    )


def probe(path: str | Path, *, limits: DecodeLimits | None = None) -> ClipInfo:
    """Tell what a video file is, from its header and first picture; whether its end is there is not looked into.

    Args:
        path: a local file.
        limits: what the file may ask for; None takes the defaults.

    Returns:
        The clip's facts.

    Raises:
        InputError, DecodeError: as `open_video`.
    """
    with open_video(path, keep_partial=True, limits=limits) as reader:
        return reader.info
