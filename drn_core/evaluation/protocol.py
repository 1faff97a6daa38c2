"""Evaluation protocols: named, versioned lists of metrics and the rules by which they are pooled.

A figure without its protocol means nothing: SSIM alone has four habits of padding and window in the literature.
A protocol never changes; another rule gets another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

__all__ = ["Better", "Group", "Metric", "Pooling", "Protocol", "Statistic"]

Better = Literal["higher", "lower", "one"]
Group = Literal["semantic", "structural", "perceptual", "temporal", "cost"]
Pooling = Literal["mean", "decibels", "set"]
Statistic = Literal["mean", "median"]


@dataclass(frozen=True)
class Metric:
    """One figure of a protocol.

    Attributes:
        name: short, unique in its protocol; the key in reports.
        unit: of the figure, "" where it has none.
        better: which way is good; "one" means the nearer to 1 the better.
        group: what it judges.
        rule: how one sample is judged, in one sentence.
        pooling: how frames become one figure: their mean, the decibels of their mean squared error, or a figure that
            exists for the whole set only.
        needs: weights or packages it can't do without, e.g. "inception"; "" for none.
    """

    name: str
    unit: str
    better: Better
    group: Group
    rule: str
    pooling: Pooling = "mean"
    needs: str = ""


@dataclass(frozen=True)
class Protocol:
    """A named, versioned set of metrics and rules.

    Attributes:
        name: what is evaluated.
        version: grows with every change of a rule.
        summary: one sentence.
        sample: what one sample is: "clip", "frame" or "pair".
        statistic: how samples become one figure.
        metrics: in the order of the report.
        settings: numbers the rules depend on.
    """

    name: str
    version: int
    summary: str
    sample: str
    statistic: Statistic
    metrics: tuple[Metric, ...]
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if len(names) != len(set(names)):
            raise ValueError(f"protocol {self.id}: metric names repeat")

    @property
    def id(self) -> str:
        """Name and version, as quoted in reports: "reenact/1"."""
        return f"{self.name}/{self.version}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics, in order."""
        return tuple(metric.name for metric in self.metrics)

    def metric(self, name: str) -> Metric:
        """Return one metric.

        Args:
            name: of the metric.

        Raises:
            KeyError: the protocol has no such metric.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(f"protocol {self.id} has no metric {name!r}")
