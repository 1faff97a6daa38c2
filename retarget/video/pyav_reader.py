"""Sequential reading with PyAV: any length in flat memory, exact times, upright RGB pictures."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Final
from weakref import WeakSet

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from typing_extensions import Self

from retarget.config import DecodeLimits
from retarget.errors import DecodeError, InputError, UsageError
from retarget.records import ClipInfo, Frame
from retarget.video.colour import RgbConverter
from retarget.video.completeness import EndWatch, is_cut_short
from retarget.video.container import check_picture_size, open_video_stream
from retarget.video.decoding import DecodeCounts, Picture, PictureDecoder
from retarget.video.upright import PictureGeometry

__all__ = ["PyAVReader", "microseconds"]

_FALLBACK_RATE: Final = Fraction(30)
_SEEK_MARGINS_SECONDS: Final = (0.5, 5.0, 30.0)
"""How far before the wanted time a seek aims, until it lands on a key picture that is early enough."""


def microseconds(pts: int, time_base: Fraction) -> int:
    """Return a time in whole microseconds, the unit in which ranges are compared."""
    return round(pts * time_base * 1_000_000)


@dataclass(frozen=True)
class _Range:
    """Half-open range in microseconds since the first picture; None is open."""

    start: int | None
    end: int | None

    @classmethod
    def of_seconds(cls, start: float | None, end: float | None) -> _Range:
        if (start is not None and start < 0) or (end is not None and end <= (start or 0.0)):
            raise UsageError(
                f"the range from {start or 0:g} s to {'the end' if end is None else f'{end:g} s'} is empty",
                hint="give a start of 0 or more and an end after it",
            )
        return cls(*(None if seconds is None else round(seconds * 1_000_000) for seconds in (start, end)))


def _with_following(pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Picture | None]]:
    current: Picture | None = None
    for following in pictures:
        if current is not None:
            yield current, following
        current = following
    if current is not None:
        yield current, None


class PyAVReader:
    """A `FrameReader` over PyAV. Made by `open_video`, which tells the arguments; every iteration opens the file."""

    def __init__(
        self,
        path: str | Path,
        *,
        start_seconds: float | None,
        end_seconds: float | None,
        max_height: int | None,
        keep_partial: bool,
        exact_colour: bool,
        limits: DecodeLimits,
    ) -> None:
        self._path = path
        self._range = _Range.of_seconds(start_seconds, end_seconds)
        self._keep_partial = keep_partial
        self._exact_colour = exact_colour
        self._limits = limits
        self._keeps_damaged_start = False
        self._iterations: WeakSet[Generator[Frame, None, None]] = WeakSet()
        self._is_closed = False
        self.warnings: tuple[tuple[str, str], ...] = ()
        self._origin_pts, self._geometry, self.info = self._examine(max_height)
        if not keep_partial and self._range.end is None and is_cut_short(Path(path)):
            self._check_end()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; iterations under way end."""
        self._is_closed = True
        for frames in tuple(self._iterations):
            with suppress(ValueError):  # another thread is in the middle of it, and will find the reader closed
                frames.close()

    def seconds_of(self, pts: int) -> float:
        """Return when a player shows the picture of time `pts` in ticks: seconds since the clip's first picture."""
        return float((pts - self._origin_pts) * self.info.time_base)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of the range.

        Raises:
            DecodeError: the end of the file is missing, or its pictures stop decoding.
            UsageError: the range starts after the last picture.
            ValueError: the reader is closed.
        """
        if self._is_closed:
            raise ValueError("PyAVReader: the reader is closed")
        frames = self._frames()
        self._iterations.add(frames)
        return frames

    def _examine(self, max_height: int | None) -> tuple[int, PictureGeometry, ClipInfo]:
        """Decode up to the first sound picture; where there is none, settle for damaged ones."""
        for self._keeps_damaged_start in (False, True):
            with open_video_stream(self._path, self._limits) as (container, stream):
                decoder = PictureDecoder(container, stream, keeps_damaged_start=self._keeps_damaged_start)
                for first in decoder:
                    geometry = PictureGeometry.of_frame(first.frame, stream.sample_aspect_ratio, max_height)
                    check_picture_size(self._name, geometry.full_hw, self._limits)
                    return first.pts, geometry, self._describe(container, stream, geometry)
        raise DecodeError(f"{self._name}: not one of its pictures can be decoded", hint="get the file again")

    def _check_end(self) -> None:
        """Fail now rather than after minutes of work: look through the packets of a file known to be cut."""
        with open_video_stream(self._path, self._limits) as (container, stream):
            watch = EndWatch(Path(self._path), container, stream)
            for _ in PictureDecoder(container, stream, end_watch=watch).packets():
                pass
        if watch.is_end_missing():
            raise self._missing_end(watch)

    def _missing_end(self, watch: EndWatch) -> DecodeError:
        return DecodeError(
            f"{self._name}: the end of the file is missing; {self._reach_of(watch)}",
            hint="copy or download it again, or use --keep-partial to take what is there",
        )

    def _reach_of(self, watch: EndWatch) -> str:
        origin = float(self._origin_pts * self.info.time_base)
        reached = f"it stops after {max(0.0, watch.reached_seconds - origin):.2f} s"
        claimed = watch.claimed_seconds
        return reached if claimed is None else f"{reached} of {claimed - origin:.2f} s"

    @property
    def _name(self) -> str:
        return os.fspath(self._path)

    def _describe(self, container: InputContainer, stream: VideoStream, geometry: PictureGeometry) -> ClipInfo:
        duration: float | None = None
        if stream.duration and stream.time_base:
            duration = float(stream.duration * stream.time_base)
        elif container.duration:
            duration = container.duration / av.time_base
        return ClipInfo(
            path=self._name,
            size_hw=geometry.full_hw,
            time_base=Fraction(stream.time_base or 1),
            average_rate=Fraction(stream.average_rate) if stream.average_rate else None,
            duration_seconds=duration,
            num_frames=stream.frames or None,
            codec=stream.codec_context.codec.canonical_name,
            has_audio=bool(container.streams.audio),
            rotation_degrees=geometry.orientation.rotation_degrees,
        )

    def _frames(self) -> Generator[Frame, None, None]:
        for margin in (*_SEEK_MARGINS_SECONDS, None):
            with open_video_stream(self._path, self._limits) as (container, stream):
                is_far = self._seek(container, stream, margin)
                if margin is not None and not is_far:
                    continue
                watch = EndWatch(Path(self._path), container, stream)
                decoder = PictureDecoder(
                    container, stream, end_watch=watch, keeps_damaged_start=self._keeps_damaged_start
                )
                pictures = iter(decoder)
                first = next(pictures, None)
                if margin is not None and (first is None or self._time_of(first) > (self._range.start or 0)):
                    continue
                if first is not None:
                    yield from self._convert(chain((first,), pictures), decoder, watch)
                return

    def _seek(self, container: InputContainer, stream: VideoStream, margin: float | None) -> bool:
        """Go to a key picture `margin` seconds before the range; False where that is the file's beginning anyway."""
        if margin is None or self._range.start is None or self._range.start <= margin * 1_000_000:
            return False
        seconds = Fraction(self._range.start, 1_000_000) - Fraction(margin)
        try:
            container.seek(self._origin_pts + int(seconds / self.info.time_base), stream=stream)
        except (av.error.FFmpegError, OSError):
            return False
        return True

    def _time_of(self, picture: Picture) -> int:
        return microseconds(picture.pts - self._origin_pts, self.info.time_base)

    def _convert(self, pictures: Iterable[Picture], decoder: PictureDecoder, watch: EndWatch) -> Iterator[Frame]:
        """Yield the pictures of the range as frames, then judge what was read."""
        converter = RgbConverter(self._geometry.scaled_hw, self.info.codec, is_exact=self._exact_colour)
        start, end = self._range.start or 0, self._range.end
        last_frame, rgb = None, None
        num_frames = num_concealed = 0
        is_end_seen = False
        for picture, following in _with_following(pictures):
            if self._is_closed:
                return
            time = self._time_of(picture)
            if time < start:
                continue
            if is_end_seen := end is not None and time >= end:
                break
            self._check_time(time)
            if picture.frame is not last_frame or rgb is None:
                rgb = self._geometry.orientation.apply(converter.convert(picture.frame))
                last_frame = picture.frame
            num_concealed += picture.is_concealed
            duration = following.pts - picture.pts if following else self._last_duration(picture, watch)
            yield Frame(rgb, picture.pts, self.info.time_base, num_frames, picture.is_concealed, duration)
            num_frames += 1
        is_end_missing = not is_end_seen and watch.is_end_missing()
        self._report(decoder.counts, num_concealed, num_frames, converter, watch if is_end_missing else None)
        if num_frames == 0:
            raise UsageError(f"{self._name}: has no picture from {start / 1e6:g} s on", hint="give an earlier start")

    def _last_duration(self, picture: Picture, watch: EndWatch) -> int | None:
        """Ticks that the clip's last picture is shown: up to the end of the stream, if that agrees with its packet.

        A packet's own duration is the step to the next one in decoding order, which B-frames reorder.
        """
        claimed = watch.video_end_seconds
        if claimed is None or picture.duration is None:
            return picture.duration
        remaining = round(claimed / self.info.time_base) - picture.pts
        rate = self.info.average_rate or _FALLBACK_RATE
        return remaining if 0 < remaining < picture.duration + 2 / (rate * self.info.time_base) else picture.duration

    def _check_time(self, time: int) -> None:
        if time > self._limits.max_duration_seconds * 1e6:
            raise InputError(
                f"{self._name}: runs longer than the {self._limits.max_duration_seconds:.0f} s that are read",
                hint="cut it first",
            )

    def _report(
        self,
        counts: DecodeCounts,
        num_concealed: int,
        num_frames: int,
        converter: RgbConverter,
        cut: EndWatch | None,
    ) -> None:
        warnings = []
        if num_concealed:
            warnings.append(("W101", f"{num_concealed} of {num_frames} frames are damaged and were concealed"))
        if counts.skipped_at_start and self._range.start is None:
            warnings.append(("W102", f"the first {counts.skipped_at_start} frames can't be decoded and were left out"))
        if counts.repaired_times:
            warnings.append(("W103", f"{counts.repaired_times} timestamps were missing or ran backward"))
        if cut is not None:
            if not self._keep_partial:
                raise self._missing_end(cut)
            warnings.append(("W104", f"the end of the file is missing; {self._reach_of(cut)}"))
        if converter.has_met_hdr:
            warnings.append(("W105", "the pictures are HDR (PQ or HLG) and were rendered for an SDR screen"))
        self.warnings = tuple(warnings)
