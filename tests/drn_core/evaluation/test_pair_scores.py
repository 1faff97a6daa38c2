"""Scores of image pairs against scikit-image and by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.measure import blur_effect
from skimage.metrics import structural_similarity

from drn_core.evaluation.pair_scores import (
    blur_score,
    face_scores,
    lineage_ssim,
    pad_to_square,
    picture_scores,
    target_joints,
)
from tests.helpers.evaluation import NOBODY, reading, textured_picture

SIZE = (256, 176)


def test_padding_is_white_and_central() -> None:
    padded = pad_to_square(np.zeros((256, 176, 3), np.uint8))
    assert padded.shape == (256, 256, 3)
    assert (padded[:, :40] == 255).all()
    assert (padded[:, 216:] == 255).all()
    assert (padded[:, 40:216] == 0).all()
    assert pad_to_square(np.zeros((3, 6, 3), np.uint8)).shape == (6, 6, 3)


def test_lineage_ssim_is_that_of_the_published_script() -> None:
    target = textured_picture(SIZE)
    generated = cv2.GaussianBlur(np.clip(target, 20, 200), (0, 0), 1.0)
    a, b = pad_to_square(target), pad_to_square(generated)
    expected = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2,
        data_range=int(b.max()) - int(b.min()),
    )  # fmt: skip
    assert lineage_ssim(target, generated) == pytest.approx(expected, abs=1e-9)


def test_plain_ssim_is_scikit_images() -> None:
    target = textured_picture(SIZE)
    generated = cv2.GaussianBlur(target, (0, 0), 1.0)
    scores = picture_scores(target, generated, None)
    assert scores["ssim_plain"] == pytest.approx(structural_similarity(target, generated, channel_axis=2), abs=1e-9)
    assert "ssim_torso" not in scores


def test_perfect_image() -> None:
    target = textured_picture(SIZE)
    scores = picture_scores(target, target, reading(size_hw=SIZE))
    assert scores["psnr"] == pytest.approx(108.13, abs=0.01)
    for name, value in scores.items():
        if name != "psnr":
            assert value == pytest.approx(1), name


def test_images_of_one_colour() -> None:
    black = np.zeros((32, 32, 3), np.uint8)
    assert lineage_ssim(black, black) == 1
    assert lineage_ssim(black + np.uint8(9), black) == 0


def test_blur_is_scikit_images() -> None:
    picture = textured_picture((64, 64))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    assert blur_score(picture) == pytest.approx(blur_effect(grey))
    assert blur_score(cv2.GaussianBlur(picture, (0, 0), 2)) > blur_score(picture)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (0.0, {"face_found": 100, "face_match": 100, "face_distance": 0}),
        (0.59, {"face_found": 100, "face_match": 100, "face_distance": 0.59}),
        (0.61, {"face_found": 100, "face_match": 0, "face_distance": 0.61}),
    ],
)
def test_faces_by_distance(distance: float, expected: dict[str, float]) -> None:
    other = np.zeros(128)
    other[0] = distance
    assert face_scores(reading(face=np.zeros(128)), reading(face=other)) == expected


def test_faces_that_are_not_there() -> None:
    assert face_scores(reading(), reading(face=np.zeros(128))) == {}
    assert face_scores(reading(face=np.zeros(128)), NOBODY) == {"face_found": 0, "face_match": 0}


def test_target_joints_of_nobody() -> None:
    assert target_joints(NOBODY) is None
