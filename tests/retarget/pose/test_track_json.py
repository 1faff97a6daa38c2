"""The open layout of pose tracks: what is written is read back, and what is no track is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drn_core.skeleton import JOINT_NAMES
from retarget.errors import InputError, OutputError
from retarget.pose.track_json import read_track_json, track_from_json, track_to_json, write_track_json
from retarget.records import PoseTrack

RANDOM = np.random.default_rng(2)


def track(num_frames: int = 4, *, details: bool = True) -> PoseTrack:
    def some(*shape: int) -> np.ndarray:
        return RANDOM.uniform(0, 1, (num_frames, *shape)).astype(np.float32)

    hands, face = some(2, 21, 3), some(468, 3) * 100
    hands[1, 0] = 0
    face[2] = np.nan
    return PoseTrack(
        keypoints=some(33, 2) * 500,
        confidence=some(33),
        depth=some(33) * 90 - 45,
        world=some(33, 3),
        is_detected=np.array([True, False, True, True][:num_frames]),
        pts=np.array([100, 1101, 2102, 3300][:num_frames]),
        time_base=Fraction(1, 30000),
        size_hw=(480, 640),
        hands=hands if details else None,
        face=face if details else None,
        warnings=(("W201", "no person in frame 1"),),
        last_duration=2002,
    )


@pytest.mark.parametrize("details", [True, False])
def test_round_trip_through_a_file(tmp_path: Path, details: bool) -> None:
    written = track(details=details)
    write_track_json(tmp_path / "t.json", written)
    read = read_track_json(tmp_path / "t.json")
    for name, tolerance in (("keypoints", 6e-4), ("confidence", 6e-5), ("depth", 6e-4), ("world", 6e-6)):
        np.testing.assert_allclose(getattr(read, name), getattr(written, name), atol=tolerance)
    np.testing.assert_array_equal(read.pts, written.pts)
    np.testing.assert_array_equal(read.is_detected, written.is_detected)
    assert (read.time_base, read.size_hw, read.warnings) == (written.time_base, written.size_hw, written.warnings)
    assert read.last_duration == 2002
    if details:
        np.testing.assert_allclose(read.hands, written.hands, atol=6e-4)
        np.testing.assert_allclose(read.face, written.face, atol=6e-3)
    else:
        assert read.hands is None
        assert read.face is None


def test_the_layout_is_what_the_module_says() -> None:
    content = track_to_json(track())
    assert (content["format"], content["version"]) == ("retarget-pose-track", 1)
    assert content["joints"] == list(JOINT_NAMES)
    assert content["time_base"] == [1, 30000]
    assert content["size"] == {"width": 640, "height": 480}
    assert np.shape(content["keypoints"]) == (4, 33, 2)
    assert content["hands"][1][0] is None
    assert content["face"][2] is None
    json.dumps(content, allow_nan=False)


def test_unknown_keys_are_ignored() -> None:
    assert len(track_from_json({**track_to_json(track()), "later": 1}, where="x")) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "x is no pose track - `retarget pose --output"),
        ({"version": 2}, "version 2 of the layout, only 1"),
        ({"joints": ["nose"]}, "other joints than the 33"),
        ({"pts": [0, 1, 1, 2]}, "times have to increase"),
        ({"pts": []}, "times have to increase"),
        ({"pts": [0, 1]}, r"keypoints: expected shape \(2, 33, 2\), got \(4, 33, 2\)"),
        ({"time_base": [1, 0]}, "damaged"),
        ({"time_base": [-1, 30]}, "time base has to be positive"),
        ({"depth": [[float("nan")] * 33] * 4}, "depth: numbers have to be finite"),
        ({"size": None}, "damaged"),
        ({"last_duration": 0}, "last frame's duration has to be positive"),
        ({"keypoints": "none"}, "damaged"),
        ({"is_detected": [True]}, "damaged"),
        ({"hands": [[[1]]] * 4}, "damaged"),
        ({"face": [[1, 2]] * 4}, "damaged"),
    ],
)
def test_what_is_no_track_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        track_from_json({**track_to_json(track()), **change}, where="x")


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "\x00\x01", "[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(InputError, match=r"t\.json is no "):
        read_track_json(tmp_path / "t.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.json can't be read: No such file"):
        read_track_json(tmp_path / "t.json")


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("mine")
    with pytest.raises(OutputError, match=r"t\.json"):
        write_track_json(tmp_path / "t.json", track())
    assert (tmp_path / "t.json").read_text() == "mine"
    write_track_json(tmp_path / "t.json", replace(track(), warnings=()), overwrite=True)
    assert read_track_json(tmp_path / "t.json").warnings == ()
