from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from drn_core.data.packs import PackDataset
from retarget.cli.main import main
from retarget.errors import InputError
from retarget.records import PoseTrack
from retarget.training import prepare
from retarget.training.prepare import PrepareOptions, find_videos, prepare_videos

MEDIA = Path(__file__).resolve().parents[4] / "shared" / "media" / "reenact" / "half_sign_A_no.mkv"


def track(confidence: np.ndarray) -> PoseTrack:
    count = len(confidence)
    joints = np.zeros((count, 33, 2), np.float32)
    return PoseTrack(
        keypoints=joints,
        confidence=np.repeat(confidence.astype(np.float32)[:, None], 33, axis=1),
        depth=joints[..., 0],
        world=np.zeros((count, 33, 3), np.float32),
        is_detected=confidence > 0,
        pts=np.arange(count, dtype=np.int64),
        time_base=Fraction(1, 25),
        size_hw=(48, 64),
    )


def test_photos_are_spread_over_frames_that_show_the_person() -> None:
    confidence = np.zeros(90)
    confidence[30:60] = 0.9
    chosen = prepare._photo_indices(track(confidence), 90, PrepareOptions(), np.random.default_rng(0))
    assert len(chosen) == 3
    assert 30 <= chosen[0] < 40 <= chosen[1] < 50 <= chosen[2] < 60


def test_clip_without_a_sure_person_is_refused() -> None:
    with pytest.raises(InputError, match="no frame shows the person well enough"):
        prepare._photo_indices(track(np.zeros(10)), 10, PrepareOptions(), np.random.default_rng(0))


def test_frames_come_in_runs_and_leave_the_photo_out() -> None:
    rng = np.random.default_rng(0)
    runs = prepare._frame_indices(100, 5, PrepareOptions(frames_per_photo=8, consecutive=2), rng)
    assert len(runs) == 8
    assert all(second == first + 1 for first, second in zip(runs[::2], runs[1::2], strict=True))
    assert 5 not in prepare._frame_indices(10, 5, PrepareOptions(frames_per_photo=10), rng)


def test_unreadable_clips_are_skipped_and_listed(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "empty.mov").write_bytes(b"")
    videos = find_videos(tmp_path)
    made = prepare_videos(videos, tmp_path / "out", PrepareOptions(), estimator=None)  # never reached
    assert [Path(name).name for name, _ in made.skipped] == ["broken.mp4", "empty.mov"]
    assert made.written == 0


def test_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["prepare", "--output", out]) == 2
    assert main(["prepare", "--output", out, "--input", str(tmp_path / "gone")]) == 3
    assert main(["prepare", "--output", out, "--input", str(tmp_path)]) == 3
    assert main(["prepare", "--output", out, "--synthetic", "--size", "100"]) == 2
    err = capsys.readouterr().err
    assert "holds no video" in err
    assert "no multiple of 16" in err


@pytest.mark.slow
@pytest.mark.mediapipe
@pytest.mark.media
@pytest.mark.skipif(not MEDIA.is_file(), reason="development media are not here")
def test_real_clip_becomes_a_pack_whose_prior_resembles_the_target(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "clip.mkv").symlink_to(MEDIA)
    arguments = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--photos", "1", "--frames", "2"]
    assert main(["prepare", *arguments]) == 0
    sample = PackDataset([tmp_path / "out"], augment=False).sample(0, seed=0)
    driver, person = sample.inputs.driver, sample.target_mask > 0.5
    assert person.float().mean() > 0.1
    prior_error = ((driver.prior_image - sample.target).abs() * person).sum()
    plate_error = ((driver.background - sample.target).abs() * person).sum()
    assert prior_error < 0.7 * plate_error
