"""Trace joints of a driver over time, as read and smoothed: a table per frame, and how much each joint jitters.

python scripts/trace_pose.py dance.mp4 --joint left_wrist --csv wrist.csv
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_INDEX, JOINT_NAMES
from retarget.config import PoseConfig, SmoothingConfig
from retarget.errors import RetargetError
from retarget.job_options import parse_time
from retarget.pose.extractor import TrackResult, extract_track
from retarget.video.output_path import output_errors

__all__ = ["jitter_px", "main"]


def jitter_px(points: npt.NDArray[np.floating[Any]]) -> float:
    """Return the median size of the second difference of a course (T, 2): what moves back and forth."""
    if len(points) < 3:
        return 0.0
    return float(np.median(np.linalg.norm(np.diff(points, n=2, axis=0), axis=1)))


def write_csv(path: Path, result: TrackResult, joints: list[str]) -> None:
    """Write a row per frame and joint."""
    raw, smooth = result.raw, result.track
    with output_errors(path), path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["frame", "seconds", "detected", "joint", "raw_x", "raw_y", "x", "y", "confidence"])
        for frame, seconds in enumerate(smooth.times_seconds):
            for name in joints:
                joint = JOINT_INDEX[name]
                numbers = (*raw.keypoints[frame, joint], *smooth.keypoints[frame, joint], raw.confidence[frame, joint])
                seen = int(raw.is_detected[frame])
                table.writerow([frame, f"{seconds:.6f}", seen, name, *(f"{number:.3f}" for number in numbers)])


def main(argv: list[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("driver", type=Path)
    parser.add_argument("--joint", action="append", choices=JOINT_NAMES, metavar="NAME", help="all, if not given")
    parser.add_argument("--start", type=parse_time, metavar="TIME")
    parser.add_argument("--end", type=parse_time, metavar="TIME")
    parser.add_argument("--person", default="largest", metavar="WHO")
    parser.add_argument("--smooth", type=float, default=SmoothingConfig().sigma_seconds, metavar="SECONDS")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    joints = args.joint or list(JOINT_NAMES)
    try:
        result = extract_track(
            args.driver,
            start_seconds=args.start,
            end_seconds=args.end,
            pose=PoseConfig(person=args.person),
            smoothing=SmoothingConfig(sigma_seconds=args.smooth),
        )
        if args.csv is not None:
            write_csv(args.csv, result, joints)
    except RetargetError as error:
        print(f"trace_pose: {error}", file=sys.stderr)
        return error.exit_code
    seen = result.raw.is_detected
    print(
        f"{len(seen)} frames, person seen in {int(seen.sum())}\n"
        f"{'joint':<18}{'jitter raw':>12}{'smoothed':>10}{'moved by':>10}"
    )
    for name in joints:
        raw = result.raw.keypoints[seen, JOINT_INDEX[name]]
        smooth = result.track.keypoints[seen, JOINT_INDEX[name]]
        moved = float(np.median(np.linalg.norm(raw - smooth, axis=1)))
        print(f"{name:<18}{jitter_px(raw):12.2f}{jitter_px(smooth):10.2f}{moved:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
