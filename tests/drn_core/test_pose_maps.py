from __future__ import annotations

import math

import pytest
import torch

from drn_core.pose_maps import OPENPOSE18_MIRROR, gaussian_maps, impulse_maps, num_joints_of, to_joint_set
from drn_core.skeleton import JOINT_INDEX, MIRROR


def test_gaussian_has_its_peak_at_the_joint_and_falls_with_distance() -> None:
    maps = gaussian_maps(torch.tensor([[[5.0, 2.0]]]), torch.tensor([[0.5]]), (8, 10), sigma_px=2.0)
    assert maps.shape == (1, 1, 8, 10)
    assert maps[0, 0, 2, 5] == pytest.approx(0.5)
    assert maps[0, 0, 2, 7] == pytest.approx(0.5 * math.exp(-0.5))
    assert maps[0, 0, 4, 5] == pytest.approx(0.5 * math.exp(-0.5))


def test_strided_maps_are_samples_of_the_full_ones_at_cell_centres() -> None:
    point, sure = torch.tensor([[[5.5, 5.5]]]), torch.ones(1, 1)
    maps = gaussian_maps(point, sure, (16, 16), sigma_px=3.0, stride=4)
    assert maps.shape == (1, 1, 4, 4)
    assert maps[0, 0, 1, 1] == pytest.approx(1.0)  # cell 1 is centred at 4 + 1.5


def test_absent_joints_draw_nothing() -> None:
    points = torch.tensor([[[math.nan, 1.0], [math.inf, 0.0], [1.0, 1.0]]])
    maps = gaussian_maps(points, torch.tensor([[1.0, 1.0, 0.0]]), (4, 4), sigma_px=1.0)
    assert torch.count_nonzero(maps) == 0


def test_impulse_is_one_pixel_and_ignores_joints_outside() -> None:
    points = torch.tensor([[[1.4, 2.6], [9.0, 0.0], [0.0, 0.0]]])
    maps = impulse_maps(points, torch.tensor([[1.0, 1.0, 0.0]]), (4, 4))
    assert maps.sum() == 1
    assert maps[0, 0, 3, 1] == 1


def test_openpose_order_and_neck() -> None:
    points = torch.arange(33.0)[None, :, None].expand(1, 33, 2).clone()
    sure = torch.ones(1, 33)
    sure[0, JOINT_INDEX["left_shoulder"]] = 0.25
    converted, confidence = to_joint_set(points, sure, "openpose18")
    assert converted.shape == (1, 18, 2)
    assert converted[0, 1, 0] == (11 + 12) / 2
    assert confidence[0, 1] == 0.25
    assert converted[0, 2, 0] == JOINT_INDEX["right_shoulder"]
    assert converted[0, 17, 0] == JOINT_INDEX["left_ear"]


def test_openpose_mirror_agrees_with_the_body_mirror() -> None:
    points = torch.randn(1, 33, 2)
    swapped, _ = to_joint_set(points[:, list(MIRROR)], torch.ones(1, 33), "openpose18")
    direct, _ = to_joint_set(points, torch.ones(1, 33), "openpose18")
    torch.testing.assert_close(swapped, direct[:, list(OPENPOSE18_MIRROR)])


def test_foreign_joint_count_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 33 or 18 joints, got 17"):
        to_joint_set(torch.zeros(1, 17, 2), torch.zeros(1, 17), "openpose18")
    assert num_joints_of("blazepose33") == 33
