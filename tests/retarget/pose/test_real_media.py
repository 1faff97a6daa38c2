"""The real estimator on the development media: people found, followed and steadied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from retarget.cache import Cache
from retarget.cli.main import main
from retarget.config import PoseConfig, SmoothingConfig
from retarget.errors import PersonNotFoundError
from retarget.photo import read_photo
from retarget.pose.extractor import TrackResult, extract_track
from retarget.pose.follow import PersonFollower
from retarget.pose.mediapipe_estimator import MediaPipeEstimator, estimator_version
from retarget.pose.people import PersonChoice, find_people
from retarget.pose.photo import estimate_photo
from retarget.pose.track_json import read_track_json
from retarget.smoothing.trunk import torso_size_px
from retarget.video.reader import open_video
from tests.retarget.video.clips import MEDIA

pytestmark = [
    pytest.mark.mediapipe,
    pytest.mark.media,
    pytest.mark.skipif(not MEDIA.is_dir(), reason="the development media (../shared/media) are not here"),
]
HIPS, SHOULDERS = [23, 24], [11, 12]


@pytest.fixture(scope="module")
def estimator() -> Iterator[MediaPipeEstimator]:
    with MediaPipeEstimator() as opened:
        yield opened


def extract(name: str, estimator: MediaPipeEstimator, folder: Path, **options) -> TrackResult:
    return extract_track(MEDIA / name, estimator=estimator, cache=Cache(folder / "cache"), **options)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("odd/photo_three_people.jpg", 3),
        ("photos/gym_man_white_armsout.jpg", 1),
        ("photos/studio_man_bent_over.jpg", 1),
        ("odd/photo_noperson_gym.jpg", 0),
    ],
)
def test_everybody_in_a_photo_is_found_once(name: str, count: int, estimator: MediaPipeEstimator) -> None:
    assert len(find_people(read_photo(MEDIA / name).rgb, estimator, effort="thorough")) == count


def test_a_drawn_figure_that_fills_the_picture_is_found_from_afar(estimator: MediaPipeEstimator) -> None:
    drawing = estimate_photo(read_photo(MEDIA / "photos/anime_girl_half.png").rgb, estimator=estimator)
    assert drawing.area_px > 0.3 * np.prod(drawing.pose.size_hw)
    with pytest.raises(PersonNotFoundError):
        estimate_photo(read_photo(MEDIA / "odd/photo_noperson_gym.jpg").rgb, estimator=estimator)


def test_a_photo_is_read_to_the_joint(estimator: MediaPipeEstimator) -> None:
    rgb = read_photo(MEDIA / "photos/gym_man_white_armsout.jpg").rgb
    person = estimate_photo(rgb, estimator=estimator)
    wrists, shoulders = person.pose.keypoints[[15, 16]], person.pose.keypoints[SHOULDERS]
    assert np.ptp(wrists[:, 0]) > 2.5 * np.ptp(shoulders[:, 0])  # arms out
    assert person.pose.confidence[[11, 12, 15, 16, 23, 24]].min() > 0.8
    assert person.mask is not None
    x, y = person.pose.keypoints[SHOULDERS + HIPS].mean(axis=0).astype(int)
    assert person.mask[y, x] > 0.95
    assert person.mask[:40, :40].max() < 0.1


def test_a_shifted_photo_gives_a_shifted_reading(estimator: MediaPipeEstimator) -> None:
    rgb = read_photo(MEDIA / "photos/gym_man_white_armsout.jpg").rgb
    here, there = (estimate_photo(picture, estimator=estimator) for picture in (rgb, rgb[7:, 13:]))
    gap = there.pose.keypoints + np.array([13, 7]) - here.pose.keypoints
    assert np.abs(gap[:17]).max() < 0.02 * torso_size_px(here.pose.keypoints) + 1


def test_the_three_who_exercise_in_step_are_told_apart(estimator: MediaPipeEstimator) -> None:
    places = []
    for index in range(3):
        follower = PersonFollower(estimator, PersonChoice("index", index=index), where="the clip")
        with open_video(MEDIA / "odd/three_persons_exercise.avi") as frames:
            found = [follower.update(frame.rgb) for frame in islice(frames, 12)]
        assert None not in found
        places.append([person.pose.keypoints[HIPS, 0].mean() for person in found if person is not None])
    assert (np.diff(np.array(places), axis=0) > 20).all()


def test_two_who_embrace_keep_their_identity(estimator: MediaPipeEstimator, tmp_path: Path) -> None:
    result = extract("odd/two_persons_hug.mp4", estimator, tmp_path)
    assert result.raw.is_detected.mean() > 0.8
    knees = result.track.keypoints[:, [25, 26], 0].mean(axis=1)
    size = torso_size_px(result.track.keypoints[0])
    assert np.abs(np.diff(knees)).max() < 0.25 * size  # the other's legs are three trunks away
    assert knees.max() - knees[0] < 1.5 * size


def test_a_still_trunk_under_signing_arms_stands_still(estimator: MediaPipeEstimator, tmp_path: Path) -> None:
    result = extract("reenact/half_sign_A_student.mkv", estimator, tmp_path)
    raw, steady = (np.ptp(track.keypoints[:, HIPS], axis=0).max() for track in (result.raw, result.track))
    assert raw > 20  # what the estimator makes of it
    assert steady < 8  # the picture says 3.5
    jitter = np.diff(result.track.keypoints[:, SHOULDERS + HIPS], n=2, axis=0).std()
    assert jitter < 0.5


def test_a_small_person_in_a_large_picture_is_found(estimator: MediaPipeEstimator, tmp_path: Path) -> None:
    result = extract("reenact/drink_water_labroom_small.avi", estimator, tmp_path, end_seconds=0.5)
    assert result.raw.is_detected.all()
    assert result.track.size_hw == (1080, 1920)


def test_fast_squats_at_five_frames_a_second_are_not_flattened(estimator: MediaPipeEstimator, tmp_path: Path) -> None:
    result = extract("reenact/squats_woman_pink.mp4", estimator, tmp_path, end_seconds=4)
    raw, smooth = (np.ptp(track.keypoints[:, HIPS, 1], axis=0).min() for track in (result.raw, result.track))
    assert smooth > 0.97 * raw


def test_someone_who_comes_and_goes_is_reported(estimator: MediaPipeEstimator, tmp_path: Path) -> None:
    result = extract("odd/person_enters_leaves_backview.mp4", estimator, tmp_path, start_seconds=2.5, end_seconds=5)
    assert not result.raw.is_detected[0]
    assert result.raw.is_detected[-8:].all()
    assert "W202" in dict(result.track.warnings)


def test_hands_and_face_are_read(tmp_path: Path) -> None:
    config = PoseConfig(hands=True, face=True)
    with MediaPipeEstimator(config) as estimator:
        assert estimator.version == estimator_version(config) != estimator_version(PoseConfig())
        result = extract("reenact/half_sign_A_again.mkv", estimator, tmp_path, pose=config, end_seconds=0.3)
    hands, face = result.track.hands, result.track.face
    assert hands is not None
    assert face is not None
    assert hands[..., 2].max(axis=(0, 2)).min() == 1
    wrist_gap = np.linalg.norm(hands[:, :, 0, :2] - result.track.keypoints[:, [15, 16]], axis=-1)
    assert np.median(wrist_gap[hands[:, :, 0, 2] > 0]) < 25
    assert np.nanmedian(np.linalg.norm(face[:, 1, :2] - result.track.keypoints[:, 0], axis=-1)) < 20


def test_the_estimator_says_nothing_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with MediaPipeEstimator(PoseConfig(hands=True, face=True)) as estimator:
        estimate_photo(read_photo(MEDIA / "photos/gym_man_white_armsout.jpg").rgb, estimator=estimator)
    assert capfd.readouterr().err == ""


def test_the_command_writes_track_and_overlay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETARGET_CACHE", str(tmp_path / "cache"))
    driver, track, overlay = MEDIA / "reenact/half_sign_C_learn.mkv", tmp_path / "t.json", tmp_path / "o.mp4"
    command = ["pose", "--driver", str(driver), "--end", "0.4", "--output", str(track), "--overlay", str(overlay)]
    assert main([*command, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert len(read_track_json(track)) == 12
    with open_video(overlay) as frames, open_video(driver, end_seconds=0.4) as originals:
        for drawn, original in zip(frames, originals, strict=True):
            assert (np.abs(drawn.rgb.astype(int) - original.rgb) > 60).any()
    assert main([*command, "--quiet"]) == 5  # outputs exist
    assert main([*command, "--overwrite", "--raw"]) == 0
    assert "12 poses, person seen in 12" in capsys.readouterr().out


def test_the_command_reads_photos(tmp_path: Path) -> None:
    photo, overlay = MEDIA / "odd/photo_three_people.jpg", tmp_path / "o.png"
    track = tmp_path / "t.json"
    command = ["pose", "--driver", str(photo), "--quiet", "--output", str(track)]
    assert main([*command, "--overlay", str(overlay), "--person", "index:0"]) == 0
    assert len(json.loads(track.read_text())["pts"]) == 1
    assert read_photo(overlay).rgb.shape == read_photo(photo).rgb.shape
    assert main([*command, "--overwrite", "--start", "1"]) == 2


@pytest.mark.parametrize(
    ("driver", "code"),
    [("odd/noperson_empty_room.mp4", 4), ("odd/photo_noperson_gym.jpg", 4), ("odd/text_renamed.mp4", 3), ("none", 3)],
)
def test_the_exit_code_tells_what_went_wrong(
    driver: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETARGET_CACHE", str(tmp_path / "cache"))
    output = tmp_path / "t.json"
    assert main(["pose", "--driver", str(MEDIA / driver), "--output", str(output), "--quiet"]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("retarget pose: ")
    assert not output.exists()


def test_smoothing_can_be_switched_off(estimator: MediaPipeEstimator, tmp_path: Path) -> None:
    name, smoothing = "reenact/taichi_monk_orange_belt.mp4", SmoothingConfig(0.0, anchor_to_flow=False)
    result = extract(name, estimator, tmp_path, smoothing=smoothing, end_seconds=1)
    np.testing.assert_array_equal(result.track.keypoints, result.raw.keypoints)
