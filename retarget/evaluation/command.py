"""From the options of `retarget evaluate` to the suites, and from their results to table, report and page."""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

from drn_core.evaluation.comparison import Comparison, compare
from drn_core.evaluation.protocols import PROTOCOLS
from drn_core.evaluation.report import Report
from retarget.cache import Cache
from retarget.errors import InputError, UsageError
from retarget.evaluation.generate import PIPELINE_COMMAND
from retarget.evaluation.page import comparison_page, render_page
from retarget.evaluation.pairs import PairOptions, evaluate_pairs
from retarget.evaluation.suite import Evaluation, SuiteOptions
from retarget.evaluation.table import comparison_table, report_table
from retarget.evaluation.videos import ReenactOptions, evaluate_reenactment, evaluate_video, list_clips
from retarget.video.output_path import write_text_output

__all__ = ["load_report", "run"]


def load_report(path: Path) -> Report:
    """Read a report from a file.

    Args:
        path: as `--report` wrote it.

    Raises:
        InputError: it can't be read or is no report.
    """
    try:
        return Report.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}", hint="expected a file that --report wrote") from error


def run(args: argparse.Namespace) -> int:
    """Run one suite, or a comparison.

    Args:
        args: as `retarget.cli.evaluate` defines them.

    Returns:
        The exit code.

    Raises:
        RetargetError: whatever the user must know.
    """
    if args.compare is not None:
        if args.suite is not None:
            raise UsageError("--compare stands alone", hint="retarget evaluate --compare A.json B.json")
    elif args.suite is None:
        raise UsageError("name a suite: pairs, video or reenact", hint="or --compare A.json B.json")
    for path in (args.report, args.html):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path}: the folder {path.parent} does not exist")
    if args.compare is not None:
        comparison = _compare(*args.compare)
        table, content, page = comparison_table(comparison), comparison.to_json(), partial(comparison_page, comparison)
    else:
        evaluation = {"pairs": _pairs, "video": _video, "reenact": _reenact}[str(args.suite)](args)
        table, content = report_table(evaluation.report), evaluation.report.to_json()
        page = partial(render_page, evaluation)
    if not args.quiet:
        sys.stdout.write(table + "\n")
    if args.report is not None:
        write_text_output(args.report, [content])
    if args.html is not None:
        write_text_output(args.html, [page()])
    return 0


def _compare(first: Path, second: Path) -> Comparison:
    reports = load_report(first), load_report(second)
    try:
        return compare(*reports)
    except ValueError as error:
        raise UsageError(f"{first} and {second} can't be compared: {error}") from error


def _options(args: argparse.Namespace) -> SuiteOptions:
    return SuiteOptions(
        require=tuple(name.strip() for name in args.require.split(",") if name.strip()),
        skip_bad=args.skip_bad,
        face=not args.no_face,
        retriever=getattr(args, "retriever", None),
        cache=None if getattr(args, "no_cache", True) else Cache(),
    )


def _check_step(args: argparse.Namespace) -> int:
    if args.step < 1:
        raise UsageError(f"--step: expected at least 1, got {args.step}")
    return int(args.step)


def _video(args: argparse.Namespace) -> Evaluation:
    return evaluate_video(
        args.real, args.generated, PROTOCOLS[args.protocol], _options(args),
        step=_check_step(args), source_index=args.source_index,
    )  # fmt: skip


def _reenact(args: argparse.Namespace) -> Evaluation:
    try:
        fractions = tuple(float(Fraction(text.strip())) for text in args.sources.split(","))
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--sources: {args.sources!r} is no list of numbers", hint="for example 1/3,0.5") from error
    how = ReenactOptions(
        model=args.model, command=args.command or PIPELINE_COMMAND, fractions=fractions, step=_check_step(args),
        work=args.work, generated=args.generated,
    )  # fmt: skip
    return evaluate_reenactment(
        list_clips(args.clips), PROTOCOLS[args.protocol], _options(args), how, tell=None if args.quiet else _tell
    )


def _pairs(args: argparse.Namespace) -> Evaluation:
    how = PairOptions(
        pairs=args.pairs, images=args.images, generated=args.generated,
        keypoints=args.keypoints, relevance=args.relevance, pose=not args.no_pose,
    )  # fmt: skip
    return evaluate_pairs(how, _options(args), tell=None if args.quiet else _tell)


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
