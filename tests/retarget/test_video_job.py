"""The main job on the embedded sample, with the real estimator and real codecs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import av
import numpy as np
import pytest

import retarget
from retarget.cli.main import main
from retarget.video.reader import open_video

ASSETS = Path(retarget.__file__).parent / "assets"
END = "0.5"

pytestmark = pytest.mark.mediapipe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    code = main([
        "video", "--source", str(ASSETS / "demo_source.jpg"), "--driver", str(ASSETS / "demo_driver.mp4"),
        "--output", str(folder / "out.mp4"), "--report", str(folder / "report.json"), "--end", END, "--quiet",
        "--model", "prior",
    ])  # fmt: skip
    assert code == 0
    return folder


def _times(path: Path, end: float | None = None) -> list[float]:
    with open_video(path, end_seconds=end) as reader:
        return [frame.time_seconds for frame in reader]


def test_the_output_has_the_drivers_times_and_the_photos_size(made: Path) -> None:
    driver, output = _times(ASSETS / "demo_driver.mp4", float(END)), _times(made / "out.mp4")
    assert output == pytest.approx(driver, abs=1e-6)
    with open_video(made / "out.mp4") as reader:
        assert reader.info.size_hw == (960, 720)


def test_the_drivers_sound_comes_along_and_ends_with_the_picture(made: Path) -> None:
    with av.open(str(made / "out.mp4")) as container:
        sound, picture = container.streams.audio[0], container.streams.video[0]
        assert sound.duration is not None
        assert picture.duration is not None
        assert float(sound.duration * sound.time_base) == pytest.approx(
            float(picture.duration * picture.time_base), abs=1 / 30
        )
        assert "synthetic" in str(container.metadata).lower()


def test_the_person_is_there_and_moves(made: Path) -> None:
    with open_video(made / "out.mp4") as reader:
        frames = [frame.rgb.astype(int) for frame in reader]
    assert np.abs(frames[-1] - frames[0]).mean() > 0.2
    assert all(np.abs(b - a).mean() < 8 for a, b in itertools.pairwise(frames))


def test_the_report_tells_what_happened(made: Path) -> None:
    report = json.loads((made / "report.json").read_text())
    assert report["output"]["num_frames"] == len(report["frames"]) == 15
    assert all(frame["detected"] for frame in report["frames"])
    assert report["model"] == "prior"
    assert report["seconds"]["total"] > 0
    assert report["peak_memory_mb"] > 100
    assert {"torch", "mediapipe"} <= set(report["versions"])


def test_nothing_else_is_left_behind(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == ["out.mp4", "report.json"]


def test_a_photo_without_a_person_is_exit_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from retarget.photo import write_photo

    empty = tmp_path / "empty.png"
    write_photo(empty, np.full((200, 300, 3), 128, np.uint8))
    output = tmp_path / "o.mp4"
    code = main([
        "video", "--source", str(empty), "--driver", str(ASSETS / "demo_driver.mp4"), "--output", str(output),
        "--end", "0.1", "--quiet",
    ])  # fmt: skip
    assert code == 4
    assert "no person" in capsys.readouterr().err
    assert not output.exists()
