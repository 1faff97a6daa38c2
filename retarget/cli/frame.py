"""`retarget frame`: photo + pose of another photo, or of a video at one time -> picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from retarget.job_options import add_picture_options, parse_time, render_config, transfer_config

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--source", required=True, type=Path, metavar="PHOTO", help="photo of the person")
    add("--pose", required=True, type=Path, metavar="FILE", help="photo or video of the pose")
    add("--at", type=parse_time, metavar="TIME", help="where in a video: seconds or h:mm:ss (its first frame)")
    add("--output", type=Path, metavar="FILE", help="picture to write (PHOTO_POSE.png, here)")
    add_picture_options(parser)
    add("--report", type=Path, metavar="FILE.json", help="write what happened as JSON")
    add("--log-json", type=Path, metavar="FILE", help="append events for machines, an object a line")
    add("--quiet", action="store_true", help="say nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Make the picture."""
    from retarget.cli.terminal import print_warnings
    from retarget.config import PoseConfig
    from retarget.event_log import run_logged
    from retarget.pipeline.frame_job import FrameJob, run_frame_job
    from retarget.pipeline.report import check_report_path, write_report
    from retarget.video.output_path import check_apart

    job = FrameJob(
        source=args.source,
        pose_from=args.pose,
        output=args.output or Path(f"{args.source.stem}_{args.pose.stem}.png"),
        at_seconds=args.at,
        overwrite=args.overwrite,
        source_person=args.source_person,
        pose=PoseConfig(hands=args.hands, face=args.face, person=args.person),
        transfer=transfer_config(args),
        render=render_config(args),
    )
    files = (job.source, job.pose_from, job.output)
    check_report_path(args.report, overwrite=args.overwrite, apart_from=files)
    check_apart(args.log_json, (*files, args.report))
    report = run_logged(args.log_json, {"output": str(job.output)}, lambda: run_frame_job(job))
    write_report(args.report, report)
    if not args.quiet:
        print_warnings(report)
        height, width = report["output"]["size_hw"]
        print(f"{job.output}: {width}x{height}, {report['seconds']['total']:.1f} s")
    return 0
