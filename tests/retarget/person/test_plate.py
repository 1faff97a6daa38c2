"""The plate: the person gone without a trace, the rest of the photo untouched."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from retarget.config import PoseConfig
from retarget.errors import PersonNotFoundError
from retarget.person.matte import refine_matte
from retarget.person.plate import build_plate

PHOTOS = Path(__file__).parents[4] / "shared" / "media" / "photos"


def _room() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A panelled wall over a floor: empty room, room with a figure, the figure's matte."""
    room = np.zeros((240, 320, 3), np.uint8)
    room[:160] = np.where((np.arange(320) // 20) % 2 == 0, 150, 130)[None, :, None]
    room[160:] = (120, 90, 60)
    alpha = np.zeros((240, 320), np.float32)
    cv2.rectangle(alpha, (140, 60), (180, 200), 1.0, -1)
    cv2.circle(alpha, (160, 45), 16, 1.0, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1.0)
    figure = np.array((20, 40, 200), np.float32)
    photo = np.rint(alpha[..., None] * figure + (1 - alpha[..., None]) * room).astype(np.uint8)
    return room, photo, alpha


def test_no_trace_of_the_person_remains() -> None:
    room, photo, alpha = _room()
    plate = build_plate(photo, alpha).astype(int)
    assert plate[..., 2].max() <= 155
    assert (np.abs(plate - room).max(axis=-1) < 25).mean() > 0.98


def test_a_skirting_board_behind_the_legs_stays_straight() -> None:
    room, _, alpha = _room()
    room[:156] = (170, 175, 178)
    room[156:168] = (228, 230, 230)
    room[168:] = (120, 90, 60)
    photo = np.rint(alpha[..., None] * (20, 40, 200) + (1 - alpha[..., None]) * room).astype(np.uint8)
    plate = build_plate(photo, alpha).astype(int)
    assert (np.abs(plate - room)[150:174, 130:190].max(axis=-1) > 25).mean() < 0.01


def test_the_rest_is_untouched() -> None:
    _, photo, alpha = _room()
    far = cv2.distanceTransform((alpha < 0.02).astype(np.uint8), cv2.DIST_L2, 5) > 30
    assert np.array_equal(build_plate(photo, alpha)[far], photo[far])


def test_nobody_leaves_the_photo() -> None:
    _, photo, _ = _room()
    assert np.array_equal(build_plate(photo, np.zeros(photo.shape[:2], np.float32)), photo)


def test_nothing_is_copied_from_other_people() -> None:
    _, photo, alpha = _room()
    other = np.zeros(alpha.shape, bool)
    other[50:200, 195:230] = True
    photo[other] = (230, 20, 20)
    plate = build_plate(photo, alpha, other_people=other)
    assert plate[~other][:, 0].max() < 180


def test_a_shadow_at_the_feet_goes_too() -> None:
    _, photo, alpha = _room()
    shadow = np.zeros(alpha.shape, np.uint8)
    cv2.ellipse(shadow, (172, 203), (26, 6), 0, 0, 360, 1, -1)
    dark = (shadow > 0) & (alpha < 0.02)
    photo[dark] = photo[dark] // 2
    joints = np.full((33, 2), (160.0, 100.0), np.float32)
    joints[[29, 31]], joints[[30, 32]] = (148, 199), (172, 199)
    plate = build_plate(photo, alpha, keypoints=joints, confidence=np.ones(33, np.float32))
    assert (plate[dark].mean(axis=-1) > 80).mean() > 0.97


def test_a_held_racket_does_not_stay_behind() -> None:
    _, photo, alpha = _room()
    racket = np.zeros(alpha.shape, np.uint8)
    cv2.line(racket, (180, 100), (205, 80), 1, 3)
    cv2.circle(racket, (217, 70), 15, 1, 2)
    photo[(racket > 0) & (alpha < 0.02)] = (30, 220, 40)
    joints = np.full((33, 2), (160.0, 190.0), np.float32)
    joints[[15, 17, 19]] = (178, 102)
    plate = build_plate(photo, alpha, keypoints=joints, confidence=np.ones(33, np.float32))
    assert plate[..., 1].max() < 170
    assert np.array_equal(build_plate(photo, alpha)[60:62, 230:233], photo[60:62, 230:233])


@pytest.mark.media
@pytest.mark.mediapipe
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="development media are not here")
@pytest.mark.parametrize("name", ["gym_man_white_armsout.jpg", "tennis_man_white.jpg"])
def test_nobody_is_found_in_a_real_plate(name: str) -> None:
    from retarget.pose.photo import estimate_photo

    rgb = np.asarray(Image.open(PHOTOS / name).convert("RGB"))
    once = PoseConfig(photo_reads=1)
    person = estimate_photo(rgb, once)
    assert person.mask is not None
    pose = person.pose
    matte = refine_matte(rgb, person.mask, keypoints=pose.keypoints)
    assert 0.6 < matte.alpha.sum() / (person.mask > 0.5).sum() < 1.2
    plate = build_plate(rgb, matte.alpha, keypoints=pose.keypoints, confidence=pose.confidence)
    with pytest.raises(PersonNotFoundError):
        estimate_photo(plate, once)
