"""Fingers beyond the mask: found where their colour tells them from the room, left alone where it does not."""

from __future__ import annotations

import cv2
import numpy as np

from retarget.person.fingers import find_fingers

WALL = (150, 122, 60)
SKIN = (205, 140, 120)
HAND = np.s_[60:140, 100:190]


def _spread_hand(wall: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A forearm from the left that ends in a spread hand: picture, the whole arm, the joints."""
    arm = np.zeros((200, 240), np.uint8)
    cv2.line(arm, (0, 100), (110, 100), 1, 24)
    cv2.circle(arm, (118, 100), 15, 1, -1)
    for degrees in (-35, -12, 10, 32):
        angle = np.radians(degrees)
        tip = round(118 + 52 * float(np.cos(angle))), round(100 + 52 * float(np.sin(angle)))
        cv2.line(arm, (118, 100), tip, 1, 7)
    joints = np.full((33, 2), -500.0, np.float32)
    joints[[16, 18, 20, 22]] = [(96, 100), (126, 110), (128, 94), (118, 90)]
    noise = np.random.default_rng(0).normal(0, 3, (*arm.shape, 3))
    picture = np.where(arm[..., None] > 0, SKIN, wall) + noise
    return np.clip(picture, 0, 255).astype(np.uint8), arm > 0, joints


def _without_fingers(arm: np.ndarray) -> np.ndarray:
    return cv2.morphologyEx(arm.astype(np.uint8), cv2.MORPH_OPEN, np.ones((15, 15), np.uint8)) > 0


def test_fingers_before_a_wall_are_found() -> None:
    picture, arm, joints = _spread_hand(WALL)
    person = _without_fingers(arm)
    lost = arm & ~person
    assert lost[HAND].sum() > 500
    found = find_fingers(picture, person, joints)
    assert (found & lost).sum() > 0.9 * lost[HAND].sum()
    assert (found & ~arm).sum() < 0.06 * lost.sum()


def test_a_wall_of_the_hands_own_colour_is_left_alone() -> None:
    picture, arm, joints = _spread_hand((203, 142, 118))
    assert not find_fingers(picture, _without_fingers(arm), joints).any()


def test_something_of_the_hands_colour_apart_from_it_is_left_alone() -> None:
    picture, arm, joints = _spread_hand(WALL)
    picture[60:70, 130:140] = SKIN
    assert not find_fingers(picture, _without_fingers(arm), joints)[58:72, 128:142].any()


def test_without_joints_or_with_a_hand_outside_nothing_is_found() -> None:
    picture, arm, joints = _spread_hand(WALL)
    assert not find_fingers(picture, _without_fingers(arm), None).any()
    assert not find_fingers(picture, _without_fingers(arm), joints + 1000).any()
