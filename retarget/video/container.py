"""Open one untrusted media file: a regular local file, a real video container, within limits.

FFmpeg opens whatever a name or a file's content tells it to: addresses, playlists that point to other files,
device names. Here a name is only ever a local path, only container formats that hold their own pictures are
tried, and only the `file` protocol exists, so that nothing but the named file can be read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from retarget.config import DecodeLimits
from retarget.errors import DecodeError, InputError
from retarget.video.completeness import lacks_mp4_index

__all__ = ["check_input_file", "main_video_stream", "open_container", "open_video_stream"]

CONTAINER_FORMATS: Final = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "gif", "ivf", "nut",
    "mxf", "dv", "rm", "h264", "hevc", "m4v", "obu", "mjpeg", "yuv4mpegpipe", "apng", "webp_anim",
)  # fmt: skip
"""Demuxers that hold their own pictures. Playlists (hls, dash, concat, sdp, ...) and picture lists are not here."""

AUDIO_FORMATS: Final = ("wav", "mp3", "aac", "flac", "ac3", "eac3", "aiff", "caf", "w64", "amr")
"""Opened so that a sound file is told to be one, instead of being "not a video container"."""

# A path object has made one slash of the two.
_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]+:(/|[^\\])", re.IGNORECASE)
_TEXT_LISTS: Final = {
    b"#EXTM3U": "an HLS playlist",
    b"ffconcat": "a concat script",
    b"<MPD": "a DASH manifest",
    b"v=0": "a session description (SDP)",
    b"[playlist]": "a playlist",
    b"<smil": "a playlist",
    b"<asx": "a playlist",
}
_PICTURE_SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"BM", b"II*\x00", b"MM\x00*")
_SNIFFED_BYTES: Final = 4096


def check_input_file(path: str | Path) -> Path:
    """Check that a name is a readable, regular, non-empty file, before anything opens it.

    Args:
        path: the name as the user gave it.

    Returns:
        The absolute path (so that no part of it can be read as a protocol).

    Raises:
        InputError: missing, a directory, a pipe or device, empty, not permitted, or an address.
    """
    name = os.fspath(path)
    if "\0" in name:
        raise InputError(f"{name!r}: not a file name")
    file = Path(name).absolute()
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        if _ADDRESS.match(name):
            raise InputError(
                f"{name}: addresses are not opened", hint="save the file and give its local path"
            ) from None
        raise InputError(f"{name}: no such file", hint="check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: can't be read ({_reason(error)})") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{name}: is a folder", hint="name one file")
    if not stat.S_ISREG(mode):
        raise InputError(f"{name}: is a pipe or device, not a regular file", hint="save it as a file first")
    try:
        with file.open("rb") as stream:
            is_empty = not stream.read(1)
    except OSError as error:
        raise InputError(f"{name}: can't be read ({_reason(error)})") from None
    if is_empty:
        raise InputError(f"{name}: the file is empty", hint="copy or download it again")
    return file


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _explain_unopened(name: str, file: Path) -> InputError:
    with file.open("rb") as stream:
        head = stream.read(_SNIFFED_BYTES)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, kind in _TEXT_LISTS.items():
        if text[: len(mark)].lower() == mark.lower() or (mark == b"<MPD" and text[:5] == b"<?xml" and mark in head):
            return InputError(f"{name}: is {kind}, which points to other files", hint="give the video file itself")
    if head.startswith(_PICTURE_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return InputError(f"{name}: is a still picture, not a video", hint="give a video file")
    if lacks_mp4_index(file):
        return _missing_index(name)
    return InputError(
        f"{name}: not a video file that can be read", hint="convert it to MP4 or MKV, or download it again"
    )


def _missing_index(name: str) -> DecodeError:
    return DecodeError(
        f"{name}: the end of the file is missing, and with it the index without which no frame can be found",
        hint="copy or download it again",
    )


@contextmanager
def open_container(path: str | Path, limits: DecodeLimits) -> Iterator[InputContainer]:
    """Open a media file with everything refused that is not the file itself.

    Args:
        path: a local file.
        limits: what the file may ask for.

    Yields:
        The open container; closed on leaving.

    Raises:
        InputError: see `check_input_file`; not a media container; too many streams; too long.
    """
    name = os.fspath(path)
    file = check_input_file(path)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(CONTAINER_FORMATS + AUDIO_FORMATS),
        "max_streams": str(limits.max_streams + 1),
    }
    try:
        container = av.open(str(file), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise _explain_unopened(name, file) from error
    with container:
        _check_container(name, container, limits)
        yield container


def _check_container(name: str, container: InputContainer, limits: DecodeLimits) -> None:
    if len(container.streams) > limits.max_streams:
        raise InputError(
            f"{name}: has more than {limits.max_streams} streams", hint="keep one picture and one sound stream"
        )
    seconds = (container.duration or 0) / av.time_base
    if seconds > limits.max_duration_seconds:
        raise InputError(
            f"{name}: claims to last {seconds:.0f} s; at most {limits.max_duration_seconds:.0f} s are read",
            hint="cut it first",
        )


def main_video_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream with the largest moving pictures; cover art and thumbnails don't count."""
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & still and stream.codec_context is not None
    ]
    return max(moving, key=lambda stream: stream.width * stream.height, default=None)


@contextmanager
def open_video_stream(path: str | Path, limits: DecodeLimits) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a media file and find its pictures.

    Args:
        path: a local file.
        limits: what the file may ask for.

    Yields:
        The open container and its main video stream, set up for threaded decoding.

    Raises:
        InputError: as `open_container`; no picture stream; no decoder for it; pictures of an absurd size.
    """
    name = os.fspath(path)
    with open_container(path, limits) as container:
        stream = main_video_stream(container)
        if stream is None:
            if lacks_mp4_index(Path(path)):
                raise _missing_index(name)
            kind = "holds sound only" if container.streams.audio else "holds no moving pictures"
            raise InputError(f"{name}: {kind}", hint="give a video file")
        check_picture_size(name, (stream.height, stream.width), limits)
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}  # sizes may change on the way
        yield container, stream


def check_picture_size(name: str, size_hw: tuple[int, int], limits: DecodeLimits) -> None:
    """Refuse pictures that are empty or larger than the limits.

    Args:
        name: the file, for the message.
        size_hw: (height, width) in pixels.
        limits: what the file may ask for.

    Raises:
        InputError: the size is zero or absurd.
    """
    height, width = size_hw
    if height <= 0 or width <= 0:
        raise InputError(f"{name}: its pictures have no size", hint="the file is damaged; get it again")
    if height * width > limits.max_pixels or max(height, width) > limits.max_side_px:
        raise InputError(
            f"{name}: pictures of {width}x{height} are larger than the {limits.max_pixels / 1e6:.0f} megapixels "
            f"or {limits.max_side_px} px a side that are read",
            hint="scale it down first",
        )
