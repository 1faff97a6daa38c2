"""Picture metrics against scikit-image and against slow, plain versions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from drn_core.evaluation import images
from tests.helpers.evaluation import textured_picture

SIZES = [(64, 48), (37, 51), (11, 11)]


def pair_of(size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    real = textured_picture(size_hw)
    noise = np.random.default_rng(1).integers(0, 40, real.shape, dtype=np.uint8)
    return real, cv2.add(np.roll(real, 1, axis=1), noise)


@pytest.mark.parametrize("size_hw", SIZES)
def test_ssim_agrees_with_scikit_image(size_hw: tuple[int, int]) -> None:
    real, generated = pair_of(size_hw)
    _, expected = structural_similarity(real, generated, channel_axis=2, full=True)
    np.testing.assert_allclose(images.ssim_map(real, generated), expected.mean(axis=2), atol=1e-9)


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("data_range", [255.0, 190.0])
def test_gaussian_ssim_agrees_with_scikit_image(size_hw: tuple[int, int], data_range: float) -> None:
    real, generated = pair_of(size_hw)
    _, expected = structural_similarity(
        real, generated, channel_axis=2, full=True,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=data_range,
    )  # fmt: skip
    actual = images.gaussian_ssim_map(real, generated, data_range=data_range)
    np.testing.assert_allclose(actual, expected.mean(axis=2), atol=1e-9)


def test_ssim_of_identical_pictures_is_one() -> None:
    picture = textured_picture()
    np.testing.assert_allclose(images.ssim_map(picture, picture), 1.0, atol=1e-12)
    np.testing.assert_allclose(images.gaussian_ssim_map(picture, picture), 1.0, atol=1e-9)


def test_ssim_takes_pictures_that_are_not_contiguous() -> None:
    real, generated = pair_of((64, 48))
    part = (slice(3, 40), slice(5, 31))
    expected = images.ssim_map(real[part].copy(), generated[part].copy())
    np.testing.assert_array_equal(images.ssim_map(real[part], generated[part]), expected)


def test_psnr_agrees_with_scikit_image() -> None:
    real, generated = pair_of((64, 48))
    mean = float(images.squared_error_map(real, generated).astype(np.float64).mean())
    assert images.decibels(mean) == pytest.approx(peak_signal_noise_ratio(real, generated), abs=1e-5)


def test_psnr_of_identical_pictures_is_the_stated_ceiling() -> None:
    assert images.decibels(0.0) == pytest.approx(108.1308, abs=1e-4)


def slow_tolerant_error(real: np.ndarray, generated: np.ndarray, radius: float) -> np.ndarray:
    height, width = real.shape[:2]
    best = np.full((height, width), np.inf, np.float32)
    shifts = np.unique(np.linspace(-radius, radius, 7).round().astype(int))
    for dy in shifts:
        for dx in shifts:
            moved = cv2.warpAffine(
                generated, np.float32([[1, 0, dx], [0, 1, dy]]), (width, height), borderMode=cv2.BORDER_REPLICATE
            )
            squares = ((real.astype(np.float32) - moved) ** 2).mean(axis=-1)
            best = np.minimum(best, cv2.blur(squares, (9, 9)))
    return best


@pytest.mark.parametrize("radius", [2.0, 3.4, 7.5])
@pytest.mark.parametrize("size_hw", [(40, 30), (9, 23)])
def test_shift_tolerant_error_agrees_with_a_plain_search(size_hw: tuple[int, int], radius: float) -> None:
    real, generated = pair_of(size_hw)
    expected = slow_tolerant_error(real, generated, radius)
    actual = images.shift_tolerant_error(real, generated, radius_px=radius)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-2)


def test_a_shift_within_the_radius_costs_nothing_inside() -> None:
    real = textured_picture((60, 60))
    generated = np.roll(real, (3, -3), axis=(0, 1))
    error = images.shift_tolerant_error(real, generated, radius_px=3.0)
    assert error[12:-12, 12:-12].max() == 0


def test_sharpness_falls_with_blur() -> None:
    picture = textured_picture()
    mask = np.ones(picture.shape[:2], np.bool_)
    blurred = cv2.GaussianBlur(picture, (0, 0), 2.0)
    assert images.laplacian_energy(blurred, mask) < 0.5 * images.laplacian_energy(picture, mask)


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8), "one size"),
        (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), "one size"),
        (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8), "uint8"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(real: np.ndarray, generated: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        images.squared_error_map(real, generated)


@pytest.mark.parametrize(("metric", "side"), [(images.ssim_map, 6), (images.gaussian_ssim_map, 10)])
def test_pictures_smaller_than_the_window_are_refused(metric: object, side: int) -> None:
    small = np.zeros((side, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="at least"):
        metric(small, small)  # type: ignore[operator]


def test_tolerant_error_refuses_tiny_pictures() -> None:
    small = np.zeros((4, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="more than 4"):
        images.shift_tolerant_error(small, small, radius_px=2)
