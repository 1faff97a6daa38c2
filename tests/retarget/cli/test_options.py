"""The command line: times, sizes, defaults that come from the configurations, one line per error."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from retarget.cli import video
from retarget.cli.main import main
from retarget.cli.options import job_from_args, parse_time
from retarget.config import EncodeConfig, PoseConfig, RenderConfig, SmoothingConfig, TransferConfig


@pytest.mark.parametrize(
    ("text", "seconds"), [("12.5", 12.5), ("0", 0.0), ("1:02", 62.0), ("1:02:03.25", 3723.25), (" 90 ", 90.0)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "abc", "1:2:3:4", "1e3", "nan"])
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


def test_an_unknown_command_is_exit_2() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["vidoe"])
    assert stop.value.code == 2
