"""`retarget pose`: the skeletons of a video (or a photo) as JSON and as an overlay."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from retarget.config import PoseConfig, SmoothingConfig
from retarget.errors import UsageError
from retarget.job_options import parse_time

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add, pose, smoothing = parser.add_argument, PoseConfig(), SmoothingConfig()
    add("--driver", required=True, type=Path, metavar="FILE", help="video, or photo")
    add("--output", type=Path, metavar="FILE.json", help="track to write (FILE_pose.json, here, without --overlay)")
    add("--overlay", type=Path, metavar="FILE", help="video (of a photo: picture) with the skeletons to write")
    add("--start", type=parse_time, metavar="TIME", help="begin here: seconds or h:mm:ss")
    add("--end", type=parse_time, metavar="TIME", help="end here (not included)")
    add("--person", default=pose.person, metavar="WHO", help="largest, index:N or point:X,Y (%(default)s)")
    add("--hands", action="store_true", help="read the fingers, too")
    add("--face", action="store_true", help="read the face mesh, too")
    add("--smooth", type=float, default=smoothing.sigma_seconds, metavar="SECONDS", help="0 = off (%(default)s)")
    add("--raw", action="store_true", help="as read: gaps left empty, nothing smoothed")
    add("--keep-partial", action="store_true", help="take what can be read of a video whose end is missing")
    add("--overwrite", action="store_true", help="replace existing outputs")
    add("--quiet", action="store_true", help="say nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Read the poses and write them."""
    from tqdm import tqdm

    from retarget.pose.job import PoseJob, run_pose_job

    if args.smooth < 0:
        raise UsageError(f"--smooth {args.smooth:g}: seconds can't be negative")
    has_output = args.output is not None or args.overlay is not None
    output = args.output if has_output else Path(f"{args.driver.stem}_pose.json")
    job = PoseJob(
        driver=args.driver,
        output=output,
        overlay=args.overlay,
        start_seconds=args.start,
        end_seconds=args.end,
        pose=PoseConfig(hands=args.hands, face=args.face, person=args.person),
        smoothing=SmoothingConfig(sigma_seconds=args.smooth),
        is_raw=args.raw,
        keep_partial=args.keep_partial,
        overwrite=args.overwrite,
    )
    with tqdm(unit="frame", disable=args.quiet or not sys.stderr.isatty()) as bar:

        def show(stage: str, count: int) -> None:
            bar.set_description(stage, refresh=False)
            bar.update(count - bar.n)

        track = run_pose_job(job, show)
    if not args.quiet:
        for code, text in track.warnings:
            print(f"warning {code}: {text}", file=sys.stderr)
        for path in filter(None, (output, args.overlay)):
            print(f"{path}: {len(track)} poses, person seen in {int(track.is_detected.sum())}")
    return 0
