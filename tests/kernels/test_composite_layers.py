"""composite_layers: the layers of a raster, sampled and blended."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from kernels.composite_layers import composite_layers
from kernels.errors import DtypeError, ShapeError
from kernels.rasterize_prior import PriorRaster, rasterize_prior
from tests.kernels.conftest import Runner
from tests.kernels.meshes import random_scene


def raster_of(layer: list[int], flow: tuple[float, float] = (0.0, 0.0), size: int = 6) -> PriorRaster:
    """A raster that shows the same peels at every pixel."""
    shape = (1, len(layer), size, size)
    layers = torch.tensor(layer, dtype=torch.int8).view(1, -1, 1, 1).expand(shape).contiguous()
    flows = torch.tensor(flow).view(1, 1, 2, 1, 1).expand(1, len(layer), 2, size, size).contiguous()
    return PriorRaster(flows, layers, layers, torch.zeros(shape), torch.zeros(1, 1, size, size))


def flat(red: int, green: int, blue: int, alpha: int, size: int = 6) -> Tensor:
    return torch.tensor([red, green, blue, alpha], dtype=torch.uint8).expand(1, size, size, 4).contiguous()


BACKGROUND = torch.full((6, 6, 3), 100, dtype=torch.uint8)


def test_nothing_shows_the_background(run: Runner) -> None:
    result = run(composite_layers, flat(1, 2, 3, 255), raster_of([-1, -1]), BACKGROUND)
    assert torch.equal(result, BACKGROUND[None])


def test_opaque_at_rest_is_the_texture(run: Runner) -> None:
    texture = torch.randint(0, 256, (1, 6, 6, 4), dtype=torch.uint8)
    texture[..., 3] = 255
    for interpolation in ("bicubic", "bilinear"):
        result = run(composite_layers, texture, raster_of([0]), BACKGROUND, interpolation=interpolation)
        assert torch.equal(result, texture[..., :3])


def test_peels_are_blended_front_to_back(run: Runner) -> None:
    textures = torch.cat([flat(200, 0, 0, 51), flat(0, 200, 0, 102)])  # alpha 0.2 before 0.4
    result = run(composite_layers, textures, raster_of([0, 1]), BACKGROUND)
    assert result[0, 3, 3].tolist() == [88, 112, 48]


def test_without_a_background_alpha_is_straight(run: Runner) -> None:
    result = run(composite_layers, flat(200, 10, 0, 51), raster_of([0]), None)
    assert result[0, 3, 3].tolist() == [200, 10, 0, 51]
    assert run(composite_layers, flat(200, 10, 0, 255), raster_of([-1]), None).sum() == 0


def test_alpha_ends_with_the_texture_and_colour_does_not(run: Runner) -> None:
    result = run(composite_layers, flat(200, 200, 200, 255), raster_of([0], (0.5, 0.0)), BACKGROUND)
    assert result[0, 3, :, 0].tolist() == [200, 200, 200, 200, 200, 150]


def test_the_residual_flow_adds_to_every_peel(run: Runner) -> None:
    textures = torch.randint(0, 256, (2, 6, 6, 4), dtype=torch.uint8)
    residual = torch.tensor([0.5, -0.25]).view(1, 2, 1, 1).expand(1, 2, 6, 6)
    split = run(composite_layers, textures, raster_of([1, 0], (0.25, 0.5)), BACKGROUND, residual_flow=residual)
    whole = run(composite_layers, textures, raster_of([1, 0], (0.75, 0.25)), BACKGROUND)
    assert torch.equal(split, whole)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e20])
def test_a_position_that_is_nowhere_shows_nothing(run: Runner, bad: float) -> None:
    result = run(composite_layers, flat(1, 2, 3, 255), raster_of([0], (bad, 0.0)), BACKGROUND)
    assert torch.equal(result, BACKGROUND[None])


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("with_background", [True, False])
@pytest.mark.parametrize("with_residual", [True, False])
def test_matches_the_reference(
    run: Runner, reference: Runner, interpolation: str, with_background: bool, with_residual: bool
) -> None:
    scene = random_scene(2)
    raster = reference(rasterize_prior, *scene.values(), size_hw=(40, 50), num_peels=3)
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 256, (3, 40, 50, 3), dtype=torch.uint8, generator=generator)
    textures = torch.cat([colours, scene["layer_alpha"][..., None]], dim=-1)
    background = torch.randint(0, 256, (2, 40, 50, 3), dtype=torch.uint8, generator=generator)
    options: dict[str, Any] = {"interpolation": interpolation}
    if with_residual:
        options["residual_flow"] = torch.randn(2, 2, 40, 50, generator=generator) * 4
    inputs = (textures, raster, background if with_background else None)
    actual, expected = (runner(composite_layers, *inputs, **options) for runner in (run, reference))
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("shape", [(0, 6, 6), (1, 1, 1)])
def test_small_and_empty_textures(run: Runner, reference: Runner, shape: tuple[int, int, int]) -> None:
    textures = torch.full((max(shape[0], 1), *shape[1:], 4), 255, dtype=torch.uint8)[: shape[0]]
    raster = raster_of([0 if shape[0] else -1])
    actual, expected = (runner(composite_layers, textures, raster, BACKGROUND) for runner in (run, reference))
    assert torch.equal(actual, expected)


def test_is_registered_with_torch() -> None:
    raster = raster_of([0, -1])
    arguments = (flat(1, 2, 3, 4), raster.flow, raster.layer, BACKGROUND[None], None, True)
    torch.library.opcheck(torch.ops.retarget_kernels.composite_layers.default, arguments)


def test_errors() -> None:
    texture, raster = flat(1, 2, 3, 4), raster_of([0])
    for backend in ("numba", "reference"):
        with pytest.raises(ValueError, match=r"raster.layer: expected ids below 1, got 3"):
            composite_layers(texture, raster_of([3]), BACKGROUND, backend=backend)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"textures: expected shape \(L, Hs, Ws, 4\)"):
        composite_layers(texture[..., :3], raster, BACKGROUND)
    with pytest.raises(ShapeError, match=r"background: expected shape \(6, 6, 3\)"):
        composite_layers(texture, raster, BACKGROUND[:5])
    with pytest.raises(DtypeError, match="background: expected dtype uint8"):
        composite_layers(texture, raster, BACKGROUND.float())
    with pytest.raises(ValueError, match="interpolation: expected one of bilinear, bicubic"):
        composite_layers(texture, raster, BACKGROUND, interpolation="nearest")  # type: ignore[arg-type]
