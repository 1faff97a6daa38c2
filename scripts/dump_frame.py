"""Write every stage of one frame of a job as pictures and arrays.

python scripts/dump_frame.py --source photo.jpg --driver dance.mp4 --at 3.2 --folder stages
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from retarget.errors import RetargetError
from retarget.inspect.clip import inspect_clip
from retarget.inspect.dump import write_stages
from retarget.job_options import add_video_options, job_from_args, parse_time

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--driver", required=True, type=Path)
    parser.add_argument("--at", type=parse_time, required=True, metavar="TIME")
    parser.add_argument("--folder", type=Path, default=Path("stages"))
    add_video_options(parser)
    args = parser.parse_args(argv)
    args.output = None
    try:
        clip = inspect_clip(job_from_args(args), at=(args.at, args.at))
        (frame,) = clip.frames()
        write_stages(args.folder, [*clip.source_stages(), *frame.stages()])
    except RetargetError as error:
        print(f"dump_frame: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.folder}: frame {frame.index} at {frame.seconds:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
