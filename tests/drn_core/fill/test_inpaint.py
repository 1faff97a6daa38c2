"""Exemplar fill: sharp, seamless, from allowed pixels only, deterministic."""

from __future__ import annotations

import numpy as np
import pytest

from drn_core.fill.inpaint import fill_from_patches


def _stripes(height: int = 120, width: int = 160) -> np.ndarray:
    """A wall of vertical stripes over a floor of another colour."""
    x = np.arange(width)
    wall = np.where((x // 8) % 2 == 0, 200, 90)[None, :, None] * np.ones((height, 1, 3))
    wall[height * 2 // 3 :] = (60, 120, 70)
    return wall.astype(np.uint8)


def _box(shape: tuple[int, ...], top: int, bottom: int, left: int, right: int) -> np.ndarray:
    hole = np.zeros(shape[:2], bool)
    hole[top:bottom, left:right] = True
    return hole


def test_leaves_everything_outside_the_hole_alone() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 110, 3), dtype=np.uint8)
    hole = _box(picture.shape, 30, 60, 40, 70)
    filled = fill_from_patches(picture, hole)
    assert np.array_equal(filled[~hole], picture[~hole])
    assert not np.array_equal(filled[hole], picture[hole])


def test_continues_stripes_and_floor() -> None:
    picture = _stripes()
    hole = _box(picture.shape, 20, 110, 60, 95)
    damaged = np.where(hole[..., None], np.uint8(255), picture)
    filled = fill_from_patches(damaged, hole).astype(int)
    error = np.abs(filled - picture).max(axis=-1)
    assert (error[hole] < 30).mean() > 0.95


def test_is_a_function_of_its_arguments() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    hole = _box(picture.shape, 20, 60, 30, 60)
    assert np.array_equal(fill_from_patches(picture, hole), fill_from_patches(picture, hole))


def test_what_the_hole_held_does_not_matter() -> None:
    picture = _stripes()
    hole = _box(picture.shape, 20, 110, 60, 95)
    black, white = (np.where(hole[..., None], np.uint8(value), picture) for value in (0, 255))
    assert np.array_equal(fill_from_patches(black, hole), fill_from_patches(white, hole))


def test_takes_nothing_from_forbidden_pixels() -> None:
    picture = np.full((100, 140, 3), (40, 90, 160), np.uint8)
    picture += np.random.default_rng(2).integers(0, 12, picture.shape, dtype=np.uint8)
    other = _box(picture.shape, 20, 90, 95, 120)
    picture[other] = (250, 30, 30)
    hole = _box(picture.shape, 20, 90, 60, 95)
    filled = fill_from_patches(picture, hole, ~other)
    assert filled[hole][:, 0].max() < 80


def test_a_hole_at_the_frame_is_filled() -> None:
    picture = _stripes()
    hole = _box(picture.shape, 40, 120, 0, 30)
    damaged = np.where(hole[..., None], np.uint8(255), picture)
    filled = fill_from_patches(damaged, hole)
    assert filled[hole].max() < 230


@pytest.mark.parametrize("case", ["none", "everything", "no source", "tiny"])
def test_corner_cases_return_a_picture(case: str) -> None:
    size = (5, 4) if case == "tiny" else (40, 50)
    picture = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    hole = np.zeros(size, bool)
    if case != "none":
        hole[1:3, 1:3] = True
    if case == "everything":
        hole[:] = True
    allowed = np.zeros(size, bool) if case == "no source" else None
    filled = fill_from_patches(picture, hole, allowed)
    assert filled.shape == picture.shape
    assert np.array_equal(filled[~hole], picture[~hole])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        fill_from_patches(np.zeros((10, 10, 3), np.uint8), np.zeros((10, 11), bool))
