"""Carry the driver's sound over: copied where the container takes it, re-encoded elsewhere, in sync always.

Sound is moved by exactly what the pictures were moved, starts with the first picture, and is cut where the last one
ends (to the sample when re-encoded, to the nearest packet when copied). Sound that is shorter stays shorter.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from retarget.config import DecodeLimits
from retarget.video.container import open_container

__all__ = ["AudioCarrier"]

_COPIED_CODECS: Final = {
    "mp4": ("aac", "mp3", "ac3", "eac3", "alac", "opus"),
    "mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le", "pcm_s16be", "pcm_s24be"),
    "webm": ("opus", "vorbis"),
    "matroska": ("aac", "mp3", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le"),
}
_ENCODERS: Final = {"webm": ("libopus", 128_000), "mp4": ("aac", 192_000)}
_NUM_TRIAL_PACKETS: Final = 4
_OPUS_RATE_HZ: Final = 48_000
_AAC_RATES_HZ: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


class _Carrier(Protocol):
    """One way of carrying sound over. Times are seconds of the output.

    Attributes:
        num_lost: damaged packets that were left out so far.
    """

    num_lost: int

    def advance(self, until: Fraction) -> None:
        """Write the sound that starts before `until`."""

    def finish(self, end: Fraction) -> None:
        """Write the sound up to `end`, and no more."""


def _packets(
    container: InputContainer, stream: AudioStream, warnings: list[tuple[str, str]]
) -> Iterator[Packet[AudioStream]]:
    """Yield the packets that carry sound and a time; damage ends the sound, not the job."""
    try:
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                yield packet
    except (av.error.FFmpegError, IndexError) as error:  # IndexError: a stream that appears in the middle
        warnings.append(("W402", f"the sound is damaged and ends early ({error})"))


def _can_be_copied(path: str | Path, container: str) -> bool:
    """Try a few packets in memory: damaged codec headers are only refused when the index is written, at the end."""
    with open_container(path, DecodeLimits()) as source:
        stream = source.streams.audio[0]
        if stream.codec_context.codec.canonical_name not in _COPIED_CODECS[container]:
            return False
        try:
            with av.open(io.BytesIO(), "w", format=container) as trial:
                target = trial.add_stream_from_template(stream)
                for packet in islice(_packets(source, stream, []), _NUM_TRIAL_PACKETS):
                    packet.stream = target
                    trial.mux(packet)
        except (av.error.FFmpegError, ValueError):
            return False
    return True


class _CopiedSound:
    """Moves packets as they are.

    Args:
        packets: of the source stream.
        target: the output's sound stream.
        output: the output.
        shift: seconds that everything is moved towards 0.
        hides_preroll: the container can hold sound before 0 without playing it; decoders then start cleanly.
    """

    def __init__(
        self,
        packets: Iterator[Packet[AudioStream]],
        target: AudioStream,
        output: OutputContainer,
        shift: Fraction,
        *,
        hides_preroll: bool,
    ) -> None:
        self._packets = packets
        self._target = target
        self._output = output
        self._shift = shift
        self._hides_preroll = hides_preroll
        self._earliest_pts = -(1 << 62)
        self.num_lost = 0
        self._next = next(self._packets, None)
        self._skip_to_start()

    def _span(self, packet: Packet[AudioStream]) -> tuple[Fraction, Fraction]:
        start = (packet.pts or 0) * packet.time_base - self._shift
        return start, start + (packet.duration or 0) * packet.time_base

    def _skip_to_start(self) -> None:
        """Go to the first packet that is heard; with it goes the one before, which its decoder needs."""
        previous = None
        while self._next is not None and self._span(self._next)[1] <= 0:
            previous, self._next = self._next, next(self._packets, None)
        if self._hides_preroll:
            if previous is not None and self._next is not None:
                self._write(previous)
        elif self._next is not None and self._span(self._next)[0] < 0:
            self._next = next(self._packets, None)

    def advance(self, until: Fraction) -> None:
        """Write the packets that end by `until`."""
        while self._next is not None and self._span(self._next)[1] <= until:
            self._write(self._next)
            self._next = next(self._packets, None)

    def finish(self, end: Fraction) -> None:
        """Write the packets of which at least half lies before `end`; the last is declared to end there."""
        self.advance(end)
        if self._next is None:
            return
        start, stop = self._span(self._next)
        if end - start >= stop - end and end > start:
            self._next.duration = int((end - start) / self._next.time_base)
            self._write(self._next)

    def _write(self, packet: Packet[AudioStream]) -> None:
        pts = max((packet.pts or 0) - round(self._shift / packet.time_base), self._earliest_pts)
        self._earliest_pts = pts + max(1, packet.duration or 0) // 2 + 1
        packet.pts = packet.dts = pts
        packet.stream = self._target
        try:
            self._output.mux(packet)
        except (av.error.InvalidDataError, av.error.ArgumentError):
            self.num_lost += 1  # a damaged packet; the sound goes on behind it


class _EncodedSound:
    """Decodes, resamples and encodes; every sample keeps its time, gaps become silence.

    Args:
        packets: of the source stream.
        target: the output's sound stream, with its rate and layout set.
        output: the output.
        shift: seconds that everything is moved towards 0.
    """

    _MAX_JITTER_SECONDS: Final = Fraction(30, 1000)

    def __init__(
        self, packets: Iterator[Packet[AudioStream]], target: AudioStream, output: OutputContainer, shift: Fraction
    ) -> None:
        self._target = target
        self._output = output
        self._shift = shift
        self._rate = target.rate
        self._layout = target.layout.name
        self.num_lost = 0
        self._blocks = self._resampled(packets)
        self._block = next(self._blocks, None)
        self._position = 0  # output samples encoded so far

    def _resampled(self, packets: Iterator[Packet[AudioStream]]) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Yield (first output sample, (channels, n) samples), in whatever pieces they come."""
        resampler = AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        for packet in packets:
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.num_lost += 1  # the gap becomes silence
                continue
            for frame in frames:
                yield from self._placed(resampler.resample(frame))
        yield from self._placed(resampler.resample(None))

    def _placed(self, frames: list[AudioFrame]) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        for frame in frames:
            if frame.pts is not None and frame.time_base:
                start = round((frame.pts * frame.time_base - self._shift) * self._rate)
                yield start, frame.to_ndarray().astype(np.float32, copy=False)

    def advance(self, until: Fraction) -> None:
        """Encode the sound that lies before `until` and has been decoded in whole blocks."""
        limit = int(until * self._rate)
        while self._block is not None and self._block[0] + self._block[1].shape[1] <= limit:
            self._encode_block(*self._block)
            self._block = next(self._blocks, None)

    def finish(self, end: Fraction) -> None:
        """Encode the sound up to the sample at `end`, then flush."""
        self.advance(end)
        limit = round(end * self._rate)
        if self._block is not None and self._block[0] < limit:
            start, samples = self._block
            self._encode_block(start, samples[:, : max(0, limit - start)])
        if self._position:
            self._mux(self._target.encode(None))

    def _encode_block(self, start: int, samples: npt.NDArray[np.float32]) -> None:
        if self._position and abs(start - self._position) < self._MAX_JITTER_SECONDS * self._rate:
            start = self._position
        for gap_start in range(self._position, start, self._rate):
            length = min(self._rate, start - gap_start)
            self._encode(np.zeros((len(samples), length), np.float32))
        self._encode(samples[:, self._position - start :])

    def _encode(self, samples: npt.NDArray[np.float32]) -> None:
        if samples.shape[1] == 0:
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._position
        frame.time_base = Fraction(1, self._rate)
        self._position += samples.shape[1]
        self._mux(self._target.encode(frame))

    def _mux(self, packets: list[Packet[AudioStream]]) -> None:
        for packet in packets:
            # The encoder pads its last block; what lies behind the last sample is not declared.
            overhang = (packet.pts or 0) + (packet.duration or 0) - self._position
            if packet.duration and 0 < overhang < packet.duration:
                packet.duration -= overhang
            self._output.mux(packet)


class AudioCarrier:
    """The first sound stream of one file on its way into an output. Made by `AudioCarrier.open`.

    Times are seconds of the output; call `start`, then `advance` as pictures are written, then `finish` and `close`.
    """

    def __init__(
        self,
        resources: ExitStack,
        source: InputContainer,
        stream: AudioStream,
        output: OutputContainer,
        container: str,
        warnings: list[tuple[str, str]],
        *,
        is_copied: bool,
    ) -> None:
        self._resources = resources
        self._source = source
        self._stream = stream
        self._output = output
        self._container = container
        self._warnings = warnings
        self._carrier: _Carrier | None = None
        self._is_copied = is_copied
        if is_copied:
            self._target = output.add_stream_from_template(stream)
        else:
            self._target = self._add_encoder()

    @classmethod
    def open(
        cls,
        path: str | Path,
        output: OutputContainer,
        container: str,
        warnings: list[tuple[str, str]],
    ) -> AudioCarrier | None:
        """Open a file's first sound stream and add a stream for it to an output.

        Args:
            path: the driver.
            output: the output, before its first packet.
            container: the output's format: "mp4", "mov", "webm" or "matroska".
            warnings: (code, text) of what can't be carried over is appended here.

        Returns:
            The carrier; None where the file has no sound, or none that can be read.

        Raises:
            InputError: the file can't be opened.
        """
        with ExitStack() as resources:
            source = resources.enter_context(open_container(path, DecodeLimits()))
            stream = next(iter(source.streams.audio), None)
            if stream is None:
                return None
            if stream.codec_context is None:
                warnings.append(("W401", "the driver's sound is of an unknown kind and was left out"))
                return None
            is_copied = _can_be_copied(path, container)
            return cls(resources.pop_all(), source, stream, output, container, warnings, is_copied=is_copied)
        return None

    def _add_encoder(self) -> AudioStream:
        codec, bit_rate = _ENCODERS.get(self._container, _ENCODERS["mp4"])
        source = self._stream.codec_context
        rate = _OPUS_RATE_HZ if codec == "libopus" or source.sample_rate not in _AAC_RATES_HZ else source.sample_rate
        target = self._output.add_stream(codec, rate=rate)
        assert isinstance(target, AudioStream)  # noqa: S101 - narrows the type
        target.codec_context.layout = "mono" if source.layout.nb_channels == 1 else "stereo"
        target.codec_context.bit_rate = bit_rate
        return target

    def start(self, shift: Fraction) -> None:
        """Begin.

        Args:
            shift: seconds that the driver's times are moved towards 0.
        """
        packets = _packets(self._source, self._stream, self._warnings)
        if self._is_copied:
            hides_preroll = self._container in ("mp4", "mov")
            self._carrier = _CopiedSound(packets, self._target, self._output, shift, hides_preroll=hides_preroll)
        else:
            self._carrier = _EncodedSound(packets, self._target, self._output, shift)

    def advance(self, until: Fraction) -> None:
        """Write the sound up to about `until`."""
        if self._carrier is not None:
            self._carrier.advance(until)

    def finish(self, end: Fraction) -> None:
        """Write the rest of the sound up to `end`."""
        if self._carrier is not None:
            self._carrier.finish(end)
            if self._carrier.num_lost:
                text = f"{self._carrier.num_lost} packets of the driver's sound are damaged and were left out"
                self._warnings.append(("W402", text))

    def close(self) -> None:
        """Close the source."""
        self._carrier = None
        self._resources.close()
