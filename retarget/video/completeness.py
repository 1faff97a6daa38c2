"""Tell whether the end of a video file is missing.

Two witnesses are heard. The container's own size fields: a file that is shorter than its outermost boxes
claim was cut. And its clock: packets that stop before the time at which the container says the pictures end.
A cut file may miss nothing of the pictures (the cut can lie in the sound or in an index), and a clock may be
wrong in a whole file, so each alone needs more evidence than both together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

__all__ = ["EndWatch", "is_cut_short", "lacks_mp4_index"]

_WHOLE_FILE_TOLERANCE_SECONDS: Final = Fraction(1)
_MP4_TOP_LEVEL_BOXES: Final = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"sidx", b"styp", b"uuid", b"meta",
     b"pdin", b"ssix", b"prft", b"emsg", b"udta", b"pnot", b"imda")
)  # fmt: skip
_FORMATS_WITHOUT_CLOCK: Final = ("h264", "hevc", "mpegvideo", "m4v", "mjpeg", "obu")
"""Bare streams, whose length FFmpeg guesses from the bit rate."""

_EBML_HEADER_ID: Final = b"\x1a\x45\xdf\xa3"
_EBML_SEGMENT_ID: Final = b"\x18\x53\x80\x67"


def _mp4_boxes(stream: BinaryIO, file_size: int) -> Iterator[tuple[bytes, int]]:
    """Yield (type, end offset) of the outermost boxes; the end may lie past the end of the file."""
    offset = 0
    while offset + 8 <= file_size:
        stream.seek(offset)
        head = stream.read(16)
        size, kind = struct.unpack(">I4s", head[:8])
        if kind not in _MP4_TOP_LEVEL_BOXES:
            return
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        elif size == 0:
            size = file_size - offset
        if size < 8:
            return
        offset += size
        yield kind, offset


def _riff_end(stream: BinaryIO, file_size: int) -> int:
    offset = 0
    while offset + 8 <= file_size:
        stream.seek(offset)
        kind, size = struct.unpack("<4sI", stream.read(8))
        if kind != b"RIFF":
            break
        offset += 8 + size + size % 2
    return offset


def _ebml_size(stream: BinaryIO) -> int | None:
    """Read a variable-length EBML size; None where it is "unknown" (all ones) or broken."""
    first = stream.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    digits = bytes([first[0] & (0xFF >> length)]) + stream.read(length - 1)
    value = int.from_bytes(digits, "big")
    return None if value == (1 << 7 * length) - 1 else value


def _ebml_end(stream: BinaryIO) -> int:
    stream.seek(4)
    header_size = _ebml_size(stream)
    if header_size is None:
        return 0
    stream.seek(header_size, 1)
    if stream.read(4) != _EBML_SEGMENT_ID:
        return 0
    segment_size = _ebml_size(stream)
    return 0 if segment_size is None else stream.tell() + segment_size


def _gif_end(stream: BinaryIO, file_size: int) -> int:
    stream.seek(max(0, file_size - 64))
    has_trailer = stream.read().rstrip(b"\0").endswith(b";")
    return file_size if has_trailer else file_size + 1


def is_cut_short(path: Path) -> bool:
    """Tell whether a file is shorter than its container says (MP4/MOV, AVI, Matroska/WebM, GIF).

    Args:
        path: a readable file.

    Returns:
        True where bytes are missing at the end; False where all are there or the format doesn't tell.
    """
    file_size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        if head[4:8] in _MP4_TOP_LEVEL_BOXES:
            end = max((end for _, end in _mp4_boxes(stream, file_size)), default=0)
        elif head[:4] == b"RIFF":
            end = _riff_end(stream, file_size)
        elif head[:4] == _EBML_HEADER_ID:
            end = _ebml_end(stream)
        elif head[:3] == b"GIF":
            end = _gif_end(stream, file_size)
        else:
            end = 0
    return end > file_size


def lacks_mp4_index(path: Path) -> bool:
    """Tell whether a file starts like an MP4/MOV but ends before its index (the `moov` box) is complete."""
    file_size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(8)[4:8] not in (b"ftyp", b"mdat", b"wide"):
            return False
        return not any(kind == b"moov" and end <= file_size for kind, end in _mp4_boxes(stream, file_size))


class EndWatch:
    """Watch the packets of a file go by, then say how much of the pictures is missing at the end.

    Args:
        path: the file, for its outer structure.
        container: the same file, open.
        stream: the picture stream that is decoded.
    """

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self._video_index = stream.index
        self._is_cut = is_cut_short(path)
        self._is_gif = "gif" in container.format.name
        self._frame_seconds = 1 / Fraction(stream.average_rate) if stream.average_rate else Fraction(1, 25)
        self._reached = {"video": Fraction(0), "any": Fraction(0)}
        self._last_is_corrupt = False
        self._claim: tuple[str, Fraction] | None = None
        if stream.duration and stream.time_base:
            end = (stream.start_time or 0) + stream.duration
            self._claim = ("video", Fraction(end * stream.time_base))
        elif container.duration and container.format.name not in _FORMATS_WITHOUT_CLOCK:
            # Counted from 0 in Matroska and Flash: the last end of all streams.
            self._claim = ("any", Fraction(container.duration, av.time_base))

    @property
    def needs_all_streams(self) -> bool:
        """Whether packets of all streams have to be noted, because only the whole container's length is known."""
        return self._claim is not None and self._claim[0] == "any"

    def note(self, packet: Packet[Stream]) -> None:
        """Take down one demuxed packet."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or not packet.time_base:
            return
        end = (time + (packet.duration or 0)) * packet.time_base
        self._reached["any"] = max(self._reached["any"], end)
        if packet.stream_index == self._video_index:
            self._reached["video"] = max(self._reached["video"], end)
            self._last_is_corrupt = bool(packet.is_corrupt)

    @property
    def reached_seconds(self) -> float:
        """End of the last picture packet, seconds on the file's clock."""
        return float(self._reached["video"])

    @property
    def claimed_seconds(self) -> float | None:
        """Where the pictures should end, seconds on the file's clock; None where nothing tells."""
        return None if self._claim is None else float(self._claim[1])

    @property
    def video_end_seconds(self) -> Fraction | None:
        """Where the picture stream itself says that it ends; None where only the container, or nothing, tells."""
        return self._claim[1] if self._claim is not None and self._claim[0] == "video" else None

    def is_end_missing(self) -> bool:
        """Judge, after the last packet, whether pictures are missing at the end of the file."""
        if self._is_cut and (self._is_gif or self._last_is_corrupt):
            return True
        if self._claim is None:
            return False
        kind, claimed = self._claim
        tolerance = (
            self._frame_seconds / 2 if self._is_cut else max(_WHOLE_FILE_TOLERANCE_SECONDS, 3 * self._frame_seconds)
        )
        return claimed - self._reached[kind] > tolerance
