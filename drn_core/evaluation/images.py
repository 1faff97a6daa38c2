"""Picture metrics on uint8 RGB arrays: squared error, SSIM, shift-tolerant error, sharpness.

scikit-image has SSIM, but takes 100 ms for a 512 px colour picture; the one here gives the same map (tested to 1e-6)
in a tenth of that, so that a whole clip can be measured in reasonable time.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.windows import best_window_sums, uniform_ssim, weighted_ssim

__all__ = [
    "BoolArray",
    "FloatMap",
    "Image",
    "decibels",
    "gaussian_ssim_map",
    "laplacian_energy",
    "shift_tolerant_error",
    "squared_error_map",
    "ssim_map",
]

Image = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
FloatMap = npt.NDArray[np.float64]

_WINDOW = 9
_SHIFTS_PER_AXIS = 7
_GAUSSIAN_TAPS = 11


def _check_pair(real: Image, generated: Image) -> None:
    if real.shape != generated.shape or real.ndim != 3 or real.shape[2] != 3:
        raise ValueError(f"expected two (H, W, 3) pictures of one size, got {real.shape} and {generated.shape}")
    if real.dtype != np.uint8 or generated.dtype != np.uint8:
        raise ValueError(f"expected uint8 pictures, got {real.dtype} and {generated.dtype}")


def decibels(mean_squared_error: float, *, peak: float = 255.0) -> float:
    """Turn a mean squared error into a peak signal-to-noise ratio.

    Args:
        mean_squared_error: in squared units of `peak`; values below 1e-6 count as 1e-6.
        peak: the largest possible value.

    Returns:
        The ratio in dB; 108.13 dB for identical 8-bit pictures.
    """
    return float(10.0 * np.log10(peak**2 / max(mean_squared_error, 1e-6)))


def squared_error_map(real: Image, generated: Image) -> npt.NDArray[np.float32]:
    """Square the difference of two pictures and average it over the colours.

    Args:
        real: (H, W, 3) uint8 RGB.
        generated: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) float32, squared grey levels.

    Raises:
        ValueError: shapes or types do not fit.
    """
    _check_pair(real, generated)
    difference = cv2.absdiff(real, generated).astype(np.float32)
    return np.asarray(cv2.transform(difference * difference, np.full((1, 3), 1 / 3, np.float32)), np.float32)


def _padded_planes(image: Image, margin: int) -> Image:
    """Return (3, H + 2 margin, W + 2 margin), reflected with the edge pixel repeated."""
    padded = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REFLECT)
    return np.ascontiguousarray(padded.transpose(2, 0, 1))


def ssim_map(real: Image, generated: Image, *, window: int = 7) -> npt.NDArray[np.float64]:
    """Compute the SSIM index around each pixel with a square window (scikit-image's defaults).

    Args:
        real: (H, W, 3) uint8 RGB, both sides at least `window`.
        generated: the same shape.
        window: side of the uniform window, odd.

    Returns:
        (H, W) float64, mean over the colours, at most 1.

    Raises:
        ValueError: shapes or types do not fit.

    Source: Wang et al. 2004, with sample covariance, data range 255, reflected borders.
    """
    _check_pair(real, generated)
    if min(real.shape[:2]) < window:
        raise ValueError(f"SSIM needs pictures of at least {window} pixels, got {real.shape[:2]}")

    half = window // 2
    return np.asarray(uniform_ssim(_padded_planes(real, half), _padded_planes(generated, half), window))


def gaussian_ssim_map(real: Image, generated: Image, *, data_range: float = 255.0) -> npt.NDArray[np.float64]:
    """Compute the SSIM index around each pixel with the Gaussian window of the original paper.

    Args:
        real: (H, W, 3) uint8 RGB, both sides at least 11.
        generated: the same shape.
        data_range: largest possible difference; pose-transfer papers take that of the generated picture.

    Returns:
        (H, W) float64, mean over the colours, at most 1.

    Raises:
        ValueError: shapes or types do not fit.

    Source: Wang et al. 2004: sigma 1.5, 11 x 11 taps, population covariance; reflected borders as in scikit-image.
    """
    _check_pair(real, generated)
    if min(real.shape[:2]) < _GAUSSIAN_TAPS:
        raise ValueError(f"SSIM needs pictures of at least {_GAUSSIAN_TAPS} pixels, got {real.shape[:2]}")

    weights = cv2.getGaussianKernel(_GAUSSIAN_TAPS, 1.5).ravel()
    half = _GAUSSIAN_TAPS // 2
    planes = _padded_planes(real, half), _padded_planes(generated, half)
    return np.asarray(weighted_ssim(*planes, weights, data_range))


def laplacian_energy(image: Image, mask: BoolArray) -> float:
    """Measure how much fine detail a region holds.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, at least one pixel.

    Returns:
        Mean absolute Laplacian of the grey picture inside the mask, in grey levels.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[mask].mean())


def shift_tolerant_error(real: Image, generated: Image, *, radius_px: float) -> npt.NDArray[np.float32]:
    """Take, around each pixel, the squared error at the best small shift of the generated picture.

    A window of 9 x 9 pixels may match anywhere on a 7 x 7 grid of whole-pixel shifts within `radius_px`. So texture
    that is kept but lies a few pixels off costs little, and blur, which ordinary errors reward, is not rewarded.

    Args:
        real: (H, W, 3) uint8 RGB.
        generated: the same shape; beyond its border the edge pixels repeat.
        radius_px: largest shift along each axis, in pixels.

    Returns:
        (H, W) float32, squared grey levels, mean over colours and window (reflected at the border).

    Raises:
        ValueError: shapes or types do not fit.
    """
    _check_pair(real, generated)
    reach = round(radius_px)
    shifts = np.unique(np.linspace(-radius_px, radius_px, _SHIFTS_PER_AXIS).round().astype(np.int64))
    half = _WINDOW // 2
    if min(real.shape[:2]) <= half:
        raise ValueError(f"the shift-tolerant error needs pictures of more than {half} pixels, got {real.shape[:2]}")
    padded = cv2.copyMakeBorder(generated, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    planes = [np.ascontiguousarray(image.transpose(2, 0, 1)) for image in (real, padded)]
    best = best_window_sums(*planes, shifts, _WINDOW)
    return np.asarray(best / np.float32(3 * _WINDOW**2), np.float32)
