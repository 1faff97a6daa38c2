"""Networks learn: a handful of pairs by heart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from drn_core.config import DRNConfig, GlobalDRMConfig, LossConfig, PatnConfig, PhaseConfig
from drn_core.data.records import collate
from drn_core.losses.adversarial import ImagePool
from drn_core.model.build import build_drn, count_parameters, preset
from drn_core.model.discriminator import DiscriminatorPair
from drn_core.training.distributed import Processes
from drn_core.training.loop import TrainingRun
from drn_core.training.steps import StepRunner
from drn_core.training.validation import validate
from tests.drn_core.training.pairs import MadePairs
from tests.drn_core.training.recipes import PAPER_RECIPE, TINY_WARP, WARP_RECIPE

ALONE = Processes(rank=0, count=1, device=torch.device("cpu"))


def test_paper_network_learns_eight_pairs(tmp_path: Path) -> None:
    network = DRNConfig(
        size_hw=(16, 16),
        pose_branch=PatnConfig(base_channels=16, num_downsamplings=1, num_blocks=2, dropout=0.0, sigma_px=1.5),
        global_drm=GlobalDRMConfig(style_channels=(16, 32), style_code=16, hidden=32, num_upsamplings=1),
    )
    phase = PhaseConfig(
        name="all", steps=90, trains=("pose", "detail"), schedule="three-step", batch_size=8, learning_rate=4e-3,
        decay="linear", pose_loss=LossConfig(reconstruction=10.0), loss=LossConfig(reconstruction=10.0),
    )  # fmt: skip
    config = replace(PAPER_RECIPE, network=network, phases=(phase,), ema_decay=0.0, log_every=100, save_every=1000)
    data = MadePairs(size=16, joints=18)
    run = TrainingRun(config, tmp_path, data, processes=ALONE, tensorboard=False)
    run.run()
    metrics = validate(run.state.average.model, [collate([data.sample(i, seed=0) for i in range(8)])], ALONE.device)
    assert metrics["psnr_output"] >= 28.0


def test_warp_branch_finds_the_missing_half_of_a_shift(tmp_path: Path) -> None:
    phase = PhaseConfig(
        name="flow", steps=80, trains=("flow",), picture="warped", batch_size=8, learning_rate=3e-3, decay="linear",
        loss=LossConfig(reconstruction=1.0, flow=0.1),
    )  # fmt: skip
    config = replace(WARP_RECIPE, network=TINY_WARP, phases=(phase,), ema_decay=0.0, log_every=50, save_every=1000)
    data = MadePairs()
    run = TrainingRun(config, tmp_path, data, processes=ALONE, tensorboard=False)
    run.run()
    metrics = validate(run.state.average.model, [collate([data.sample(i, seed=0) for i in range(8)])], ALONE.device)
    assert metrics["psnr_warped"] > metrics["psnr_prior"] + 3.0


def test_one_step_of_the_published_size_on_cpu() -> None:
    torch.manual_seed(0)
    network = replace(preset("paper-shallow"), face_drm=None)
    model = build_drn(network)
    assert count_parameters(model.pose_branch) == 41_358_019
    phase = replace(PAPER_RECIPE.phases[0], steps=1, discriminator_steps=1)
    runner = StepRunner(
        replace(PAPER_RECIPE, network=network, phases=(phase,)),
        phase,
        model,
        discriminators=DiscriminatorPair(18),
        pools=(ImagePool(), ImagePool()),
        features=None,
        processes=ALONE,
    )
    before = model.pose_branch.blocks[8].image_path[3].weight.detach().clone()
    report = runner.step(MadePairs(size=64, joints=18).sample(0, seed=0), 0)
    assert all(value == value for value in report.values())
    assert not torch.equal(before, model.pose_branch.blocks[8].image_path[3].weight)
