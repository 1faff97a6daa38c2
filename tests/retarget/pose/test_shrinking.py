"""Shrinking by halves: sizes, places and brightness stay."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.pose.shrinking import resized_part, shrink


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


@pytest.mark.parametrize("size_hw", [(450, 600), (300, 400), (200, 267), (150, 200), (97, 130), (40, 53)])
def test_a_part_is_cut_from_the_whole_in_another_size(size_hw: tuple[int, int]) -> None:
    height, width = 300, 400
    across = np.linspace(0, 250, width)[None].repeat(height, 0)
    down = np.linspace(0, 250, height)[:, None].repeat(width, 1)
    picture = np.stack([across, down, (across + down) / 2], axis=-1).round().astype(np.uint8)
    y0, x0, y1, x1 = area = (size_hw[0] // 3, 0, size_hw[0], size_hw[1] // 2)
    part = resized_part(picture, area, size_hw).astype(float)
    y, x = (
        (np.arange(low, high) + 0.5) * 250 / side for low, high, side in ((y0, y1, size_hw[0]), (x0, x1, size_hw[1]))
    )
    assert part.shape == (y1 - y0, x1 - x0, 3)
    inner = np.s_[:-1, 1:]  # at the picture's edge there is nothing to interpolate with
    assert np.abs(part[..., 0] - x)[inner].max() < 2.0
    assert np.abs(part[..., 1] - y[:, None])[inner].max() < 2.0
    grey = resized_part(picture, area, size_hw, is_grey=True)
    assert np.abs(grey - part @ (0.299, 0.587, 0.114)).max() < 1.6


def test_a_part_of_fine_stripes_is_grey() -> None:
    stripes = (np.arange(512) % 2 * 255).astype(np.uint8)[None, :, None].repeat(512, 0).repeat(3, 2)
    assert np.ptp(resized_part(stripes, (10, 10, 100, 100), (128, 128))) <= 2
