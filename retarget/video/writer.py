"""Writing the result: exact times, true colours, sound in sync, and never half a file.

Convention:
    Pictures come with the driver's own ticks. They are written unchanged (CFR stays CFR, 30000/1001 stays
    30000/1001, VFR stays VFR), with two exceptions: where a range with a start was asked for, or where the driver's
    clock does not start near zero (transport streams start anywhere), picture and sound are moved together so that
    the first picture is at 0. MP4 and MOV hold the ticks exactly (clocks finer than a microsecond are rounded to
    one); Matroska and WebM count in milliseconds, and round.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from typing_extensions import Self

from retarget.config import EncodeConfig
from retarget.errors import OutputError
from retarget.records import UInt8Array
from retarget.video.encoders import container_of
from retarget.video.muxing import ContainerSink
from retarget.video.output_path import PendingOutput, check_output_path, output_errors
from retarget.video.png_folder import PngFolderSink

__all__ = ["VideoWriter"]

_MICROSECOND: Final = Fraction(1, 1_000_000)
_MILLISECOND: Final = Fraction(1, 1000)
_LATEST_KEPT_START: Final = Fraction(1)
_FALLBACK_RATE: Final = Fraction(30)


class _Sink(Protocol):
    """Where pictures go: a container or a folder. Times are ticks of the output clock."""

    warnings: list[tuple[str, str]]

    def start(self, shift: Fraction) -> None:
        """Begin; everything of the driver was moved `shift` seconds towards 0."""

    def write(self, picture: UInt8Array, ticks: int) -> None:
        """Take one picture, shown from `ticks` on."""

    def finish(self, end_ticks: int) -> None:
        """Complete the output; the last picture is shown until `end_ticks`."""

    def abort(self) -> None:
        """Let go of all resources; what was written is thrown away."""


def _output_clock(time_base: Fraction, container: str) -> Fraction:
    if container in ("matroska", "webm"):
        return _MILLISECOND
    return time_base if time_base.denominator <= _MICROSECOND.denominator else _MICROSECOND


class VideoWriter:
    """Writes pictures to a video file (or a folder of PNGs) that appears only when it is complete.

    Use as a context manager. Leaving it normally completes the file and gives it its name; leaving it by an
    exception, an interrupt included, removes everything. Not for use by several threads at once.

    Args:
        path: the output file; a folder for codec "png".
        size_hw: (height, width) of the pictures. H.264 and HEVC need even sides: an odd last column or row is
            repeated once.
        time_base: seconds per tick of the times given to `write`.
        rate_hint: usual frame rate, for the encoder's rate control and the length of a single picture.
        config: codec, quality, sound and tags.
        alpha: the pictures are (H, W, 4) with straight alpha.
        overwrite: replace an existing output.
        audio_source: file whose first sound stream is carried over; None, or `config.audio` "drop", for silence.
        audio_range: (start, end) in seconds of the driver that the pictures come from; with a start, the output
            begins at 0. Sound follows the pictures: it starts with the first and never outlasts the last.

    Attributes:
        num_frames: pictures written so far.

    Raises:
        UsageError: settings that don't suit the codec.
        OutputError: the output can't be made; see `check_output_path`.
        InputError: the sound's file can't be read.
    """

    def __init__(
        self,
        path: str | Path,
        size_hw: tuple[int, int],
        time_base: Fraction,
        rate_hint: Fraction | None,
        config: EncodeConfig,
        *,
        alpha: bool = False,
        overwrite: bool = False,
        audio_source: str | Path | None = None,
        audio_range: tuple[float | None, float | None] = (None, None),
    ) -> None:
        self.num_frames = 0
        self._path = check_output_path(path, config, overwrite=overwrite, alpha=alpha)
        self._shape = (*size_hw, 4 if alpha else 3)
        self._time_base = time_base
        self._starts_at_zero = audio_range[0] is not None
        self._rate = rate_hint or _FALLBACK_RATE
        self._shift = Fraction(0)
        self._ticks = 0
        self._duration: int | None = None
        self._has_ended = False
        container = container_of(self._path, config)
        self._clock = _output_clock(time_base, container)
        self._pending = PendingOutput(self._path, overwrite=overwrite, is_folder=container == "png")
        try:
            with output_errors(self._path):
                self._sink: _Sink = (
                    PngFolderSink(self._pending.temporary, self._clock, config)
                    if container == "png"
                    else ContainerSink(
                        self._pending.temporary,
                        container,
                        config,
                        size_hw=size_hw,
                        clock=self._clock,
                        rate=self._rate,
                        alpha=alpha,
                        audio_source=audio_source if config.audio == "keep" else None,
                    )
                )
        except BaseException:
            self._pending.discard()
            raise

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """(code, text) of what could not be carried over; complete after the writer was closed."""
        return tuple(self._sink.warnings)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the output, or remove it if an exception is under way."""
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, picture: UInt8Array, pts: int, duration: int | None = None) -> None:
        """Write one picture.

        Args:
            picture: (H, W, 3) uint8 RGB, or (H, W, 4) with straight alpha if the writer was made with `alpha`.
            pts: when it is shown, in ticks of `time_base`; strictly rising.
            duration: for how many ticks; only that of the last picture matters (the others last until the next).
                None takes the time between the two pictures before.

        Raises:
            OutputError: the disk is full, or the encoder fails.
        """
        if picture.shape != self._shape:
            raise ValueError(f"VideoWriter.write: expected shape {self._shape}, got {picture.shape}")
        time = pts * self._time_base
        is_first = self.num_frames == 0
        if is_first and (self._starts_at_zero or not 0 <= time < _LATEST_KEPT_START):
            self._shift = time
        ticks = round((time - self._shift) / self._clock)
        if not is_first and ticks <= self._ticks:
            if self._clock <= self._time_base:
                raise ValueError(f"VideoWriter.write: times must rise, got {pts} ticks after a later one")
            ticks = self._ticks + 1  # two pictures within one tick of the container's coarser clock
        usual = ticks - self._ticks if not is_first else round(1 / (self._rate * self._clock))
        self._duration = round(duration * self._time_base / self._clock) if duration else usual
        with output_errors(self._path):
            if is_first:
                self._sink.start(self._shift)
            self._sink.write(picture, ticks)
        self._ticks = ticks
        self.num_frames += 1

    def close(self) -> None:
        """Complete the output and give it its name; nothing happens on a writer that has ended.

        Raises:
            OutputError: nothing was written, the disk is full, or the name was taken meanwhile.
        """
        if self._has_ended:
            return
        try:
            if self.num_frames == 0:
                raise OutputError(f"{self._path}: no picture was made, so there is nothing to write")
            with output_errors(self._path):
                self._sink.finish(self._ticks + max(1, self._duration or 1))
            self._pending.commit()
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove what was written, unless the output is complete already."""
        if not self._has_ended:
            self._has_ended = True
            self._sink.abort()
            self._pending.discard()
