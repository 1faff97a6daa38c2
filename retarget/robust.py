"""Statistics that outliers don't move."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["weighted_medians"]


def weighted_medians(
    values: npt.NDArray[np.floating[Any]], weights: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    """Compute the median of each row.

    Args:
        values: (J, N).
        weights: (J, N), not negative.

    Returns:
        (J,), the first value at which half of the row's weight is reached; 0 where all weights are 0.
    """
    order, rows = np.argsort(values, axis=1), np.arange(len(values))
    reached = np.cumsum(weights[rows[:, None], order], axis=1)
    total = reached[:, -1]
    middle = np.argmax(reached >= total[:, None] / 2, axis=1)
    median = values[rows, order[rows, middle]]
    return np.where(total > 0, median, 0).astype(np.float64)
