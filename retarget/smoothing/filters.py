"""Zero-phase smoothing of a whole track: every sample is fitted from both its past and its future.

Widths are in seconds and frames carry their own times, so the same setting means the same at 5 and at 60 frames per
second and over uneven frame times. A Gaussian of sigma seconds halves the
power at 0.1325 / sigma hertz (0.067 s: 2 Hz).

The value at t is the intercept at t of a weighted straight line, not a weighted mean: a steady movement is reproduced
exactly, also at the ends of the clip and beside gaps, where a mean would lean inwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray

__all__ = ["bilateral_smooth", "gaussian_smooth"]

Times = npt.NDArray[np.float64]
_REACH_SIGMAS = 3.0
_SLOPE_RIDGE = 1e-3
"""Keeps the slope defined where hardly a neighbour counts; in units of sigma squared."""


def gaussian_smooth(values: FloatArray, weights: FloatArray, times: Times, *, sigma_seconds: float) -> FloatArray:
    """Smooth every channel over time.

    Args:
        values: (T, K, C) in any unit.
        weights: (T, K), how far each sample is trusted, >= 0.
        times: (T,) seconds, increasing.
        sigma_seconds: width of the Gaussian; 0 returns the values as they are.

    Returns:
        (T, K, C) float32.
    """
    if sigma_seconds <= 0 or len(values) < 2:
        return values.astype(np.float32)
    fit = _LineFit(values.shape, sigma_seconds)
    for here, there, offsets, kernel in _neighbours(times, sigma_seconds):
        fit.add(here, kernel[:, None] * weights[there], offsets, values[there])
    return fit.at_zero(values)


def bilateral_smooth(
    keypoints: FloatArray, weights: FloatArray, times: Times, *, sigma_seconds: float, sigma_px: float
) -> FloatArray:
    """Smooth slow joints and leave fast ones: neighbours in time that are far away in space count little.

    Args:
        keypoints: (T, K, 2), pixels.
        weights: (T, K), how far each sample is trusted, >= 0.
        times: (T,) seconds, increasing.
        sigma_seconds: width in time; 0 returns the keypoints as they are.
        sigma_px: width in space.

    Returns:
        (T, K, 2) float32.

    Source: bilateral filter (Tomasi and Manduchi 1998), in time; compared positions are averaged over three frames.
    """
    if sigma_seconds <= 0 or len(keypoints) < 2:
        return keypoints.astype(np.float32)
    padded = np.concatenate([keypoints[:1], keypoints, keypoints[-1:]])
    guide = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    fit = _LineFit(keypoints.shape, sigma_seconds)
    for here, there, offsets, kernel in _neighbours(times, sigma_seconds):
        gap = np.linalg.norm(guide[there] - guide[here], axis=-1) / sigma_px
        fit.add(here, kernel[:, None] * weights[there] * np.exp(-0.5 * gap**2), offsets, keypoints[there])
    return fit.at_zero(keypoints)


class _LineFit:
    """Sums of a weighted straight-line fit per sample and joint."""

    def __init__(self, shape: tuple[int, ...], sigma_seconds: float) -> None:
        self._weight = np.zeros(shape[:2])
        self._offset = np.zeros(shape[:2])
        self._offset_squared = np.zeros(shape[:2])
        self._value = np.zeros(shape)
        self._value_offset = np.zeros(shape)
        self._ridge = _SLOPE_RIDGE * sigma_seconds**2

    def add(
        self,
        here: slice,
        weights: npt.NDArray[np.floating[Any]],
        offsets: Times,
        values: FloatArray,
    ) -> None:
        """Add one neighbour of each sample in `here`: weights (N, K), offsets (N,) seconds, values (N, K, C)."""
        moved = weights * offsets[:, None]
        self._weight[here] += weights
        self._offset[here] += moved
        self._offset_squared[here] += moved * offsets[:, None]
        self._value[here] += weights[..., None] * values
        self._value_offset[here] += moved[..., None] * values

    def at_zero(self, fallback: FloatArray) -> FloatArray:
        """Return the line's value at each sample's own time; `fallback` where nothing was trusted."""
        squared = self._offset_squared + self._ridge * self._weight
        determinant = self._weight * squared - self._offset**2
        intercept = squared[..., None] * self._value - self._offset[..., None] * self._value_offset
        is_known = self._weight > 1e-6
        safe = np.where(is_known, determinant, 1.0)[..., None]
        return np.where(is_known[..., None], intercept / safe, fallback).astype(np.float32)


def _neighbours(times: Times, sigma_seconds: float) -> Iterator[tuple[slice, slice, Times, Times]]:
    """Yield, per step between two samples: the samples, their neighbours, the times between, the Gaussian weights."""
    num_frames = len(times)
    for step in range(num_frames):
        offsets = times[step:] - times[: num_frames - step]
        kernel = np.exp(-0.5 * (offsets / sigma_seconds) ** 2)
        kernel[offsets > _REACH_SIGMAS * sigma_seconds] = 0
        if not kernel.any():
            return
        before, after = slice(0, num_frames - step), slice(step, num_frames)
        yield before, after, offsets, kernel
        if step:
            yield after, before, -offsets, kernel
