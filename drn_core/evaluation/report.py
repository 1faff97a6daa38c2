"""Reports: what was measured, under which protocol, with which result; as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.clips import frame_key
from drn_core.evaluation.protocol import Metric, Protocol
from drn_core.evaluation.statistics import Estimate, estimate, resample_indices

__all__ = [
    "REPORT_FORMAT",
    "Missing",
    "Report",
    "Row",
    "Skipped",
    "column",
    "frame_series",
    "pooling_transform",
    "summarise",
    "summarise_frames",
]

REPORT_FORMAT = "retarget-evaluation/1"


@dataclass(frozen=True)
class Row:
    """The figures of one sample.

    Attributes:
        name: of the clip, frame or pair; unique in the report.
        values: by metric name; what could not be taken is absent.
        weights: by metric name, where a share stands for more than one thing (joints); 1 where absent.
        series: by frame key, values over the measured frames; None where a frame has none.
        indices: running numbers of the measured frames.
    """

    name: str
    values: Mapping[str, float]
    weights: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    indices: Sequence[int] = ()


@dataclass(frozen=True)
class Missing:
    """A metric that was not computed.

    Attributes:
        metric: its name.
        needs: what it needs.
        get: how to get that; empty where nothing can be installed for it.
    """

    metric: str
    needs: str
    get: str = ""

    @property
    def reason(self) -> str:
        """What it needs, and how to get that."""
        return f"needs {self.needs}" + (f", get it with {self.get}" if self.get else "")

    def __str__(self) -> str:
        return f"{self.metric}: not computed: {self.reason}"


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out of the figures because its input was bad.

    Attributes:
        name: of the sample or file.
        reason: what was wrong.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Report:
    """The result of an evaluation.

    Attributes:
        protocol: id of the protocol, "video/1".
        subject: what was evaluated: model, command, folders.
        settings: of the protocol and of this run.
        provenance: version, commit, packages, time.
        summary: estimate per metric, over the rows.
        rows: the samples.
        missing: metrics not computed.
        skipped: samples left out.
    """

    protocol: str
    subject: Mapping[str, Any]
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    summary: Mapping[str, Estimate]
    rows: Sequence[Row]
    missing: Sequence[Missing] = ()
    skipped: Sequence[Skipped] = ()

    def to_json(self) -> str:
        """Return the report as JSON, one line per sample; figures without a value are null."""
        facts = {"format": REPORT_FORMAT, "sample_count": len(self.rows), **asdict(replace(self, rows=[]))}
        del facts["rows"]
        head = json.dumps(facts, indent=1, allow_nan=False, default=str)
        lines = ",\n".join("  " + json.dumps(_rounded(asdict(row)), allow_nan=False) for row in self.rows)
        return head.removesuffix("\n}") + f',\n "rows": [\n{lines}\n ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report.

        Args:
            text: as `to_json` writes it.

        Raises:
            ValueError: not a report, or of another format version.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != REPORT_FORMAT:
            raise ValueError(f"not a report of format {REPORT_FORMAT}")
        try:
            return cls(
                protocol=content["protocol"],
                subject=content["subject"],
                settings=content["settings"],
                provenance=content["provenance"],
                summary={name: Estimate(**figure) for name, figure in content["summary"].items()},
                rows=[Row(**row) for row in content["rows"]],
                missing=[Missing(**item) for item in content["missing"]],
                skipped=[Skipped(**item) for item in content["skipped"]],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"damaged report: {error}") from error


def _rounded(value: Any) -> Any:
    """Round the floats of nested lists and dictionaries to nine significant digits."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def column(rows: Sequence[Row], name: str) -> tuple[list[float], list[float]]:
    """Return a metric's values (NaN where absent) and weights over rows.

    Args:
        rows: the samples.
        name: of the metric.
    """
    values = [row.values.get(name, float("nan")) for row in rows]
    weights = [row.weights.get(name, 1.0) for row in rows]
    return values, weights


def summarise(
    rows: Sequence[Row], protocol: Protocol, *, set_figures: Mapping[str, float] | None = None
) -> dict[str, Estimate]:
    """Reduce rows to one estimate per metric.

    Args:
        rows: the samples.
        protocol: tells which metrics, and by which statistic.
        set_figures: metrics that exist for the whole set only (FID): reported without an interval.

    Returns:
        Estimates by metric name, those without any value left out, in the protocol's order.
    """
    indices = resample_indices(len(rows)) if len(rows) > 1 else None
    figures = dict(set_figures or {})
    summary = {}
    for metric in protocol.metrics:
        if metric.name in figures:
            summary[metric.name] = Estimate(figures[metric.name], None, None, len(rows))
            continue
        values, weights = column(rows, metric.name)
        result = estimate(values, statistic=protocol.statistic, weights=weights, indices=indices)
        if result is not None:
            summary[metric.name] = result
    return summary


def summarise_frames(
    row: Row, protocol: Protocol, *, block: int, set_figures: Mapping[str, float] | None = None
) -> dict[str, Estimate]:
    """Give the figures of a single clip, with intervals over its frames.

    Args:
        row: of the clip, with its series.
        protocol: tells which metrics.
        block: successive frames resampled together, since neighbours are alike.
        set_figures: metrics that exist for the whole set only (FID): reported without an interval.

    Returns:
        Estimates by metric name, in the protocol's order; what has no series (costs) has no interval.
    """
    indices = resample_indices(len(row.indices), block=block)
    figures = {**row.values, **(set_figures or {})}
    summary = {}
    for metric in protocol.metrics:
        if metric.name not in figures:
            continue
        series = frame_series(row, metric)
        if series is None:
            summary[metric.name] = Estimate(figures[metric.name], None, None, 1)
            continue
        result = estimate(series, indices=indices, transform=pooling_transform(metric))
        if result is not None:
            summary[metric.name] = result
    return summary


def frame_series(row: Row, metric: Metric) -> npt.NDArray[np.float64] | None:
    """Return the frame values behind a metric: NaN where a frame has none, None where frames have none at all.

    Args:
        row: of a clip.
        metric: for one pooled as decibels, the squared errors are returned.
    """
    key = frame_key(metric.name) if metric.pooling == "decibels" else metric.name
    return np.array(row.series[key], np.float64) if key in row.series else None


def pooling_transform(metric: Metric) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] | None:
    """Return what is applied to the mean of a metric's frame values; None for nothing.

    Args:
        metric: of a protocol.
    """
    if metric.pooling != "decibels":
        return None
    return lambda errors: 10.0 * np.log10(255.0**2 / np.maximum(errors, 1e-6))
