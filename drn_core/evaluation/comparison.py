"""Comparison of two reports: paired differences with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.protocol import Better, Protocol
from drn_core.evaluation.protocols import PROTOCOLS
from drn_core.evaluation.report import Report, Row, column, frame_series, pooling_transform
from drn_core.evaluation.statistics import Estimate, estimate, estimate_difference, resample_indices

__all__ = ["Comparison", "compare"]

FloatVector = npt.NDArray[np.float64]
_FRAME_BLOCK = 10


@dataclass(frozen=True)
class Comparison:
    """Paired differences between two reports, second minus first.

    Attributes:
        protocol: id of both reports' protocol.
        unit: what was paired: "clip", "pair", or "frame" where each report holds one and the same clip.
        count: units that both have.
        only_first: names of samples that only the first has.
        only_second: names of samples that only the second has.
        differences: estimate of the paired differences per metric, by the protocol's statistic.
        wins: per metric, share of the pairs in which the second is better, ties counted half.
    """

    protocol: str
    unit: str
    count: int
    only_first: Sequence[str]
    only_second: Sequence[str]
    differences: Mapping[str, Estimate]
    wins: Mapping[str, float]

    def to_json(self) -> str:
        """Return the comparison as JSON."""
        return json.dumps({"format": "retarget-comparison/1", **asdict(self)}, indent=1, allow_nan=False)


def compare(first: Report, second: Report) -> Comparison:
    """Pair the samples of two reports by name and estimate their differences.

    Args:
        first: the base.
        second: what is compared with it.

    Raises:
        ValueError: protocols or settings differ, or no sample is in both.
    """
    _check_comparable(first, second)
    protocol = PROTOCOLS[first.protocol]
    rows_first, rows_second = ({row.name: row for row in report.rows} for report in (first, second))
    names = [name for name in rows_first if name in rows_second]
    if not names:
        raise ValueError("the two reports have no sample in common")
    a, b = [rows_first[name] for name in names], [rows_second[name] for name in names]
    if len(names) == 1 and a[0].indices and a[0].indices == b[0].indices:
        unit, count = "frame", len(a[0].indices)
        differences, wins = _compare_frames(a[0], b[0], protocol)
    else:
        unit, count = protocol.sample, len(names)
        differences, wins = _compare_rows(a, b, protocol)
    return Comparison(
        protocol=protocol.id,
        unit=unit,
        count=count,
        only_first=[name for name in rows_first if name not in rows_second],
        only_second=[name for name in rows_second if name not in rows_first],
        differences=differences,
        wins=wins,
    )


def _compare_rows(
    first: Sequence[Row], second: Sequence[Row], protocol: Protocol
) -> tuple[dict[str, Estimate], dict[str, float]]:
    indices = resample_indices(len(first))
    differences: dict[str, Estimate] = {}
    wins: dict[str, float] = {}
    for metric in protocol.metrics:
        (a, weights), (b, _) = column(first, metric.name), column(second, metric.name)
        result = estimate(np.subtract(b, a), statistic=protocol.statistic, weights=weights, indices=indices)
        if result is not None:
            differences[metric.name] = result
            wins[metric.name] = _win_share(np.array(a), np.array(b), metric.better)
    return differences, wins


def _compare_frames(first: Row, second: Row, protocol: Protocol) -> tuple[dict[str, Estimate], dict[str, float]]:
    indices = resample_indices(len(first.indices), block=_FRAME_BLOCK)
    differences: dict[str, Estimate] = {}
    wins: dict[str, float] = {}
    for metric in protocol.metrics:
        a, b = frame_series(first, metric), frame_series(second, metric)
        if a is None or b is None:
            continue
        result = estimate_difference(a, b, indices=indices, transform=pooling_transform(metric))
        if result is not None:
            differences[metric.name] = result
            wins[metric.name] = _win_share(a, b, "lower" if metric.pooling == "decibels" else metric.better)
    return differences, wins


def _win_share(a: FloatVector, b: FloatVector, better: Better) -> float:
    """Return the share of pairs in which b is better, ties counted half."""
    if better == "one":
        a, b = -np.abs(a - 1), -np.abs(b - 1)
    gain = a - b if better == "lower" else b - a
    gain = gain[~np.isnan(gain)]
    return float(((gain > 0) + 0.5 * (gain == 0)).mean())


def _check_comparable(first: Report, second: Report) -> None:
    if first.protocol != second.protocol:
        raise ValueError(f"the reports follow different protocols: {first.protocol} and {second.protocol}")
    if first.protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {first.protocol}")
    differing = sorted(
        key for key in {*first.settings, *second.settings} if first.settings.get(key) != second.settings.get(key)
    )
    if differing:
        raise ValueError(f"the reports were made with different settings: {', '.join(differing)}")
