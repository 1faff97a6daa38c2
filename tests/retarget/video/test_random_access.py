"""Frames by number, through decord and by seeking."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from retarget.errors import DecodeError, InputError
from retarget.video.decord_reader import RandomAccessReader
from tests.retarget.video.clips import SIZE_HW, make_clip, number_in, uneven_pts

TICK = Fraction(1, 30_000)
HAS_DECORD = find_spec("decord") is not None
BACKENDS = ["pyav", pytest.param("decord", marks=pytest.mark.skipif(not HAS_DECORD, reason="decord has no wheel here"))]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", uneven_pts(200), TICK, encoder_options={"g": "20"})


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_order(clip: Path, backend: str) -> None:
    with RandomAccessReader(clip, backend=backend) as reader:  # type: ignore[arg-type]
        assert len(reader) == 200
        assert reader.backend == backend
        assert number_in(reader[117]) == 117
        assert number_in(reader[-1]) == 199
        wanted = [5, 199, 0, 5, 64, -2]
        frames = reader.frames_at(wanted)
    assert frames.shape == (6, *SIZE_HW, 3)
    assert frames.dtype == np.uint8
    assert [number_in(frame) for frame in frames] == [5, 199, 0, 5, 64, 198]


@pytest.mark.parametrize("backend", BACKENDS)
def test_times(clip: Path, backend: str) -> None:
    with RandomAccessReader(clip, backend=backend) as reader:  # type: ignore[arg-type]
        assert reader.times_seconds == pytest.approx(np.array(uneven_pts(200)) / 30_000)


@pytest.mark.parametrize("backend", BACKENDS)
def test_outside_is_an_index_error(clip: Path, backend: str) -> None:
    with RandomAccessReader(clip, backend=backend) as reader:  # type: ignore[arg-type]
        assert reader.frames_at([]).shape == (0, *SIZE_HW, 3)
        for index in (200, -201):
            with pytest.raises(IndexError):
                reader.frames_at([index])


def test_auto_seeks_where_decord_would_show_other_pictures(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", uneven_pts(20), TICK, pixel_aspect=Fraction(2))
    with RandomAccessReader(path) as reader:
        assert reader.backend == "pyav"
        assert reader[7].shape == (SIZE_HW[0], 2 * SIZE_HW[1], 3)


@pytest.mark.skipif(not HAS_DECORD, reason="decord has no wheel here")
def test_a_named_decord_does_not_fall_back(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", uneven_pts(20), TICK, pixel_aspect=Fraction(2))
    with pytest.raises(DecodeError, match="decord reads this file differently"):
        RandomAccessReader(path, backend="decord")


def test_refuses_as_open_video_does(tmp_path: Path) -> None:
    (tmp_path / "list.m3u8").write_text("#EXTM3U\nclip.ts\n")
    with pytest.raises(InputError, match="points to other files"):
        RandomAccessReader(tmp_path / "list.m3u8")
