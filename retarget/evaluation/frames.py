"""Frames of the clips that are compared, decoded in the way the protocol names."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path

import cv2

from drn_core.evaluation.protocol import Protocol
from retarget.errors import DecodeError, InputError, OutputError
from retarget.records import UInt8Array
from retarget.video.reader import open_video

__all__ = ["count_frames", "decoding_of", "iterate_frames", "save_frame"]


def decoding_of(protocol: Protocol) -> str:
    """Return how a protocol has its clips decoded.

    Args:
        protocol: of clips.

    Returns:
        "display": upright, square pixels, colours as players show them. "plain": what the decoder gives, turned into
        RGB by the scaler's defaults (untagged video as BT.601 whatever its size), as simple scripts do.
    """
    return str(protocol.settings["decoding"])


def iterate_frames(clip: Path, decoding: str) -> Generator[UInt8Array, None, None]:
    """Yield the frames of a clip, (H, W, 3) uint8 RGB each.

    Args:
        clip: the video file.
        decoding: "display" or "plain", see `decoding_of`.

    Raises:
        InputError: it can't be read.
    """
    with open_video(clip) as reader:  # also for "plain": it says what is wrong with a file
        if decoding == "display":
            for frame in reader:
                yield frame.rgb
            return
    yield from _plain_frames(clip)


def _plain_frames(clip: Path) -> Iterator[UInt8Array]:
    import av

    try:
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except av.FFmpegError as error:
        raise DecodeError(f"{clip}: can't be decoded to its end: {error.strerror}") from error


def count_frames(clip: Path, decoding: str) -> int:
    """Count the frames that can be decoded.

    Args:
        clip: the video file.
        decoding: "display" or "plain".

    Raises:
        InputError: it can't be read.
    """
    return sum(1 for _ in iterate_frames(clip, decoding))


def save_frame(clip: Path, index: int, target: Path, decoding: str) -> None:
    """Write one frame of a clip as PNG.

    Args:
        clip: the video file.
        index: running number of the frame.
        target: the PNG file.
        decoding: "display" or "plain".

    Raises:
        InputError: the clip can't be read or has no such frame.
        OutputError: the picture can't be written.
    """
    with contextlib.closing(iterate_frames(clip, decoding)) as frames:
        for number, rgb in enumerate(frames):
            if number == index:
                if not cv2.imwrite(str(target), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)):
                    raise OutputError(f"{target}: can't be written")
                return
    raise InputError(f"{clip}: has no frame {index}")
