"""Options of jobs, on the command line and in rows of a manifest, and how their texts become configurations."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from retarget.config import EncodeConfig, PoseConfig, RenderConfig, SmoothingConfig, TransferConfig
from retarget.errors import UsageError

if TYPE_CHECKING:
    from retarget.pipeline.video_job import VideoJob

__all__ = [
    "add_picture_options",
    "add_video_options",
    "default_suffix",
    "job_from_args",
    "parse_time",
    "parse_times",
    "render_config",
    "transfer_config",
]

_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)s?")


def parse_time(text: str) -> float:
    """Read a time: seconds ("12.5" or "12.5s"), m:ss or h:mm:ss.

    Raises:
        argparse.ArgumentTypeError: the text is none of these.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write seconds (12.5), m:ss or h:mm:ss")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


def parse_times(text: str) -> tuple[float, float]:
    """Read a time, or a range of times ("3.2-4.5", "0:03-0:05").

    Returns:
        The first and the last time; the same for one time.

    Raises:
        argparse.ArgumentTypeError: the text is neither.
    """
    first, separator, last = text.partition("-")
    start = parse_time(first)
    end = parse_time(last) if separator else start
    if end < start:
        raise argparse.ArgumentTypeError(f"{text!r} ends before it begins")
    return start, end


def _size(text: str) -> int | None:
    if text == "native":
        return None
    if not text.isdigit() or int(text) < 32:
        raise argparse.ArgumentTypeError(f"{text!r}: write native, or the longer side in pixels (at least 32)")
    return int(text)


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a picture looks; all defaults are the configurations' own."""
    pose, render, transfer = PoseConfig(), RenderConfig(), TransferConfig()
    add = parser.add_argument
    add(
        "--model", default=render.model, metavar="NAME|FILE", help="prior, default, fast, or a checkpoint (%(default)s)"
    )
    add("--device", default=render.device, metavar="DEVICE", help="auto, cpu or cuda[:N] (%(default)s)")
    add("--size", type=_size, default=render.max_side_px, metavar="PIXELS", help="longer side of the output (native)")
    add(
        "--background", default=render.background, metavar="WHAT",
        help="source, driver, transparent, #rrggbb, an image or a video (%(default)s)",
    )  # fmt: skip
    add("--align", choices=("body", "none"), default=transfer.align, help="lay the motion on the photo's person")
    add("--surface", choices=("on", "off"), default="on" if transfer.surface else "off",
        help="follow the driver's cloth and limbs beyond its joints (%(default)s)")  # fmt: skip
    add("--person", default=pose.person, metavar="WHO", help="driver: largest, index:N or point:X,Y (%(default)s)")
    add("--source-person", default="largest", metavar="WHO", help="the same for the photo (%(default)s)")
    add("--hands", action="store_true", help="read the fingers, too")
    add("--face", action="store_true", help="read the face mesh, too")
    add("--watermark", default=render.watermark, metavar="TEXT", help="text in the lower left corner")
    add("--overwrite", action="store_true", help="replace an existing output")


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a video looks; all defaults are the configurations' own."""
    encode, smoothing = EncodeConfig(), SmoothingConfig()
    add_picture_options(parser)
    add = parser.add_argument
    add("--start", type=parse_time, metavar="TIME", help="begin here in the driver: seconds or h:mm:ss")
    add("--end", type=parse_time, metavar="TIME", help="end here in the driver (not included)")
    add("--smooth", type=float, default=smoothing.sigma_seconds, metavar="SECONDS", help="0 = off (%(default)s)")
    add("--audio", choices=("keep", "drop"), default=encode.audio, help="the driver's sound (%(default)s)")
    add(
        "--codec", choices=("h264", "hevc", "prores4444", "vp9", "png"), default=None,
        help="default: what suits the output's extension, else h264",
    )  # fmt: skip
    add("--crf", type=int, default=encode.crf, metavar="N", help="quality of the codec, lower is better")
    add("--preset", default=encode.preset, metavar="NAME", help="speed preset of the encoder")
    add("--keep-partial", action="store_true", help="take what can be read of a driver whose end is missing")


def render_config(args: argparse.Namespace) -> RenderConfig:
    """Build the drawing part of a job from the options of `add_picture_options`."""
    return RenderConfig(
        model=args.model,
        device=args.device,
        max_side_px=args.size,
        background=args.background,
        watermark=args.watermark,
    )


def transfer_config(args: argparse.Namespace) -> TransferConfig:
    """Build the transfer part of a job from the options of `add_picture_options`."""
    return TransferConfig(align=args.align, surface=args.surface == "on")


_CODEC_OF_SUFFIX = {".webm": "vp9", ".mov": "prores4444"}
_SUFFIX_OF_CODEC = {"h264": ".mp4", "hevc": ".mp4", "prores4444": ".mov", "vp9": ".webm", "png": ""}


def _codec(args: argparse.Namespace) -> str:
    if args.codec is not None:
        return str(args.codec)
    if args.output is not None:
        suffix = Path(args.output).suffix.lower()
        if suffix != ".mov" or args.background == "transparent":
            return _CODEC_OF_SUFFIX.get(suffix, "h264")
        return "h264"
    return "prores4444" if args.background == "transparent" else "h264"


def default_suffix(codec: str | None, background: str) -> str:
    """Return the extension of an output that was not named; empty for a folder of pictures."""
    return _SUFFIX_OF_CODEC[codec or ("prores4444" if background == "transparent" else "h264")]


def job_from_args(args: argparse.Namespace) -> VideoJob:
    """Build a job from the options of `add_video_options` plus source, driver and output.

    Raises:
        UsageError: options that contradict each other.
    """
    from retarget.pipeline.video_job import VideoJob

    codec = _codec(args)
    if args.smooth < 0:
        raise UsageError(f"--smooth {args.smooth:g}: seconds can't be negative")
    source, driver = Path(args.source), Path(args.driver)
    output = args.output
    if output is None:
        output = Path(f"{source.stem}_{driver.stem}{default_suffix(codec, args.background)}")
    return VideoJob(
        source=source,
        driver=driver,
        output=Path(output),
        start_seconds=args.start,
        end_seconds=args.end,
        overwrite=args.overwrite,
        keep_partial=args.keep_partial,
        source_person=args.source_person,
        pose=PoseConfig(hands=args.hands, face=args.face, person=args.person),
        smoothing=SmoothingConfig(sigma_seconds=args.smooth),
        transfer=transfer_config(args),
        render=render_config(args),
        encode=EncodeConfig(codec=codec, crf=args.crf, preset=args.preset, audio=args.audio),  # type: ignore[arg-type]
    )
