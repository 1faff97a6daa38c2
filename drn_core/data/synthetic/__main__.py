"""`python -m drn_core.data.synthetic`: a contact sheet to look at, or a measurement of the speed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from drn_core.data.synthetic.bench import pairs_per_second
from drn_core.data.synthetic.config import SyntheticConfig
from drn_core.data.synthetic.contact_sheet import COLUMNS, pair_strip
from drn_core.data.synthetic.people import SyntheticPeople


def _preview(path: Path, people: SyntheticPeople, num_pairs: int) -> None:
    """Write a sheet of pairs, each of another person."""
    step = people.config.pairs_per_identity
    rows = [pair_strip(people.pair(index * step + index % step)) for index in range(num_pairs)]
    if not cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1]):
        raise SystemExit(f"{path}: can't be written")
    sys.stdout.write(f"{path}: {num_pairs} pairs; {' | '.join(COLUMNS)}\n")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m drn_core.data.synthetic", description=__doc__)
    parser.add_argument("--preview", type=Path, metavar="PNG", help="write a contact sheet")
    parser.add_argument("--bench", action="store_true", help="print pairs per second")
    parser.add_argument("--pairs", type=int, default=8, help="how many pairs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=256, help="side of the pictures (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes of --bench (default: %(default)s)")
    options = parser.parse_args(argv)
    if options.preview is None and not options.bench:
        parser.error("nothing to do: give --preview PNG or --bench")
    config = SyntheticConfig(size_hw=(options.size, options.size))
    if options.preview is not None:
        _preview(options.preview, SyntheticPeople(config, options.seed), options.pairs)
    if options.bench:
        rate = pairs_per_second(config, options.seed, options.pairs, options.workers)
        sys.stdout.write(f"{rate:.1f} pairs/s at {options.size} px with {options.workers} processes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
