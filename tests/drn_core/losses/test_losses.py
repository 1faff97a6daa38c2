from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from drn_core.errors import WeightsMissingError
from drn_core.losses.adversarial import ImagePool, lsgan_discriminator_loss, lsgan_generator_loss
from drn_core.losses.flow import flow_loss, flow_smoothness, sampling_correctness, silhouette_loss, visibility_loss
from drn_core.losses.perceptual import Vgg19Features, gram_matrix, perceptual_loss, style_loss
from drn_core.losses.reconstruction import (
    charbonnier,
    gradient_loss,
    l1_loss,
    laplacian_loss,
    ssim_loss,
    weighted_mean,
)
from drn_core.losses.temporal import temporal_loss

PICTURE_LOSSES = [l1_loss, gradient_loss, laplacian_loss, ssim_loss]


def two_levels(image: Tensor) -> list[Tensor]:
    return [image, torch.nn.functional.avg_pool2d(image, 2) ** 2]


@pytest.mark.parametrize("loss", PICTURE_LOSSES)
def test_picture_losses_vanish_for_equal_pictures_only(loss: object) -> None:
    picture, other = torch.rand(2, 2, 3, 32, 32).unbind(0)
    assert float(loss(picture, picture)) == pytest.approx(0.0, abs=1e-5)
    assert float(loss(picture, other)) > 0.05


@pytest.mark.parametrize("loss", PICTURE_LOSSES)
def test_picture_losses_look_only_where_there_is_weight(loss: object) -> None:
    picture = torch.rand(1, 3, 32, 32)
    other, weight = picture.clone(), torch.zeros(1, 1, 32, 32)
    other[..., 24:] = 0
    weight[..., :10] = 1
    assert float(loss(picture, other, weight)) < 0.02
    assert float(loss(picture, other, 1 - weight)) > 0.05


def test_l1_and_gradient_by_hand() -> None:
    zero, ramp = torch.zeros(1, 1, 2, 3), torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])[None, None]
    assert float(l1_loss(ramp, zero)) == 1.0
    assert float(gradient_loss(ramp, zero)) == 1.0  # 1 along x, 0 along y


def test_weights_of_zero_give_zero_not_nan() -> None:
    assert float(weighted_mean(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))) == 0


def test_ssim_agrees_with_torch_evaluation_at_the_extremes() -> None:
    picture = torch.rand(1, 1, 32, 32)
    assert float(ssim_loss(1 - picture, picture)) > 1.0


def test_charbonnier_is_near_the_absolute_value() -> None:
    assert charbonnier(torch.tensor([0.0, 3.0])).tolist() == pytest.approx([0.0, 2.999], abs=1e-3)


def test_least_squares_game_by_hand() -> None:
    good, bad = torch.full((2,), 1.0), torch.full((2,), 0.0)
    assert float(lsgan_generator_loss(good)) == 0
    assert float(lsgan_generator_loss(bad)) == 1
    assert float(lsgan_discriminator_loss(good, bad)) == 0
    assert float(lsgan_discriminator_loss(bad, good)) == 1


def test_pool_returns_new_entries_until_full_then_half_old_ones() -> None:
    pool = ImagePool(4, seed=0)
    first = torch.arange(4.0)[:, None, None, None].requires_grad_()
    handed_out = pool.exchange(first)
    assert torch.equal(handed_out, first)
    assert not handed_out.requires_grad
    later = torch.cat([pool.exchange(torch.full((1, 1, 1, 1), 100.0 + i)) for i in range(200)]).flatten()
    was_new = (later == torch.arange(200.0) + 100).float().mean()
    assert 0.35 < was_new < 0.65
    assert len(pool.entries) == 4


def test_pool_state_continues_the_same_draws() -> None:
    pool, twin = ImagePool(2, seed=0), ImagePool(2, seed=9)
    for i in range(5):
        pool.exchange(torch.full((1, 1, 1, 1), float(i)))
    twin.load_state(pool.state(), torch.device("cpu"))
    for i in range(5, 25):
        entry = torch.full((1, 1, 1, 1), float(i))
        assert torch.equal(pool.exchange(entry), twin.exchange(entry))


def test_flow_loss_is_zero_for_the_exact_residual_and_counts_pixels_otherwise() -> None:
    prior = torch.full((1, 2, 16, 16), 3.0)
    target, valid = prior + torch.tensor([2.0, 0.0])[None, :, None, None], torch.ones(1, 1, 16, 16)
    exact = torch.tensor([2.0, 0.0])[None, :, None, None].expand(1, 2, 4, 4)
    assert float(flow_loss(exact, prior, target, valid)) == pytest.approx(0.0, abs=1e-5)
    assert float(flow_loss(torch.zeros(1, 2, 4, 4), prior, target, valid)) == pytest.approx(1.0, abs=0.06)
    assert float(flow_loss(torch.zeros(1, 2, 4, 4), prior, target, 0 * valid)) == 0


def test_flow_loss_leads_to_the_target() -> None:
    prior, valid = torch.zeros(1, 2, 16, 16), torch.ones(1, 1, 16, 16)
    residual = torch.zeros(1, 2, 4, 4, requires_grad=True)
    flow_loss(residual, prior, prior + 1.5, valid).backward()
    assert (residual.grad < 0).all()


def test_visibility_loss_prefers_the_truth() -> None:
    target = torch.zeros(1, 1, 16, 16)
    target[..., :8] = 1
    logits = 8 * (torch.nn.functional.avg_pool2d(target, 4) - 0.5)
    assert float(visibility_loss(logits, target)) < 0.05
    assert float(visibility_loss(-logits, target)) > 3


def test_silhouette_and_smoothness() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    assert float(silhouette_loss(mask + 0.25, mask)) == 0.25
    ramp = torch.arange(8.0).expand(1, 2, 8, 8)
    assert float(flow_smoothness(ramp)) == pytest.approx(0.0, abs=1e-6)
    assert float(flow_smoothness(ramp.abs().remainder(2))) > 0.5


def test_sampling_correctness_prefers_the_right_flow() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(1, 3, 16, 16, generator=generator)
    target = torch.roll(source, (0, 4), dims=(2, 3))
    weight = torch.ones(1, 1, 16, 16)
    weight[..., :6] = 0
    right = torch.tensor([-4.0, 0.0])[None, :, None, None].expand(1, 2, 16, 16)

    def features(image: Tensor) -> list[Tensor]:
        return [torch.nn.functional.avg_pool2d(image - 0.5, 2)]

    good = sampling_correctness(features, source, target, right, weight)
    assert good < sampling_correctness(features, source, target, 0 * right, weight) - 0.1


def test_temporal_loss_forgives_steady_errors_and_punishes_flicker() -> None:
    target = torch.rand(4, 3, 8, 8)
    steady = target + 0.1
    flicker = target + 0.1 * torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None, None, None]
    assert float(temporal_loss(steady, target, consecutive=2)) == pytest.approx(0.0, abs=1e-6)
    assert float(temporal_loss(flicker, target, consecutive=2)) == pytest.approx(0.2, abs=1e-6)
    assert float(temporal_loss(flicker, target, consecutive=1)) == 0
    with pytest.raises(ValueError, match="4 frames are no runs of 3"):
        temporal_loss(steady, target, consecutive=3)


def test_gram_matrix_by_hand_and_style_ignores_place() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]
    assert torch.allclose(gram_matrix(features), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)
    picture = torch.rand(1, 3, 8, 8)
    moved = torch.roll(picture, 2, dims=-1)
    assert float(style_loss(two_levels, picture, moved)) == pytest.approx(0.0, abs=1e-6)
    assert float(perceptual_loss(two_levels, picture, moved)) > 0.01


def test_missing_vgg_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="no VGG19 weights"):
        Vgg19Features(tmp_path / "absent.pth")


@pytest.mark.gradcheck
@pytest.mark.parametrize("loss", [gradient_loss, laplacian_loss])
def test_gradients(loss: object) -> None:
    picture = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: loss(p, target), (picture,))
