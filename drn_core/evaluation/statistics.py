"""From samples to one figure with its uncertainty: weighted means, medians, percentile bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.protocol import Statistic

__all__ = ["NUM_RESAMPLES", "Estimate", "estimate", "estimate_difference", "resample_indices"]

NUM_RESAMPLES = 2000
_CHUNK = 100

FloatVector = npt.NDArray[np.float64]
Transform = Callable[[FloatVector], FloatVector]


@dataclass(frozen=True)
class Estimate:
    """A figure over samples.

    Attributes:
        value: the statistic.
        low: lower end of the interval that holds 95 % of the bootstrap's figures; None for fewer than two samples.
        high: its upper end.
        count: samples that had a value.
    """

    value: float
    low: float | None
    high: float | None
    count: int


def resample_indices(
    num_samples: int, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0, block: int = 1
) -> npt.NDArray[np.int32]:
    """Draw samples with replacement, again and again.

    Args:
        num_samples: N.
        num_resamples: R.
        seed: of the generator; the same seed draws the same.
        block: samples drawn together; more than 1 where neighbours are alike (frames of a clip). At most a quarter of
            the samples, or the resamples would all be alike.

    Returns:
        (R, N) int32, indices below N.
    """
    generator = np.random.default_rng(seed)
    block = max(1, min(block, num_samples // 4))
    num_blocks = -(-num_samples // block)
    starts = generator.integers(0, num_samples, (num_resamples, num_blocks), dtype=np.int32)
    indices = (starts[..., None] + np.arange(block, dtype=np.int32)) % num_samples
    return np.asarray(indices.reshape(num_resamples, -1)[:, :num_samples])


def _statistic(values: FloatVector, weights: FloatVector, statistic: Statistic) -> FloatVector:
    """Reduce the last axis; samples of weight 0 don't count; NaN where none is left."""
    if statistic == "median":
        present = np.where(weights > 0, values, np.nan)
        filled = np.full(values.shape[:-1], np.nan)
        has_any = (weights > 0).any(axis=-1)
        filled[has_any] = np.nanmedian(present[has_any], axis=-1)
        return filled
    total = weights.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.where(weights > 0, values, 0.0) * weights).sum(axis=-1) / total)


@dataclass(frozen=True)
class _Bootstrap:
    """A figure and what it would have been for each resample."""

    value: float
    figures: FloatVector
    count: int

    def as_estimate(self) -> Estimate:
        if self.count < 2:
            return Estimate(self.value, None, None, self.count)
        low, high = np.nanpercentile(self.figures, [2.5, 97.5])
        return Estimate(self.value, float(low), float(high), self.count)


def _bootstrap(
    values: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    statistic: Statistic,
    indices: npt.NDArray[np.int32] | None,
    transform: Transform | None,
) -> _Bootstrap | None:
    samples = np.asarray(values, np.float64)
    present = ~np.isnan(samples)
    mass = np.where(present, 1.0 if weights is None else np.asarray(weights, np.float64), 0.0)
    if not (mass > 0).any():
        return None
    samples = np.where(present, samples, 0.0)
    drawn = resample_indices(len(samples)) if indices is None else indices
    parts = np.array_split(drawn, max(1, len(drawn) // _CHUNK))
    figures = np.concatenate([_statistic(samples[part], mass[part], statistic) for part in parts])
    value = _statistic(samples[None], mass[None], statistic)
    if transform is not None:
        value, figures = transform(value), transform(figures)
    return _Bootstrap(float(value[0]), figures, int((mass > 0).sum()))


def estimate(
    values: npt.ArrayLike,
    *,
    statistic: Statistic = "mean",
    weights: npt.ArrayLike | None = None,
    indices: npt.NDArray[np.int32] | None = None,
    transform: Transform | None = None,
) -> Estimate | None:
    """Reduce samples to one figure with a 95 % percentile bootstrap interval.

    Args:
        values: (N,); NaN where a sample has no value.
        statistic: "mean" (weighted) or "median" (weights only tell which samples count).
        weights: (N,), e.g. the number of joints behind a share; None weighs all alike.
        indices: (R, N) resamples as `resample_indices` draws them, to share between metrics; None draws its own.
        transform: applied to the statistic, e.g. decibels of a mean squared error.

    Returns:
        The figure; None where no sample has a value.
    """
    result = _bootstrap(values, weights, statistic, indices, transform)
    return None if result is None else result.as_estimate()


def estimate_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    statistic: Statistic = "mean",
    indices: npt.NDArray[np.int32] | None = None,
    transform: Transform | None = None,
) -> Estimate | None:
    """Estimate how the statistic of paired samples differs, second minus first, both resampled alike.

    Args:
        first: (N,); NaN where a sample has no value.
        second: (N,), the same samples.
        statistic: of each of the two.
        indices: (R, N) resamples; None draws its own.
        transform: applied to each statistic before the difference.

    Returns:
        The difference over the samples that both have; None where there are none.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    absent = np.isnan(a) | np.isnan(b)
    of_a = _bootstrap(np.where(absent, np.nan, a), None, statistic, indices, transform)
    of_b = _bootstrap(np.where(absent, np.nan, b), None, statistic, indices, transform)
    if of_a is None or of_b is None:
        return None
    return _Bootstrap(of_b.value - of_a.value, of_b.figures - of_a.figures, of_a.count).as_estimate()
