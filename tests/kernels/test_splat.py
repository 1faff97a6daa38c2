"""splat: what arrives where, and what it weighs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernels.errors import DtypeError, ShapeError
from kernels.splat import splat
from tests.kernels.conftest import Runner


def moved(dx: float, dy: float, height: int = 4, width: int = 5) -> torch.Tensor:
    return torch.tensor([float(dx), float(dy)]).view(1, 2, 1, 1).repeat(1, 1, height, width)


def test_zero_flow_is_the_identity(run: Runner) -> None:
    values = torch.rand(1, 3, 4, 5)
    result = run(splat, values, moved(0, 0))
    torch.testing.assert_close(result.values, values, atol=1e-6, rtol=0)
    assert torch.equal(result.coverage, torch.ones(1, 1, 4, 5))


def test_whole_flow_shifts_and_leaves_a_hole(run: Runner) -> None:
    values = torch.rand(1, 2, 4, 5)
    result = run(splat, values, moved(1, 0))
    torch.testing.assert_close(result.values[..., 1:], values[..., :-1], atol=1e-6, rtol=0)
    assert torch.equal(result.values[..., 0], torch.zeros(1, 2, 4))
    assert torch.equal(result.coverage[0, 0, 0], torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0]))


def test_a_quarter_of_a_pixel_is_shared(run: Runner) -> None:
    values, flow = torch.zeros(1, 1, 1, 3), torch.full((1, 2, 1, 3), math.nan)
    values[..., 0], flow[:, 0, :, 0], flow[:, 1, :, 0] = 8.0, 0.25, 0.0
    result = run(splat, values, flow)
    assert torch.equal(result.coverage.flatten(), torch.tensor([0.75, 0.25, 0.0]))
    torch.testing.assert_close(result.values.flatten(), torch.tensor([8.0, 8.0, 0.0]))


@pytest.mark.parametrize("difference", [0.0, math.log(3.0), 500.0])
def test_importance_decides_where_pixels_meet(run: Runner, difference: float) -> None:
    values = torch.tensor([4.0, 8.0]).view(1, 1, 1, 2)
    flow = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).view(1, 2, 1, 2)
    importance = torch.tensor([difference, 0.0]).view(1, 1, 1, 2) + 300.0
    share = 1.0 / (1.0 + math.exp(-difference))
    result = run(splat, values, flow, importance)
    assert result.values[0, 0, 0, 1].item() == pytest.approx(4.0 * share + 8.0 * (1.0 - share), rel=1e-4)
    assert result.coverage[0, 0, 0, 1].item() == 2.0


def test_what_is_not_finite_is_lost(run: Runner) -> None:
    flow = moved(0, 0)
    flow[0, 0, 0, 0], flow[0, 1, 1, 1], flow[0, 0, 2, 2] = math.nan, math.inf, 1e20
    importance = torch.zeros(1, 1, 4, 5)
    importance[0, 0, 3, 3] = -math.inf
    result = run(splat, torch.ones(1, 1, 4, 5), flow, importance)
    lost = torch.zeros(4, 5, dtype=torch.bool)
    lost[0, 0] = lost[1, 1] = lost[2, 2] = lost[3, 3] = True
    assert torch.equal(result.coverage[0, 0] == 0, lost)
    assert torch.equal(result.values[0, 0] == 0, lost)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 3, 33]), st.integers(0, 6), st.integers(0, 6)),
    double=st.booleans(),
    reach=st.sampled_from([0.0, 0.5, 3.0]),
)
def test_matches_the_reference_with_derivatives(
    run: Runner, reference: Runner, shape: tuple[int, int, int, int], double: bool, reach: float
) -> None:
    generator = torch.Generator().manual_seed(11)
    dtype = torch.float64 if double else torch.float32
    batch, _, height, width = shape
    values = torch.randn(shape, generator=generator, dtype=dtype)
    flow = torch.randn(batch, 2, height, width, generator=generator, dtype=dtype) * reach
    importance = torch.randn(batch, 1, height, width, generator=generator, dtype=dtype) * 5
    actual, expected = (runner.derive(splat, values, flow, importance) for runner in (run, reference))
    for found, wanted in zip(actual, expected, strict=True):
        # Fixed point (CUDA) keeps 2^-30 of the largest value, whatever the dtype.
        torch.testing.assert_close(found, wanted, atol=2e-6 if double else 1e-4, rtol=1e-4)


@pytest.mark.gradcheck
def test_derivatives_match_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    values, importance = (torch.randn(1, c, 4, 4, generator=generator, dtype=torch.float64) for c in (2, 1))
    flow = torch.rand(1, 2, 4, 4, generator=generator, dtype=torch.float64) * 0.8 + 0.1
    leaves = [tensor.requires_grad_() for tensor in (values, flow, importance)]
    assert torch.autograd.gradcheck(lambda *tensors: tuple(splat(*tensors)), leaves)


def test_no_importance_means_equal(run: Runner) -> None:
    values, flow = torch.rand(1, 2, 5, 5), torch.randn(1, 2, 5, 5)
    without, zero = run(splat, values, flow), run(splat, values, flow, torch.zeros(1, 1, 5, 5))
    assert torch.equal(without.values, zero.values)


# opcheck itself looks at the gradients of tensors that are no leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_is_registered_with_torch() -> None:
    inputs = [torch.rand(1, c, 4, 5, requires_grad=True) for c in (3, 2, 1)]
    torch.library.opcheck(torch.ops.retarget_kernels.splat.default, inputs)


def test_errors() -> None:
    values, flow = torch.rand(1, 2, 4, 5), torch.rand(1, 2, 4, 5)
    with pytest.raises(ShapeError, match=r"flow: expected shape \(1, 2, 4, 5\), got \(1, 2, 4, 4\)"):
        splat(values, flow[..., :4])
    with pytest.raises(ShapeError, match=r"importance: expected shape \(1, 1, 4, 5\)"):
        splat(values, flow, flow)
    with pytest.raises(DtypeError, match="values: expected dtype float32, float64, got float16"):
        splat(values.half(), flow)
