"""Metrics over time on motion that is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from drn_core.evaluation.temporal import joint_jitter, measure_real_motion, warping_error
from tests.helpers.evaluation import textured_picture

INSIDE = np.zeros((96, 96), np.bool_)
INSIDE[20:-20, 20:-20] = True


def moving_window(shift: int) -> np.ndarray:
    return np.ascontiguousarray(textured_picture((96, 140))[:, shift : shift + 96])


def test_flow_of_a_shift_points_to_where_pixels_came_from() -> None:
    flow, trusted = measure_real_motion(moving_window(0), moving_window(4))
    assert trusted[INSIDE].mean() > 0.9
    np.testing.assert_allclose(np.median(flow[INSIDE], axis=0), (4.0, 0.0), atol=0.2)


def test_a_clip_that_moves_like_the_real_one_has_the_real_ones_error() -> None:
    before, now = moving_window(0), moving_window(4)
    motion = measure_real_motion(before, now)
    error = warping_error(before, now, motion, INSIDE)
    assert error is not None
    assert error < 6
    assert warping_error(255 - before, 255 - now, motion, INSIDE) == pytest.approx(error, abs=0.5)


def test_flicker_shows_in_the_warping_error() -> None:
    before, now = moving_window(0), moving_window(4)
    motion = measure_real_motion(before, now)
    steady = warping_error(before // 2, now // 2, motion, INSIDE)
    flickering = warping_error(before // 2, now // 2 + 40, motion, INSIDE)
    assert steady is not None
    assert flickering is not None
    assert flickering > steady + 30


def test_no_trusted_pixel_gives_no_error() -> None:
    picture = moving_window(0)
    flow = np.zeros((96, 96, 2), np.float32)
    assert warping_error(picture, picture, (flow, np.zeros((96, 96), np.bool_)), INSIDE) is None


def test_jitter_by_hand() -> None:
    errors = np.zeros((4, 2, 2))
    errors[2, 0] = (3.0, 4.0)  # second differences of joint 0: 5 at frames 0-2, 10 at frames 1-3; joint 1: none
    np.testing.assert_allclose(joint_jitter(errors), [2.5, 5.0])


def test_jitter_ignores_a_constant_offset_and_absent_joints() -> None:
    errors = np.full((3, 2, 2), 7.0)
    errors[1, 1] = np.nan
    np.testing.assert_allclose(joint_jitter(errors), [0.0])
    errors[:, 0] = np.nan
    assert np.isnan(joint_jitter(errors)).all()


def test_jitter_needs_three_frames() -> None:
    assert joint_jitter(np.zeros((2, 5, 2))).shape == (0,)
