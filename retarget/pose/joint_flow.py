"""Robust summaries of a flow field around joints and over the trunk, compiled and outside of the interpreter's lock."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray

__all__ = ["median_motion", "trunk_motion"]

BoolArray = npt.NDArray[np.bool_]

_MIN_PIXELS: Final = 12
_MAX_RADIUS_STEPS: Final = 8
"""Larger discs are sampled at every second, third, ... pixel."""
_MAX_TRUNK_SAMPLES: Final = 600
_FIT_ROUNDS: Final = 6


@numba.njit(cache=True, nogil=True)
def median_motion(
    flow: FloatArray,
    disagreement: FloatArray,
    on_person: BoolArray,
    off_arms: BoolArray,
    keypoints: FloatArray,
    radii: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Take medians over a disc around each joint.

    Args:
        flow: (H, W, 2) float32, pixels.
        disagreement: (H, W) float32, pixels.
        on_person: (H, W) bool, pixels that count for knees and feet.
        off_arms: (H, W) bool, pixels that count for head and trunk.
        keypoints: (33, 2) float32, pixels.
        radii: (33,) float32, pixels; 0 for joints that are not measured, negative for knees and feet.

    Returns:
        shift (33, 2), the median flow; spread (33,), the median distance from it; error (33,), the median
        disagreement: float32, pixels. Spread and error are infinite where too few pixels count.
    """
    height, width = on_person.shape
    shift = np.zeros((len(radii), 2), np.float32)
    spread = np.full(len(radii), np.inf, np.float32)
    error = np.full(len(radii), np.inf, np.float32)
    for joint in range(len(radii)):
        radius = abs(radii[joint])
        x, y = keypoints[joint]
        if radius == 0 or x < -radius or y < -radius or x > width + radius or y > height + radius:
            continue
        allowed = on_person if radii[joint] < 0 else off_arms
        step = max(1, int(radius / _MAX_RADIUS_STEPS))
        samples = np.empty((3, (int(2 * radius / step) + 3) ** 2), np.float32)
        count = 0
        for row in range(max(0, int(y - radius)), min(height, int(y + radius + 1)), step):
            for column in range(max(0, int(x - radius)), min(width, int(x + radius + 1)), step):
                if allowed[row, column] and (column - x) ** 2 + (row - y) ** 2 < radius * radius:
                    samples[0, count] = flow[row, column, 0]
                    samples[1, count] = flow[row, column, 1]
                    samples[2, count] = disagreement[row, column]
                    count += 1
        if count * step * step < _MIN_PIXELS:
            continue
        across, down = np.median(samples[0, :count]), np.median(samples[1, :count])
        distance = np.sqrt((samples[0, :count] - across) ** 2 + (samples[1, :count] - down) ** 2)
        shift[joint, 0], shift[joint, 1] = across, down
        spread[joint], error[joint] = np.median(distance), np.median(samples[2, :count])
    return shift, spread, error


@numba.njit(cache=True, nogil=True)
def trunk_motion(
    flow: FloatArray, disagreement: FloatArray, on_trunk: BoolArray
) -> tuple[npt.NDArray[np.float64], float, float]:
    """Fit one similarity to the flow over the trunk: shift, turn and growth together.

    Args:
        flow: (H, W, 2) float32, pixels.
        disagreement: (H, W) float32, pixels.
        on_trunk: (H, W) bool, pixels that count.

    Returns:
        model (4,) float64: (tx, ty, a, b) with flow(x, y) = (tx + a x - b y, ty + a y + b x); spread, the median
        distance from it, and error, the median disagreement, in pixels: infinite where too few pixels count.

    Source: iteratively reweighted least squares with the Cauchy loss, scale from the median residual.
    """
    height, width = on_trunk.shape
    model = np.zeros(4)
    total = on_trunk.sum()
    if total < 4 * _MIN_PIXELS:
        return model, np.inf, np.inf
    step = max(1, int(np.sqrt(total / _MAX_TRUNK_SAMPLES)))
    samples = np.empty((5, (height // step + 1) * (width // step + 1)))
    count = 0
    for row in range(0, height, step):
        for column in range(0, width, step):
            if on_trunk[row, column]:
                samples[0, count], samples[1, count] = column, row
                samples[2, count], samples[3, count] = flow[row, column, 0], flow[row, column, 1]
                samples[4, count] = disagreement[row, column]
                count += 1
    if count < _MIN_PIXELS:
        return model, np.inf, np.inf
    x, y, across, down = samples[0, :count], samples[1, :count], samples[2, :count], samples[3, :count]
    middle_x, middle_y = x.mean(), y.mean()
    x, y = x - middle_x, y - middle_y
    weight = np.ones(count)
    tx, ty, a, b, spread = np.median(across), np.median(down), 0.0, 0.0, np.inf
    for _ in range(_FIT_ROUNDS):
        residual = np.sqrt((tx + a * x - b * y - across) ** 2 + (ty + a * y + b * x - down) ** 2)
        spread = np.median(residual)
        weight = 1 / (1 + (residual / (1.5 * spread + 0.05)) ** 2)
        weights = weight.sum()
        mean_x, mean_y = (weight * x).sum() / weights, (weight * y).sum() / weights
        mean_across, mean_down = (weight * across).sum() / weights, (weight * down).sum() / weights
        rx, ry, ru, rv = x - mean_x, y - mean_y, across - mean_across, down - mean_down
        power = (weight * (rx * rx + ry * ry)).sum() + 1e-9
        a = (weight * (rx * ru + ry * rv)).sum() / power
        b = (weight * (rx * rv - ry * ru)).sum() / power
        tx, ty = mean_across - a * mean_x + b * mean_y, mean_down - a * mean_y - b * mean_x
    model[0], model[1] = tx - a * middle_x + b * middle_y, ty - a * middle_y - b * middle_x
    model[2], model[3] = a, b
    return model, spread, np.median(samples[4, :count])
