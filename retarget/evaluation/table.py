"""Reports and comparisons as text for the terminal."""

from __future__ import annotations

from drn_core.evaluation.comparison import Comparison
from drn_core.evaluation.protocol import Metric, Protocol
from drn_core.evaluation.protocols import PROTOCOLS
from drn_core.evaluation.report import Report
from drn_core.evaluation.statistics import Estimate

__all__ = ["BETTER_SIGNS", "comparison_table", "format_estimate", "format_figure", "report_table"]

_SAMPLE_COLUMNS = (
    "psnr",
    "ssim",
    "tpsnr",
    "pck",
    "pckh",
    "akd",
    "miss",
    "face",
    "sharp",
    "flick",
    "seconds",
    "peak_mb",
)
_MAX_SAMPLE_LINES = 60

BETTER_SIGNS = {"higher": "↑", "lower": "↓", "one": "→1"}


def format_figure(value: float | None) -> str:
    """Write a figure with as many digits as it is worth.

    Args:
        value: None is written as a dash.
    """
    if value is None:
        return "–"
    magnitude = abs(value)
    digits = 1 if magnitude >= 100 else 2 if magnitude >= 10 else 3
    return f"{value:.{digits}f}"


def format_estimate(estimate: Estimate, *, signed: bool = False) -> str:
    """Write a figure with its interval.

    Args:
        estimate: the figure.
        signed: write a plus before positive values.
    """
    value = ("+" if signed and estimate.value >= 0 else "") + format_figure(estimate.value)
    if estimate.low is None:
        return value
    return f"{value} [{format_figure(estimate.low)}, {format_figure(estimate.high)}]"


def _label(metric: Metric) -> str:
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.name}{unit} {BETTER_SIGNS[metric.better]}"


def _sample_lines(report: Report, protocol: Protocol) -> list[str]:
    """Lay out one line per sample of the leading metrics, where the samples are few."""
    count = f"{len(report.rows)} {protocol.sample}{'' if len(report.rows) == 1 else 's'}"
    names = [name for name in _SAMPLE_COLUMNS if any(name in row.values for row in report.rows)]
    if len(report.rows) > _MAX_SAMPLE_LINES or len(report.rows) == 1:
        return [count]
    width = max(len(row.name) for row in report.rows) + 2
    head = " " * width + "".join(f"{name:>9}" for name in names)
    rows = [
        f"{row.name:{width}}" + "".join(f"{format_figure(row.values.get(name)):>9}" for name in names)
        for row in report.rows
    ]
    return [count, head, *rows]


def report_table(report: Report) -> str:
    """Lay a report out as lines: figures with 95 % intervals, what was skipped, what was not computed.

    Args:
        report: of a known protocol.
    """
    protocol = PROTOCOLS[report.protocol]
    lines = [f"{protocol.id}: {protocol.summary}", *_sample_lines(report, protocol), ""]
    for metric in protocol.metrics:
        if metric.name in report.summary:
            figure = report.summary[metric.name]
            lines.append(f"  {_label(metric):28}{format_estimate(figure):32}n={figure.count}")
    lines += [f"  skipped {item.name}: {item.reason}" for item in report.skipped]
    reasons: dict[str, list[str]] = {}
    for item in report.missing:
        reasons.setdefault(item.reason, []).append(item.metric)
    lines += [f"  not computed: {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return "\n".join(lines)


def comparison_table(comparison: Comparison) -> str:
    """Lay a comparison out as lines: paired differences with 95 % intervals and the share of wins.

    Args:
        comparison: of two reports.
    """
    protocol = PROTOCOLS[comparison.protocol]
    lines = [f"{protocol.id}, second minus first, {comparison.count} {comparison.unit}s paired", ""]
    for metric in protocol.metrics:
        difference = comparison.differences.get(metric.name)
        if difference is None:
            continue
        wins = f"better in {100 * comparison.wins[metric.name]:.0f} %"
        lines.append(f"  {_label(metric):28}{format_estimate(difference, signed=True):32}{wins}")
    lines += [f"  only in the first: {name}" for name in comparison.only_first]
    lines += [f"  only in the second: {name}" for name in comparison.only_second]
    return "\n".join(lines)
