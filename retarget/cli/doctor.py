"""`retarget doctor`: what this machine has; with --source, how well a photo will do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retarget.doctor.machine import Check
    from retarget.doctor.photo import PhotoScore

__all__ = ["configure", "run"]

_MARKS = {"ok": "ok    ", "absent": "absent", "broken": "BROKEN"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--source", type=Path, metavar="PHOTO", help="judge this photo instead of the machine")
    parser.add_argument("--source-person", default="largest", metavar="WHO", help="largest, index:N or point:X,Y")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Look, and tell."""
    return _judge_photo(args) if args.source is not None else _look_at_machine(as_json=args.json)


def _look_at_machine(*, as_json: bool) -> int:
    from retarget.doctor.machine import check_machine

    checks = check_machine()
    if as_json:
        _print_json({"format": "retarget-doctor/1", "checks": [check.to_json() for check in checks]})
    else:
        _print_checks(checks)
    return int(any(check.state == "broken" for check in checks))


def _print_checks(checks: tuple[Check, ...]) -> None:
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            print(group)
        print(f"  {_MARKS[check.state]}  {check.name}: {check.text}")
        if check.advice:
            print(f"          -> {check.advice}")
    num_broken = sum(check.state == "broken" for check in checks)
    print(f"\n{num_broken} broken: retarget can't run before they are mended" if num_broken else "\nready to run")


def _judge_photo(args: argparse.Namespace) -> int:
    from retarget.config import PoseConfig
    from retarget.doctor.photo import score_photo
    from retarget.photo import read_photo
    from retarget.pipeline.source import fit_photo
    from retarget.pose.photo import estimate_photo

    photo = read_photo(args.source)
    rgb, _ = fit_photo(photo.rgb, photo.alpha)
    person = estimate_photo(rgb, PoseConfig(person=args.source_person), where=str(args.source))
    score = score_photo(rgb, person.pose, person.mask, num_others=person.num_others)
    if args.json:
        _print_json({"format": "retarget-photo/1", "source": str(args.source), **score.to_json()})
    else:
        _print_score(args.source, score)
    return 0


def _print_score(source: Path, score: PhotoScore) -> None:
    print(f"{source}: {score.verdict} ({score.score:.2f} of 1)")
    for finding in score.findings:
        print(f"  {finding.code}  {finding.text}")
    if not score.findings:
        print("  nothing in it will hurt")


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values, indent=1))
