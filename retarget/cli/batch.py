"""`retarget batch`: a manifest of jobs, or every photo of a folder with every clip of another."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from retarget.job_options import add_video_options

__all__ = ["configure", "run"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(MB|GB)?", re.IGNORECASE)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 1 up")
    return int(text)


def _retries(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: write a number from 0 up")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of seconds above 0")
    return seconds


def _megabytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    megabytes = float(match[1]) * (1000 if (match[2] or "MB").upper() == "GB" else 1) if match else 0
    if megabytes < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a size such as 4GB or 1500MB")
    return int(megabytes)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("manifest", nargs="?", type=Path, metavar="MANIFEST", help=".csv, .jsonl or .yaml; columns: source, driver, "
        "output and any option below; relative paths start at its folder")  # fmt: skip
    add("--matrix", nargs=2, type=Path, metavar=("SOURCES", "DRIVERS"), help="every photo with every clip of folders")
    add("--output-folder", type=Path, metavar="FOLDER", help="where relative outputs, summary.json and index.html go "
        "(the manifest's folder; retarget_batch with --matrix)")  # fmt: skip
    add("--root", type=Path, metavar="FOLDER", help="refuse rows with a path outside of this folder")
    add("--check", action="store_true", help="check the manifest and stop")
    add("--workers", type=_positive, metavar="N", help="jobs side by side (half the processors)")
    add("--retries", type=_retries, default=1, metavar="N", help="more tries after a crash, hang or full disk (1)")
    add("--timeout", type=_seconds, metavar="SECONDS", help="stop a try that takes longer")
    add("--memory-limit", type=_megabytes, metavar="SIZE", help="stop a job that holds more, e.g. 4GB (its share)")
    going = parser.add_mutually_exclusive_group()
    going.add_argument("--keep-going", dest="fail_fast", action="store_false", help="a failure stops no other job")
    going.add_argument("--fail-fast", dest="fail_fast", action="store_true", help="stop at the first failure")
    resuming = parser.add_mutually_exclusive_group()
    resuming.add_argument(
        "--resume", dest="resume", action="store_true", help="leave finished jobs alone (the default)"
    )
    resuming.add_argument("--no-resume", dest="resume", action="store_false", help="make finished jobs again")
    parser.set_defaults(fail_fast=False, resume=True)
    add("--engine", choices=("local", "ray"), default="local", help="processes here, or a Ray cluster (%(default)s)")
    add("--address", default=None, metavar="ADDRESS", help="of the cluster: auto, ray://HOST:PORT (a local Ray)")
    add("--log-json", type=Path, metavar="FILE", help="append events for machines, one JSON object a line")
    add("--quiet", action="store_true", help="say nothing but errors")
    video = parser.add_argument_group("options of every job, where its row gives none (see `retarget video`)")
    add_video_options(video)  # type: ignore[arg-type]


def run(args: argparse.Namespace) -> int:
    """Run the batch."""
    from retarget.batch.row_options import options_from_args
    from retarget.batch.run import BatchRequest, run_batch
    from retarget.batch.settings import BatchSettings
    from retarget.errors import UsageError

    if (args.manifest is None) == (args.matrix is None):
        raise UsageError("give a manifest or --matrix", hint="one of the two")
    if args.address is not None and args.engine != "ray":
        raise UsageError("--address needs --engine ray")
    settings = BatchSettings(
        workers=args.workers,
        retries=args.retries,
        timeout_seconds=args.timeout,
        memory_limit_mb=args.memory_limit,
        fail_fast=args.fail_fast,
        resume=args.resume,
        root=None if args.root is None else str(args.root.resolve()),
        engine=args.engine,
        address=args.address,
    )
    request = BatchRequest(
        manifest=args.manifest,
        matrix=None if args.matrix is None else (args.matrix[0], args.matrix[1]),
        output_folder=args.output_folder,
        defaults=options_from_args(args),
        log_path=args.log_json,
        is_quiet=args.quiet,
        check_only=args.check,
    )
    run_batch(request, settings)
    return 0
