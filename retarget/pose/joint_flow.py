"""Robust summaries of a flow field around joints and over the trunk.

In plain cloth dense flow is a guess carried over from elsewhere, often "nothing moves": every pixel's vote is weighted
by the detail at it, and every summary says how much detail there was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray
from retarget.robust import weighted_medians

__all__ = ["FlowField", "JointFlow", "TrunkFlow", "joint_flow", "trunk_flow"]

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
DoubleArray = npt.NDArray[np.float64]

_GRID: Final = 15
"""Discs are sampled on a grid of this many points across."""
_MIN_PIXELS: Final = 12
_PLAIN: Final = 3.0
"""Change of brightness, in grey levels per pixel, at which a pixel's vote counts half."""
_MAX_TRUNK_SAMPLES: Final = 600
_FIT_ROUNDS: Final = 6


@dataclass(frozen=True)
class FlowField:
    """Dense flow between two pictures and what is known of its worth.

    Attributes:
        forth: (H, W, 2) float32, pixels, from the first picture to the second.
        back: (H, W, 2) float32, pixels, from the second to the first.
        gradient: (H, W, 2) float32, change of brightness per pixel across and down, in grey levels.
    """

    forth: FloatArray
    back: FloatArray
    gradient: FloatArray

    def disagreement(self, x: IntArray, y: IntArray) -> FloatArray:
        """Return the distance between points and where flow forth and back carries them, in pixels."""
        height, width = self.forth.shape[:2]
        forth = self.forth[y, x]
        there_x = np.clip(np.rint(x + forth[..., 0]), 0, width - 1).astype(np.int64)
        there_y = np.clip(np.rint(y + forth[..., 1]), 0, height - 1).astype(np.int64)
        return np.asarray(np.linalg.norm(forth + self.back[there_y, there_x], axis=-1), np.float32)


@dataclass(frozen=True)
class JointFlow:
    """Flow around J joints.

    Attributes:
        shift: (J, 2) float32, median flow; 0 where too few pixels count.
        spread: (J,) float32, median distance from it; infinite where too few pixels count.
        error: (J,) float32, median disagreement; infinite where too few pixels count.
        texture: (J,) float32, change of brightness, in grey levels per pixel, in the direction of least change.
    """

    shift: FloatArray
    spread: FloatArray
    error: FloatArray
    texture: FloatArray


@dataclass(frozen=True)
class TrunkFlow:
    """One similarity for the flow over the trunk: flow(x, y) = (tx + a x - b y, ty + a y + b x).

    Attributes:
        model: (tx, ty, a, b), float64.
        spread: median distance from it, pixels; infinite where too few pixels count.
        error: median disagreement, pixels; infinite where too few pixels count.
        texture: as in `JointFlow`.
    """

    model: tuple[float, float, float, float]
    spread: float
    error: float
    texture: float

    def at(self, point: FloatArray) -> DoubleArray:
        """Return the flow (2,) at a point."""
        tx, ty, a, b = self.model
        x, y = float(point[0]), float(point[1])
        return np.array([tx + a * x - b * y, ty + a * y + b * x])


_NO_TRUNK: Final = TrunkFlow((0.0, 0.0, 0.0, 0.0), np.inf, np.inf, 0.0)


def _disc() -> DoubleArray:
    steps = np.linspace(-1, 1, _GRID)
    points: DoubleArray = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    inside: DoubleArray = points[np.hypot(*points.T) <= 1]
    return inside


_DISC: Final = _disc()


def joint_flow(
    field: FlowField, allowed: BoolArray, layers: IntArray, centers: FloatArray, radii: FloatArray
) -> JointFlow:
    """Take weighted medians over a disc around each of J points.

    Args:
        field: the flow.
        allowed: (L, H, W) bool, layers of pixels that count.
        layers: (J,), which layer holds for each point.
        centers: (J, 2), pixels.
        radii: (J,), pixels.
    """
    height, width = allowed.shape[1:]
    places = np.round(centers[:, None] + radii[:, None, None] * _DISC).astype(np.int64)
    x, y = places[..., 0], places[..., 1]
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    counts = is_inside & allowed[layers[:, None], y, x]
    flow, gradient = field.forth[y, x], field.gradient[y, x]
    weight = _detail(gradient) * counts
    shift = np.stack([weighted_medians(flow[..., axis], weight) for axis in (0, 1)], axis=-1)
    spread = weighted_medians(np.linalg.norm(flow - shift[:, None], axis=-1), weight)
    error = weighted_medians(field.disagreement(x, y), weight)
    share = counts.mean(axis=1)
    is_enough = (share * np.pi * radii**2 >= _MIN_PIXELS) & (counts.sum(axis=1) >= _MIN_PIXELS)
    return JointFlow(
        shift=np.where(is_enough[:, None], shift, 0).astype(np.float32),
        spread=np.where(is_enough, spread, np.inf).astype(np.float32),
        error=np.where(is_enough, error, np.inf).astype(np.float32),
        texture=np.where(is_enough, _texture(gradient, counts), 0).astype(np.float32),
    )


def trunk_flow(field: FlowField, on_trunk: BoolArray) -> TrunkFlow:
    """Fit one similarity to the flow over the trunk: shift, turn and growth together.

    Args:
        field: the flow.
        on_trunk: (H, W) bool, pixels that count.

    Source: iteratively reweighted least squares with the Cauchy loss, scale from the median residual.
    """
    rows, columns = np.nonzero(on_trunk)
    if len(rows) < 4 * _MIN_PIXELS:
        return _NO_TRUNK
    chosen = slice(None, None, max(1, len(rows) // _MAX_TRUNK_SAMPLES))
    rows, columns = rows[chosen], columns[chosen]
    gradient = field.gradient[rows, columns]
    # A similarity is linear in complex numbers: flow = t + m p.
    points = columns + 1j * rows
    flow = field.forth[rows, columns] @ np.array([1, 1j])
    detail = _detail(gradient) + 1e-9
    weight, spread, middle, slope = detail, np.inf, 0j, 0j
    for _ in range(_FIT_ROUNDS):
        total = weight.sum()
        mean_point, mean_flow = (weight * points).sum() / total, (weight * flow).sum() / total
        away = points - mean_point
        slope = (weight * away.conj() * (flow - mean_flow)).sum() / ((weight * np.abs(away) ** 2).sum() + 1e-9)
        middle = mean_flow - slope * mean_point
        residual = np.abs(middle + slope * points - flow)
        spread = float(weighted_medians(residual[None], detail[None])[0])
        weight = detail / (1 + (residual / (1.5 * spread + 0.05)) ** 2)
    error = float(weighted_medians(field.disagreement(columns, rows)[None], detail[None])[0])
    texture = float(_texture(gradient[None], np.ones((1, len(rows)), bool))[0])
    return TrunkFlow((middle.real, middle.imag, slope.real, slope.imag), spread, error, texture)


def _detail(gradient: FloatArray) -> FloatArray:
    """Vote of each pixel in [0, 1): (..., 2) -> (...)."""
    power = (gradient**2).sum(axis=-1)
    return np.asarray(power / (power + _PLAIN**2), np.float32)


def _texture(gradient: FloatArray, counts: BoolArray) -> DoubleArray:
    """Square root of the lesser eigenvalue of the mean structure tensor: (J, N, 2), (J, N) -> (J,)."""
    number = np.maximum(counts.sum(axis=1), 1)
    across, down = gradient[..., 0] * counts, gradient[..., 1] * counts
    xx, yy, xy = (
        (first * second).sum(axis=1) / number for first, second in ((across, across), (down, down), (across, down))
    )
    least = (xx + yy) / 2 - np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    return np.asarray(np.sqrt(np.maximum(least, 0)), np.float64)
