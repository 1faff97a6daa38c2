"""Held things and foot shadows: found before plain ground, never invented before clutter."""

from __future__ import annotations

import cv2
import numpy as np

from retarget.person.surroundings import find_contact_shadows, find_held_objects


def _scene(background: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A figure with one arm out: photo, mask, joints."""
    mask = np.zeros(background.shape[:2], np.float32)
    cv2.rectangle(mask, (100, 60), (140, 220), 1.0, -1)
    cv2.rectangle(mask, (140, 90), (190, 102), 1.0, -1)
    photo = np.where(mask[..., None] > 0, np.uint8(30), background)
    joints = np.full((33, 2), (120.0, 200.0), np.float32)
    joints[[15, 17, 19]] = (186, 96)
    return photo, mask, joints


def _plain() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 3, (260, 360, 3))
    return np.clip(np.array((90, 140, 80)) + noise, 0, 255).astype(np.uint8)


def test_a_stick_in_the_hand_is_found_to_its_end() -> None:
    photo, mask, joints = _scene(_plain())
    stick = np.zeros(mask.shape, np.uint8)
    cv2.line(stick, (188, 96), (235, 60), 1, 5)
    photo[(stick > 0) & (mask == 0)] = (220, 40, 40)
    held = find_held_objects(photo, mask, joints, np.ones(33, np.float32))
    assert held[(stick > 0) & (mask == 0)].mean() > 0.85
    assert not held[cv2.dilate(stick, np.ones((15, 15), np.uint8)) == 0].any()


def test_what_no_hand_touches_is_not_held() -> None:
    photo, mask, joints = _scene(_plain())
    photo[40:70, 230:260] = (220, 40, 40)
    assert not find_held_objects(photo, mask, joints, np.ones(33, np.float32)).any()


def test_nothing_is_found_without_hands_in_sight() -> None:
    photo, mask, joints = _scene(_plain())
    assert not find_held_objects(photo, mask, joints, np.zeros(33, np.float32)).any()
    assert not find_contact_shadows(photo, mask, joints, np.zeros(33, np.float32)).any()


def test_nothing_is_held_before_clutter() -> None:
    clutter = np.random.default_rng(1).integers(0, 256, (26, 36, 3), dtype=np.uint8)
    photo, mask, joints = _scene(np.kron(clutter, np.ones((10, 10, 1), np.uint8)))
    assert find_held_objects(photo, mask, joints, np.ones(33, np.float32)).mean() < 0.01


def test_a_shadow_counts_only_at_the_feet() -> None:
    photo, mask, joints = _scene(_plain())
    joints[29:33] = [(110, 218), (132, 218), (106, 219), (136, 219)]
    at_feet, elsewhere = np.zeros(mask.shape, np.uint8), np.zeros(mask.shape, np.uint8)
    cv2.ellipse(at_feet, (136, 220), (22, 5), 0, 0, 360, 1, -1)
    cv2.ellipse(elsewhere, (260, 120), (22, 5), 0, 0, 360, 1, -1)
    for shadow in (at_feet, elsewhere):
        where = (shadow > 0) & (mask == 0)
        photo[where] = photo[where] // 2
    found = find_contact_shadows(photo, mask, joints, np.ones(33, np.float32))
    assert found[(at_feet > 0) & (mask == 0)].mean() > 0.8
    assert not found[elsewhere > 0].any()
    assert not found[mask > 0].any()
