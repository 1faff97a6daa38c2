"""What all suites share: options, the check of required metrics, network metrics of clips, report files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drn_core.evaluation.frames import FramePair, FrameScores
from drn_core.evaluation.protocol import Protocol
from drn_core.evaluation.report import Missing, Report, Row, Skipped
from drn_core.evaluation.statistics import Estimate
from retarget.cache import Cache
from retarget.errors import InputError, ModelError, UsageError
from retarget.evaluation.examples import Example, ExampleKeeper
from retarget.evaluation.networks import Networks, find_networks, missing_metrics
from retarget.evaluation.provenance import collect_provenance

__all__ = ["Evaluation", "FrameObserver", "SuiteOptions", "build_report", "check_required"]


@dataclass(frozen=True)
class SuiteOptions:
    """Options that all suites understand.

    Attributes:
        require: metrics that must be computed; "all" for every one of the protocol.
        skip_bad: leave bad samples out, count them in the report; otherwise the first one is an error.
        face: compare faces.
        retriever: weights of the retrieval network.
        cache: where readings of real clips are kept; None keeps none.
    """

    require: tuple[str, ...] = ()
    skip_bad: bool = False
    face: bool = True
    retriever: Path | None = None
    cache: Cache | None = None


@dataclass(frozen=True)
class Evaluation:
    """A report and the pictures that go onto its page.

    Attributes:
        report: figures.
        best: the best samples, best first.
        worst: the worst samples, worst first.
    """

    report: Report
    best: Sequence[Example] = field(default_factory=list)
    worst: Sequence[Example] = field(default_factory=list)


def _wanted(protocol: Protocol, require: Sequence[str]) -> set[str]:
    """Return the required metrics; "all" stands for every one that judges the result (costs do not)."""
    if "all" in require:
        return {metric.name for metric in protocol.metrics if metric.group != "cost"}
    return set(require)


def check_required(
    protocol: Protocol, options: SuiteOptions, left_out: Sequence[Missing] = ()
) -> tuple[Networks, list[Missing]]:
    """Find the networks, and make sure that what is required can be computed, before anything is.

    Args:
        protocol: what is measured.
        options: `require`, `face` and `retriever` are read.
        left_out: metrics that other options leave out.

    Returns:
        The networks and the list of metrics that will not be computed.

    Raises:
        UsageError: an unknown metric is required.
        ModelError: a required metric lacks its network.
    """
    networks = find_networks(options.retriever)
    missing = [*left_out, *missing_metrics(protocol, networks)]
    if not options.face:
        named = {item.metric for item in missing}
        faces = [m.name for m in protocol.metrics if m.needs == "dlib" and m.name not in named]
        missing += [Missing(name, "faces", "leaving out --no-face") for name in faces]
    wanted = _wanted(protocol, options.require)
    unknown = wanted - set(protocol.names)
    if unknown:
        raise UsageError(
            f"--require: {protocol.id} has no metric {', '.join(sorted(unknown))}",
            hint="known: " + ", ".join(protocol.names),
        )
    absent = [item for item in missing if item.metric in wanted]
    if absent:
        raise ModelError(f"required metrics can't be computed: {'; '.join(map(str, absent))}")
    return networks, missing


class FrameObserver:
    """Sees every scored frame of all clips: adds network metrics, keeps the set figures, best and worst examples.

    Args:
        networks: what this machine has.
        protocol: networks of metrics that it does not name are not loaded.
    """

    def __init__(self, networks: Networks, protocol: Protocol) -> None:
        self.examples = ExampleKeeper()
        self._lpips = networks.lpips() if networks.lpips and "lpips" in protocol.names else None
        self._inception = networks.inception() if networks.inception and "fid" in protocol.names else None
        self._frechet: Any = None
        if self._inception is not None:
            from drn_core.evaluation.distribution import FrechetMeter

            self._frechet = FrechetMeter(self._inception.num_features)

    def add(self, name: str, pair: FramePair, scores: FrameScores) -> None:
        """Look at one frame.

        Args:
            name: of the clip.
            pair: the frame, real and generated.
            scores: "lpips" is added.
        """
        if self._lpips is not None:
            box = pair.box.slices
            distance = self._lpips.distance(pair.real[box], pair.generated[box])
            if distance is not None:
                scores["lpips"] = distance
        if self._inception is not None:
            self._frechet.add(self._inception.features(pair.real)[0], real=True)
            self._frechet.add(self._inception.features(pair.generated)[0], real=False)
        if "ssim" in scores:
            self.examples.offer(f"{name}, frame {pair.index}", scores["ssim"], [pair.real, pair.generated])

    def set_figures(self) -> dict[str, float]:
        """Return the figures of the whole set."""
        distance = None if self._frechet is None else self._frechet.compute()
        return {} if distance is None else {"fid": distance}


def build_report(
    protocol: Protocol,
    rows: Sequence[Row],
    summary: Mapping[str, Estimate],
    *,
    subject: Mapping[str, Any],
    settings: Mapping[str, Any],
    missing: Sequence[Missing],
    skipped: Sequence[Skipped],
    require: Sequence[str] = (),
) -> Report:
    """Put a report together and list every metric of the protocol that has no figure.

    Args:
        protocol: what was measured.
        rows: the samples.
        summary: the figures.
        subject: what was evaluated.
        settings: of this run; the protocol's are added.
        missing: metrics known beforehand not to be computed.
        skipped: samples left out.
        require: metrics without which there is no report.

    Raises:
        InputError: a required metric could be taken of no sample.
    """
    named = {item.metric for item in missing}
    without = [name for name in protocol.names if name not in summary and name not in named]
    lacking = sorted(_wanted(protocol, require) & set(without))
    if lacking:
        raise InputError(f"required metrics could be taken of no sample: {', '.join(lacking)}")
    return Report(
        protocol=protocol.id,
        subject=subject,
        settings={**protocol.settings, **settings},
        provenance=collect_provenance(),
        summary=summary,
        rows=rows,
        missing=[*missing, *(Missing(name, "a sample that shows it") for name in without)],
        skipped=skipped,
    )
