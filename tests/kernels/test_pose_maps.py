"""pose_maps: one Gaussian per keypoint."""

from __future__ import annotations

import math

import pytest
import torch

from kernels.errors import DtypeError, ShapeError
from kernels.pose_maps import pose_maps
from tests.kernels.conftest import Runner


def test_by_hand(run: Runner) -> None:
    keypoints, confidence = torch.tensor([[[2.0, 1.0]]]), torch.tensor([[0.5]])
    maps = run(pose_maps, keypoints, confidence, size_hw=(3, 4), sigma_px=2.0)
    assert maps.shape == (1, 1, 3, 4)
    assert maps[0, 0, 1, 2].item() == 0.5
    assert maps[0, 0, 1, 0].item() == pytest.approx(0.5 * math.exp(-0.5))
    assert maps[0, 0, 2, 3].item() == pytest.approx(0.5 * math.exp(-0.25))


def test_with_a_stride_a_map_pixel_stands_at_the_middle_of_its_block(run: Runner) -> None:
    maps = run(pose_maps, torch.tensor([[[5.5, 1.5]]]), torch.ones(1, 1), size_hw=(8, 9), sigma_px=3.0, stride=4)
    assert maps.shape == (1, 1, 2, 2)
    assert maps[0, 0, 0, 1].item() == 1.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_draws_nothing(run: Runner, bad: float) -> None:
    keypoints, confidence = torch.zeros(1, 3, 2), torch.ones(1, 3)
    keypoints[0, 0, 0], confidence[0, 1] = bad, bad
    maps = run(pose_maps, keypoints, confidence, size_hw=(4, 4), sigma_px=1.0)
    assert maps.flatten(2).amax(dim=-1).tolist() == [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize("shape", [(0, 3, 2), (1, 0, 2), (2, 33, 2)])
@pytest.mark.parametrize("size_hw", [(0, 5), (1, 1), (17, 40)])
def test_matches_the_reference(
    run: Runner, reference: Runner, shape: tuple[int, int, int], size_hw: tuple[int, int]
) -> None:
    keypoints = torch.randn(shape) * 20
    options = {"size_hw": size_hw, "sigma_px": 2.5}
    confidence = torch.rand(shape[:2])
    actual, expected = (runner(pose_maps, keypoints, confidence, **options) for runner in (run, reference))
    torch.testing.assert_close(actual, expected, atol=5e-7, rtol=0)


def test_is_registered_with_torch() -> None:
    arguments = (torch.rand(2, 3, 2), torch.rand(2, 3), [4, 5], 2.0, 1)
    torch.library.opcheck(torch.ops.retarget_kernels.pose_maps.default, arguments)


def test_errors() -> None:
    keypoints, confidence = torch.rand(1, 3, 2), torch.rand(1, 3)
    with pytest.raises(ShapeError, match=r"confidence: expected shape \(1, 3\)"):
        pose_maps(keypoints, confidence[:, :2], size_hw=(4, 4), sigma_px=1.0)
    with pytest.raises(ShapeError, match="size_hw"):
        pose_maps(keypoints, confidence, size_hw=(4, -1), sigma_px=1.0)
    with pytest.raises(DtypeError, match="keypoints: expected dtype float32"):
        pose_maps(keypoints.double(), confidence, size_hw=(4, 4), sigma_px=1.0)
    for sigma_px, stride in ((0.0, 1), (math.nan, 1), (1.0, 0)):
        with pytest.raises(ValueError, match="sigma_px above 0"):
            pose_maps(keypoints, confidence, size_hw=(4, 4), sigma_px=sigma_px, stride=stride)
