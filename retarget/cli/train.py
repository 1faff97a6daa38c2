"""`retarget train`: train a network by a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--config", default="default", metavar="RECIPE", help="name of a recipe or a JSON file (%(default)s)")
    add("--output", type=Path, required=True, metavar="FOLDER", help="state, weights, log, sheets; continued if there")
    add("--data", type=Path, nargs="+", metavar="FOLDER", help="packs made by `retarget prepare`; the first is filled"
        " with synthetic people where the recipe asks for them (OUTPUT/packs)")  # fmt: skip
    add("--init", type=Path, metavar="FILE", help="weights to start from")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="(%(default)s)")
    add("--workers", type=int, metavar="N", help="processes that make and load data (the recipe's)")
    add("--threads", type=int, metavar="N", help="threads of the arithmetic on a CPU (all)")
    add("--max-minutes", type=float, metavar="M", help="stop after this time, ready to be continued")
    add("--dry-run", action="store_true", help="show sizes, memory and steps, and stop")
    add("--list", action="store_true", help="list the recipes and stop")
    add("--quiet", action="store_true", help="say nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Train, or show what training would take."""
    from retarget.training.session import TrainOptions, describe, list_recipes, train

    if args.list:
        print("\n".join(list_recipes()))
        return 0
    options = TrainOptions(
        recipe=args.config,
        folder=args.output,
        data_folders=tuple(args.data or ()),
        initial=args.init,
        device=args.device,
        num_workers=args.workers,
        num_threads=args.threads,
        max_seconds=None if args.max_minutes is None else 60 * args.max_minutes,
        tell=None if args.quiet else print,
    )
    if args.dry_run:
        print("\n".join(describe(options)))
        return 0
    is_finished = train(options)
    if not args.quiet:
        print("finished" if is_finished else "stopped; the same command continues")
    return 0
