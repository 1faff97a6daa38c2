"""`retarget demo`: the main job on the embedded sample."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--folder", type=Path, default=Path("demo_out"), metavar="FOLDER", help="where to write (%(default)s)"
    )
    parser.add_argument("--model", default="default", metavar="NAME|FILE", help="as in `retarget video`")


def run(args: argparse.Namespace) -> int:
    """Render the sample, write a contact sheet, say where they are."""
    from retarget.cli.terminal import TerminalProgress, print_outcome
    from retarget.config import RenderConfig
    from retarget.contact_sheet import write_contact_sheet
    from retarget.pipeline.job import run_video_job
    from retarget.pipeline.video_job import VideoJob

    assets = Path(__file__).parent.parent / "assets"
    args.folder.mkdir(parents=True, exist_ok=True)
    output, sheet = args.folder / "demo.mp4", args.folder / "demo.png"
    job = VideoJob(
        source=assets / "demo_source.jpg",
        driver=assets / "demo_driver.mp4",
        output=output,
        overwrite=True,
        render=RenderConfig(model=args.model),
    )
    print_outcome(run_video_job(job, TerminalProgress()))
    write_contact_sheet(sheet, [job.driver, output])
    print(f"{sheet}: driver above, result below")
    return 0
