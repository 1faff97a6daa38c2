"""Joints between planks: drawn on through made-up floor to where the floor ends, nowhere else."""

from __future__ import annotations

import cv2
import numpy as np

from drn_core.fill.seams import draw_seams

UNIT = 140.0
WALL_FOOT = 60
DARKER = 18.0


def _floor(lean: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """A floor below a wall with three seams that lean: with them, and the same without."""
    plain = np.zeros((260, 320, 3))
    plain[:WALL_FOOT] = (205, 208, 210)
    plain[WALL_FOOT:] = np.linspace(0.85, 1.0, 200)[:, None, None] * np.array((150, 118, 90))
    plain += np.random.default_rng(0).normal(0, 1.0, (260, 320, 1))
    y, x = np.mgrid[:260, :320]
    lines = sum(np.exp(-(((x - centre - lean * (y - 160)) / 1.6) ** 2)) for centre in (60, 160, 260))
    with_seams = plain - DARKER * np.where(y < WALL_FOOT, 0.0, lines)[..., None]
    return np.clip(with_seams, 0, 255), np.clip(plain, 0, 255)


def _scene(lean: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The floor, the photo of somebody on it, a plate without the seam behind him, the hole."""
    floor, plain = _floor(lean)
    hole = np.zeros(floor.shape[:2], bool)
    hole[20:190, 110:215] = True
    photo = np.where(hole[..., None], (40, 30, 120), floor).astype(np.uint8)
    plate = np.where(hole[..., None], plain, floor).astype(np.uint8)
    return floor, photo, plate, hole


def test_a_seam_goes_on_to_the_wall() -> None:
    floor, photo, plate, hole = _scene()
    drawn = draw_seams(plate, photo, hole, UNIT).astype(float)
    on_floor = hole & (np.arange(260) > WALL_FOOT + 6)[:, None]
    before, after = (np.abs(cv2.blur(picture - floor, (3, 3)))[on_floor].max(axis=-1) for picture in (plate, drawn))
    assert np.percentile(before, 98) > 0.5 * DARKER
    assert np.percentile(after, 98) < 0.35 * DARKER


def test_the_wall_and_what_was_seen_are_left_alone() -> None:
    _, photo, plate, hole = _scene()
    drawn = draw_seams(plate, photo, hole, UNIT)
    assert np.array_equal(drawn[~hole], plate[~hole])
    assert np.array_equal(drawn[: WALL_FOOT - 4], plate[: WALL_FOOT - 4])


def test_a_seam_that_would_end_in_mid_floor_is_not_drawn() -> None:
    _, photo, plate, hole = _scene()
    hole[: WALL_FOOT + 45] = False  # the floor is seen above the hole, and it has no seam there
    for picture in (photo, plate):
        picture[: WALL_FOOT + 45, 110:215] = picture[WALL_FOOT + 60, 80]
    assert np.array_equal(draw_seams(plate, photo, hole, UNIT), plate)


def test_a_seam_that_is_there_is_not_drawn_twice() -> None:
    floor, photo, _, hole = _scene()
    complete = floor.astype(np.uint8)
    assert np.array_equal(draw_seams(complete, photo, hole, UNIT), complete)


def test_an_edge_between_two_surfaces_is_no_seam() -> None:
    _, photo, plate, hole = _scene(0.0)
    for picture in (photo, plate):
        seen = ~hole if picture is photo else np.ones_like(hole)
        picture[WALL_FOOT:, 160:][seen[WALL_FOOT:, 160:]] = (90, 120, 90)
    assert np.array_equal(draw_seams(plate, photo, hole, UNIT), plate)


def test_no_hole_leaves_the_picture() -> None:
    floor = _floor()[0].astype(np.uint8)
    assert np.array_equal(draw_seams(floor, floor, np.zeros(floor.shape[:2], bool), UNIT), floor)
