"""`retarget evaluate`: measure image pairs, one video, or self-reenactment over a folder; compare two reports."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "run"]

_CLIP_PROTOCOLS = ("video/1", "reenact/1")


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="write the result here")
    parser.add_argument("--html", type=Path, metavar="FILE.html", help="write a self-contained page here")
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")


def _add_common(parser: argparse.ArgumentParser) -> None:
    _add_outputs(parser)
    parser.add_argument(
        "--require", default="", metavar="METRICS", help="fail unless these are computed: names with commas, or all"
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave bad samples out and count them in the report")
    parser.add_argument("--no-face", action="store_true", help="do not look for faces (the slowest part)")


def _add_clip_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", choices=_CLIP_PROTOCOLS, default=_CLIP_PROTOCOLS[0], help="default: %(default)s")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="measure every N-th frame")
    parser.add_argument("--no-cache", action="store_true", help="do not keep what was read from the real clips")


def _configure_pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--generated", type=Path, required=True, metavar="DIR", help="generated images")
    parser.add_argument(
        "--pairs", type=Path, required=True, metavar="CSV", help="columns from, to [, generated, item, colour]"
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="source and target images")
    parser.add_argument("--keypoints", type=Path, metavar="CSV", help="target joints, name:keypoints_y:keypoints_x")
    parser.add_argument("--relevance", choices=("item", "item-colour"), default="item", help="what counts as found")
    parser.add_argument("--retriever", type=Path, metavar="FILE", help="weights of a ResNet-50 for retrieval")
    parser.add_argument("--no-pose", action="store_true", help="do not look for joints")
    _add_common(parser)


def _configure_video(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--real", type=Path, required=True, metavar="CLIP")
    parser.add_argument("--generated", type=Path, required=True, metavar="CLIP")
    parser.add_argument("--source-index", type=int, metavar="I", help="frame the photo is: frames near it do not count")
    _add_clip_options(parser)
    _add_common(parser)


def _configure_reenact(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clips", type=Path, nargs="+", required=True, metavar="DIR", help="folders of clips, or clips"
    )
    parser.add_argument("--model", default="default", help="passed to the command")
    parser.add_argument("--sources", default="1/3", help="source frames as parts of each clip, with commas: 1/3,0.5")
    parser.add_argument("--command", help="measure another method: {source} {driver} {output} {model} are filled in")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep sources, videos and logs here")
    parser.add_argument("--generated", type=Path, metavar="DIR", help="measure the videos that --work kept here")
    _add_clip_options(parser)
    _add_common(parser)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `retarget evaluate`."""
    parser.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("A.json", "B.json"),
        help="paired differences of two reports, B minus A",
    )
    _add_outputs(parser)
    suites = parser.add_subparsers(dest="suite", metavar="SUITE")
    _configure_pairs(suites.add_parser("pairs", help="generated images of source/target pairs (FHPT suite)"))
    _configure_video(suites.add_parser("video", help="one generated clip against the real one"))
    _configure_reenact(suites.add_parser("reenact", help="make each clip again from one of its frames, measure"))


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write report and page."""
    from retarget.evaluation import command

    return command.run(args)
