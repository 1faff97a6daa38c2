"""Render one frame with every backend of the warping core; report and draw how they differ from the reference.

python scripts/compare_backends.py --source photo.jpg --driver dance.mp4 --at 3.2 --folder backends
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from drn_core import ops
from drn_core.prior.render import PriorFrame, PriorRenderer
from retarget.errors import RetargetError
from retarget.inspect.clip import InspectedClip, inspect_clip
from retarget.inspect.drawing import draw_difference
from retarget.inspect.dump import write_stages
from retarget.inspect.stages import Stage
from retarget.job_options import add_video_options, job_from_args, parse_time
from retarget.records import UInt8Array

__all__ = ["main"]


def render(clip: InspectedClip, index: int, backend: ops.BackendChoice) -> tuple[PriorFrame, UInt8Array, float]:
    """Render a frame over the photo's plate; the second of two runs is timed."""
    renderer = PriorRenderer(clip.source.person, clip.source.size_hw, backend)
    plate, plan = torch.from_numpy(clip.source.plate), clip.plan
    target_xy = clip.studio.retargeter.pose(plan, index).target_xy
    for _ in range(2):
        began = time.perf_counter()
        frame = renderer.rasterize(target_xy, plan.track.depth[index], plan.orders[index])
        picture = renderer.paint(frame, plate).numpy()
        seconds = time.perf_counter() - began
    return frame, np.asarray(picture, np.uint8), seconds


def compare(clip: InspectedClip, index: int) -> list[Stage]:
    """Print a line per backend; return a picture and a difference for each."""
    true_frame, true_picture, true_seconds = render(clip, index, "reference")
    print(f"{'reference':<10}{true_seconds * 1000:9.1f} ms")
    stages = [Stage("reference", "reference", true_picture)]
    for backend in ops.available_backends():
        if backend == "reference":
            continue
        frame, picture, seconds = render(clip, index, backend)
        same = frame.raster.layer == true_frame.raster.layer
        flow = ((frame.raster.flow - true_frame.raster.flow).abs() * same[:, :, None]).max()
        levels = np.abs(picture.astype(int) - true_picture).max()
        print(
            f"{backend:<10}{seconds * 1000:9.1f} ms   other layer at {int((~same).sum())} px, flow off by at most "
            f"{float(flow):.2e} px, picture by at most {levels} levels"
        )
        stages.append(Stage(backend, backend, picture))
        stages.append(Stage(f"{backend}_error", "difference x4", draw_difference(picture, true_picture)))
    return stages


def main(argv: list[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--driver", required=True, type=Path)
    parser.add_argument("--at", type=parse_time, required=True, metavar="TIME")
    parser.add_argument("--folder", type=Path, default=Path("backends"))
    add_video_options(parser)
    args = parser.parse_args(argv)
    args.output = None
    try:
        clip = inspect_clip(job_from_args(args), at=(args.at, args.at))
        write_stages(args.folder, compare(clip, clip.chosen[0]))
    except RetargetError as error:
        print(f"compare_backends: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
