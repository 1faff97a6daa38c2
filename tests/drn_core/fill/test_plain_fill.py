"""Plain surfaces behind a hole: continued smoothly, with the picture's grain, and left alone where nothing is plain."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drn_core.fill.grain import make_grain
from drn_core.fill.harmonic import continue_smoothly
from drn_core.fill.plain_fill import continue_surfaces
from drn_core.fill.surfaces import View, find_leftovers, find_surfaces, share_around

GRAIN = 2.0


def _wall(height: int = 220, width: int = 300) -> np.ndarray:
    """A wall that gets darker to one side and has grain."""
    shading = np.linspace(200, 150, width)[None, :, None] * np.linspace(1.0, 0.9, height)[:, None, None]
    grain = np.random.default_rng(0).normal(0, GRAIN, (height, width, 1))
    return np.clip(shading * np.array((1.0, 0.97, 0.92)) + grain, 0, 255)


def _hole(shape: tuple[int, ...]) -> np.ndarray:
    hole = np.zeros(shape[:2], np.uint8)
    cv2.ellipse(hole, (150, 120), (35, 80), 0, 0, 360, 1, -1)
    return hole > 0


def _filled(picture: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    damaged = np.where(hole[..., None], 0, picture).astype(np.uint8)
    view = View.around(damaged, hole, 80.0)
    return continue_surfaces(damaged, hole, view, find_surfaces(view))


def test_harmonic_continuation_gives_a_plane_back() -> None:
    y, x = np.mgrid[:220, :300].astype(np.float32)
    plane = np.dstack([0.5 * x + y, 100.0 - x]).astype(np.float32)
    known = ~_hole((220, 300))
    result = continue_smoothly(np.where(known[..., None], plane, np.float32(-1e4)), known)
    assert np.array_equal(result[known], plane[known])
    assert np.abs(result - plane).max() < 4.0


def test_nothing_known_continues_to_nothing() -> None:
    assert not continue_smoothly(np.ones((9, 9, 2), np.float32), np.zeros((9, 9), bool)).any()


def test_a_shaded_wall_is_continued_within_two_levels() -> None:
    wall = _wall()
    hole = _hole(wall.shape)
    filled, still_open = _filled(wall, hole)
    assert not still_open.any()
    error = cv2.GaussianBlur(filled.astype(np.float32) - wall.astype(np.float32), (0, 0), 4.0)
    assert np.abs(error[hole]).max() < 2.0 + GRAIN / 3


def test_light_that_falls_off_along_an_edge_does_so_behind_the_hole() -> None:
    wall = _wall()
    wall[160:] *= np.exp(-0.5 * np.linspace(0, 1, 60) ** 2)[:, None, None]
    hole = _hole(wall.shape)
    hole[100:, 120:180] = True  # down to the edge
    filled, still_open = _filled(wall, hole)
    assert not still_open.any()
    error = cv2.GaussianBlur(filled.astype(np.float32) - wall.astype(np.float32), (0, 0), 4.0)
    assert np.abs(error[hole]).max() < 4.0  # taking it for a shadow: 21


def test_the_grain_goes_on() -> None:
    wall = _wall()
    hole = _hole(wall.shape)
    filled, _ = _filled(wall, hole)
    fine = filled.astype(np.float32) - cv2.GaussianBlur(filled.astype(np.float32), (0, 0), 3.0)
    ratio = fine[cv2.erode(hole.astype(np.uint8), np.ones((9, 9))) > 0].std() / fine[~hole].std()
    assert 0.75 < ratio < 1.25
    assert np.corrcoef(fine[hole][:, 0], fine[hole][:, 2])[0, 1] > 0.8  # grey grain stays grey


def test_grain_has_the_strength_of_the_plain_tiles() -> None:
    noise = np.random.default_rng(1).normal(128, 5, (128, 128, 3)).round().astype(np.uint8)
    grain = make_grain(noise, np.ones((128, 128), bool), (100, 300))
    assert grain.shape == (100, 300, 3)
    assert 4.0 < grain.std() < 5.5
    assert not make_grain(noise, np.zeros((128, 128), bool), (10, 10)).any()


def test_texture_is_left_to_others() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (220, 300, 3), dtype=np.uint8)
    hole = _hole(picture.shape)
    filled, still_open = _filled(picture, hole)
    assert np.array_equal(still_open, hole)
    assert np.array_equal(filled[~hole], picture[~hole])


def test_between_wall_and_floor_the_hole_stays_open() -> None:
    picture = _wall()
    picture[140:] = np.random.default_rng(3).normal((90, 60, 40), GRAIN, (80, 300, 3))
    hole = _hole(picture.shape)
    filled, still_open = _filled(picture, hole)
    assert still_open[138:142, 130:170].all()
    assert not still_open[50:90, 130:170].any()
    assert np.abs(filled[50:90, 130:170].mean(axis=(0, 1)) - picture[50:90, 130:170].mean(axis=(0, 1))).max() < 3


def test_small_things_that_stick_to_the_hole_are_leftovers() -> None:
    wall = _wall().astype(np.uint8)
    hole = _hole(wall.shape)
    speck, cupboard = np.zeros_like(hole), np.zeros_like(hole)
    speck[110:120, 184:196], cupboard[60:220, 240:300] = True, True
    wall[speck & ~hole] = (60, 40, 30)
    wall[cupboard] = (60, 40, 30)
    view = View.around(wall, hole, 80.0)
    assert view.scale == 1.0
    found = np.zeros_like(hole)
    found[view.box[0] : view.box[1], view.box[2] : view.box[3]] = find_leftovers(view, find_surfaces(view))
    assert found[speck & ~hole].all()
    assert not found[cupboard].any()


def test_share_of_a_ring_leaves_out_the_gap_and_counts_nothing_beyond_the_picture() -> None:
    part = np.zeros((7, 7), bool)
    part[0, 3] = True
    mask = np.zeros((7, 7), bool)
    mask[2] = True
    assert share_around(mask, part, 1) == 0.0  # 8 pixels, 3 of them beyond the picture
    assert share_around(np.ones((7, 7), bool), part, 1) == pytest.approx(5 / 8)
    assert share_around(mask, part, 2) == pytest.approx(5 / 24)
    assert share_around(mask, part, 2, gap_px=1) == pytest.approx(5 / 16)
