"""One output container: RGB pictures to the encoder, packets and the driver's sound to the file."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from retarget.config import EncodeConfig
from retarget.records import UInt8Array
from retarget.video.audio import AudioCarrier
from retarget.video.colour import BT709, SWS_ACCURATE_RND, SWS_BICUBIC, SWS_FULL_CHR_H_INP
from retarget.video.encoders import CODEC_SPECS, SYNTHETIC_MEDIA_NOTE, encoder_options

__all__ = ["ContainerSink"]

_SCALER: Final = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP
_MAX_RATE_HINT: Final = Fraction(1000)
_MAX_RATE_DENOMINATOR: Final = 100_000
_COARSEST_MOVIE_CLOCK_HZ: Final = 10_000


def _muxer_options(container: str, clock: Fraction) -> dict[str, str]:
    if container not in ("mp4", "mov"):
        return {"fflags": "+bitexact"}  # Matroska's random identifiers would make every file another
    hertz = clock.denominator
    while hertz < _COARSEST_MOVIE_CLOCK_HZ:
        hertz *= 2
    # The movie's clock counts the delay before a late first picture: at the default of 1 kHz it would be rounded.
    return {"movflags": "+faststart+write_colr", "movie_timescale": str(hertz)}


class ContainerSink:
    """Encodes pictures as BT.709 video of limited range and muxes them with sound.

    Args:
        path: the file that is written (any name; the format is given).
        container: FFmpeg's container format.
        config: codec, quality and tags.
        size_hw: (height, width) of the pictures.
        clock: seconds per tick of the times that are given and written.
        rate: usual frame rate.
        alpha: pictures are RGBA.
        audio_source: file whose first sound stream is carried over, or None.

    Attributes:
        warnings: (code, text) of what could not be carried over.
    """

    def __init__(
        self,
        path: Path,
        container: str,
        config: EncodeConfig,
        *,
        size_hw: tuple[int, int],
        clock: Fraction,
        rate: Fraction,
        alpha: bool,
        audio_source: str | Path | None,
    ) -> None:
        self.warnings: list[tuple[str, str]] = []
        self._clock = clock
        self._needs_even_size = CODEC_SPECS[config.codec].needs_even_size
        self._input_format = "rgba" if alpha else "rgb24"
        self._reformatter = VideoReformatter()
        self._waiting: deque[Packet[VideoStream]] = deque()
        self._starts: deque[int] = deque()  # times of the pictures that are not muxed yet
        self._container = av.open(str(path), "w", format=container, options=_muxer_options(container, clock))
        self._audio: AudioCarrier | None = None
        try:
            self._stream = self._add_video_stream(config, container, size_hw, rate, alpha)
            self._container.metadata.update(_tags(config))
            if audio_source is not None:
                self._audio = AudioCarrier.open(audio_source, self._container, container, self.warnings)
        except BaseException:
            self.abort()
            raise

    def _add_video_stream(
        self, config: EncodeConfig, container: str, size_hw: tuple[int, int], rate: Fraction, alpha: bool
    ) -> VideoStream:
        spec = CODEC_SPECS[config.codec]
        rate = min(max(rate, Fraction(1)), _MAX_RATE_HINT).limit_denominator(_MAX_RATE_DENOMINATOR)
        stream = self._container.add_stream(spec.encoder, rate=rate, options=encoder_options(config))
        assert isinstance(stream, VideoStream)  # noqa: S101 - narrows the type; encoders of CODEC_SPECS make pictures
        height, width = (side + side % 2 if spec.needs_even_size else side for side in size_hw)
        stream.height, stream.width = height, width
        stream.pix_fmt = (spec.alpha_pixel_format if alpha else spec.pixel_format) or spec.pixel_format
        stream.time_base = self._clock
        context = stream.codec_context
        context.time_base = self._clock
        context.colorspace = context.color_trc = context.color_primaries = BT709  # one code point for all three
        context.color_range = int(ColorRange.MPEG)
        context.thread_type = "AUTO"
        if config.codec == "hevc" and container in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players refuse the other spelling, hev1
        return stream

    def start(self, shift: Fraction) -> None:
        """Begin; everything of the driver was moved `shift` seconds towards 0."""
        if self._audio is not None:
            self._audio.start(shift)

    def write(self, picture: UInt8Array, ticks: int) -> None:
        """Encode one picture, shown from `ticks` of the clock on."""
        frame = self._to_frame(picture)
        frame.pts = ticks
        frame.time_base = self._clock
        self._waiting.extend(self._stream.encode(frame))
        self._starts.append(ticks)
        self._mux_followed()
        if self._audio is not None:
            self._audio.advance(ticks * self._clock)

    def finish(self, end_ticks: int) -> None:
        """Flush the encoder and complete the file; the last picture is shown until `end_ticks`."""
        self._waiting.extend(self._stream.encode(None))
        self._starts.append(end_ticks)
        self._mux_followed()
        if self._audio is not None:
            self._audio.finish(end_ticks * self._clock)
            self._audio.close()
        self._container.close()

    def _mux_followed(self) -> None:
        """Mux the encoded pictures of which it is known when the next one starts."""
        while self._waiting and len(self._starts) > 1:
            packet = self._waiting.popleft()
            # Pictures are decoded in the order they are shown. x265 leaves the decoding times of short clips unset.
            packet.pts = packet.dts = self._starts.popleft()
            packet.duration = self._starts[0] - packet.pts
            self._container.mux(packet)

    def abort(self) -> None:
        """Close everything without regard for what was written."""
        self._waiting.clear()
        if self._audio is not None:
            self._audio.close()
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()

    def _to_frame(self, picture: UInt8Array) -> VideoFrame:
        if self._needs_even_size and (picture.shape[0] % 2 or picture.shape[1] % 2):
            picture = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=self._input_format)
        return self._reformatter.reformat(
            frame,
            format=self._stream.pix_fmt,
            dst_colorspace=BT709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_SCALER,
        )


def _tags(config: EncodeConfig) -> dict[str, str]:
    """Return the container's tags; the note that this is synthetic can be added to, not removed."""
    tags = dict(config.metadata)
    for key in ("comment", "description"):
        tags[key] = f"{tags[key]} | {SYNTHETIC_MEDIA_NOTE}" if key in tags else SYNTHETIC_MEDIA_NOTE
    return tags
