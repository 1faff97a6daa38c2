"""Filters lag nothing, keep straight motion and steps, and mean the same at every frame rate."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.smoothing.filters import bilateral_smooth, gaussian_smooth

RANDOM = np.random.default_rng(7)


def track_of(values: np.ndarray) -> np.ndarray:
    """(T,) -> (T, 1, 2), the second coordinate constant."""
    return np.stack([values, np.full_like(values, 5.0)], axis=-1)[:, None].astype(np.float32)


def smooth(kind: str, track: np.ndarray, times: np.ndarray, *, sigma: float, weights: np.ndarray | None = None):
    weights = np.ones(track.shape[:2], np.float32) if weights is None else weights
    if kind == "gaussian":
        return gaussian_smooth(track, weights, times, sigma_seconds=sigma)
    return bilateral_smooth(track, weights, times, sigma_seconds=sigma, sigma_px=1e6)


@pytest.mark.parametrize("kind", ["gaussian", "bilateral"])
@pytest.mark.parametrize("times", [np.arange(40) / 5, np.arange(40) / 60, np.cumsum(RANDOM.uniform(0.01, 0.08, 40))])
def test_steady_motion_is_kept_to_the_ends(kind: str, times: np.ndarray) -> None:
    track = track_of(3 + 40 * times)
    np.testing.assert_allclose(smooth(kind, track, times, sigma=0.1), track, rtol=2e-3, atol=0.05)


@pytest.mark.parametrize("kind", ["gaussian", "bilateral"])
def test_time_reversal_commutes(kind: str) -> None:
    # What is blind to the direction of time can't lag.
    times = np.cumsum(RANDOM.uniform(0.02, 0.05, 50))
    track = track_of(RANDOM.normal(0, 10, 50).cumsum())
    forth = smooth(kind, track, times, sigma=0.1)
    back = smooth(kind, track[::-1].copy(), -times[::-1], sigma=0.1)
    np.testing.assert_allclose(back[::-1], forth, atol=1e-3)


def test_a_sine_keeps_its_phase_and_loses_what_theory_says() -> None:
    rate, frequency, sigma = 120.0, 2.0, 0.05
    times = np.arange(360) / rate
    track = track_of(np.sin(2 * np.pi * frequency * times))
    out = smooth("gaussian", track, times, sigma=sigma)[60:-60, 0, 0]
    kept = np.exp(-2 * (np.pi * frequency * sigma) ** 2)
    np.testing.assert_allclose(out, kept * track[60:-60, 0, 0], atol=0.01)


def test_the_same_seconds_mean_the_same_at_every_rate() -> None:
    def amplitude(rate: float) -> float:
        times = np.arange(int(4 * rate)) / rate
        out = smooth("gaussian", track_of(np.sin(2 * np.pi * times)), times, sigma=0.12)
        return float(np.abs(out[int(rate) : -int(rate), 0, 0]).max())

    assert amplitude(20) == pytest.approx(amplitude(60), abs=0.02)


def test_noise_goes_where_a_joint_stands() -> None:
    times = np.arange(300) / 30
    track = track_of(100 + RANDOM.normal(0, 1, 300))
    out = bilateral_smooth(track, np.ones((300, 1), np.float32), times, sigma_seconds=0.067, sigma_px=10)
    assert out[20:-20, 0, 0].std() < 0.5


def test_a_jump_stays_a_jump() -> None:
    times = np.arange(60) / 30
    track = track_of(np.where(np.arange(60) < 30, 0.0, 80.0))
    out = bilateral_smooth(track, np.ones((60, 1), np.float32), times, sigma_seconds=0.067, sigma_px=4)
    np.testing.assert_allclose(out[[28, 31], 0, 0], [0, 80], atol=0.5)


def test_untrusted_samples_are_replaced_by_their_neighbours() -> None:
    times = np.arange(30) / 30
    clean = track_of(2.0 * np.arange(30))
    spoilt, weights = clean.copy(), np.ones((30, 1), np.float32)
    spoilt[14:16, 0], weights[14:16] = 500, 0
    np.testing.assert_allclose(smooth("gaussian", spoilt, times, sigma=0.067, weights=weights), clean, atol=0.2)


def test_nothing_trusted_is_left_as_it_is() -> None:
    track = track_of(RANDOM.normal(size=12))
    out = smooth("gaussian", track, np.arange(12) / 30, sigma=0.1, weights=np.zeros((12, 1), np.float32))
    np.testing.assert_array_equal(out, track)


@pytest.mark.parametrize("num_frames", [1, 2, 30])
def test_zero_width_changes_nothing(num_frames: int) -> None:
    track, times = track_of(RANDOM.normal(size=num_frames)), np.arange(num_frames) / 30
    np.testing.assert_array_equal(smooth("gaussian", track, times, sigma=0.0), track)
    np.testing.assert_array_equal(smooth("bilateral", track, times, sigma=0.0), track)


def test_five_frames_a_second_are_hardly_touched() -> None:
    # Neighbours 0.2 s away say nothing about a joint now: two sigma and more.
    times = np.arange(20) / 5
    track = track_of(RANDOM.normal(0, 30, 20))
    out = bilateral_smooth(track, np.ones((20, 1), np.float32), times, sigma_seconds=0.067, sigma_px=4)
    np.testing.assert_allclose(out, track, atol=1.0)
