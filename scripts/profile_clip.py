"""Where the time of one job goes: a flame-style table of all threads, and stacks for flame-graph programs.

python scripts/profile_clip.py --source photo.jpg --driver dance.mp4 --end 3 --stacks stacks.txt
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from retarget.errors import RetargetError
from retarget.inspect.sampling import StackSampler
from retarget.job_options import add_video_options, job_from_args
from retarget.pipeline.job import run_video_job

__all__ = ["main"]

_BAR = 30


def print_table(sampler: StackSampler, min_share: float) -> None:
    """Print the tree of calls with a bar per line."""
    for depth, name, seconds in sampler.table(min_share=min_share):
        bar = "#" * round(_BAR * min(seconds / max(sampler.seconds, 1e-9), 1.0))
        print(f"{seconds:8.2f} s  {bar:<{_BAR}}  {'  ' * depth}{name}")


def main(argv: list[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--driver", required=True, type=Path)
    parser.add_argument("--stacks", type=Path, metavar="FILE", help="also write collapsed stacks")
    parser.add_argument("--min-share", type=float, default=0.02, help="leave out what takes less (%(default)s)")
    add_video_options(parser)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        args.output = Path(folder) / "profiled.mp4"
        try:
            with StackSampler() as sampler:
                report = run_video_job(replace(job_from_args(args), overwrite=True))
        except RetargetError as error:
            print(f"profile_clip: {error}", file=sys.stderr)
            return error.exit_code
    print_table(sampler, args.min_share)
    for stage, seconds in report["seconds"].items():
        print(f"{stage:<18}{seconds:8.2f} s")
    if args.stacks is not None:
        args.stacks.write_text(sampler.collapsed(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
