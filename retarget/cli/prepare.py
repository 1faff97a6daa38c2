"""`retarget prepare`: folders of videos, or synthetic people, to packs for training."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--input", type=Path, metavar="FOLDER", help="videos of one person each, camera standing still")
    add("--synthetic", action="store_true", help="make synthetic people instead")
    add("--output", type=Path, required=True, metavar="FOLDER", help="where the packs go; finished ones are kept")
    add("--size", type=int, default=256, metavar="PIXELS", help="side of the crops (%(default)s)")
    add("--photos", type=int, default=3, metavar="N", help="photos taken of each video (%(default)s)")
    add("--frames", type=int, default=12, metavar="N", help="frames for each photo (%(default)s)")
    add("--consecutive", type=int, default=1, metavar="N", help="take frames in runs of N (%(default)s)")
    add("--clips", type=int, default=1500, metavar="N", help="synthetic: clips (%(default)s)")
    add("--pairs", type=int, default=3000, metavar="N", help="synthetic: pairs (%(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    add("--workers", type=int, default=1, metavar="N", help="synthetic: processes (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Make the packs and say what was left out."""
    from retarget.errors import InputError, UsageError

    if args.synthetic == (args.input is not None):
        raise UsageError("say either --input FOLDER or --synthetic")
    if args.size % 16 or args.size < 32:
        raise UsageError(f"--size {args.size} is no multiple of 16 from 32 on")
    written, skipped = _make_synthetic(args) if args.synthetic else _prepare_videos(args)
    for what, reason in skipped:
        print(f"left out {what}: {reason}")
    print(f"{written} packs in {args.output}, {len(skipped)} left out")
    if written == 0:
        raise InputError("nothing could be prepared", hint="the reasons are listed above")
    return 0


def _prepare_videos(args: argparse.Namespace) -> tuple[int, list[tuple[str, str]]]:
    from retarget.pose.mediapipe_estimator import MediaPipeEstimator
    from retarget.training.prepare import PrepareOptions, find_videos, prepare_videos

    options = PrepareOptions((args.size, args.size), args.photos, args.frames, args.consecutive, args.seed)
    videos = find_videos(args.input)
    with MediaPipeEstimator() as estimator:
        made = prepare_videos(videos, args.output, options, estimator=estimator, tell=print)
    return made.written + made.kept, made.skipped


def _make_synthetic(args: argparse.Namespace) -> tuple[int, list[tuple[str, str]]]:
    from drn_core.config import SyntheticData
    from drn_core.data.synthetic_packs import write_synthetic_packs

    wanted = SyntheticData(args.clips, args.frames, args.pairs, seed=args.seed)
    made = write_synthetic_packs(args.output, wanted, (args.size, args.size), num_workers=args.workers)
    return made.written + made.kept, [("a synthetic person", made.first_reason)] * made.failed
