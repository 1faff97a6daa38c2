"""Decode one picture stream, front to back, through damage: every picture keeps its time.

What a decoder does not give is filled in: a packet it fails on becomes a repeat of the picture before, missing or
backward timestamps are repaired, and pictures before the first one that can stand alone are left out. All of it
is counted, so that it can be told.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from retarget.video.completeness import EndWatch

__all__ = ["DecodeCounts", "Picture", "PictureDecoder", "TimestampRepair", "nominal_ticks"]

_MAX_BROKEN_READS: Final = 64
_MAX_AWAITED: Final = 1024


@dataclass(frozen=True)
class Picture:
    """One decoded picture with its repaired time.

    Attributes:
        frame: the decoder's picture.
        pts: presentation time in ticks of the stream's time base; strictly rising over a clip.
        duration: ticks that the container gives it; None where it doesn't say.
        is_concealed: damaged, or a repeat in place of one that could not be decoded.
    """

    frame: VideoFrame
    pts: int
    duration: int | None
    is_concealed: bool


@dataclass
class DecodeCounts:
    """What had to be repaired on the way.

    Attributes:
        concealed: pictures that were damaged or repeated.
        skipped_at_start: pictures before the first decodable one.
        repaired_times: timestamps that were missing, repeated or ran backward.
    """

    concealed: int = 0
    skipped_at_start: int = 0
    repaired_times: int = 0


class TimestampRepair:
    """Makes presentation times strictly rising without moving those that are right.

    A missing time is one frame after its predecessor. A time that repeats its predecessor, or steps back by less
    than a frame, becomes the next possible tick. A larger step back is taken for a new beginning of the clock (files
    joined end to end): from there on everything is shifted to follow on.

    Args:
        nominal_ticks: length of one frame in ticks.
    """

    def __init__(self, nominal_ticks: int) -> None:
        self._nominal = max(1, nominal_ticks)
        self._previous: int | None = None
        self._offset = 0
        self.num_repaired = 0

    def repair(self, pts: int | None) -> int:
        """Return the time to use for the next picture, given the one it came with."""
        previous = self._previous
        if pts is None:
            self.num_repaired += 1
            fixed = 0 if previous is None else previous + self._nominal
        else:
            fixed = pts + self._offset
            if previous is not None and fixed <= previous:
                self.num_repaired += 1
                is_new_clock = previous - fixed >= self._nominal
                fixed = previous + (self._nominal if is_new_clock else 1)
                self._offset = fixed - pts if is_new_clock else self._offset
        self._previous = fixed
        return fixed


class PictureDecoder:
    """Reads the pictures of an open container in presentation order, once.

    Args:
        container: open, at its beginning or where a seek left it.
        stream: the picture stream.
        end_watch: is told of every packet; None where the end doesn't matter.
        keeps_damaged_start: hand out damaged pictures before the first sound one, instead of leaving them out.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        end_watch: EndWatch | None = None,
        keeps_damaged_start: bool = False,
    ) -> None:
        self.counts = DecodeCounts()
        self._container = container
        self._stream = stream
        self._end_watch = end_watch
        self._keeps_damaged_start = keeps_damaged_start
        self._times = TimestampRepair(nominal_ticks(stream))
        self._awaited: list[int] = []  # heap of the times of packets whose pictures have not come out yet
        self._num_failed_packets = 0
        self._last_frame: VideoFrame | None = None
        if keeps_damaged_start:
            stream.codec_context.flags |= Flags.output_corrupt

    def __iter__(self) -> Iterator[Picture]:
        """Yield the pictures; times rise strictly."""
        for packet in self.packets():
            if packet.stream_index == self._stream.index:
                yield from self._decode(cast("Packet[VideoStream]", packet))
        for frame in self._decoded(None):
            yield from self._hand_out(frame)
        yield from self._repeat_until(None)

    def packets(self) -> Iterator[Packet[Stream]]:
        """Yield the packets that are there, past damage, and tell the end watch of each; nothing is decoded."""
        wants_all = self._end_watch is not None and self._end_watch.needs_all_streams
        num_broken_reads = 0
        while num_broken_reads < _MAX_BROKEN_READS:
            try:
                for packet in self._container.demux(() if wants_all else self._stream):
                    num_broken_reads = 0
                    if packet.size:
                        if self._end_watch is not None:
                            self._end_watch.note(packet)
                        yield packet
            except (av.error.FFmpegError, IndexError):
                # The demuxer resynchronises behind the damage. An index error is a packet of a stream that PyAV
                # does not know, because damage made it appear in the middle of the file.
                num_broken_reads += 1
            else:
                return

    def _decode(self, packet: Packet[VideoStream]) -> Iterator[Picture]:
        if packet.pts is not None and not packet.is_discard:
            heapq.heappush(self._awaited, packet.pts)
            if len(self._awaited) > _MAX_AWAITED:
                heapq.heappop(self._awaited)
        for frame in self._decoded(packet):
            yield from self._hand_out(frame)

    def _decoded(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._stream.decode(packet)
        except av.error.FFmpegError:
            self._num_failed_packets += 1
            return []

    def _hand_out(self, frame: VideoFrame) -> Iterator[Picture]:
        pts = frame.pts if frame.pts is not None else frame.dts
        is_start = self._last_frame is None
        if is_start and frame.is_corrupt and not (frame.key_frame or self._keeps_damaged_start):
            return  # its packet is counted as skipped when the first picture is handed out
        yield from self._repeat_until(pts)
        self._last_frame = frame
        self.counts.concealed += frame.is_corrupt
        yield Picture(frame, self._repaired(pts), frame.duration or None, bool(frame.is_corrupt))

    def _repeat_until(self, pts: int | None) -> Iterator[Picture]:
        """Stand in for the pictures before `pts` that did not come out; None: up to the end.

        In the middle, only as many as packets have failed: some codecs have packets without a picture. At the end,
        all: a frame-threaded decoder that fails while it is flushed loses what the other threads hold.
        """
        while self._awaited and (pts is None or self._awaited[0] <= pts):
            awaited = heapq.heappop(self._awaited)
            if awaited == pts:
                continue
            if self._last_frame is None:
                self.counts.skipped_at_start += 1
            elif self._num_failed_packets or pts is None:
                self._num_failed_packets -= 1
                self.counts.concealed += 1
                yield Picture(self._last_frame, self._repaired(awaited), None, True)

    def _repaired(self, pts: int | None) -> int:
        fixed = self._times.repair(pts)
        self.counts.repaired_times = self._times.num_repaired
        return fixed


def nominal_ticks(stream: VideoStream) -> int:
    """Return the usual length of one frame in ticks of the stream's time base; at least 1."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate or not stream.time_base:
        return 1
    return max(1, round(1 / (rate * stream.time_base)))
