"""temporal_blend: the previous result helps where it agrees, and only there."""

from __future__ import annotations

import math

import pytest
import torch

from kernels.errors import DtypeError, ShapeError
from kernels.temporal_blend import temporal_blend
from tests.helpers.tolerances import assert_near
from tests.kernels.conftest import Runner


def test_by_hand(run: Runner) -> None:
    current, previous = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), 0.6)
    result = run(temporal_blend, current, previous, torch.zeros(1, 2, 2, 2), strength=0.8, tolerance=0.1)
    expected = 0.5 + 0.8 * math.exp(-1.0) * 0.1
    torch.testing.assert_close(result, torch.full_like(current, expected))


def test_a_still_picture_stays_as_it_is(run: Runner) -> None:
    image = torch.randint(0, 256, (1, 3, 5, 6), dtype=torch.uint8)
    assert torch.equal(run(temporal_blend, image, image, torch.zeros(1, 2, 5, 6)), image)


def test_nothing_comes_from_outside_or_nowhere(run: Runner) -> None:
    current, previous = torch.zeros(1, 1, 1, 4), torch.full((1, 1, 1, 4), 0.01)
    flow = torch.zeros(1, 2, 1, 4)
    flow[0, :, 0] = torch.tensor([[-0.5, math.nan, 0.0, 0.5], [0.0, 0.0, math.inf, 0.0]])
    assert torch.equal(run(temporal_blend, current, previous, flow), current)


def test_the_mask_limits(run: Runner) -> None:
    current, previous = torch.zeros(1, 1, 1, 2), torch.full((1, 1, 1, 2), 0.01)
    mask = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    result = run(temporal_blend, current, previous, torch.zeros(1, 2, 1, 2), mask, strength=1.0).flatten()
    assert result[0] == 0.0
    assert result[1] == pytest.approx(0.01 * math.exp(-0.04))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_matches_the_reference(
    run: Runner, reference: Runner, dtype: torch.dtype, channels: int, last: bool, masked: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    unit = 255.0 if dtype == torch.uint8 else 1.0
    current = torch.rand(2, channels, 6, 7, generator=generator)
    previous = (current + 0.05 * torch.randn(current.shape, generator=generator)).clamp(0, 1)
    current, previous = (current * unit).to(dtype), (previous * unit).to(dtype)
    if last:
        current = current.contiguous(memory_format=torch.channels_last)
    flow = torch.randn(2, 2, 6, 7, generator=generator)
    mask = torch.rand(2, 1, 6, 7, generator=generator) if masked else None
    actual, expected = (runner(temporal_blend, current, previous, flow, mask) for runner in (run, reference))
    assert_near(actual, expected)
    assert actual.stride() == current.stride()


def test_an_empty_batch(run: Runner) -> None:
    nothing = torch.zeros(0, 3, 4, 4)
    assert run(temporal_blend, nothing, nothing, torch.zeros(0, 2, 4, 4)).shape == nothing.shape


def test_is_registered_with_torch() -> None:
    arguments = (torch.rand(1, 3, 4, 5), torch.rand(1, 3, 4, 5), torch.rand(1, 2, 4, 5), None, 0.5, 0.1)
    torch.library.opcheck(torch.ops.retarget_kernels.temporal_blend.default, arguments)


def test_errors() -> None:
    image, flow = torch.rand(1, 3, 4, 5), torch.rand(1, 2, 4, 5)
    with pytest.raises(ShapeError, match=r"previous: expected shape \(1, 3, 4, 5\)"):
        temporal_blend(image, image[..., :4], flow)
    with pytest.raises(ShapeError, match=r"mask: expected shape \(1, 1, 4, 5\)"):
        temporal_blend(image, image, flow, image)
    with pytest.raises(DtypeError, match="current: expected dtype float32, float16, bfloat16, uint8, got float64"):
        temporal_blend(image.double(), image.double(), flow)
    for strength, tolerance in ((1.5, 0.1), (0.5, 0.0), (math.nan, 0.1)):
        with pytest.raises(ValueError, match=r"strength in \[0, 1\] and tolerance above 0"):
            temporal_blend(image, image, flow, strength=strength, tolerance=tolerance)
