"""Straight edges behind a hole: found on its two sides, continued where they are the same edge, left alone else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drn_core.fill.line_ends import find_line_ends, pair_line_ends
from drn_core.fill.straight import continue_lines

UNIT = 100.0
BOARD = 14.0


def _skirting(tilt: float, size_hw: tuple[int, int] = (260, 340)) -> np.ndarray:
    """A wall over a skirting board over a floor, tilted, with grain and light that falls off to the right."""
    height, width = size_hw
    y, x = np.mgrid[:height, :width].astype(np.float64)
    below = (y - 0.6 * height - tilt * (x - width / 2)) / np.hypot(1.0, tilt)
    board, floor = np.clip(below + 0.5, 0, 1)[..., None], np.clip(below - BOARD + 0.5, 0, 1)[..., None]
    colour = (1 - board) * (150, 160, 165) + (board - floor) * (225, 228, 230) + floor * (120, 85, 60)
    light = np.linspace(1.0, 0.85, width)[None, :, None]
    return np.clip(colour * light + np.random.default_rng(0).normal(0, 2, (height, width, 1)), 0, 255)


def _hole(size_hw: tuple[int, int] = (260, 340)) -> np.ndarray:
    hole = np.zeros(size_hw, np.uint8)
    cv2.ellipse(hole, (size_hw[1] // 2, round(0.55 * size_hw[0])), (45, 90), 8, 0, 360, 1, -1)
    return hole > 0


@pytest.mark.parametrize("tilt", [0.0, 0.12, -0.3])
def test_a_skirting_board_goes_on(tilt: float) -> None:
    room, hole = _skirting(tilt), _hole()
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    filled, still_open = continue_lines(photo, hole, UNIT)
    y, x = np.mgrid[: hole.shape[0], : hole.shape[1]]
    at_board = hole & (np.abs(y - 0.6 * hole.shape[0] - tilt * (x - hole.shape[1] / 2) - BOARD / 2) < BOARD / 2 + 4)
    assert not still_open[at_board].any()
    error = filled.astype(float) - room
    assert np.sqrt((error[at_board] ** 2).mean()) < 9.0
    assert np.array_equal(filled[~hole], photo[~hole])
    assert not (still_open & ~hole).any()


def test_a_sliver_seen_in_the_gap_does_not_end_the_edge() -> None:
    room, hole = _skirting(0.0), _hole()
    hole[:, 169:171] = False  # as between two fingers
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    filled, still_open = continue_lines(photo, hole, UNIT)
    board = np.s_[156:172, 130:210]
    assert not still_open[board].any()
    assert np.sqrt(((filled.astype(float) - room)[board] ** 2).mean()) < 9.0


def test_an_upright_edge_goes_on_as_a_level_one_does() -> None:
    room, hole = _skirting(0.1), _hole()
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    level, _ = continue_lines(photo, hole, UNIT)
    upright, _ = continue_lines(np.ascontiguousarray(photo.transpose(1, 0, 2)), np.ascontiguousarray(hole.T), UNIT)
    assert np.abs(upright.transpose(1, 0, 2).astype(int) - level).mean() < 0.5


@pytest.mark.parametrize(("contrast", "goes_on"), [(180, True), (60, False)])
def test_a_strong_edge_may_lie_in_other_light_than_a_weak_one(contrast: int, goes_on: bool) -> None:
    hole = _hole()
    room = np.full((*hole.shape, 3), 230.0)
    room[160:] -= contrast
    room[:, 170:] -= 36.0
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    _, still_open = continue_lines(photo, hole, UNIT)
    assert bool(still_open[158:162, 130:210].any()) != goes_on


def test_edges_between_other_colours_are_not_joined() -> None:
    room, hole = _skirting(0.0), _hole()
    room[156:, 170:] = (60, 140, 60)  # grass on one side, a board and a floor on the other
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    filled, still_open = continue_lines(photo, hole, UNIT)
    assert np.array_equal(filled, photo)
    assert np.array_equal(still_open, hole)


def test_an_edge_that_ends_behind_the_hole_is_left_alone() -> None:
    room, hole = _skirting(0.0), _hole()
    room[:, 170:] = (150, 160, 165)
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    assert np.array_equal(continue_lines(photo, hole, UNIT)[1], hole)


def test_what_may_not_be_looked_at_is_not_copied() -> None:
    room, hole = _skirting(0.0), _hole()
    allowed = np.ones_like(hole)
    allowed[:, 215:] = False
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    assert np.array_equal(continue_lines(photo, hole, UNIT, allowed)[1], hole)


def test_ends_are_told_where_and_how_they_enter_the_hole() -> None:
    room, hole = _skirting(0.0), _hole()
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    pairs = pair_line_ends(find_line_ends(photo, hole, UNIT), hole, UNIT)
    assert sorted(round(float(first.place[1])) for first, _ in pairs) == pytest.approx([156, 156 + BOARD], abs=1)
    for first, second in pairs:
        assert first.into @ second.into == pytest.approx(-1.0, abs=1e-3)
        assert first.sign == -second.sign
        assert min(first.length, second.length) > 0.5 * UNIT


def test_a_hole_of_more_pixels_than_a_lookup_takes_is_filled() -> None:
    size_hw = (900, 1200)
    hole = np.zeros(size_hw, bool)
    hole[100:860, 300:900] = True
    photo = np.where(hole[..., None], (20, 40, 200), _skirting(0.0, size_hw)).astype(np.uint8)
    _, still_open = continue_lines(photo, hole, 500.0)
    assert (hole & ~still_open).sum() > 2**15
    assert not still_open[540 : 540 + round(BOARD), 300:900].any()


def test_what_lies_far_from_the_hole_is_not_drawn_into_it() -> None:
    room, hole = _skirting(0.0), _hole()
    room[:, :70] = room[:, 270:] = (20, 20, 20)  # a dark corner on either side, beyond what was compared
    photo = np.where(hole[..., None], (20, 40, 200), room).astype(np.uint8)
    filled, still_open = continue_lines(photo, hole, UNIT)
    assert (hole & ~still_open).sum() > 500
    assert filled[hole & ~still_open].min() > 40


def test_no_hole_leaves_the_picture() -> None:
    room = _skirting(0.0).astype(np.uint8)
    filled, still_open = continue_lines(room, np.zeros(room.shape[:2], bool), UNIT)
    assert np.array_equal(filled, room)
    assert not still_open.any()
