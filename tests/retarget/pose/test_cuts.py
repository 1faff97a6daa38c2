"""Cuts are found; motion, fades and flashes of light are none."""

from __future__ import annotations

import cv2
import numpy as np

from retarget.pose.cuts import CutDetector
from tests.helpers.evaluation import textured_picture


def scene(seed: int) -> np.ndarray:
    soft = cv2.GaussianBlur(textured_picture((180, 320), seed=seed), (0, 0), 12)
    return cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX)


ROOM, STREET = scene(1), scene(2)


def cuts_in(pictures: list[np.ndarray]) -> list[int]:
    detector = CutDetector()
    return [index for index, picture in enumerate(pictures) if detector.is_cut(picture)]


def test_a_cut_is_found_where_it_is() -> None:
    assert cuts_in([ROOM] * 5 + [STREET] * 5 + [ROOM] * 3) == [5, 10]


def test_a_pan_is_no_cut() -> None:
    assert cuts_in([np.roll(ROOM, 6 * index, axis=1) for index in range(12)]) == []


def test_a_flash_is_no_cut() -> None:
    bright = np.clip(ROOM.astype(int) * 0.5 + 120, 0, 255).astype(np.uint8)
    assert cuts_in([ROOM, ROOM, bright, ROOM, ROOM]) == []


def test_a_fade_is_no_cut() -> None:
    blends = [cv2.addWeighted(ROOM, 1 - share, STREET, share, 0) for share in np.linspace(0, 1, 20)]
    assert cuts_in(blends) == []


def test_a_black_picture_is_harmless() -> None:
    assert cuts_in([np.zeros((180, 320, 3), np.uint8)] * 3) == []
