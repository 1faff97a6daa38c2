from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drn_core.config import TrainConfig
from drn_core.errors import CheckpointError, TrainingError
from drn_core.model.checkpoint import load_checkpoint
from drn_core.training import state as state_module
from drn_core.training.distributed import Processes
from drn_core.training.loop import Progress, TrainingRun
from tests.drn_core.training.pairs import MadePairs
from tests.drn_core.training.recipes import PAPER_RECIPE, WARP_RECIPE

ALONE = Processes(rank=0, count=1, device=torch.device("cpu"))


def make_run(config: TrainConfig, folder: Path, **options: Any) -> TrainingRun:
    data = options.pop("data", MadePairs(consecutive=2))
    return TrainingRun(config, folder, data, processes=ALONE, tensorboard=False, **options)


def losses(folder: Path) -> list[tuple[int, dict[str, float]]]:
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    keep = {"kind", "step", "time", "samples_per_second", "data_share", "phase"}
    return [(r["step"], {k: v for k, v in r.items() if k not in keep}) for r in records if r["kind"] == "train"]


@pytest.mark.parametrize(
    ("config", "stop"),
    [(WARP_RECIPE, 5), (WARP_RECIPE, 8), (PAPER_RECIPE, 2)],
    ids=["between-phases", "within-adversarial", "paper"],
)
def test_resumed_run_has_the_same_losses(config: TrainConfig, stop: int, tmp_path: Path) -> None:
    config = replace(config, save_every=stop)
    assert make_run(config, tmp_path / "whole").run()
    interrupted = make_run(config, tmp_path / "parts")
    interrupted._save_original = interrupted._save

    def save_then_die() -> None:
        interrupted._save_original()
        raise KeyboardInterrupt

    interrupted._save = save_then_die
    with pytest.raises(KeyboardInterrupt):
        interrupted.run()
    assert make_run(config, tmp_path / "parts").run()
    whole, parts = losses(tmp_path / "whole"), losses(tmp_path / "parts")
    assert [step for step, _ in parts] == list(range(1, config.total_steps + 1))
    assert parts == whole


def test_a_run_starts_from_a_network_with_more_parts_but_not_from_one_with_fewer(tmp_path: Path) -> None:
    wide = WARP_RECIPE
    narrow = replace(wide, network=replace(wide.network, global_drm=None, face_drm=None))
    whole = make_run(wide, tmp_path / "wide").state.model.state_dict()
    start = make_run(narrow, tmp_path / "narrow", initial=whole).state.model.state_dict()
    assert 0 < len(start) < len(whole)
    assert all(torch.equal(value, whole[name]) for name, value in start.items())
    with pytest.raises(CheckpointError, match="lack"):
        make_run(wide, tmp_path / "back", initial=start)


def test_every_term_is_logged_by_name(tmp_path: Path) -> None:
    make_run(WARP_RECIPE, tmp_path).run()
    by_step = dict(losses(tmp_path))
    assert set(by_step[1]) == {"reconstruction", "flow", "visibility", "silhouette", "smoothness", "residual", "total"}
    assert set(by_step[4]) == {"reconstruction", "laplacian", "gradient", "ssim", "total"}
    assert set(by_step[10]) == {"reconstruction", "temporal", "adversarial", "total", "d_appearance", "d_shape"}


def test_paper_schedule_reports_both_losses(tmp_path: Path) -> None:
    make_run(PAPER_RECIPE, tmp_path, data=MadePairs(joints=18)).run()
    assert set(losses(tmp_path)[0][1]) == {
        "pose/reconstruction", "pose/total", "reconstruction", "adversarial", "total", "d_appearance", "d_shape",
    }  # fmt: skip


def test_phases_change_only_what_they_train(tmp_path: Path) -> None:
    only_detail = replace(WARP_RECIPE, phases=(WARP_RECIPE.phases[2],), ema_decay=0.0)
    run = make_run(only_detail, tmp_path)
    before = {name: tensor.clone() for name, tensor in run.state.model.state_dict().items()}
    run.run()
    changed = {name.split(".")[0] for name, tensor in run.state.model.state_dict().items()
               if not torch.equal(tensor, before[name])}  # fmt: skip
    assert changed == {"global_drm", "face_drm"}


def test_run_leaves_a_loadable_checkpoint_with_its_papers(tmp_path: Path) -> None:
    config = replace(WARP_RECIPE, validate_every=10, sample_every=10)
    run = make_run(config, tmp_path, validation_data=MadePairs(count=3))
    run.run()
    checkpoint = load_checkpoint(tmp_path / "weights.safetensors")
    assert checkpoint.card.recipe == "tiny-warp"
    assert checkpoint.card.steps == 10
    assert {"psnr_prior", "psnr_warped", "psnr_coarse", "psnr_output", "ssim_output"} <= set(checkpoint.card.metrics)
    assert (tmp_path / "samples" / "0000010.png").is_file()


def test_loss_that_is_not_finite_stops_the_run_and_keeps_batch_and_state(tmp_path: Path) -> None:
    config = replace(WARP_RECIPE, save_every=1)
    run = make_run(config, tmp_path, data=MadePairs(spoil=3))
    with pytest.raises(TrainingError, match=r"step \d+: the loss of generator is nan; the batch is kept in"):
        run.run()
    assert (tmp_path / "bad-batch.safetensors").is_file()
    assert all(torch.isfinite(p).all() for p in run.state.model.parameters())
    if (tmp_path / "weights.safetensors").is_file():
        load_checkpoint(tmp_path / "weights.safetensors")


def test_full_disk_stops_the_run_and_keeps_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(WARP_RECIPE, save_every=2)
    make_run(config, tmp_path).run(max_seconds=0)
    before = (tmp_path / "state.safetensors").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_module, "save_file", full)
    with pytest.raises(TrainingError, match="No space left on device"):
        make_run(config, tmp_path).run()
    assert (tmp_path / "state.safetensors").read_bytes() == before


def test_state_of_another_recipe_is_refused(tmp_path: Path) -> None:
    make_run(WARP_RECIPE, tmp_path).run(max_seconds=0)
    with pytest.raises(TrainingError, match="another 'seed'"):
        make_run(replace(WARP_RECIPE, seed=1), tmp_path).run()
    (tmp_path / "state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="no readable training state"):
        make_run(WARP_RECIPE, tmp_path).run()


def test_time_limit_stops_with_the_state_saved_and_progress_is_told(tmp_path: Path) -> None:
    seen: list[Progress] = []
    assert not make_run(WARP_RECIPE, tmp_path, on_progress=seen.append).run(max_seconds=0)
    assert seen[0].step == 1
    assert seen[0].samples_per_second > 0
    assert state_module.read_step(tmp_path / "state.safetensors") == 1
    assert make_run(WARP_RECIPE, tmp_path).run()
