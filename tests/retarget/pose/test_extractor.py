"""From a clip to a track: what is read, what is filled and told, and what is kept for the next time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from retarget.cache import Cache
from retarget.config import EncodeConfig, PoseConfig, SmoothingConfig
from retarget.errors import InputError, PersonNotFoundError, UsageError
from retarget.pose.extractor import extract_track, read_track
from retarget.pose.reading import TrackReading, _is_glimpse
from retarget.pose.reading_store import pack_reading, unpack_reading
from retarget.video.writer import VideoWriter
from tests.helpers.pose import BoxEstimator, BoxPerson, frames_of, picture_of

WALK = [100 + 2.0 * index for index in range(40)]


def scenes(walk: list[float | None]) -> list[np.ndarray]:
    return [picture_of([] if x is None else [BoxPerson(0, x)]) for x in walk]


def trunk_x(keypoints: np.ndarray) -> np.ndarray:
    return keypoints[:, [11, 12, 23, 24], 0].mean(axis=1)


def test_a_track_follows_the_person() -> None:
    result = read_track(frames_of(scenes(WALK)), BoxEstimator())
    assert len(result.track) == len(result.raw) == 40
    assert result.track.is_detected.all()
    np.testing.assert_allclose(trunk_x(result.track.keypoints), np.array(WALK) - 0.5, atol=1.0)
    assert result.track.warnings == ()
    assert result.track.time_base == Fraction(1, 30)
    assert len(result.links) >= 39


def test_nobody_in_any_frame() -> None:
    with pytest.raises(PersonNotFoundError, match=r"no person found in any of the 5 frames of clip\.mp4"):
        read_track(frames_of(scenes([None] * 5)), BoxEstimator(), where="clip.mp4")


def test_gaps_are_filled_and_told_with_frames_and_times() -> None:
    walk: list[float | None] = [None, None, *WALK]
    walk[10:13] = [None] * 3
    result = read_track(frames_of(scenes(walk)), BoxEstimator())
    codes = dict(result.track.warnings)
    assert set(codes) == {"W201", "W202"}
    assert codes["W202"].startswith("no person in 2 of 42 frames, pose held: frames 0-1 (0.00-0.03 s)")
    assert "pose interpolated: frames 10-1" in codes["W201"]
    assert not result.raw.is_detected[[0, 1, 10, 11, 12]].any()
    assert (result.raw.confidence[10] == 0).all()
    truth = np.array([WALK[0], WALK[0], *WALK]) - 0.5
    np.testing.assert_allclose(trunk_x(result.track.keypoints), truth, atol=2.0)


def test_a_choice_among_several_is_told() -> None:
    pictures = [picture_of([BoxPerson(1, 80), BoxPerson(0, 250, scale=1.3)])] * 3
    result = read_track(frames_of(pictures), BoxEstimator())
    assert dict(result.track.warnings)["W204"].startswith("2 people in view: the largest is followed, index:1")
    chosen = read_track(frames_of(pictures), BoxEstimator(), pose=PoseConfig(person="index:0"))
    assert chosen.track.warnings == ()


def test_many_gaps_are_summed_up() -> None:
    walk: list[float | None] = [None if index % 4 == 3 else 150.0 for index in range(60)]
    (_, text), *_ = read_track(frames_of(scenes(walk)), BoxEstimator()).track.warnings
    assert "more" in text
    assert len(text) < 400


def test_nothing_is_smoothed_across_a_cut() -> None:
    bright = [np.clip(picture_of([BoxPerson(0, 300)]).astype(int) + 0, 0, 255).astype(np.uint8) for _ in range(10)]
    for picture in bright:
        picture[:120, :200], picture[200:, 200:] = 250, 5
    result = read_track(frames_of(scenes([100.0] * 10) + bright), BoxEstimator())
    assert result.cuts == (10,)
    np.testing.assert_allclose(trunk_x(result.track.keypoints), [99.5] * 10 + [299.5] * 10, atol=0.6)
    assert ("W203", "the scene changes at frame 10 (0.33 s)") in result.track.warnings
    assert not ((result.links.first < 10) & (result.links.second >= 10)).any()


def test_smoothing_switched_off_returns_what_was_read() -> None:
    result = read_track(frames_of(scenes(WALK)), BoxEstimator(), smoothing=SmoothingConfig(0.0, anchor_to_flow=False))
    np.testing.assert_array_equal(result.track.keypoints, result.raw.keypoints)
    assert len(result.links) == 0


def test_one_frame_is_a_track() -> None:
    result = read_track(frames_of(scenes([150.0])), BoxEstimator())
    np.testing.assert_array_equal(result.track.keypoints, result.raw.keypoints)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "walk.mp4"
    with VideoWriter(path, (240, 400), Fraction(1, 30), Fraction(30), EncodeConfig(crf=4)) as writer:
        for index, picture in enumerate(scenes(WALK[:12])):
            writer.write(picture, index)
    return path


def test_how_long_the_last_frame_is_shown_is_kept(tmp_path: Path) -> None:
    path, cache = tmp_path / "still.mp4", Cache(tmp_path / "cache")
    with VideoWriter(path, (240, 400), Fraction(1, 90), Fraction(30), EncodeConfig()) as writer:
        for index, picture in enumerate(scenes(WALK[:3])):
            writer.write(picture, 3 * index, 7)
    results = [extract_track(path, estimator=BoxEstimator(), cache=cache) for _ in range(2)]
    assert [result.is_cached for result in results] == [False, True]
    for track in (part for result in results for part in (result.raw, result.track)):
        assert track.last_duration is not None
        assert track.last_duration * track.time_base == Fraction(7, 90)


def test_a_reading_is_kept_and_smoothed_anew(tmp_path: Path, clip: Path) -> None:
    estimator, cache, counts = BoxEstimator(), Cache(tmp_path / "cache"), []
    first = extract_track(clip, estimator=estimator, cache=cache, progress=counts.append)
    num_estimates = estimator.num_estimates
    second = extract_track(
        clip, estimator=estimator, cache=cache, smoothing=SmoothingConfig(0.2), progress=counts.append
    )
    assert (first.is_cached, second.is_cached) == (False, True)
    assert estimator.num_estimates == num_estimates
    assert counts == [*range(1, 13), 12]
    np.testing.assert_array_equal(first.raw.keypoints, second.raw.keypoints)
    np.testing.assert_array_equal(first.links.shift, second.links.shift)
    np.testing.assert_allclose(trunk_x(first.track.keypoints), np.array(WALK[:12]) - 0.5, atol=1.5)


@pytest.mark.parametrize(
    "change",
    [{"start_seconds": 0.1}, {"end_seconds": 0.2}, {"pose": PoseConfig(person="index:0")}, {"keep_partial": True}],
)
def test_other_settings_are_another_reading(tmp_path: Path, clip: Path, change: dict) -> None:
    cache = Cache(tmp_path / "cache")
    extract_track(clip, estimator=BoxEstimator(), cache=cache)
    assert not extract_track(clip, estimator=BoxEstimator(), cache=cache, **change).is_cached


def test_a_range_keeps_the_times_of_the_clip(tmp_path: Path, clip: Path) -> None:
    result = extract_track(
        clip, start_seconds=0.2, end_seconds=0.3, estimator=BoxEstimator(), cache=Cache(tmp_path / "c")
    )
    np.testing.assert_allclose(result.track.times_seconds, [6 / 30, 7 / 30, 8 / 30], atol=1e-6)


def test_a_reading_survives_the_store() -> None:
    result = read_track(frames_of(scenes([100.0, None, 104.0])), BoxEstimator())
    reading = unpack_reading(pack_reading(TrackReading(result.raw, result.links, (2,))))
    assert (reading.cuts, reading.raw.size_hw, reading.raw.time_base) == ((2,), (240, 400), Fraction(1, 30))
    np.testing.assert_array_equal(reading.raw.keypoints, result.raw.keypoints)
    np.testing.assert_array_equal(reading.links.quality, result.links.quality)


def test_what_is_no_video_is_refused_before_models_load(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(InputError, match=r"text\.mp4"):
        extract_track(tmp_path / "text.mp4", cache=Cache(tmp_path / "cache"))


def test_a_person_that_is_not_understood(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(UsageError, match="person 'tallest' is not understood"):
        extract_track(clip, pose=PoseConfig(person="tallest"), estimator=BoxEstimator(), cache=Cache(tmp_path / "c"))


@pytest.mark.parametrize(
    ("shown", "is_glimpse"),
    [("0" * 40, True), ("0" * 22 + "1" + "0" * 17, True), ("0110" * 2 + "0" * 32, True), ("0" * 37 + "111", False),
     ("1", False), ("10", False), ("1000010000", False), ("", True)],
)  # fmt: skip
def test_a_glimpse_is_nobody(shown: str, is_glimpse: bool) -> None:
    assert _is_glimpse(np.array([letter == "1" for letter in shown], bool)) == is_glimpse
