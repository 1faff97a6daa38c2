"""The matte: edge where the picture has it, colours free of the background, nothing stray."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from retarget.person.matte import Matte, _thick, refine_matte

BACKGROUND = (30, 160, 60)
SHIRT = (190, 60, 50)


def _scene(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A figure with soft edges: picture, true alpha and an estimator's coarse mask."""
    height, width = int(300 * scale), int(240 * scale)
    fine = np.zeros((height * 4, width * 4), np.float32)
    unit = 4 * scale
    cv2.ellipse(fine, (int(120 * unit), int(60 * unit)), (int(26 * unit), int(32 * unit)), 0, 0, 360, 1.0, -1)
    cv2.rectangle(fine, (int(85 * unit), int(92 * unit)), (int(155 * unit), int(240 * unit)), 1.0, -1)
    for finger in range(4):
        x = int((165 + 9 * finger) * unit)
        cv2.rectangle(fine, (x, int(128 * unit)), (x + int(5 * unit), int(150 * unit)), 1.0, -1)
    cv2.rectangle(fine, (int(150 * unit), int(145 * unit)), (int(197 * unit), int(165 * unit)), 1.0, -1)
    alpha = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).normal(0, 2.0, (height, width, 3))
    picture = alpha[..., None] * np.array(SHIRT) + (1 - alpha[..., None]) * np.array(BACKGROUND) + noise
    without_fingers = cv2.morphologyEx((alpha > 0.5).astype(np.uint8), cv2.MORPH_OPEN, np.ones((13, 13), np.uint8))
    coarse = cv2.GaussianBlur(without_fingers.astype(np.float32), (0, 0), 4.0 * scale)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), alpha, coarse


def _joints(scale: float = 1.0) -> np.ndarray:
    joints = np.full((33, 2), (120.0, 200.0), np.float32)
    joints[:11] = (120, 60)
    joints[7], joints[8] = (145, 60), (95, 60)
    joints[[15, 17, 19, 21]] = [(165, 155), (190, 140), (175, 135), (170, 140)]
    return joints * np.float32(scale)


@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["solved at its own size", "carried up"])
def test_finds_the_true_edge_with_fingers(scale: float) -> None:
    picture, alpha, coarse = _scene(scale)
    matte = refine_matte(picture, coarse, keypoints=_joints(scale), max_working_side=300)
    assert np.abs(matte.alpha - alpha).mean() < 0.006
    fingers = np.s_[int(126 * scale) : int(148 * scale), int(160 * scale) : int(200 * scale)]
    assert np.abs(coarse[fingers] - alpha[fingers]).mean() > 0.15
    assert np.abs(matte.alpha[fingers] - alpha[fingers]).mean() < 0.16


def test_foreground_is_free_of_the_background_and_goes_on_beyond_the_edge() -> None:
    picture, alpha, coarse = _scene()
    matte = refine_matte(picture, coarse, keypoints=_joints())
    rim = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((7, 7))).astype(bool) & (matte.alpha < 1)
    assert np.abs(matte.foreground[rim].astype(int) - SHIRT).mean() < 8
    opaque = matte.alpha == 1
    assert np.array_equal(matte.foreground[opaque], picture[opaque])


def test_layers_reproduce_the_picture() -> None:
    picture, _, coarse = _scene()
    matte = refine_matte(picture, coarse, keypoints=_joints())
    weight = matte.alpha[..., None]
    edge = (matte.alpha > 0) & (matte.alpha < 0.95)
    behind = np.clip((picture - weight * matte.foreground) / np.maximum(1 - weight, 0.05), 0, 255)
    error = weight * matte.foreground + (1 - weight) * behind - picture
    assert 10 * np.log10(255**2 / np.mean(error[edge] ** 2)) > 34
    assert np.abs(behind[edge] - BACKGROUND).mean() < 12  # what is left over is indeed the background


def test_low_contrast_keeps_the_coarse_contour() -> None:
    noise = np.random.default_rng(1).normal(0, 3, (200, 160, 3))
    picture = np.clip(230 + noise, 0, 255).astype(np.uint8)
    true = np.zeros((200, 160), np.float32)
    cv2.ellipse(true, (80, 100), (40, 70), 0, 0, 360, 1.0, -1)
    matte = refine_matte(picture, cv2.GaussianBlur(true, (0, 0), 2.0))
    assert np.abs(matte.alpha - true).mean() < 0.02


def test_a_shin_before_a_floor_of_its_colour_stays() -> None:
    skin, floor = np.array((200, 140, 100)), np.array((196, 134, 84))
    true = np.zeros((260, 160), np.float32)
    cv2.rectangle(true, (50, 30), (110, 150), 1.0, -1)
    cv2.rectangle(true, (56, 150), (72, 240), 1.0, -1)
    picture = np.broadcast_to(np.array((60, 60, 70)), (260, 160, 3)).astype(float)
    picture[150:] = floor
    picture[true > 0] = skin
    picture[30:150, 50:111] = (30, 30, 120)
    picture[228:241, 50:78], true[228:241, 50:78] = (20, 20, 20), 1.0
    photo = np.clip(picture + np.random.default_rng(4).normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    joints = np.full((33, 2), (80.0, 60.0), np.float32)
    joints[[23, 25, 27]] = [(64, 140), (64, 185), (64, 226)]
    matte = refine_matte(photo, cv2.GaussianBlur(true, (0, 0), 2.0), keypoints=joints)
    assert matte.alpha[155:225, 60:69].mean() > 0.95


def _legs(coarse_gap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trousers before a wall, a narrow gap between them: picture, true alpha, coarse mask (its value in the gap)."""
    true = np.zeros((300, 200), np.float32)
    cv2.rectangle(true, (60, 30), (140, 130), 1.0, -1)
    for x in (62, 104):
        cv2.rectangle(true, (x, 130), (x + 34, 280), 1.0, -1)
    person, wall = np.array((40, 50, 120)), np.array((215, 215, 210))
    noise = np.random.default_rng(5).normal(0, 3, (*true.shape, 3))
    picture = true[..., None] * person + (1 - true[..., None]) * wall + noise
    coarse = cv2.GaussianBlur(true, (0, 0), 1.5)
    coarse[130:281, 97:104] = np.maximum(coarse[130:281, 97:104], coarse_gap)
    return np.clip(picture, 0, 255).astype(np.uint8), true, coarse


def test_a_narrow_gap_between_the_legs_is_open() -> None:
    picture, true, coarse = _legs(0.0)
    joints = np.full((33, 2), (100.0, 60.0), np.float32)
    joints[[23, 25, 27]] = [(120, 125), (121, 200), (121, 276)]
    joints[[24, 26, 28]] = [(80, 125), (79, 200), (79, 276)]
    matte = refine_matte(picture, coarse, keypoints=joints)
    assert matte.alpha[150:250, 98:102].max() < 0.1
    assert np.abs(matte.alpha - true)[:250].mean() < 0.01


def test_a_streak_beside_a_foot_is_not_the_foot() -> None:
    foot = np.zeros((60, 120), bool)
    foot[20:45, 40:70] = True
    with_streak = foot.copy()
    with_streak[31:34, 10:40] = True
    kept = _thick(with_streak, 2.4)
    assert not kept[:, :38].any()
    assert (kept & foot).sum() > 0.97 * foot.sum()


def test_armpits_show_the_wall_to_their_corner() -> None:
    scale, true = 4, np.zeros((1200, 1200), np.uint8)
    cv2.rectangle(true, (480, 200), (720, 1000), 1, -1)
    for sign in (-1, 1):
        cv2.line(true, (600 + sign * 90, 260), (600 + sign * 330, 700), 1, 90)
    alpha = cv2.resize(true.astype(np.float32), (300, 300), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(6).normal(0, 2, (300, 300, 3))
    picture = alpha[..., None] * (110, 70, 45) + (1 - alpha[..., None]) * (205, 210, 210) + noise
    closed = cv2.morphologyEx((alpha > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    joints = np.full((33, 2), (150.0, 60.0), np.float32)
    for side, sign in ((0, 1), (1, -1)):
        joints[[11 + side, 13 + side, 23 + side]] = [
            (150 + sign * 90 / scale, 260 / scale), (150 + sign * 210 / scale, 480 / scale), (150 + sign * 20, 235),
        ]  # fmt: skip
    photo = np.clip(picture, 0, 255).astype(np.uint8)
    matte = refine_matte(photo, cv2.GaussianBlur(closed.astype(np.float32), (0, 0), 1.0), keypoints=joints)
    corner = np.s_[80:130, 180:205]
    assert np.abs(closed[corner] - alpha[corner]).mean() > 0.05
    assert np.abs(matte.alpha[corner] - alpha[corner]).mean() < 0.02


def test_islands_go_and_pinholes_close() -> None:
    picture, _, coarse = _scene()
    coarse[250:262, 10:22] = 1.0
    picture[250:262, 10:22] = SHIRT
    coarse[180:184, 118:122] = 0.2
    matte = refine_matte(picture, coarse, keypoints=_joints())
    assert matte.alpha[245:270, 5:30].max() == 0
    assert matte.alpha[175:190, 110:130].min() == 1


def test_a_real_cutout_wins_and_an_opaque_alpha_does_not() -> None:
    picture, alpha, coarse = _scene()
    own = refine_matte(picture, coarse, photo_alpha=alpha)
    assert np.array_equal(own.alpha, alpha)
    opaque = refine_matte(picture, coarse, photo_alpha=np.ones_like(alpha))
    assert opaque.alpha.mean() < 0.5


def test_nobody_gives_an_empty_matte() -> None:
    picture = np.zeros((40, 30, 3), np.uint8)
    matte = refine_matte(picture, np.zeros((40, 30), np.float32))
    assert isinstance(matte, Matte)
    assert not matte.alpha.any()


def test_a_person_who_fills_the_picture_is_kept() -> None:
    picture = np.full((60, 50, 3), 120, np.uint8)
    assert refine_matte(picture, np.ones((60, 50), np.float32)).alpha.min() == 1


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        refine_matte(np.zeros((40, 30, 3), np.uint8), np.zeros((30, 40), np.float32))
    with pytest.raises(ValueError, match="keypoints"):
        refine_matte(
            np.zeros((4, 3, 3), np.uint8), np.zeros((4, 3), np.float32), keypoints=np.zeros((5, 2), np.float32)
        )
