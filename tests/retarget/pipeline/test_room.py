"""The room behind the person: true where the person has not moved, filled where it has."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drn_core.prior.ordering import layer_depths, stable_orders
from drn_core.prior.person import build_person
from drn_core.prior.render import PriorFrame, PriorRenderer
from retarget.config import EncodeConfig
from retarget.errors import InputError, UsageError
from retarget.file_options import parse_colour
from retarget.person.matte import Matte
from retarget.pipeline.background import VideoBackground, check_background, cover
from retarget.pipeline.driver_room import empty_room
from retarget.pipeline.room import SourceRoom
from retarget.pipeline.source import SourceModel, fit_photo
from retarget.pipeline.watermark import Watermark
from retarget.video.writer import VideoWriter
from tests.helpers.figure import SIZE_HW, figure, joints, raise_left_arm

PLATE = (10, 20, 30)


@pytest.fixture(scope="module")
def source() -> SourceModel:
    drawn = figure()
    plate = drawn.rgb.copy()
    plate[60:440, 40:330] = PLATE
    return SourceModel(drawn.rgb, drawn.pose, Matte(drawn.alpha, drawn.rgb), plate, build_person(drawn.source))


def _posed(source: SourceModel, keypoints: np.ndarray) -> PriorFrame:
    order = stable_orders(layer_depths(source.person.body, np.zeros((1, 33), np.float32)))[0]
    return PriorRenderer(source.person, SIZE_HW).pose(keypoints, np.zeros(33, np.float32), order)


def test_the_photos_pose_shows_the_photos_room_beside_the_person(source: SourceModel) -> None:
    room = SourceRoom(source).at(0.0, _posed(source, joints()))
    beside = (source.matte.alpha < 0.01) & (np.abs(room.astype(int) - source.rgb).max(-1) > 3)
    rim = cv2.distanceTransform((source.matte.alpha < 0.01).astype(np.uint8), cv2.DIST_L2, 5) < 4
    assert rim.sum() > 2000
    assert (beside & rim).sum() < 0.02 * rim.sum()


def test_the_photos_pose_keeps_what_was_cleared_further_off(source: SourceModel) -> None:
    room = SourceRoom(source).at(0.0, _posed(source, joints()))
    away = cv2.distanceTransform((source.matte.alpha < 0.01).astype(np.uint8), cv2.DIST_L2, 5)
    band = (away > 8) & (away < 24)
    assert (np.abs(room.astype(int) - source.rgb).max(-1)[band] <= 3).mean() > 0.98


def test_a_person_who_moved_away_leaves_the_filled_room(source: SourceModel) -> None:
    room = SourceRoom(source).at(0.0, _posed(source, joints() + np.array([60, 0])))
    assert (room[200, 100] == PLATE).all()


def test_nothing_of_a_raised_hand_stays_where_it_was(source: SourceModel) -> None:
    room = SourceRoom(source).at(0.0, _posed(source, raise_left_arm(joints(), 60.0)))
    away = cv2.distanceTransform((source.matte.alpha < 0.01).astype(np.uint8), cv2.DIST_L2, 5)
    beside = (away > 0) & (away < 12)
    hand = np.zeros_like(beside)
    hand[225:262, 296:328] = True
    assert (room[hand & beside] == PLATE).all()
    feet = np.zeros_like(beside)
    feet[400:438, 100:260] = True
    assert (np.abs(room.astype(int) - source.rgb).max(-1)[feet & beside] <= 3).mean() > 0.9


def test_what_no_sheet_draws_stays_in_the_room_while_all_is_still(source: SourceModel) -> None:
    textures = source.person.textures.copy()
    (x0, y0), hole = source.person.origin_xy, np.s_[150:190, 160:200]
    textures[:, 150 - y0 : 190 - y0, 160 - x0 : 200 - x0, 3] = 0
    holed = replace(source, person=replace(source.person, textures=textures))
    still = SourceRoom(holed).at(0.0, _posed(source, joints()))
    moved = SourceRoom(holed).at(0.0, _posed(source, joints() + np.array([60, 0])))
    assert np.abs(still[hole].astype(int) - source.rgb[hole]).max() <= 3
    assert (moved[hole] == PLATE).all()


def test_all_of_the_room_is_true_while_all_is_still(source: SourceModel) -> None:
    plate = source.plate.copy()
    plate[:20, :20] = PLATE
    room = SourceRoom(replace(source, plate=plate))
    assert np.array_equal(room.at(0.0, _posed(source, joints()))[:20, :20], source.rgb[:20, :20])
    assert (room.at(0.0, _posed(source, joints() + np.array([60, 0])))[:20, :20] == PLATE).all()


def test_a_picture_covers_a_size_without_distortion() -> None:
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, 150:250] = 255
    covered = cover(wide, (50, 50))
    assert covered.shape == (50, 50, 3)
    assert covered[25, 25].min() > 250
    assert covered.mean() > 200


@pytest.mark.parametrize(("text", "colour"), [("#0a14ff", (10, 20, 255)), ("red", None), ("#12345", None)])
def test_colours_are_read(text: str, colour: tuple[int, int, int] | None) -> None:
    assert parse_colour(text) == colour


def test_large_photos_are_scaled_down_with_their_alpha() -> None:
    rgb, alpha = fit_photo(np.zeros((100, 200, 3), np.uint8), np.ones((100, 200), np.float32), 50)
    assert rgb.shape == (25, 50, 3)
    assert alpha is not None
    assert alpha.shape == (25, 50)


def test_a_watermark_is_readable_on_white_and_on_black_and_touches_a_corner_only() -> None:
    for value in (0, 255):
        picture = np.full((200, 300, 3), value, np.uint8)
        marked = Watermark("made up", (200, 300)).draw(picture)
        changed = (marked != picture).any(-1)
        assert changed.sum() > 50
        assert not changed[:150].any()


def test_an_empty_watermark_changes_nothing() -> None:
    picture = np.full((50, 50, 3), 7, np.uint8)
    assert Watermark("", (50, 50)).draw(picture) is picture


def test_a_drivers_room_is_what_stands_still_behind_the_driver() -> None:
    random = np.random.default_rng(3)
    room = random.integers(0, 255, (80, 120, 3), dtype=np.uint8)
    frames, people = [], []
    for x in range(0, 60, 10):
        frame, person = room.copy(), np.zeros((80, 120), bool)
        person[20:80, x : x + 20] = True
        frame[person] = 0
        frames.append(frame)
        people.append(person)
    assert (empty_room(frames, people) == room).all()


def test_what_no_frame_shows_of_the_room_is_filled() -> None:
    frame = np.full((80, 120, 3), 77, np.uint8)
    person = np.zeros((80, 120), bool)
    person[30:50, 40:60] = True
    frame[person] = 255
    assert (empty_room([frame, frame], [person, person]) == 77).all()


@pytest.mark.parametrize("choice", ["source", "driver", "transparent", "#00ff7f"])
def test_words_and_colours_are_backgrounds(choice: str) -> None:
    check_background(choice)


@pytest.mark.parametrize(("name", "error"), [("no.png", UsageError), ("empty.mp4", InputError), ("text", InputError)])
def test_a_background_that_cannot_be_read_is_refused(tmp_path: Path, name: str, error: type[Exception]) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text").write_text("no picture")
    with pytest.raises(error, match=name):
        check_background(str(tmp_path / name))


def test_a_clip_behind_starts_over_in_its_own_rhythm(tmp_path: Path) -> None:
    levels, pts = [40, 120, 200], [0, 40, 100]  # the last one lasts 80 ms
    with VideoWriter(tmp_path / "b.mp4", (32, 32), Fraction(1, 1000), None, EncodeConfig(crf=1)) as writer:
        for level, ticks in zip(levels, pts, strict=True):
            writer.write(np.full((32, 32, 3), level, np.uint8), ticks, 80)
    background = VideoBackground(tmp_path / "b.mp4", (32, 32))
    frame: Any = None
    shown = [int(background.at(t, frame)[16, 16, 0]) for t in (0.0, 0.039, 0.04, 0.1, 0.179, 0.18, 0.221, 0.3)]
    background.close()
    assert shown == pytest.approx([40, 40, 120, 200, 200, 40, 120, 200], abs=3)
