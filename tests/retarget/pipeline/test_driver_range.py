"""One frame of a driver, fetched from the middle, is the one that a pass over the frames shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from retarget.pipeline.driver_range import DriverRange
from tests.retarget.video.clips import constant_pts, make_clip, number_in, uneven_pts

TICK = Fraction(1, 30_000)


@pytest.mark.parametrize("pts", [constant_pts(90), uneven_pts(90), constant_pts(90, start=2002)])
@pytest.mark.parametrize("options", [{"g": "12"}, {"g": "250", "bf": "3"}, {"g": "20", "bf": "2", "flags": "-cgop"}])
def test_a_fetched_frame_is_the_same(tmp_path: Path, pts: list[int], options: dict[str, str]) -> None:
    path = make_clip(tmp_path / "clip.mp4", pts, TICK, encoder_options=options)
    driver = DriverRange(path)
    for frame in list(driver.frames())[::13]:
        fetched = driver.frame_at(frame.pts)
        assert fetched is not None
        assert fetched.pts == frame.pts
        assert number_in(fetched.rgb) == frame.index
        assert np.array_equal(fetched.rgb, frame.rgb)


def test_only_frames_of_the_range_are_fetched(tmp_path: Path) -> None:
    pts = constant_pts(40)
    path = make_clip(tmp_path / "clip.mp4", pts, TICK)
    driver = DriverRange(path, 0.5, 1.0)
    inside = driver.frame_at(pts[20])
    assert inside is not None
    assert number_in(inside.rgb) == 20
    assert driver.frame_at(pts[35]) is None
    assert driver.frame_at(pts[20] + 1) is None


def test_frames_are_shrunk(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(10), TICK)
    driver = DriverRange(path)
    frame = driver.frame_at(1001 * 4, max_height=24)
    assert frame is not None
    assert frame.rgb.shape[0] == 24
