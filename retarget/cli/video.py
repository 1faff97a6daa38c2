"""`retarget video`: photo + driving video -> video."""

from __future__ import annotations

import argparse
from pathlib import Path

from retarget.job_options import add_video_options, job_from_args

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--source", required=True, type=Path, metavar="PHOTO", help="photo of the person")
    parser.add_argument("--driver", required=True, type=Path, metavar="VIDEO", help="video of the motion")
    parser.add_argument("--output", type=Path, metavar="FILE", help="video to write (PHOTO_VIDEO.mp4, here)")
    add_video_options(parser)
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="write what happened as JSON")
    parser.add_argument("--log-json", type=Path, metavar="FILE", help="append events for machines, an object a line")
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Make the video."""
    from retarget.cli.terminal import TerminalProgress, print_outcome
    from retarget.event_log import run_logged
    from retarget.pipeline.job import run_video_job
    from retarget.pipeline.report import check_report_path, write_report
    from retarget.pipeline.video_job import JobProgress
    from retarget.video.output_path import check_apart

    job = job_from_args(args)
    files = (job.source, job.driver, job.output)
    check_report_path(args.report, overwrite=args.overwrite, apart_from=files)
    check_apart(args.log_json, (*files, args.report))
    progress = JobProgress() if args.quiet else TerminalProgress()
    report = run_logged(args.log_json, {"output": str(job.output)}, lambda: run_video_job(job, progress))
    write_report(args.report, report)
    if not args.quiet:
        print_outcome(report)
    return 0
