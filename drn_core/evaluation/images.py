"""Picture metrics on uint8 RGB arrays: squared error, SSIM, shift-tolerant error, sharpness.

scikit-image has SSIM, but takes 100 ms for a 512 px colour picture; the one here gives the same map (tested to 1e-6)
through OpenCV's box and Gaussian filters in a tenth of that, so that a whole clip can be measured in reasonable time.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np
import numpy.typing as npt

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
IntMap = npt.NDArray[np.int32]

_WINDOW = 9
_SHIFTS_PER_AXIS = 7


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


def _ssim_from_moments(
    moments: tuple[FloatMap, FloatMap, FloatMap, FloatMap, FloatMap], *, covariance_scale: float, data_range: float
) -> FloatMap:
    mean_a, mean_b, mean_aa, mean_bb, mean_ab = moments
    variance_a = covariance_scale * (mean_aa - mean_a * mean_a)
    variance_b = covariance_scale * (mean_bb - mean_b * mean_b)
    covariance = covariance_scale * (mean_ab - mean_a * mean_b)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    numerator = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    denominator = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return np.asarray(numerator / denominator)


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

    def blur(image: FloatMap) -> FloatMap:
        return np.asarray(cv2.blur(image, (window, window), borderType=cv2.BORDER_REFLECT))

    a, b = real.astype(np.float64), generated.astype(np.float64)
    moments = (blur(a), blur(b), blur(a * a), blur(b * b), blur(a * b))
    scale = window**2 / (window**2 - 1)
    return np.asarray(_ssim_from_moments(moments, covariance_scale=scale, data_range=255.0).mean(axis=2))


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
    if min(real.shape[:2]) < 11:
        raise ValueError(f"SSIM needs pictures of at least 11 pixels, got {real.shape[:2]}")

    def blur(image: FloatMap) -> FloatMap:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT))

    a, b = real.astype(np.float64), generated.astype(np.float64)
    moments = (blur(a), blur(b), blur(a * a), blur(b * b), blur(a * b))
    return np.asarray(_ssim_from_moments(moments, covariance_scale=1.0, data_range=data_range).mean(axis=2))


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
    best = _best_window_sums(real, padded, shifts, reach)
    return np.asarray(best / np.float32(3 * _WINDOW**2), np.float32)


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _square_differences(
    real: Image, padded: Image, top: int, left: int, squares: IntMap
) -> None:  # pragma: no cover - compiled
    """Fill the inside of `squares` (a margin of half a window around it) and reflect it into the margin."""
    height, width = real.shape[:2]
    half = _WINDOW // 2
    for y in range(height):
        for x in range(width):
            red = np.int32(real[y, x, 0]) - np.int32(padded[y + top, x + left, 0])
            green = np.int32(real[y, x, 1]) - np.int32(padded[y + top, x + left, 1])
            blue = np.int32(real[y, x, 2]) - np.int32(padded[y + top, x + left, 2])
            squares[y + half, x + half] = red * red + green * green + blue * blue
    for margin in range(1, half + 1):
        squares[half - margin] = squares[half + margin]
        squares[half + height - 1 + margin] = squares[half + height - 1 - margin]
    for margin in range(1, half + 1):
        squares[:, half - margin] = squares[:, half + margin]
        squares[:, half + width - 1 + margin] = squares[:, half + width - 1 - margin]


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _lower_to_window_sums(squares: IntMap, best: IntMap) -> None:  # pragma: no cover - compiled
    """Lower each value of `best` to the sum of the window of `squares` around it, where that is less."""
    height, width = best.shape
    columns = np.zeros(squares.shape[1], np.int32)
    for row in range(_WINDOW - 1):
        columns += squares[row]
    for y in range(height):
        for x in range(columns.size):
            columns[x] += squares[y + _WINDOW - 1, x]
        total = np.int32(0)
        for x in range(_WINDOW - 1):
            total += columns[x]
        for x in range(width):
            total += columns[x + _WINDOW - 1]
            best[y, x] = min(best[y, x], total)
            total -= columns[x]
        for x in range(columns.size):
            columns[x] -= squares[y, x]


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _best_window_sums(
    real: Image, padded: Image, shifts: npt.NDArray[np.int64], reach: int
) -> IntMap:  # pragma: no cover - compiled
    """Return (H, W) int32: the least 9 x 9 sum of squared differences over all shifts."""
    height, width = real.shape[:2]
    best = np.full((height, width), np.int32(2**31 - 1))
    squares = np.empty((height + _WINDOW - 1, width + _WINDOW - 1), np.int32)
    for dy in shifts:
        for dx in shifts:
            _square_differences(real, padded, reach - dy, reach - dx, squares)
            _lower_to_window_sums(squares, best)
    return best
