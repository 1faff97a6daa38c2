"""`retarget inspect`: every stage of one frame or a range, as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from retarget.job_options import add_video_options, job_from_args, parse_times

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--source", required=True, type=Path, metavar="PHOTO", help="photo of the person")
    add("--driver", required=True, type=Path, metavar="VIDEO", help="video of the motion")
    add(
        "--at",
        type=parse_times,
        metavar="TIME[-TIME]",
        help="one frame, or a range, from --start on: seconds or h:mm:ss",
    )
    add("--frames", type=int, default=24, metavar="N", help="most frames with pictures, spread evenly (%(default)s)")
    add("--height", type=int, default=360, metavar="PIXELS", help="of the pictures in the page (%(default)s)")
    add("--output", type=Path, default=Path("inspect.html"), metavar="FILE.html", help="the page (%(default)s)")
    add("--dump", type=Path, metavar="FOLDER", help="also write all stages at full size, with their arrays")
    add_video_options(parser)
    add("--quiet", action="store_true", help="say nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Make the page."""
    from retarget.cli.terminal import TerminalProgress
    from retarget.errors import UsageError
    from retarget.inspect.clip import inspect_clip
    from retarget.inspect.dump import dump_frames, write_stages
    from retarget.inspect.page import write_inspect_page
    from retarget.pipeline.video_job import JobProgress
    from retarget.video.output_path import check_writable

    if args.frames < 1 or args.height < 48:
        raise UsageError("--frames and --height: write at least 1 frame and 48 pixels")
    if args.output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{args.output}: the page's name has to end in .html")
    check_writable(args.output, overwrite=args.overwrite)
    page, args.output = args.output, None
    progress = JobProgress() if args.quiet else TerminalProgress()
    clip = inspect_clip(job_from_args(args), at=args.at, max_frames=args.frames, progress=progress)
    frames = clip.frames()
    if args.dump is not None:
        write_stages(args.dump / "source", clip.source_stages())
        frames = dump_frames(args.dump, frames)
    write_inspect_page(page, clip, frames, height=args.height)
    if not args.quiet:
        print(f"{page}: {len(clip.chosen)} of {len(clip.plan)} frames with pictures")
    return 0
