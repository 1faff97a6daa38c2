"""Reports as one self-contained HTML page: table, plots, best and worst examples side by side."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from importlib import resources
from typing import Any

from drn_core.evaluation.clips import frame_key
from drn_core.evaluation.comparison import Comparison
from drn_core.evaluation.images import decibels
from drn_core.evaluation.protocol import Metric, Protocol
from drn_core.evaluation.protocols import PROTOCOLS
from drn_core.evaluation.report import Row
from drn_core.evaluation.statistics import Estimate
from retarget.evaluation.examples import Example
from retarget.evaluation.suite import Evaluation
from retarget.evaluation.table import BETTER_SIGNS, format_estimate, format_figure

__all__ = ["comparison_page", "render_page"]

_PLOTTED = ("psnr", "ssim", "pck", "face", "flick", "warp")
_PLOT_SIZE = (300, 60)
_STRIP_WIDTH = 240
_MAX_ROWS = 200


def _points(series: Sequence[float | None], indices: Sequence[int], low: float, high: float) -> list[str]:
    """Return one SVG point list per unbroken stretch of the series."""
    width, height = _PLOT_SIZE
    first, span = indices[0], max(indices[-1] - indices[0], 1)
    stretches: list[list[str]] = [[]]
    for index, value in zip(indices, series, strict=True):
        if value is None:
            stretches.append([])
            continue
        x = (index - first) / span * width
        y = height - (value - low) / max(high - low, 1e-9) * height
        stretches[-1].append(f"{x:.1f},{y:.1f}")
    return [" ".join(stretch) for stretch in stretches if stretch]


def _plots(row: Row, protocol: Protocol) -> list[dict[str, Any]]:
    plots = []
    for metric in protocol.metrics:
        is_decibels = metric.pooling == "decibels"
        series = row.series.get(frame_key(metric.name) if is_decibels else metric.name)
        if metric.name not in _PLOTTED or series is None:
            continue
        if is_decibels:
            series = [None if value is None else decibels(value) for value in series]
        values = [value for value in series if value is not None]
        low, high = min(values), max(values)
        lines = _points(series, row.indices, low, high)
        plots.append({"name": metric.name, "lines": lines, "low": format_figure(low), "high": format_figure(high)})
    return plots


def _strip(metric: Metric, rows: Sequence[Row], estimate: Estimate) -> dict[str, Any] | None:
    """Place the samples' values, the figure and its interval on a line."""
    values = [value for row in rows if (value := row.values.get(metric.name)) is not None and math.isfinite(value)]
    if len(values) < 2:
        return None
    low, high = min(values), max(values)

    def place(value: float) -> str:
        return f"{4 + (min(max(value, low), high) - low) / max(high - low, 1e-9) * (_STRIP_WIDTH - 8):.1f}"

    interval = None if estimate.low is None or estimate.high is None else (place(estimate.low), place(estimate.high))
    return {
        "dots": [place(value) for value in values[:_MAX_ROWS]],
        "value": place(estimate.value),
        "interval": interval,
        "low": format_figure(low),
        "high": format_figure(high),
    }


def _figures(evaluation: Evaluation, protocol: Protocol) -> list[dict[str, Any]]:
    report = evaluation.report
    return [
        {
            "metric": metric,
            "sign": BETTER_SIGNS[metric.better],
            "value": format_figure(estimate.value),
            "interval": f"{format_figure(estimate.low)} … {format_figure(estimate.high)}"
            if estimate.low is not None
            else "",
            "count": estimate.count,
            "strip": _strip(metric, report.rows, estimate),
        }
        for metric in protocol.metrics
        if (estimate := report.summary.get(metric.name)) is not None
    ]


def _pictures(examples: Sequence[Example]) -> list[dict[str, str]]:
    return [
        {
            "title": example.title,
            "score": format_figure(example.score),
            "data": base64.b64encode(example.jpeg).decode("ascii"),
        }
        for example in examples
    ]


def render_page(evaluation: Evaluation) -> str:
    """Render a report as one HTML page that refers to nothing outside itself.

    Args:
        evaluation: report and example pictures.
    """
    report = evaluation.report
    protocol = PROTOCOLS[report.protocol]
    return _render(
        "evaluation.html.j2",
        report=report,
        protocol=protocol,
        figures=_figures(evaluation, protocol),
        columns=[name for name in protocol.names if any(name in row.values for row in report.rows)],
        rows=[
            (row, {name: format_figure(value) for name, value in row.values.items()}) for row in report.rows[:_MAX_ROWS]
        ],
        num_hidden=max(0, len(report.rows) - _MAX_ROWS),
        plots=[(row.name, _plots(row, protocol)) for row in report.rows[:_MAX_ROWS] if row.series],
        plot_size=_PLOT_SIZE,
        strip_width=_STRIP_WIDTH,
        best=_pictures(evaluation.best),
        worst=_pictures(evaluation.worst),
    )


def comparison_page(comparison: Comparison) -> str:
    """Render a comparison as one HTML page that refers to nothing outside itself.

    Args:
        comparison: of two reports.
    """
    protocol = PROTOCOLS[comparison.protocol]
    lines = [
        (metric, BETTER_SIGNS[metric.better], format_estimate(difference, signed=True), comparison.wins[metric.name])
        for metric in protocol.metrics
        if (difference := comparison.differences.get(metric.name)) is not None
    ]
    return _render("comparison.html.j2", comparison=comparison, protocol=protocol, lines=lines)


def _render(template: str, **content: object) -> str:
    import jinja2

    def load(name: str) -> str:
        return resources.files("retarget").joinpath(f"assets/{name}").read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=jinja2.FunctionLoader(load)
    )
    return environment.get_template(template).render(**content)
