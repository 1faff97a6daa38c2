"""Weighted medians by hand."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.robust import weighted_medians


@pytest.mark.parametrize(
    ("values", "weights", "median"),
    [
        ([3.0, 1.0, 2.0], [1.0, 1.0, 1.0], 2.0),
        ([3.0, 1.0, 2.0], [5.0, 1.0, 1.0], 3.0),
        ([3.0, 1.0, 2.0], [0.0, 1.0, 0.0], 1.0),
        ([1.0, 2.0], [1.0, 1.0], 1.0),
        ([1.0, 2.0], [0.0, 0.0], 0.0),
    ],
)
def test_by_hand(values: list[float], weights: list[float], median: float) -> None:
    both = weighted_medians(np.array([values, values]), np.array([weights, weights]))
    assert both.tolist() == [median, median]
