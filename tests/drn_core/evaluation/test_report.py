"""Protocols, reports and comparisons."""

from __future__ import annotations

import json

import pytest

from drn_core.evaluation.comparison import compare
from drn_core.evaluation.protocol import Metric, Protocol
from drn_core.evaluation.protocols import PAIRS, PROTOCOLS, REENACT, VIDEO
from drn_core.evaluation.report import Missing, Report, Row, Skipped, summarise, summarise_frames


def report_of(rows: list[Row], **settings: object) -> Report:
    return Report(
        protocol="reenact/1",
        subject={"model": "prior"},
        settings={"step": 1, **settings},
        provenance={"commit": "abc"},
        summary=summarise(rows, REENACT),
        rows=rows,
        missing=[Missing("face", "dlib", "pip install dlib-bin")],
        skipped=[Skipped("bad.mp4", "truncated")],
    )


def clip_row(name: str, ssim: float, flick: float = 5.0) -> Row:
    return Row(name, {"ssim": ssim, "flick": flick, "sharp": 0.9})


def frame_row(errors: list[float]) -> Row:
    series = {"mse": errors, "ssim": [0.5, None, 0.7]}
    return Row("clip", {"psnr": 20.0, "ssim": 0.6, "seconds": 3.0}, series=series, indices=[0, 1, 2])


def test_protocols_are_found_by_their_id() -> None:
    assert set(PROTOCOLS) == {"reenact/1", "video/1", "pairs/1"}
    assert set(REENACT.names) < set(VIDEO.names)
    assert VIDEO.metric("warp").better == "lower"
    with pytest.raises(KeyError, match="no metric 'speed'"):
        VIDEO.metric("speed")


def test_a_protocol_names_each_metric_once() -> None:
    metric = Metric("a", "", "higher", "perceptual", "A rule.")
    with pytest.raises(ValueError, match="repeat"):
        Protocol("p", 1, "", "clip", "mean", (metric, metric))


def test_every_rule_is_a_sentence() -> None:
    for protocol in PROTOCOLS.values():
        for metric in protocol.metrics:
            assert metric.rule.endswith("."), metric.name


def test_a_report_survives_json() -> None:
    report = report_of([clip_row("a", 0.5), clip_row("b", 0.7)])
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert again.summary["ssim"] == report.summary["ssim"]
    assert str(again.missing[0]) == "face: not computed: needs dlib, get it with pip install dlib-bin"
    assert json.loads(report.to_json())["sample_count"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("[]", "not a report"), ('{"format": "x"}', "not a report"), ('{"format": "retarget-evaluation/1"}', "damaged")],
)
def test_foreign_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Report.from_json(text)


def test_summary_takes_the_protocols_statistic() -> None:
    rows = [clip_row(str(index), ssim) for index, ssim in enumerate((0.1, 0.2, 0.9))]
    assert summarise(rows, REENACT)["ssim"].value == 0.2
    pairs = [Row("a", {"pckh": 100.0}, {"pckh": 3.0}), Row("b", {"pckh": 0.0}, {"pckh": 1.0})]
    assert summarise(pairs, PAIRS)["pckh"].value == 75


def test_set_figures_have_no_interval() -> None:
    summary = summarise([clip_row("a", 0.5), clip_row("b", 0.7)], VIDEO, set_figures={"fid": 12.0})
    assert (summary["fid"].value, summary["fid"].low) == (12.0, None)


def test_a_single_clip_has_intervals_over_its_frames() -> None:
    summary = summarise_frames(frame_row([100.0, 400.0, 100.0]), VIDEO, block=1)
    assert summary["psnr"].value == pytest.approx(25.12, abs=0.01)  # of the mean squared error, 200
    assert summary["psnr"].low == pytest.approx(22.11, abs=0.01)  # 400
    assert summary["psnr"].high == pytest.approx(28.13, abs=0.01)  # 100
    assert summary["ssim"].count == 2
    assert summary["seconds"].low is None


def test_comparison_pairs_samples_by_name() -> None:
    first = report_of([clip_row("a", 0.5), clip_row("b", 0.6, 9.0), clip_row("only first", 0.1)])
    second = report_of([clip_row("b", 0.7, 8.0), clip_row("a", 0.55), clip_row("only second", 0.9)])
    result = compare(first, second)
    assert (result.unit, result.count) == ("clip", 2)
    assert result.differences["ssim"].value == pytest.approx(0.075)
    assert result.wins == {"ssim": 1.0, "flick": 0.75, "sharp": 0.5}
    assert (result.only_first, result.only_second) == (["only first"], ["only second"])
    assert json.loads(result.to_json())["count"] == 2


def test_sharpness_wins_by_nearness_to_one() -> None:
    first, second = (report_of([Row("a", {"sharp": s}), Row("b", {"sharp": s})]) for s in (1.3, 0.8))
    assert compare(first, second).wins["sharp"] == 1.0


def test_one_common_clip_is_compared_frame_by_frame() -> None:
    first, second = (report_of([frame_row(errors)]) for errors in ([100.0, 400.0, 100.0], [50.0, 200.0, 50.0]))
    result = compare(first, second)
    assert (result.unit, result.count) == ("frame", 3)
    assert result.differences["psnr"].value == pytest.approx(3.01, abs=0.01)
    assert result.differences["psnr"].low == pytest.approx(3.01, abs=0.01)
    assert result.wins["psnr"] == 1.0


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (report_of([clip_row("a", 0.5)]), report_of([clip_row("b", 0.5)]), "no sample in common"),
        (report_of([clip_row("a", 0.5)]), report_of([clip_row("a", 0.5)], step=4), "different settings: step"),
    ],
)
def test_what_can_not_be_compared_is_refused(first: Report, second: Report, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(first, second)


def test_reports_of_different_protocols_are_not_compared() -> None:
    first = report_of([clip_row("a", 0.5)])
    second = Report("video/1", {}, first.settings, {}, first.summary, first.rows)
    with pytest.raises(ValueError, match="different protocols"):
        compare(first, second)
    unknown = Report("reenact/9", {}, {}, {}, {}, [])
    with pytest.raises(ValueError, match="unknown protocol"):
        compare(unknown, unknown)
