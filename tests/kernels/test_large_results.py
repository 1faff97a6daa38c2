"""What only larger pictures meet: pixels taken sixteen at a time, and results that are written past the caches."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kernels.cpu import streaming
from kernels.pose_maps import pose_maps
from kernels.rasterize_prior import rasterize_prior
from kernels.splat import splat
from kernels.temporal_blend import temporal_blend
from kernels.warp import Interpolation, Padding, warp
from tests.helpers.tolerances import assert_near
from tests.kernels.conftest import Runner
from tests.kernels.meshes import random_scene

# Below a block, one, more, several, and more than one stretch of a row.
WIDTHS = [5, 16, 17, 40, 530]


def picture(channels: int, width: int, seed: int) -> Tensor:
    """Bytes, channels last."""
    generator = torch.Generator().manual_seed(seed)
    texels = torch.randint(0, 256, (2, 6, width, channels), dtype=torch.uint8, generator=generator)
    return texels.permute(0, 3, 1, 2)


def rough_flow(width: int) -> Tensor:
    """Some pixels of motion; here and there far outside, or nowhere."""
    flow = torch.randn(2, 2, 6, width, generator=torch.Generator().manual_seed(1)) * 3
    flow[0, :, 2, ::7], flow[1, 0, 3, ::5], flow[1, 1, 4, 3] = math.nan, 1e9, -math.inf
    return flow


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("calm", [False, True])
def test_wide_pictures_are_warped(
    run: Runner, reference: Runner, width: int, channels: int, padding: Padding, calm: bool
) -> None:
    image, flow = picture(channels, width, 0), rough_flow(width)
    flow = flow.nan_to_num(0.0).clamp(-1.0, 1.0) if calm else flow
    actual, expected = (runner(warp, image, flow, padding=padding) for runner in (run, reference))
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("size_hw", [(40, 300), (2, 9000)])  # several tiles of rows, and of columns
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8])
def test_planes_are_warped_in_tiles(reference: Runner, size_hw: tuple[int, int], dtype: torch.dtype) -> None:
    features = (torch.rand(1, 2, 30, 400) * 255).to(dtype)
    flow = torch.randn(1, 2, *size_hw, dtype=torch.float64 if dtype == torch.float64 else torch.float32) * 30
    assert_near(warp(features, flow), reference(warp, features, flow))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_wide_pictures_are_blended(run: Runner, reference: Runner, width: int, channels: int, masked: bool) -> None:
    previous, flow = picture(channels, width, 0), rough_flow(width)
    near = reference(warp, previous, flow).short() + torch.randint(-20, 20, previous.shape)
    current = near.clamp(0, 255).byte().contiguous(memory_format=torch.channels_last)
    mask = torch.rand(2, 1, 6, width) if masked else None
    actual, expected = (runner(temporal_blend, current, previous, flow, mask) for runner in (run, reference))
    assert_near(actual, expected)
    assert (actual != expected).float().mean() < 0.01


@pytest.fixture
def _streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write every result past the caches, however small."""
    monkeypatch.setattr(streaming, "_WORTH_STREAMING", 0)


@pytest.mark.usefixtures("_streams")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("channels", [16, 64, 96])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_warp_past_the_caches(
    reference: Runner, dtype: torch.dtype, channels: int, interpolation: Interpolation
) -> None:
    features = (torch.rand(2, channels, 5, 7) * 255).to(dtype).contiguous(memory_format=torch.channels_last)
    flow = torch.randn(2, 2, 6, 9, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    flow[0, 0, 1, 2] = math.nan
    assert_near(
        warp(features, flow, interpolation=interpolation), reference(warp, features, flow, interpolation=interpolation)
    )


@pytest.mark.usefixtures("_streams")
@pytest.mark.parametrize("size_hw", [(3, 32), (4, 33), (2, 7)])
def test_pose_maps_past_the_caches(reference: Runner, size_hw: tuple[int, int]) -> None:
    arguments, options = (torch.rand(2, 3, 2) * 20, torch.rand(2, 3) - 0.5), {"size_hw": size_hw, "sigma_px": 3.0}
    expected = reference(pose_maps, *arguments, **options)
    torch.testing.assert_close(pose_maps(*arguments, **options), expected, atol=5e-7, rtol=0)


@pytest.mark.usefixtures("_streams")
@pytest.mark.parametrize("size_hw", [(40, 300), (35, 131), (70, 20)])
def test_a_raster_past_the_caches(reference: Runner, size_hw: tuple[int, int]) -> None:
    scene = random_scene(3)
    scene["target_xy"] = scene["target_xy"] + torch.tensor([100.0, 0.0])
    for actual, expected in zip(
        rasterize_prior(**scene, size_hw=size_hw),
        reference(rasterize_prior, *scene.values(), size_hw=size_hw),
        strict=True,
    ):
        assert torch.equal(actual, expected)


def test_splat_of_many_bands_matches_the_reference(reference: Runner) -> None:
    generator = torch.Generator().manual_seed(0)
    values, flow = (torch.randn(2, count, 90, 100, generator=generator) for count in (20, 2))
    flow[:, :, 10:20] *= 40
    importance = torch.randn(2, 1, 90, 100, generator=generator) * 5
    for actual, expected in zip(
        splat(values, flow, importance), reference(splat, values, flow, importance), strict=True
    ):
        assert_near(actual, expected)
