"""Estimates and their bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from drn_core.evaluation.statistics import estimate, estimate_difference, resample_indices

NAN = float("nan")


def test_mean_interval_is_near_normal_theory() -> None:
    values = np.random.default_rng(0).normal(10, 2, 400)
    result = estimate(values)
    assert result is not None
    half = 1.96 * values.std(ddof=1) / 20
    assert result.value == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - half, abs=0.03)
    assert result.high == pytest.approx(values.mean() + half, abs=0.03)


def test_weighted_mean_pools_shares() -> None:
    result = estimate([100.0, 0.0], weights=[3, 1])
    assert result is not None
    assert result.value == 75


def test_median_and_absent_values() -> None:
    result = estimate([1.0, NAN, 5.0, 100.0], statistic="median")
    assert result is not None
    assert (result.value, result.count) == (5.0, 3)
    assert result.low is not None
    assert 1 <= result.low <= 5 <= (result.high or 0) <= 100


def test_one_sample_has_no_interval_and_none_no_figure() -> None:
    result = estimate([NAN, 4.0])
    assert result is not None
    assert (result.value, result.low, result.high, result.count) == (4.0, None, None, 1)
    assert estimate([NAN, NAN]) is None


def test_the_same_samples_give_the_same_interval() -> None:
    values = np.arange(30.0)
    assert estimate(values) == estimate(values)


def test_transform_acts_on_the_statistic() -> None:
    result = estimate([4.0, 16.0], transform=np.sqrt)
    assert result is not None
    assert result.value == pytest.approx(10**0.5)


def test_paired_differences_are_tighter_than_independent_ones() -> None:
    generator = np.random.default_rng(1)
    base = generator.normal(0, 10, 200)
    better = base + 1 + generator.normal(0, 0.1, 200)
    result = estimate_difference(base, better)
    assert result is not None
    assert result.value == pytest.approx(1, abs=0.05)
    assert result.high is not None
    assert result.low is not None
    assert result.high - result.low < 0.1


def test_differences_leave_out_samples_that_one_side_lacks() -> None:
    result = estimate_difference([1.0, 2.0, NAN], [2.0, NAN, 5.0])
    assert result is not None
    assert (result.value, result.count) == (1.0, 1)
    assert estimate_difference([NAN], [1.0]) is None


def test_resamples_are_whole_blocks() -> None:
    indices = resample_indices(20, num_resamples=30, block=5)
    assert indices.shape == (30, 20)
    assert indices.max() < 20
    np.testing.assert_array_equal((indices[:, 1:5] - indices[:, :4]) % 20, 1)


def test_blocks_of_few_samples_are_shortened() -> None:
    assert len(np.unique(resample_indices(5, num_resamples=100, block=10)[:, 0])) == 5
    assert len({tuple(sorted(row)) for row in resample_indices(8, num_resamples=100, block=10)}) > 10
