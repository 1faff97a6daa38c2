"""Compiled sliding windows behind the picture metrics: exact integer sums, one pass per row, no temporary pictures.

Colour planes come first, (3, H, W), so that the inner loops run along contiguous memory and vectorise.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["best_window_sums", "uniform_ssim", "weighted_ssim"]

UInt8Array = npt.NDArray[np.uint8]
Int32Array = npt.NDArray[np.int32]
Float64Array = npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def _add_row(a: UInt8Array, b: UInt8Array, sign: int, columns: Int32Array) -> None:  # pragma: no cover - compiled
    """Add (or take off) one row to the column sums of a, b, aa, bb, ab; columns: (5, W)."""
    for x in range(a.size):
        p, q = np.int32(a[x]), np.int32(b[x])
        columns[0, x] += sign * p
        columns[1, x] += sign * q
        columns[2, x] += sign * p * p
        columns[3, x] += sign * q * q
        columns[4, x] += sign * p * q


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def _ssim_index(
    mean_a: float, mean_b: float, variance_a: float, variance_b: float, covariance: float, c1: float, c2: float
) -> float:  # pragma: no cover - compiled
    """Return the SSIM index of one window from its moments."""
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return above / ((mean_a * mean_a + mean_b * mean_b + c1) * (variance_a + variance_b + c2))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def _add_ssim_row(
    columns: Int32Array, window: int, c1: float, c2: float, row: npt.NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """Add the SSIM index of one row of windows to `row`, (W,)."""
    share, unbiased = 1.0 / window**2, 1.0 / (window**2 - 1)
    sums = np.empty((5, row.size), np.int32)
    for moment in range(5):
        sums[moment] = columns[moment, : row.size]
        for tap in range(1, window):
            sums[moment] += columns[moment, tap : tap + row.size]
    for x in range(row.size):
        mean_a, mean_b = sums[0, x] * share, sums[1, x] * share
        variance_a = (sums[2, x] - mean_a * sums[0, x]) * unbiased
        variance_b = (sums[3, x] - mean_b * sums[1, x]) * unbiased
        covariance = (sums[4, x] - mean_a * sums[1, x]) * unbiased
        row[x] += _ssim_index(mean_a, mean_b, variance_a, variance_b, covariance, c1, c2)


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def uniform_ssim(
    real: UInt8Array, generated: UInt8Array, window: int
) -> npt.NDArray[np.float64]:  # pragma: no cover - compiled
    """Compute the SSIM map with a square window, sample covariance and data range 255.

    Args:
        real: (3, H, W) uint8 planes, padded by half a window on each side.
        generated: the same shape.
        window: side of the window, odd.

    Returns:
        (H - window + 1, W - window + 1) float64, mean over the planes.
    """
    planes, height, width = real.shape
    out = np.zeros((height - window + 1, width - window + 1))
    columns = np.zeros((5, width), np.int32)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    for plane in range(planes):
        columns[:] = 0
        for y in range(window - 1):
            _add_row(real[plane, y], generated[plane, y], 1, columns)
        for y in range(out.shape[0]):
            _add_row(real[plane, y + window - 1], generated[plane, y + window - 1], 1, columns)
            _add_ssim_row(columns, window, c1, c2, out[y])
            _add_row(real[plane, y], generated[plane, y], -1, columns)
    return out / planes


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def _add_weighted(values: Float64Array, weight: float, sums: Float64Array) -> None:  # pragma: no cover - compiled
    """Add `weight` times the values to the sums; a loop of its own, so that it vectorises."""
    for x in range(sums.size):
        sums[x] += weight * values[x]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def _products(a: UInt8Array, b: UInt8Array) -> Float64Array:  # pragma: no cover - compiled
    """Return (5, H, W): a, b, aa, bb, ab of two planes."""
    products = np.empty((5, *a.shape))
    for y in range(a.shape[0]):
        for x in range(a.shape[1]):
            p, q = np.float64(a[y, x]), np.float64(b[y, x])
            products[0, y, x], products[1, y, x] = p, q
            products[2, y, x], products[3, y, x], products[4, y, x] = p * p, q * q, p * q
    return products


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def weighted_ssim(
    real: UInt8Array, generated: UInt8Array, weights: Float64Array, data_range: float
) -> Float64Array:  # pragma: no cover - compiled
    """Compute the SSIM map with a separable window and population covariance.

    Args:
        real: (3, H, W) uint8 planes, padded by half a window on each side.
        generated: the same shape.
        weights: (K,) float64, of the window along each axis; their sum is 1.
        data_range: largest possible difference.

    Returns:
        (H - K + 1, W - K + 1) float64, mean over the planes.
    """
    planes, height, width = real.shape
    out = np.zeros((height - weights.size + 1, width - weights.size + 1))
    columns, moments = np.empty((5, width)), np.empty((5, out.shape[1]))
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    for plane in range(planes):
        products = _products(real[plane], generated[plane])
        for y in range(out.shape[0]):
            columns[:], moments[:] = 0.0, 0.0
            for moment in range(5):
                for tap in range(weights.size):
                    _add_weighted(products[moment, y + tap], weights[tap], columns[moment])
                for tap in range(weights.size):
                    _add_weighted(columns[moment, tap:], weights[tap], moments[moment])
            row = out[y]
            for x in range(row.size):
                mean_a, mean_b = moments[0, x], moments[1, x]
                row[x] += _ssim_index(
                    mean_a, mean_b,
                    moments[2, x] - mean_a * mean_a, moments[3, x] - mean_b * mean_b, moments[4, x] - mean_a * mean_b,
                    c1, c2,
                )  # fmt: skip
    return out / planes


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def _square_differences(
    real: UInt8Array, padded: UInt8Array, top: int, left: int, squares: Int32Array
) -> None:  # pragma: no cover - compiled
    """Fill the inside of `squares` (H + 2 half, W + 2 half), then reflect it into its margin."""
    _, height, width = real.shape
    half = (squares.shape[0] - height) // 2
    for y in range(height):
        row = squares[y + half, half : half + width]
        red, green, blue = real[0, y], real[1, y], real[2, y]
        other_red = padded[0, y + top, left : left + width]
        other_green = padded[1, y + top, left : left + width]
        other_blue = padded[2, y + top, left : left + width]
        for x in range(width):
            d0 = np.int32(red[x]) - np.int32(other_red[x])
            d1 = np.int32(green[x]) - np.int32(other_green[x])
            d2 = np.int32(blue[x]) - np.int32(other_blue[x])
            row[x] = d0 * d0 + d1 * d1 + d2 * d2
        for margin in range(1, half + 1):
            squares[y + half, half - margin] = squares[y + half, half + margin]
            squares[y + half, half + width - 1 + margin] = squares[y + half, half + width - 1 - margin]
    for margin in range(1, half + 1):
        squares[half - margin] = squares[half + margin]
        squares[half + height - 1 + margin] = squares[half + height - 1 - margin]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def _lower_to_window_sums(squares: Int32Array, window: int, best: Int32Array) -> None:  # pragma: no cover - compiled
    """Lower each value of `best` to the sum of the window of `squares` around it, where that is less."""
    height, width = best.shape
    columns, totals = np.zeros(squares.shape[1], np.int32), np.empty(width, np.int32)
    for y in range(window - 1):
        for x in range(columns.size):
            columns[x] += squares[y, x]
    for y in range(height):
        for x in range(columns.size):
            columns[x] += squares[y + window - 1, x]
        totals[:] = columns[:width]
        for tap in range(1, window):
            totals += columns[tap : tap + width]
        for x in range(width):
            best[y, x] = min(best[y, x], totals[x])
        for x in range(columns.size):
            columns[x] -= squares[y, x]


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[misc]
def best_window_sums(
    real: UInt8Array, padded: UInt8Array, shifts: npt.NDArray[np.int64], window: int
) -> Int32Array:  # pragma: no cover - compiled
    """Find, around each pixel, the least sum of squared differences over all shifts.

    Args:
        real: (3, H, W) uint8 planes.
        padded: (3, H + 2 reach, W + 2 reach) uint8, the other picture with its border repeated; reach is the largest
            shift.
        shifts: the shifts tried along each axis, in pixels; all pairs of them are.
        window: side of the window, odd; windows reflect the differences at the border.

    Returns:
        (H, W) int32, sums over the window and the planes.
    """
    _, height, width = real.shape
    half = window // 2
    reach = (padded.shape[1] - height) // 2
    best = np.full((height, width), np.int32(2**31 - 1))
    squares = np.empty((height + 2 * half, width + 2 * half), np.int32)
    for dy in shifts:
        for dx in shifts:
            _square_differences(real, padded, reach - dy, reach - dx, squares)
            _lower_to_window_sums(squares, window, best)
    return best
