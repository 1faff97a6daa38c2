"""The command line: times, sizes, defaults that come from the configurations, one line per error."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

import retarget
from retarget.cli import video
from retarget.cli.main import main
from retarget.config import EncodeConfig, PoseConfig, RenderConfig, SmoothingConfig, TransferConfig
from retarget.job_options import job_from_args, parse_time, parse_times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12.5", 12.5), ("0", 0.0), ("1:02", 62.0), ("1:02:03.25", 3723.25), (" 90 ", 90.0), ("3.2s", 3.2)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


def test_ranges_of_times_are_read() -> None:
    assert parse_times("3.2") == (3.2, 3.2)
    assert parse_times("0:03 - 4.5s") == (3.0, 4.5)
    for text in ("4-3", "3-", "-3", "1-2-3"):
        with pytest.raises(argparse.ArgumentTypeError):
            parse_times(text)


@pytest.mark.parametrize("text", ["", "-1", "abc", "1:2:3:4", "1e3", "nan", "s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_time(text)


def _parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    video.configure(parser)
    return parser.parse_args(["--source", "a.jpg", "--driver", "b.mp4", *arguments])


def test_defaults_are_the_configurations_own() -> None:
    job = job_from_args(_parse())
    assert job.render == RenderConfig()
    assert job.encode == EncodeConfig()
    assert job.pose == PoseConfig()
    assert job.smoothing == SmoothingConfig()
    assert job.transfer == TransferConfig()
    assert job.output == Path("a_b.mp4")


@pytest.mark.parametrize(
    ("arguments", "codec"),
    [
        (("--output", "x.webm"), "vp9"),
        (("--output", "x.mp4"), "h264"),
        (("--output", "x.mov"), "h264"),
        (("--output", "x.mov", "--background", "transparent"), "prores4444"),
        (("--background", "transparent"), "prores4444"),
        (("--output", "x.mp4", "--codec", "hevc"), "hevc"),
    ],
)
def test_the_codec_suits_the_output(arguments: tuple[str, ...], codec: str) -> None:
    assert job_from_args(_parse(*arguments)).encode.codec == codec


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0, error
    assert "Traceback" not in error
    return error


def test_a_missing_photo_is_exit_3_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["video", "--source", str(tmp_path / "no.jpg"), "--driver", "no.mp4", "--output", str(tmp_path / "o.mp4")]
    )
    assert code == 3
    assert "no.jpg" in _one_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_exit_5_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"precious")
    assert main(["video", "--source", "a.jpg", "--driver", "b.mp4", "--output", str(output)]) == 5
    assert "--overwrite" in _one_line(capsys)
    assert output.read_bytes() == b"precious"


def test_an_empty_range_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "o.mp4")
    code = main(["video", "--source", "a.jpg", "--driver", "b.mp4", "--output", output, "--start", "5", "--end", "4"])
    assert code == 2
    assert "--end" in _one_line(capsys)


@pytest.fixture
def sample(tmp_path: Path) -> dict[str, Path]:
    """Copies of the embedded photo and clip, to be endangered."""
    assets = Path(retarget.__file__).parent / "assets"
    files = {"source": tmp_path / "photo.jpg", "driver": tmp_path / "clip.mp4"}
    for role, file in files.items():
        shutil.copy(assets / f"demo_{role}{file.suffix}", file)
    return files


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--output", "clip.mp4"), "clip.mp4: is the same file as clip.mp4"),
        (("--output", "linked.mp4"), "linked.mp4: is the same file as clip.mp4"),
        (("--output", "out.mp4", "--report", "out.mp4"), "out.mp4: is the same file as"),
        (("--output", "out.mp4", "--report", "photo.jpg"), "photo.jpg: is the same file as"),
        (("--output", "out.mp4", "--log-json", "clip.mp4"), "clip.mp4: is the same file as"),
    ],
)
def test_an_input_is_never_written_over(
    arguments: tuple[str, ...],
    told: str,
    sample: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = sample["driver"].parent
    monkeypatch.chdir(folder)
    (folder / "linked.mp4").hardlink_to(sample["driver"])
    before = {file: file.read_bytes() for file in folder.iterdir()}
    inputs = ["--source", "photo.jpg", "--driver", "clip.mp4"]
    assert main(["video", *inputs, *arguments, "--overwrite", "--model", "prior"]) == 5
    assert told in _one_line(capsys)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["video", "--driver", "a.mp4"], "--source"),
        (["video", "--source", "a.jpg", "--driver", "a.mp4", "--start", "x"], "'x' is no time"),
        (["video", "--source", "a.jpg", "--driver", "a.mp4", "--colour", "blue"], "--colour"),
        (["vidoe"], "invalid choice: 'vidoe'"),
    ],
)
def test_a_mistyped_line_is_exit_2_in_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    line = _one_line(capsys)
    assert told in line
    assert "--help" in line


def test_whom_to_follow_is_understood_before_anything_is_read(
    sample: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = ["--source", str(sample["source"]), "--driver", str(sample["driver"])]
    assert main(["video", *inputs, "--output", str(sample["source"].with_name("o.mp4")), "--person", "her"]) == 2
    assert "'her'" in _one_line(capsys)


@pytest.mark.parametrize("address", ["http://example.org/a.mp4", "rtsp:/example.org/a", "https:/example.org/a.mp4"])
def test_addresses_are_told_to_be_addresses(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = Path(retarget.__file__).parent / "assets/demo_source.jpg"
    output = str(tmp_path / "o.mp4")
    assert main(["video", "--source", str(photo), "--driver", address, "--output", output]) == 3
    assert "addresses are not opened" in _one_line(capsys)
