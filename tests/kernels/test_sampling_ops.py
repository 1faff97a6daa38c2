"""What warp, blend_warp and local_attention have in common: every backend does what the reference does."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from kernels.blend_warp import blend_warp
from kernels.cuda.layout import fixed_point_scale
from kernels.local_attention import local_attention
from kernels.warp import warp
from tests.helpers.tolerances import assert_near
from tests.kernels.conftest import Runner

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8]
OPS = {"warp": warp, "blend_warp": blend_warp, "local_attention": local_attention}
PROPERTY = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    """Shapes from nothing to small, both memory formats, flows of another size, of odd strides, and beyond the edge."""
    small = st.integers(0, 6)
    return {
        "batch": draw(st.integers(0, 3)),
        "channels": draw(st.sampled_from([0, 1, 2, 3, 4, 5, 33, 64])),
        "size": (draw(small), draw(small)),
        "out_size": (draw(small), draw(small)),
        "last": draw(st.booleans()),
        "strided": draw(st.booleans()),
        "reach": draw(st.sampled_from([0.0, 1.0, 20.0, 1e9])),
        "seed": draw(st.integers(0, 1000)),
    }


def inputs_for(name: str, dtype: torch.dtype, shape: dict[str, Any]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(shape["seed"])
    real = torch.float64 if dtype == torch.float64 else torch.float32

    def random(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator, dtype=torch.float64)

    def restrided(tensor: Tensor) -> Tensor:
        return tensor.mT.contiguous().mT if shape["strided"] else tensor

    features = random(shape["batch"], shape["channels"], *shape["size"])
    features = (features * 90 + 128).clamp(0, 255) if dtype == torch.uint8 else features
    features = restrided(features.to(dtype))
    if shape["last"]:
        features = features.contiguous(memory_format=torch.channels_last)
    flow = (random(shape["batch"], 3, 2, *shape["out_size"]) * shape["reach"]).to(real)
    for first, bad in enumerate((float("nan"), float("inf"), -float("inf"))):
        flow.view(-1)[7 + first :: 23] = bad
    flow = restrided(flow)
    if name == "warp":
        return [features, flow[:, 0]]
    if name == "blend_warp":
        weights = random(shape["batch"], 3, *shape["out_size"]).to(real)
        return [features, flow, torch.where(weights.abs() < 0.3, 0.0, weights)]
    return [features, flow[:, 0], random(shape["batch"], 9, *shape["out_size"]).to(real) * 3]


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("dtype", DTYPES)
@PROPERTY
@given(shape=shapes(), padding=st.sampled_from(["border", "zeros"]))
def test_matches_the_reference(
    run: Runner, reference: Runner, name: str, dtype: torch.dtype, shape: dict[str, Any], padding: str
) -> None:
    inputs = inputs_for(name, dtype, shape)
    actual, expected = (runner(OPS[name], *inputs, padding=padding) for runner in (run, reference))
    assert_near(actual, expected)
    if shape["last"] and actual.numel() > 0 and inputs[0].numel() > 0:
        assert actual.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@PROPERTY
@given(shape=shapes(), padding=st.sampled_from(["border", "zeros"]))
def test_derivatives_match_the_reference(
    run: Runner, reference: Runner, name: str, dtype: torch.dtype, shape: dict[str, Any], padding: str
) -> None:
    inputs = inputs_for(name, dtype, shape)
    actual, expected = (runner.derive(OPS[name], *inputs, padding=padding) for runner in (run, reference))
    # The reference sums up in the order of its taps, and so rounds otherwise.
    for found, wanted in zip(actual, expected, strict=True):
        assert_near(found, wanted, slack=20.0)


@pytest.mark.parametrize("name", OPS)
def test_derivatives_with_fixed_point_sums_match_the_reference(run: Runner, reference: Runner, name: str) -> None:
    shape = {
        "batch": 2,
        "channels": 5,
        "size": (7, 6),
        "out_size": (5, 9),
        "last": True,
        "strided": False,
        "reach": 2.0,
    }
    inputs = inputs_for(name, torch.float32, {**shape, "seed": 3})
    expected = reference.derive(OPS[name], *inputs)
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (run.derive(OPS[name], *inputs) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    for found, again, wanted in zip(first, second, expected, strict=True):
        assert_near(found, wanted, slack=20.0)
        assert torch.equal(found, again)


def test_in_fixed_point_what_is_not_finite_makes_the_sum_nan() -> None:
    assert fixed_point_scale(torch.tensor([0.5, -3.0]), 4.0).item() == 2.0**58  # 12 * 2^58 fits 62 bits
    for bad in (math.inf, -math.inf, math.nan):
        assert fixed_point_scale(torch.tensor([0.5, bad]), 4.0).isnan()


@pytest.mark.gradcheck
@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_derivatives_match_differences(run: Runner, name: str, padding: str) -> None:
    shape = {
        "batch": 1,
        "channels": 2,
        "size": (4, 5),
        "out_size": (3, 4),
        "last": False,
        "strided": False,
        "reach": 0.0,
    }
    inputs = inputs_for(name, torch.float64, {**shape, "seed": 1})
    generator = torch.Generator().manual_seed(2)
    # Away from whole pixels, where bilinear interpolation has a kink.
    inputs[1] = torch.rand(inputs[1].shape, generator=generator, dtype=torch.float64) * 0.8 + 0.1
    leaves = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(lambda *tensors: run(OPS[name], *tensors, padding=padding), leaves)


@pytest.mark.parametrize("name", OPS)
def test_the_derivative_by_features_is_the_adjoint(run: Runner, name: str) -> None:
    shape = {
        "batch": 2,
        "channels": 3,
        "size": (5, 6),
        "out_size": (7, 4),
        "last": True,
        "strided": False,
        "reach": 2.0,
    }
    features, *others = inputs_for(name, torch.float64, {**shape, "seed": 5})
    leaf = features.detach().clone().requires_grad_()
    result = run(OPS[name], leaf, *others)
    above = torch.randn_like(result)
    (pulled,) = torch.autograd.grad(result, leaf, above)
    probe = torch.randn_like(features)
    pushed = run(OPS[name], probe, *others)
    torch.testing.assert_close((pushed * above).sum(), (probe * pulled).sum())


@pytest.mark.parametrize("name", OPS)
def test_constant_features_stay_constant(run: Runner, name: str) -> None:
    shape = {
        "batch": 1,
        "channels": 3,
        "size": (5, 6),
        "out_size": (5, 6),
        "last": True,
        "strided": False,
        "reach": 3.0,
    }
    features, flow, *others = inputs_for(name, torch.float32, {**shape, "seed": 5})
    flow = flow.nan_to_num(0.5, 0.5, 0.5)
    if name == "blend_warp":
        others = [torch.softmax(others[0], dim=1)]
    result = run(OPS[name], torch.full_like(features, 4.0), flow, *others)
    torch.testing.assert_close(result, torch.full_like(result, 4.0))


# opcheck itself looks at the gradients of tensors that are no leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("name", OPS)
def test_is_registered_with_torch(name: str) -> None:
    shape = {
        "batch": 1,
        "channels": 3,
        "size": (4, 5),
        "out_size": (3, 4),
        "last": True,
        "strided": False,
        "reach": 1.0,
    }
    inputs = [tensor.requires_grad_() for tensor in inputs_for(name, torch.float32, {**shape, "seed": 2})]
    options: tuple[bool, ...] = (False, True) if name == "warp" else (True,)
    torch.library.opcheck(getattr(torch.ops.retarget_kernels, name).default, (*inputs, *options))


@pytest.mark.parametrize("name", OPS)
def test_compiles_without_a_graph_break(name: str) -> None:
    shape = {
        "batch": 1,
        "channels": 3,
        "size": (4, 5),
        "out_size": (4, 5),
        "last": False,
        "strided": False,
        "reach": 1.0,
    }
    inputs = inputs_for(name, torch.float32, {**shape, "seed": 2})
    compiled = torch.compile(lambda *tensors: OPS[name](*tensors) * 2, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), OPS[name](*inputs) * 2)


def test_second_derivatives_are_an_error_and_the_reference_has_them() -> None:
    features = torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    flow = torch.full((1, 2, 4, 4), 0.3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(warp(features, flow).square().sum(), flow, create_graph=True)
    with pytest.raises(NotImplementedError, match="backend='reference'"):
        torch.autograd.grad(slope.sum(), features)
    result = warp(features, flow, interpolation="bicubic", backend="reference")
    (slope,) = torch.autograd.grad(result.square().sum(), flow, create_graph=True)
    assert torch.autograd.grad(slope.sum(), features)[0].abs().sum() > 0
