"""What is known of the paper's network, checked on ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from drn_core.config import DRNConfig, FaceDRMConfig, GlobalDRMConfig, PatnConfig
from drn_core.model.blocks import adain
from drn_core.model.build import build_drn, count_parameters, preset
from drn_core.model.fusion import fuse
from drn_core.model.patn import PatnPoseBranch
from tests.drn_core.model.inputs import make_inputs

SMALL = DRNConfig(
    size_hw=(64, 48),
    pose_branch=PatnConfig(base_channels=8, num_downsamplings=2, num_blocks=2),
    global_drm=GlobalDRMConfig(style_channels=(8, 16, 16), style_code=16, hidden=16, num_upsamplings=2),
    face_drm=FaceDRMConfig(base_channels=4, drm=GlobalDRMConfig(style_channels=(8, 16), style_code=16, hidden=16)),
)


@pytest.mark.parametrize(("downsamplings", "parameters"), [(2, 41_358_019), (3, 165_233_603)])
def test_parameter_counts_are_the_published_ones(downsamplings: int, parameters: int) -> None:
    with torch.device("meta"):
        branch = PatnPoseBranch(PatnConfig(num_downsamplings=downsamplings))
    assert count_parameters(branch) == parameters


@pytest.mark.parametrize(
    ("downsamplings", "size_hw", "shape"),
    [(3, (256, 176), (512, 32, 22)), (2, (256, 176), (256, 64, 44)), (3, (256, 256), (512, 32, 32))],
)
def test_feature_map_shapes(downsamplings: int, size_hw: tuple[int, int], shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        branch = PatnPoseBranch(PatnConfig(num_downsamplings=downsamplings, num_blocks=1))
        code = branch.image_encoder(torch.empty(1, 3, *size_hw))
    assert tuple(code.shape) == (1, *shape)


def test_whole_network_shapes() -> None:
    output = build_drn(SMALL).eval()(make_inputs(2, (64, 48), joints=18))
    assert output.image.shape == (2, 3, 64, 48)
    assert output.pose.features.shape == (2, 32, 16, 12)
    assert output.pose.residual_flow is None
    assert 0 <= output.pose.coarse.min() <= output.pose.coarse.max() <= 1


def test_body_joints_are_converted() -> None:
    assert build_drn(replace(SMALL, face_drm=None)).eval()(make_inputs(1, (64, 48))).image.shape == (1, 3, 64, 48)


def test_loss_of_the_output_reaches_the_pose_branch_through_the_features() -> None:
    model = build_drn(SMALL)
    output = model(make_inputs(2, (64, 48), joints=18))
    output.detail.square().sum().backward()
    assert model.pose_branch.blocks[0].image_path[3].weight.grad.abs().max() > 0
    # R_t does not depend on the decoder of I_c: only F_t carries that gradient.
    assert model.pose_branch.to_image[1].weight.grad is None


def test_detail_depends_on_style_and_on_features() -> None:
    drm = build_drn(SMALL).eval().global_drm
    images, features = torch.rand(2, 3, 64, 48), torch.randn(2, 32, 16, 12)
    with torch.no_grad():
        styles = drm.encode_style(images)
        base = drm(features[:1], styles[:1], (64, 48))
        assert (base - drm(features[:1], styles[1:], (64, 48))).abs().max() > 1e-6
        assert (base - drm(features[1:], styles[:1], (64, 48))).abs().max() > 1e-6


def test_adain_gives_each_channel_its_scale_and_bias() -> None:
    features = 3 + 2 * torch.randn(2, 3, 16, 16)
    scale, bias = torch.tensor([[1.0, 2.0, 0.5]] * 2), torch.tensor([[0.0, -1.0, 4.0], [1.0, 1.0, 1.0]])
    result = adain(features, scale, bias)
    torch.testing.assert_close(result.mean(dim=(2, 3)), bias, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.std(dim=(2, 3), unbiased=False), scale, atol=1e-3, rtol=0)


def test_modulated_upsampling_uses_its_own_style_parameters() -> None:
    config = replace(SMALL.global_drm, modulates_upsampling=True)
    model = build_drn(replace(SMALL, global_drm=config, face_drm=None))
    assert model.global_drm.decoder.num_style_parameters == 4 * 32 * 2 + 2 * (16 + 8)
    assert model(make_inputs(1, (64, 48), joints=18)).detail.shape == (1, 3, 64, 48)


def test_zero_face_mask_leaves_the_sum_bit_exact() -> None:
    coarse, detail, face = torch.randn(3, 1, 3, 8, 8).unbind(0)
    mask = torch.zeros(1, 1, 8, 8)
    assert torch.equal(fuse(coarse, detail, face, mask), coarse + detail)
    mask[..., 4, 4] = 1
    assert torch.allclose(fuse(coarse, detail, face, mask)[..., 4, 4], face[..., 4, 4], atol=1e-6)


def test_hidden_face_switches_the_face_module_off() -> None:
    inputs = make_inputs(2, (64, 48), joints=18)
    inputs.driver.confidence[0, :] = 0
    output = build_drn(SMALL).eval()(inputs)
    assert output.face_mask[0].max() == 0
    assert torch.equal(output.image[0], (output.pose.coarse + output.detail)[0])
    assert output.face_mask[1].max() > 0.9


def test_paper_preset_has_the_papers_sizes() -> None:
    config = preset("paper")
    assert config.pose_branch.feature_channels == 512
    with torch.device("meta"):
        model = build_drn(config)
    assert model.global_drm.decoder.num_style_parameters == 4096
    # RATE-Net's decoder: two AdaIN blocks at 512, three 5x5 steps, a 7x7 convolution.
    assert count_parameters(model.global_drm.decoder) == pytest.approx(13.75e6, rel=0.01)
