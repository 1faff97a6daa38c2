from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from drn_core.config import DRNConfig, WarpConfig
from drn_core.model.build import build_drn, preset, set_compute_dtype
from drn_core.model.flow_head import motion_limits
from drn_core.model.records import DRNInput
from tests.drn_core.model.inputs import make_inputs

TINY = WarpConfig(channels=(8, 16, 24, 32), num_blocks=(1, 1, 1))
# An untrained network must give every 8-bit value back: half a grey level.
HALF_GREY_LEVEL = 0.5 / 255


def shaken(config: DRNConfig, *, seed: int = 1) -> torch.nn.Module:
    """A network whose heads are not zero, as after some training."""
    torch.manual_seed(seed)
    model = build_drn(config).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("name", ["flow", "content", "default"])
def test_untrained_network_returns_the_prior(name: str) -> None:
    inputs = make_inputs(2, (64, 96))
    with torch.no_grad():
        output = build_drn(preset(name)).eval()(inputs)
    assert (output.image - inputs.driver.prior_image).abs().max() < HALF_GREY_LEVEL / 10
    assert output.pose.residual_flow.abs().max() == 0
    assert output.pose.visibility.min() > 0.9999


def test_shapes_of_everything_that_explains_a_frame() -> None:
    inputs = make_inputs(3, (64, 96))
    output = shaken(preset("default"))(inputs)
    assert output.image.shape == output.detail.shape == output.face.shape == (3, 3, 64, 96)
    assert output.face_mask.shape == output.pose.visibility.shape == (3, 1, 64, 96)
    assert output.pose.features.shape == (3, 64, 16, 24)
    assert [tuple(f.shape) for f in output.pose.residual_flows] == [(3, 2, 4, 6), (3, 2, 8, 12), (3, 2, 16, 24)]
    torch.testing.assert_close(output.pose.coarse + output.correction, output.image)


def test_features_of_one_photo_serve_a_batch_of_frames() -> None:
    inputs = make_inputs(1, (64, 64))
    frames = make_inputs(4, (64, 64), seed=3)
    model = shaken(preset("default"))
    with torch.no_grad():
        together = model.predict(model.encode_source(inputs.source), frames.driver).image
        alone = model.predict(model.encode_source(inputs.source), make_one(frames, 2)).image
    torch.testing.assert_close(together[2:3], alone, atol=2e-5, rtol=0)


def make_one(inputs: DRNInput, index: int) -> object:
    driver = inputs.driver
    values = {name: getattr(driver, name) for name in driver.__dataclass_fields__}
    return replace(driver, **{k: None if v is None else v[index : index + 1] for k, v in values.items()})


def test_residual_flow_stays_within_its_bound() -> None:
    model = shaken(DRNConfig(pose_branch=replace(TINY, max_residual_px=3.0)))
    for head in model.pose_branch.heads.values():
        head.flow.bias.data.fill_(100.0)
    output = model(make_inputs())
    assert output.pose.residual_flow.abs().max() <= 3.0


def test_bfloat16_gives_the_same_picture() -> None:
    model = shaken(preset("default"))
    inputs = make_inputs(1, (64, 64))
    with torch.no_grad():
        exact = model(inputs).image
        fast = set_compute_dtype(model, torch.bfloat16)(inputs).image
    assert fast.dtype == torch.float32
    assert (exact - fast).abs().mean() < 2 / 255


@pytest.mark.slow
def test_compiled_network_gives_the_same_picture() -> None:
    model = shaken(DRNConfig(pose_branch=TINY))
    inputs = make_inputs(1, (32, 32))
    compiled = torch.compile(model, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(inputs).image, model(inputs).image, atol=1e-4, rtol=0)


def test_gradient_reaches_every_weight_in_the_end() -> None:
    model = shaken(DRNConfig(pose_branch=TINY)).train()
    model(make_inputs()).image.square().mean().backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


def test_first_step_moves_the_flow_head_away_from_zero() -> None:
    torch.manual_seed(0)
    model = build_drn(DRNConfig(pose_branch=replace(TINY, predicts_content=False)))
    inputs = make_inputs(2, (32, 32))
    target = torch.roll(inputs.driver.prior_image, 1, dims=-1)
    (model(inputs).image - target).abs().mean().backward()
    assert model.pose_branch.heads["4"].flow.weight.grad.abs().max() > 0


def test_missing_prior_and_missing_guidance_are_named() -> None:
    inputs = make_inputs()
    model = build_drn(DRNConfig(pose_branch=TINY))
    with pytest.raises(ValueError, match="needs prior_image"):
        model(DRNInput(inputs.source, replace(inputs.driver, prior_flow=None)))
    with pytest.raises(ValueError, match="parts is None"):
        build_drn(DRNConfig(pose_branch=replace(TINY, num_parts=5)))(inputs)
    with pytest.raises(ValueError, match="guidance is None"):
        build_drn(DRNConfig(pose_branch=replace(TINY, guidance_channels=2)))(inputs)


def test_parts_and_guidance_change_the_result() -> None:
    inputs = make_inputs(1, (32, 32))
    model = shaken(DRNConfig(pose_branch=replace(TINY, num_parts=3, guidance_channels=1)))
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    guidance = torch.zeros(1, 1, 32, 32)
    plain = model(DRNInput(inputs.source, replace(inputs.driver, parts=labels, guidance=guidance))).image
    other = model(DRNInput(inputs.source, replace(inputs.driver, parts=labels + 2, guidance=guidance))).image
    third = model(DRNInput(inputs.source, replace(inputs.driver, parts=labels, guidance=guidance + 1))).image
    assert (plain - other).abs().max() > 0
    assert (plain - third).abs().max() > 0


def test_what_rests_may_hardly_be_corrected() -> None:
    flow, visibility = torch.zeros(1, 2, 16, 16), torch.zeros(1, 1, 16, 16)
    visibility[..., 2:14] = 1.0
    flow[:, 0] += 3.0  # the person as a whole stands elsewhere
    flow[:, 1, :, 10:14] += 20.0  # a limb moves
    limits = motion_limits(flow, visibility, 0.2, 16.0)[0, 0]
    assert limits[8, 4] == pytest.approx(0.25)
    assert limits[8, 12] == pytest.approx(4.0)
    assert limits[8, 15] == pytest.approx(4.0)  # beside the limb
    assert limits[8, 0] == pytest.approx(0.25)
    assert motion_limits(flow, visibility, 2.0, 16.0).max() == 16.0
    assert torch.isfinite(motion_limits(flow, torch.zeros_like(visibility), 0.2, 16.0)).all()


def test_the_motion_bounds_the_residual_flow() -> None:
    model = shaken(DRNConfig(pose_branch=replace(TINY, motion_share=0.1)))
    for head in model.pose_branch.heads.values():
        head.flow.bias.data.fill_(100.0)
    inputs = make_inputs()
    still = replace(inputs.driver, prior_flow=torch.zeros_like(inputs.driver.prior_flow))
    with torch.no_grad():
        flow = model(replace(inputs, driver=still)).pose.residual_flow
    assert flow.abs().max() == pytest.approx(0.25, abs=1e-3)
