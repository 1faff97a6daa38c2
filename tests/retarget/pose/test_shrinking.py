"""Shrinking by halves: sizes, places and brightness stay."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.pose.shrinking import shrink


@pytest.mark.parametrize(("height", "width"), [(400, 300), (401, 300), (399, 301), (90, 70)])
def test_a_slope_stays_where_it_was(height: int, width: int) -> None:
    across = np.linspace(0, 255, width)[None].repeat(height, 0).round().astype(np.uint8)
    size_wh = (width * 3 // 11, height * 3 // 11)
    small = shrink(np.stack([across, across, across], axis=-1), size_wh)
    centres = (np.arange(size_wh[0]) + 0.5) * width / size_wh[0] - 0.5
    assert small.shape == (size_wh[1], size_wh[0], 3)
    assert np.abs(small[size_wh[1] // 2, :, 0] - centres / (width - 1) * 255).max() < 1.5


def test_fine_stripes_become_grey_not_moire() -> None:
    stripes = (np.arange(512) % 2 * 255).astype(np.uint8)[None].repeat(512, 0)
    assert np.ptp(shrink(stripes, (200, 200))) <= 2
    assert abs(int(shrink(stripes, (200, 200)).mean()) - 128) <= 1
