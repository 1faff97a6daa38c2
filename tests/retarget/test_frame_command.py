"""`retarget frame`: one pose from a photo or from a time of a video."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import retarget
from retarget.cli.main import main
from retarget.photo import read_photo
from retarget.pipeline.background import cover
from retarget.pipeline.driver_range import DriverRange

pytestmark = pytest.mark.mediapipe

ASSETS = Path(retarget.__file__).parent / "assets"
PHOTO, CLIP = str(ASSETS / "demo_source.jpg"), str(ASSETS / "demo_driver.mp4")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETARGET_CACHE", str(cache))


def frame(output: Path, *options: str) -> int:
    return main(["frame", "--source", PHOTO, "--size", "160", "--output", str(output), *options])


def test_a_photo_in_its_own_pose_stays_what_it_is(tmp_path: Path) -> None:
    output, report = tmp_path / "same.png", tmp_path / "same.json"
    assert frame(output, "--pose", PHOTO, "--report", str(report), "--log-json", str(tmp_path / "log")) == 0
    result = read_photo(output).rgb
    assert frame(tmp_path / "plate.png", "--pose", CLIP, "--at", "0.1") == 0
    assert result.shape == (160, 120, 3)
    told = json.loads(report.read_text())
    assert told["format"] == "retarget-frame-report/1"
    assert told["output"]["size_hw"] == [160, 120]
    assert "job done" in (tmp_path / "log").read_text()
    # The photo itself, scaled as the pipeline scales it.
    from retarget.pipeline.source import fit_photo

    small, _ = fit_photo(read_photo(PHOTO).rgb, None, 160)
    difference = np.abs(result.astype(int) - small)
    assert np.mean(difference) < 3.0


def test_transparency_and_colours(tmp_path: Path) -> None:
    assert frame(tmp_path / "cut.png", "--pose", CLIP, "--at", "0.1", "--background", "transparent") == 0
    assert read_photo(tmp_path / "cut.png").alpha is not None
    assert frame(tmp_path / "red.png", "--pose", CLIP, "--at", "0.1", "--background", "#ff0000") == 0
    assert read_photo(tmp_path / "red.png").rgb[0, 0].tolist() == [255, 0, 0]
    assert frame(tmp_path / "room.png", "--pose", CLIP, "--at", "0.1", "--background", "driver") == 0
    room = read_photo(tmp_path / "room.png").rgb.astype(int)
    clip = next(iter(DriverRange(Path(CLIP)).frames())).rgb
    assert np.abs(room[:8, :8].mean((0, 1)) - cover(clip, room.shape[:2])[:8, :8].mean((0, 1))).max() < 3
    assert frame(tmp_path / "cut.jpg", "--pose", CLIP, "--background", "transparent") == 2


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--pose", PHOTO, "--at", "1"), 2, "a photo, which has no time"),
        (("--pose", CLIP, "--at", "60"), 2, "earlier"),
        (("--pose", CLIP, "--at", "5.2"), 2, "ends at 4.77 s"),
        (("--pose", PHOTO, "--background", "driver"), 2, "is a photo, not a driver"),
        (("--pose", "gone.mp4"), 3, "no such file"),
        (("--pose", __file__), 3, "not a picture"),
        (("--pose", CLIP, "--source-person", "index:7"), 4, "index:7"),
    ],
)
def test_mistakes_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int, text: str
) -> None:
    got = frame(tmp_path / "o.png", *options)
    told = capsys.readouterr().err
    assert text in told
    assert got == code
    assert list(tmp_path.iterdir()) == []
