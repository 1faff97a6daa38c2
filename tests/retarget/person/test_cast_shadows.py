"""Cast shadows: the wall is lit up again, its texture and the furniture stay."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from retarget.person.plate import build_plate

DEPTH = 0.3


FloatArray = npt.NDArray[np.floating]
ByteArray = npt.NDArray[np.uint8]


def _studio() -> tuple[FloatArray, ByteArray, FloatArray, FloatArray]:
    """An empty wall with a gradient, the photo with a figure and its soft shadow, the matte, the shadow."""
    shading = np.linspace(210, 170, 360)[None, :, None] * np.linspace(1.0, 0.93, 300)[:, None, None]
    wall = shading * np.array((1.0, 0.98, 0.94)) + np.random.default_rng(0).normal(0, 1.5, (300, 360, 1))
    wall[150:162, 222:232] = (245, 245, 245)  # a socket in the shadow
    figure = np.zeros((300, 360), np.float32)
    cv2.ellipse(figure, (170, 170), (32, 95), 0, 0, 360, 1.0, -1)
    cv2.circle(figure, (170, 60), 18, 1.0, -1)
    shadow = cv2.GaussianBlur(np.roll(figure, (8, 40), axis=(0, 1)), (0, 0), 4.0)
    alpha = cv2.GaussianBlur(figure, (0, 0), 1.0)
    photo = alpha[..., None] * np.array((40, 30, 120)) + (1 - alpha[..., None]) * wall * (1 - DEPTH * shadow[..., None])
    return wall, np.clip(np.rint(photo), 0, 255).astype(np.uint8), alpha, shadow


def _error(plate: ByteArray, wall: FloatArray) -> FloatArray:
    return np.abs(cv2.GaussianBlur(plate.astype(np.float32) - wall.astype(np.float32), (0, 0), 2.0)).max(axis=-1)


def test_wall_and_cast_shadow_are_restored() -> None:
    wall, photo, alpha, shadow = _studio()
    assert np.abs(photo.astype(float) - wall)[(shadow > 0.9) & (alpha == 0)].mean() > 40
    error = _error(build_plate(photo, alpha), wall)
    assert np.percentile(error[(alpha > 0) | (shadow > 0.02)], 97) < 5.0
    assert error.max() < 25.0


def test_a_shadow_that_the_foot_of_a_wall_cuts_off_is_lit_up() -> None:
    room = np.zeros((300, 360, 3))
    room[:210] = (185, 190, 195)
    room[210:] = np.linspace(135, 150, 90)[:, None, None] * np.array((1.0, 0.8, 0.65))
    room += np.random.default_rng(0).normal(0, 1.5, (300, 360, 1))
    figure = np.zeros((300, 360), np.float32)
    cv2.ellipse(figure, (180, 140), (32, 95), 0, 0, 360, 1.0, -1)
    shadow = np.zeros_like(figure)
    cv2.ellipse(shadow, (130, 205), (60, 32), 0, 0, 360, 1.0, -1)
    shadow = cv2.GaussianBlur(shadow, (0, 0), 5.0)
    shadow[:210] = 0.0
    alpha = cv2.GaussianBlur(figure, (0, 0), 1.0)
    dark = room * (1 - DEPTH * shadow[..., None])
    photo = alpha[..., None] * np.array((40, 30, 120)) + (1 - alpha[..., None]) * dark
    error = _error(build_plate(np.clip(np.rint(photo), 0, 255).astype(np.uint8), alpha), room)
    below_the_wall = (shadow > 0.5) & (np.arange(300) > 216)[:, None] & (alpha == 0)
    assert np.abs(dark - room)[below_the_wall].mean() > 20
    assert np.percentile(error[below_the_wall], 95) < 8.0


def test_what_hangs_on_the_wall_in_the_shadow_stays() -> None:
    wall, photo, alpha, _ = _studio()
    socket = build_plate(photo, alpha)[152:160, 224:230].astype(float)
    assert np.abs(socket - wall[152:160, 224:230]).mean() < 25.0


def test_the_photo_far_from_person_and_shadow_is_untouched() -> None:
    _, photo, alpha, shadow = _studio()
    far = cv2.distanceTransform(((alpha < 0.02) & (shadow < 0.01)).astype(np.uint8), cv2.DIST_L2, 5) > 30
    assert np.array_equal(build_plate(photo, alpha)[far], photo[far])


def test_dark_furniture_that_the_person_touches_survives() -> None:
    wall, photo, alpha, _ = _studio()
    cupboard = np.zeros(alpha.shape, bool)
    cupboard[150:300, 60:145] = True
    seen = cupboard & (alpha < 0.02)
    photo[seen] = (wall[seen] * 0.55).astype(np.uint8)
    distance = cv2.distanceTransform((alpha < 0.02).astype(np.uint8), cv2.DIST_L2, 5)
    kept = seen & (distance > 12)
    assert np.abs(build_plate(photo, alpha)[kept].astype(int) - photo[kept].astype(int)).max() <= 1


def test_falling_light_is_no_shadow() -> None:
    _, photo, alpha, _ = _studio()
    y, x = np.mgrid[:300, :360]
    fall = np.exp(-(((x - 180) / 260.0) ** 2) - ((y - 100) / 260.0) ** 2)
    backdrop = fall[..., None] * np.array((190.0, 190.0, 195.0))
    photo = np.rint(alpha[..., None] * 40 + (1 - alpha[..., None]) * backdrop).astype(np.uint8)
    assert _error(build_plate(photo, alpha), backdrop).max() < 8.0


def _sunny(dark: npt.NDArray[np.uint8]) -> tuple[FloatArray, ByteArray, ByteArray]:
    """Ground in the sun, half as light where `dark`, with a figure: the empty ground, the photo, the plate."""
    ground = np.full((300, 360, 3), (170.0, 165.0, 155.0)) + np.random.default_rng(1).normal(0, 1.5, (300, 360, 1))
    alpha = np.zeros((300, 360), np.float32)
    cv2.ellipse(alpha, (170, 130), (28, 95), 0, 0, 360, 1.0, -1)
    photo = np.where((dark > 0)[..., None], ground * 0.5, ground)
    photo = np.rint(np.where(alpha[..., None] > 0, (40, 30, 120), photo)).astype(np.uint8)
    joints = np.full((33, 2), (170.0, 100.0), np.float32)
    joints[[29, 31]], joints[[30, 32]] = (160, 222), (180, 222)
    return ground, photo, build_plate(photo, alpha, keypoints=joints, confidence=np.ones(33, np.float32))


def test_a_hard_shadow_in_the_sun_goes_if_it_reaches_the_feet() -> None:
    cast, other = np.zeros((2, 300, 360), np.uint8)
    cv2.ellipse(cast, (225, 232), (60, 14), 12, 0, 360, 1, -1)
    cv2.ellipse(other, (60, 60), (30, 10), 12, 0, 360, 1, -1)
    ground, photo, plate = _sunny(cast | other)
    assert (_error(plate, ground)[cast > 0] < 12).mean() > 0.98
    assert np.array_equal(plate[other > 0], photo[other > 0])


def test_a_mat_under_the_feet_stays() -> None:
    mat = np.zeros((300, 360), np.uint8)
    mat[190:260, 60:285] = 1
    _, photo, plate = _sunny(mat)
    ends = np.zeros(mat.shape, bool)
    ends[190:260, 62:105], ends[190:260, 240:283] = True, True
    assert np.array_equal(plate[ends], photo[ends])
