"""Half hidden faces: the line to mirror them about is found in the picture, and one half fills the other."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from drn_core.prior.body import Body, measure_body
from drn_core.prior.face_mirror import FaceMirror, fill_mirrored, find_face_mirror, hidden_head, strangers
from drn_core.prior.head import read_yaw
from drn_core.prior.parts import Part
from drn_core.prior.segmentation import pixel_grid

SIZE_HW = (200, 200)
POINTS = pixel_grid(SIZE_HW)
MIDDLE_X, RADIUS = 100.0, 40.0


def _face() -> tuple[np.ndarray, np.ndarray]:
    """A symmetric face of ellipses about x = 100, and its mask."""
    rgb, mask = np.full((*SIZE_HW, 3), 60, np.uint8), np.zeros(SIZE_HW, np.uint8)
    cv2.ellipse(mask, (100, 80), (32, 44), 0, 0, 360, 1, -1)
    cv2.rectangle(mask, (88, 110), (112, 199), 1, -1)
    rgb[mask > 0] = (200, 160, 140)
    for side in (-1, 1):
        cv2.ellipse(rgb, (100 + side * 14, 74), (7, 4), 0, 0, 360, (60, 40, 40), -1)
        cv2.ellipse(rgb, (100 + side * 15, 64), (10, 2), 0, 0, 360, (90, 60, 50), -1)
    cv2.ellipse(rgb, (100, 88), (5, 10), 0, 0, 360, (170, 120, 110), -1)
    cv2.ellipse(rgb, (100, 106), (11, 3), 0, 0, 360, (150, 70, 80), -1)
    return cv2.GaussianBlur(rgb, (0, 0), 1.0), mask > 0


def _body(off_px: float) -> Body:
    """A body whose face joints lie beside the face."""
    keypoints = np.zeros((33, 2))
    keypoints[:11] = (MIDDLE_X + off_px, 80.0)
    keypoints[7], keypoints[8] = (MIDDLE_X + off_px + 30, 78.0), (MIDDLE_X + off_px - 30, 78.0)
    keypoints[11], keypoints[12], keypoints[23], keypoints[24] = (140, 150), (60, 150), (125, 260), (75, 260)
    body = measure_body(keypoints, np.ones(33), np.zeros(33), np.ones(SIZE_HW, bool))
    return replace(body, radii={**body.radii, Part.HEAD: RADIUS})


def _hand() -> np.ndarray:
    return np.asarray((POINTS[..., 0] < 94) & (np.abs(POINTS[..., 1] - 68) < 18) & (POINTS[..., 0] > 60))


def _away() -> np.ndarray:
    return np.asarray(np.linalg.norm(POINTS - (MIDDLE_X, 80.0), axis=2) / RADIUS, np.float32)


def _find(rgb: np.ndarray, person: np.ndarray, hand: np.ndarray, off_px: float = 6.0) -> FaceMirror | None:
    shown = rgb.copy()
    shown[hand] = (220, 180, 160)
    return find_face_mirror(_body(off_px), shown, person | hand, hand, _away(), POINTS)


@pytest.mark.parametrize("off_px", [-8.0, 0.0, 8.0])
def test_the_line_is_the_picture_s_not_the_joints(off_px: float) -> None:
    rgb, person = _face()
    mirror = _find(rgb, person, _hand(), off_px)
    assert mirror is not None
    eye = mirror.reflected(np.array([86.0, 74.0]))
    assert eye == pytest.approx([114.0, 74.0], abs=3.0)


def test_a_face_that_shows_itself_needs_no_mirror() -> None:
    rgb, person = _face()
    assert _find(rgb, person, np.zeros(SIZE_HW, bool)) is None


def test_a_head_in_profile_has_no_halves() -> None:
    rgb, person = _face()
    body = _body(0.0)
    right = [0.0, 0.31, 0.51, 0.69, -0.31, -0.51, -0.69, 1.0, -1.0, 0.4, -0.4]
    down = [0.19, *[-0.29] * 6, 0.0, 0.0, 0.79, 0.79]
    near = [0.9, *[0.34] * 6, 0.0, 0.0, 0.62, 0.62]
    yaw = np.radians(60.0)
    body.keypoints[:11, 0] = MIDDLE_X + 30 * (np.array(right) * np.cos(yaw) + np.array(near) * np.sin(yaw))
    body.keypoints[:11, 1] = 78.0 + 30 * np.array(down)
    assert read_yaw(body) == pytest.approx(60.0, abs=10.0)
    assert find_face_mirror(body, rgb, person, _hand() & person, _away(), POINTS) is None


def test_the_hidden_eye_is_the_other_one() -> None:
    rgb, person = _face()
    hand, mirror = _hand() & person, FaceMirror(np.array([[-1.0, 0, 2 * MIDDLE_X], [0, 1, 0]]), 1.0)
    shown = np.where(hand[..., None], np.uint8(255), rgb)
    colour, alpha, filled = fill_mirrored(shown, np.ones(SIZE_HW, np.float32), person & ~hand, hand, mirror)
    assert filled[hand].mean() > 0.99
    inner = hand & (cv2.erode(person.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
    assert np.abs(colour.astype(int) - rgb)[inner].mean() < 3
    assert np.array_equal(colour[~filled], shown[~filled])
    assert (alpha == 1.0).all()


def test_light_from_one_side_is_kept() -> None:
    rgb, person = _face()
    slope = 0.5 * (POINTS[..., :1] - MIDDLE_X)
    lit = np.clip(rgb + slope, 0, 255).astype(np.uint8)
    hand, mirror = _hand() & person, FaceMirror(np.array([[-1.0, 0, 2 * MIDDLE_X], [0, 1, 0]]), 1.0)
    colour, _, _ = fill_mirrored(lit, np.ones(SIZE_HW, np.float32), person & ~hand, hand, mirror)
    assert np.abs(colour.astype(int) - lit)[hand].mean() < 6
    plain = np.abs(lit[:, ::-1].astype(int) - lit)[hand].mean()
    assert plain > 12  # what a plain reflection would be off by


def test_a_mirror_at_another_size_is_the_same_line() -> None:
    mirror = FaceMirror(np.array([[-1.0, 0, 2 * MIDDLE_X], [0, 1, 0]]), 1.0).resized(2.0, 0.5)
    assert mirror.reflected(np.array([2 * 90.0 + 0.5, 7.0])) == pytest.approx([2 * 110.0 + 0.5, 7.0])


def test_the_head_behind_a_hand_ends_where_its_other_side_does() -> None:
    _, person = _face()
    hand, mirror = _hand(), FaceMirror(np.array([[-1.0, 0, 2 * MIDDLE_X], [0, 1, 0]]), 1.0)
    head = hidden_head(_body(6.0), _away(), POINTS, person & ~hand, mirror) & hand
    assert head[68, 70]
    assert not head[68, 62]


def test_what_sticks_out_of_a_face_beside_a_hand_is_the_hand_s() -> None:
    _, person = _face()
    hand, thumb = _hand(), np.zeros(SIZE_HW, bool)
    thumb[86:96, 58:66] = True  # below the ear, outside of the cheek
    mirror = FaceMirror(np.array([[-1.0, 0, 2 * MIDDLE_X], [0, 1, 0]]), 1.0)
    whole = person | hand | thumb
    found = strangers(_body(0.0), mirror, whole & ~hand, whole, hand, 0.7 * _away(), POINTS)
    assert found[86:95, 61:65].all()
    assert not found[person].any()
