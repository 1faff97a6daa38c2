"""`retarget evaluate video`, `reenact` and `--compare` on synthetic clips with an observer of known answers."""

from __future__ import annotations

import html.parser
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drn_core.evaluation.protocols import REENACT, VIDEO
from drn_core.evaluation.report import Report
from retarget.cache import Cache
from retarget.cli.main import main
from retarget.errors import InputError, ModelError, OutputError, RetargetError, UsageError
from retarget.evaluation import command as evaluate_command
from retarget.evaluation import videos
from retarget.evaluation.clip_readings import ClipReadings
from retarget.evaluation.frames import count_frames, save_frame
from retarget.evaluation.generate import check_command, run_command
from retarget.evaluation.page import render_page
from retarget.evaluation.pairs import load_image
from retarget.evaluation.suite import SuiteOptions
from retarget.evaluation.videos import ReenactOptions, evaluate_reenactment, evaluate_video, list_clips
from tests.helpers.evaluation import NOBODY, FakeObserver, reading, textured_picture, write_clip

NUM_FRAMES = 20
COPY_DRIVER = f"{shlex.quote(sys.executable)} -c 'import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])'"
COPY_DRIVER += " {driver} {output} {source}"


def pictures(count: int = NUM_FRAMES, seed: int = 0) -> list[np.ndarray]:
    wide = textured_picture((128, 96 + count), seed=seed)
    return [np.ascontiguousarray(wide[:, shift : shift + 96]) for shift in range(count)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "real.mkv", pictures())


@pytest.fixture(autouse=True)
def fake_observer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RETARGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(videos, "PersonObserver", FakeObserver)


def no_loss(real: Path, generated: Path, **how: object) -> Report:
    return evaluate_video(real, generated, VIDEO, SuiteOptions(), observer=FakeObserver(), **how).report  # type: ignore[arg-type]


def test_a_copy_scores_perfectly(clip: Path) -> None:
    report = no_loss(clip, clip)
    for name, value in {"ssim": 1, "pck": 100, "miss": 0, "face": 1, "sharp": 1, "flick": 0, "jitter": 0}.items():
        assert report.summary[name].value == pytest.approx(value), name
    assert report.summary["psnr"].value == pytest.approx(108.13, abs=0.01)
    assert report.rows[0].indices == list(range(NUM_FRAMES))


def test_step_and_source_frame_choose_the_frames(clip: Path) -> None:
    report = no_loss(clip, clip, step=2, source_index=0)
    assert report.rows[0].indices == list(range(6, NUM_FRAMES, 2))
    assert report.settings["step"] == 2


def test_other_sizes_are_resized_to_the_real_one(clip: Path, tmp_path: Path) -> None:
    large = [np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1) for picture in pictures()]
    assert no_loss(clip, write_clip(tmp_path / "large.mkv", large)).summary["ssim"].value == pytest.approx(1)


def test_clips_of_different_length_are_an_error_that_can_be_skipped(clip: Path, tmp_path: Path) -> None:
    short = write_clip(tmp_path / "short.mkv", pictures()[:15])
    with pytest.raises(InputError, match=r"short\.mkv: 15 generated frames, 20 real ones"):
        no_loss(clip, short)
    report = evaluate_video(clip, short, VIDEO, SuiteOptions(skip_bad=True), observer=FakeObserver()).report
    assert len(report.rows[0].indices) == 15
    assert "15 generated frames" in report.skipped[0].reason


def test_metrics_without_weights_are_listed(clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no weights here"))
    missing = {item.metric: item for item in no_loss(clip, clip).missing}
    assert "alexnet" in missing["lpips"].needs.lower()
    assert "pip install" in missing["lpips"].get
    assert "fid" in missing


@pytest.mark.parametrize("require", [("all",), ("lpips",)])
def test_requiring_them_is_an_error_before_any_work(
    require: tuple[str, ...], clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no weights here"))
    observer = FakeObserver()
    with pytest.raises(ModelError, match="lpips: not computed: needs"):
        evaluate_video(clip, clip, VIDEO, SuiteOptions(require=require), observer=observer)
    assert observer.num_reads == 0


def test_requiring_what_exists_passes_and_what_does_not_is_told(clip: Path) -> None:
    options = SuiteOptions(require=("all",))
    assert not evaluate_video(clip, clip, REENACT, options, observer=FakeObserver()).report.missing
    with pytest.raises(UsageError, match="reenact/1 has no metric speed"):
        evaluate_video(clip, clip, REENACT, SuiteOptions(require=("speed",)), observer=FakeObserver())
    with pytest.raises(InputError, match="of no sample: face"):
        evaluate_video(clip, clip, REENACT, options, observer=FakeObserver(face=None))


def test_readings_of_the_real_clip_are_kept(clip: Path, tmp_path: Path) -> None:
    options = SuiteOptions(cache=Cache(tmp_path / "kept"))
    first, second = FakeObserver(), FakeObserver()
    reports = [evaluate_video(clip, clip, REENACT, options, observer=seer).report for seer in (first, second)]
    assert (first.num_reads, second.num_reads) == (2 * NUM_FRAMES, NUM_FRAMES)
    assert reports[0].summary == reports[1].summary
    without_face = evaluate_video(clip, clip, REENACT, replace(options, face=False), observer=FakeObserver())
    assert "face" not in without_face.report.summary


def test_kept_readings_are_those_that_were_read() -> None:
    readings = ClipReadings()
    given = {0: reading(face=np.arange(128.0)), 3: NOBODY, 6: reading(shift=(2.0, 1.0))}
    for index, value in given.items():
        readings.add(index, value)
    again = ClipReadings.from_payload(readings.to_payload())
    for index, expected in given.items():
        found = again.of(index)
        for name in ("keypoints", "confidence", "mask", "face"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    with pytest.raises(KeyError):
        again.of(1)


def reenact(clips: list[Path], **how: object) -> Report:
    options = how.pop("options", SuiteOptions())
    settings = ReenactOptions(**{"command": COPY_DRIVER, **how})  # type: ignore[arg-type]
    return evaluate_reenactment(clips, VIDEO, options, settings, observer=FakeObserver()).report  # type: ignore[arg-type]


def test_reenactment_runs_the_command_per_clip_and_source(tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{name}.mkv", pictures(seed=seed)) for seed, name in enumerate("ab")]
    report = reenact(clips, fractions=(0.0, 0.5), work=tmp_path / "work")
    assert [row.name for row in report.rows] == ["a@0", "a@10", "b@0", "b@10"]
    assert report.summary["ssim"].value == pytest.approx(1)
    assert report.summary["seconds"].value > 0
    assert report.summary["fps"].value > 0
    assert (tmp_path / "work" / "a@10.png").exists()
    kept = reenact(clips, fractions=(0.0, 0.5), generated=tmp_path / "work")
    assert kept.summary["ssim"] == report.summary["ssim"]
    assert "seconds" not in kept.summary


def test_a_bad_clip_stops_the_run_or_is_counted(tmp_path: Path, clip: Path) -> None:
    bad = tmp_path / "broken.mp4"
    bad.write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4"):
        reenact([bad, clip])
    report = reenact([bad, clip], options=SuiteOptions(skip_bad=True))
    assert len(report.rows) == 1
    assert report.skipped[0].name.startswith("broken.mp4")
    with pytest.raises(InputError, match="no clip could be measured"):
        reenact([bad], options=SuiteOptions(skip_bad=True))


def test_a_failing_command_tells_what_it_said(clip: Path, tmp_path: Path) -> None:
    failing = f"{shlex.quote(sys.executable)} -c 'raise SystemExit(\"no can do\")' {{source}} {{driver}} {{output}}"
    with pytest.raises(RetargetError, match="ended with 1: no can do"):
        run_command(failing, source=clip, driver=clip, output=tmp_path / "out.mp4", model="m")
    with pytest.raises(UsageError, match="can't be run"):
        run_command("/no/such/program", source=clip, driver=clip, output=tmp_path / "out.mp4", model="m")


def test_the_cost_of_a_command_is_its_own(clip: Path, tmp_path: Path) -> None:
    code = "import time; block = bytearray(64 << 20); time.sleep(0.4)"
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {{source}} {{driver}} {{output}}"
    cost = run_command(line, source=clip, driver=clip, output=tmp_path / "out.mp4", model="m")
    assert cost.seconds >= 0.4
    if sys.platform == "linux":
        assert cost.peak_mb is not None
        assert 64 < cost.peak_mb < 200


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("make {source} {driver}", "{output} is missing"),
        ("x {source} {driver} {output} {speed}", "unknown field 'speed'"),
    ],
)
def test_command_templates_are_checked(command: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_command(command)


@pytest.mark.parametrize(("how", "message"), [({"fractions": (1.0,)}, "--sources"), ({"step": 0}, "--step")])
def test_reenact_options_are_checked(how: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ReenactOptions(**how)  # type: ignore[arg-type]


def test_clips_are_all_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mkv", ".hidden"):
        (tmp_path / name).touch()
    assert [path.name for path in list_clips([tmp_path])] == ["a.mkv", "b.mp4"]
    with pytest.raises(InputError, match="no such file"):
        list_clips([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no clips"):
        list_clips([tmp_path / "empty"])


@pytest.mark.parametrize("decoding", ["display", "plain"])
def test_frames_are_counted_and_saved(clip: Path, tmp_path: Path, decoding: str) -> None:
    assert count_frames(clip, decoding) == NUM_FRAMES
    save_frame(clip, 3, tmp_path / "frame.png", decoding)
    np.testing.assert_array_equal(load_image(tmp_path / "frame.png"), pictures()[3])
    with pytest.raises(InputError, match="has no frame 99"):
        save_frame(clip, 99, tmp_path / "frame.png", decoding)
    with pytest.raises(OutputError):
        save_frame(clip, 3, tmp_path / "no folder" / "frame.png", decoding)


@pytest.mark.parametrize("decoding", ["display", "plain"])
def test_broken_clips_are_told(tmp_path: Path, decoding: str) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    with pytest.raises(InputError, match=r"bad\.mp4"):
        count_frames(bad, decoding)


def test_a_clip_without_a_person_is_refused(clip: Path) -> None:
    class Blind(FakeObserver):
        def read(self, rgb: np.ndarray, *, face: bool) -> videos.Observer:  # type: ignore[override]
            return NOBODY  # type: ignore[return-value]

    with pytest.raises(InputError, match="no frame to measure on"):
        evaluate_video(clip, clip, VIDEO, SuiteOptions(), observer=Blind())


class PageParser(html.parser.HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attributes if name in {"src", "href"}]
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_everything_itself(tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{name}.mkv", pictures(seed=seed)) for seed, name in enumerate("ab")]
    evaluation = evaluate_reenactment(
        clips, VIDEO, SuiteOptions(), ReenactOptions(command=COPY_DRIVER), observer=FakeObserver()
    )
    page = PageParser()
    page.feed(render_page(evaluation))
    assert not page.open
    assert len(page.references) == 12
    assert all(reference.startswith("data:image/jpeg;base64,") for reference in page.references)
    for text in ("video/1", "Worst examples", "Over time", "Not computed", "a@6", "b@6"):
        assert text in page.text


def test_command_line_writes_report_and_page(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, page = tmp_path / "r.json", tmp_path / "r.html"
    arguments = ["evaluate", "video", "--real", str(clip), "--generated", str(clip), "--report", str(report)]
    assert main([*arguments, "--html", str(page), "--step", "3"]) == 0
    assert "ssim ↑" in capsys.readouterr().out
    assert json.loads(report.read_text())["protocol"] == "video/1"
    assert page.read_text().startswith("<!doctype html>")
    difference, page = tmp_path / "d.json", tmp_path / "d.html"
    arguments = ["evaluate", "--compare", str(report), str(report), "--report", str(difference), "--html", str(page)]
    assert main(arguments) == 0
    assert "7 frames paired" in capsys.readouterr().out
    assert json.loads(difference.read_text())["differences"]["ssim"]["value"] == 0
    assert "second minus first" in page.read_text()


def test_command_line_reenacts(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "r.json"
    arguments = ["evaluate", "reenact", "--clips", str(clip), "--command", COPY_DRIVER, "--sources", "1/4"]
    assert main([*arguments, "--protocol", "reenact/1", "--model", "prior", "--report", str(report)]) == 0
    assert Report.from_json(report.read_text()).subject["model"] == "prior"
    assert "real@5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name a suite"),
        (["--compare", "a", "b", "video", "--real", "x", "--generated", "y"], 2, "stands alone"),
        (["--compare", "no.json", "no.json"], 3, "no.json: can't be read"),
        (["video", "--real", "no.mp4", "--generated", "no.mp4"], 3, "no.mp4"),
        (["video", "--real", "x", "--generated", "y", "--step", "0"], 2, "--step"),
        (["video", "--real", "x", "--generated", "y", "--report", "/no/where/r.json"], 2, "does not exist"),
        (["reenact", "--clips", "x", "--sources", "third"], 2, "--sources"),
        (["reenact", "--clips", "no_such_folder"], 3, "no_such_folder: no such file"),
    ],
)
def test_bad_arguments_end_in_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *arguments]) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_reports_that_do_not_fit_are_told_apart(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "1.json", tmp_path / "2.json"]
    for path, step in zip(paths, ("1", "2"), strict=True):
        arguments = ["evaluate", "video", "--real", str(clip), "--generated", str(clip), "--quiet", "--step", step]
        assert main([*arguments, "--report", str(path)]) == 0
    assert main(["evaluate", "--compare", *map(str, paths)]) == 2
    assert "different settings: step" in capsys.readouterr().err
    paths[0].write_text("{}")
    with pytest.raises(InputError, match="not a report"):
        evaluate_command.load_report(paths[0])
