"""warp: what it computes, told by hand; its edges; its errors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kernels.errors import DtypeError, ShapeError
from kernels.warp import Interpolation, Padding, warp
from tests.helpers.tolerances import assert_near
from tests.kernels.conftest import Runner

# 0  1  2
# 10 11 12
TABLE = torch.tensor([[[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]]])

# Position that a pixel looks at, and what it finds there: with the edge's value outside, with zero.
BY_HAND = [
    ((0.0, 0.0), 0.0, 0.0),
    ((1.0, 1.0), 11.0, 11.0),
    ((0.5, 0.0), 0.5, 0.5),
    ((1.25, 0.5), 6.25, 6.25),
    ((2.0, 1.0), 12.0, 12.0),
    ((2.5, 1.0), 12.0, 6.0),
    ((2.0, 1.5), 12.0, 6.0),
    ((-0.25, 1.0), 10.0, 7.5),
    ((-1.0, 1.0), 10.0, 0.0),
    ((1e9, -1e9), 2.0, 0.0),
    ((math.nan, 0.0), 0.0, 0.0),
    ((math.inf, 0.0), 0.0, 0.0),
    ((0.0, -math.inf), 0.0, 0.0),
]


def flow_to(position: tuple[float, float]) -> Tensor:
    """A flow of one pixel, which stands at (0, 0)."""
    return torch.tensor(position).view(1, 2, 1, 1)


def grid(height: int, width: int) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return x, y


@pytest.mark.parametrize(("position", "border", "zeros"), BY_HAND)
def test_table_by_hand(run: Runner, position: tuple[float, float], border: float, zeros: float) -> None:
    for padding, expected in (("border", border), ("zeros", zeros)):
        assert run(warp, TABLE, flow_to(position), padding=padding).item() == expected


def test_bicubic_by_hand(run: Runner) -> None:
    # Half way, Catmull-Rom weighs its four texels by -1/16, 9/16, 9/16, -1/16.
    features = torch.tensor([[[[0.0, 0.0, 16.0, 0.0]]]])
    assert run(warp, features, flow_to((1.5, 0.0)), interpolation="bicubic").item() == 9.0
    assert run(warp, features, flow_to((0.5, 0.0)), interpolation="bicubic").item() == -1.0


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8])
def test_zero_flow_is_the_identity(
    run: Runner, interpolation: Interpolation, padding: Padding, dtype: torch.dtype
) -> None:
    features = (torch.rand(2, 3, 5, 6) * 255).to(dtype).contiguous(memory_format=torch.channels_last)
    result = run(warp, features, torch.zeros(2, 2, 5, 6), interpolation=interpolation, padding=padding)
    assert torch.equal(result, features)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_whole_flow_is_a_shift(run: Runner, interpolation: Interpolation) -> None:
    features = torch.rand(1, 4, 6, 7)
    flow = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 6, 7)
    result = run(warp, features, flow, interpolation=interpolation, padding="zeros")
    expected = torch.zeros_like(features)
    expected[:, :, 1:, :-2] = features[:, :, :-1, 2:]
    assert torch.equal(result, expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_ramps_are_exact(run: Runner, interpolation: Interpolation) -> None:
    x, y = grid(12, 12)
    ramp = (3.0 * x - 2.0 * y)[None, None]
    flow = torch.rand(1, 2, 12, 12)
    result = run(warp, ramp, flow, interpolation=interpolation)[0, 0, 2:9, 2:9]
    expected = (3.0 * (x + flow[0, 0]) - 2.0 * (y + flow[0, 1]))[2:9, 2:9]
    torch.testing.assert_close(result, expected, atol=2e-5, rtol=1e-6)


def test_bytes_are_rounded_and_clamped(run: Runner) -> None:
    features = torch.tensor([0, 1, 255, 255, 0, 0], dtype=torch.uint8).view(1, 1, 1, 6)
    assert run(warp, features, flow_to((0.5, 0.0))).item() == 1  # 0.5, halves up
    assert run(warp, features, flow_to((0.25, 0.0))).item() == 0
    assert run(warp, features, flow_to((2.5, 0.0)), interpolation="bicubic").item() == 255  # overshoots
    assert run(warp, features, flow_to((4.5, 0.0)), interpolation="bicubic").item() == 0


@pytest.mark.parametrize("channels", [3, 4])
def test_every_pixel_of_a_byte_image_is_written(run: Runner, reference: Runner, channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randint(0, 256, (2, channels, 9, 11), dtype=torch.uint8, generator=generator)
    features = features.contiguous(memory_format=torch.channels_last)
    flow = torch.randn(2, 2, 9, 11, generator=generator)
    for padding in ("border", "zeros"):
        result = run(warp, features, flow, padding=padding)
        assert torch.equal(result, reference(warp, features, flow, padding=padding))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("last", [False, True])
def test_bicubic_and_bilinear_match_the_reference(
    run: Runner, reference: Runner, interpolation: Interpolation, dtype: torch.dtype, last: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    features = (torch.rand(2, 5, 7, 6, generator=generator) * 255).to(dtype)
    features = features.contiguous(memory_format=torch.channels_last) if last else features
    flow = torch.randn(2, 2, 4, 9, generator=generator) * 3
    flow = flow.double() if dtype == torch.float64 else flow
    for padding in ("border", "zeros"):
        options = {"interpolation": interpolation, "padding": padding}
        assert_near(run(warp, features, flow, **options), reference(warp, features, flow, **options))


def test_bicubic_derivatives_match_the_reference(run: Runner, reference: Runner) -> None:
    features, flow = torch.rand(1, 2, 6, 7, dtype=torch.float64), torch.rand(1, 2, 5, 4, dtype=torch.float64) * 6
    actual, expected = (runner.derive(warp, features, flow, interpolation="bicubic") for runner in (run, reference))
    for found, wanted in zip(actual, expected, strict=True):
        assert_near(found, wanted)


def test_only_the_derivatives_asked_for_are_computed(run: Runner) -> None:
    features, flow = torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4)
    result = run(warp, features.requires_grad_(), flow)
    assert torch.autograd.grad(result.sum(), features)[0].shape == features.shape
    result = run(warp, features.detach(), flow.requires_grad_())
    assert torch.autograd.grad(result.sum(), flow)[0].shape == flow.shape


def test_one_picture_serves_a_batch(run: Runner) -> None:
    features, flow = torch.rand(1, 3, 4, 5), torch.rand(3, 2, 4, 5)
    result = run(warp, features.expand(3, -1, -1, -1), flow)
    for b in range(3):
        assert torch.equal(result[b : b + 1], run(warp, features, flow[b : b + 1]))


@pytest.mark.slow
def test_more_elements_than_32_bits_count(run: Runner) -> None:
    channels = 2**31 // 16 + 2
    features = torch.zeros(1, channels, 4, 4, dtype=torch.uint8)
    features[0, -1, 3, 3] = 7
    assert features.numel() > 2**31
    assert run(warp, features, torch.full((1, 2, 1, 1), 3.0))[0, -1].item() == 7


def test_shape_errors() -> None:
    features, flow = torch.rand(2, 3, 4, 5), torch.rand(2, 2, 4, 5)
    with pytest.raises(ShapeError, match=r"features: expected shape \(B, C, Hs, Ws\), got \(3, 4, 5\)"):
        warp(features[0], flow)
    with pytest.raises(ShapeError, match=r"flow: expected shape \(2, 2, H, W\), got \(1, 2, 4, 5\)"):
        warp(features, flow[:1])


def test_dtype_errors() -> None:
    features, flow = torch.rand(1, 3, 4, 5), torch.rand(1, 2, 4, 5)
    with pytest.raises(DtypeError, match=r"features: expected dtype float32, .*uint8, got int64"):
        warp(features.long(), flow)
    with pytest.raises(DtypeError, match="flow: expected dtype float32, got float64"):
        warp(features, flow.double())
    with pytest.raises(DtypeError, match="flow: expected dtype float64, got float32"):
        warp(features.double(), flow)


def test_unknown_options() -> None:
    features, flow = torch.rand(1, 3, 4, 5), torch.rand(1, 2, 4, 5)
    with pytest.raises(ValueError, match="interpolation: expected one of bilinear, bicubic, got 'cubic'"):
        warp(features, flow, interpolation="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="padding: expected one of border, zeros, got 'wrap'"):
        warp(features, flow, padding="wrap")  # type: ignore[arg-type]
