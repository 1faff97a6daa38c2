from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from drn_core.config import PackData
from drn_core.config_json import to_json
from drn_core.data.packs import PACK_SUFFIX, write_pack
from drn_core.model.checkpoint import read_card
from drn_core.training.recipe import estimate_cost, load_recipe, recipe_names
from retarget.cli.main import main
from tests.drn_core.training.pairs import MadePairs
from tests.drn_core.training.recipes import WARP_RECIPE


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    packs = tmp_path / "packs"
    pairs = MadePairs(has_background=True)
    for number in range(2):
        write_pack(packs / f"{number}{PACK_SUFFIX}", [pairs.sample(number, seed=0)], origin="made up")
    data = PackData(folders=(str(packs),), holdout=2)
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(to_json(replace(WARP_RECIPE, data=data, phases=WARP_RECIPE.phases[:1]))))
    return path


def run(*arguments: object) -> int:
    return main(["train", *map(str, arguments)])


def test_trains_to_the_end_and_says_so(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)  # TensorBoard is slow to import
    assert run("--config", recipe, "--output", tmp_path / "run", "--device", "cpu") == 0
    out = capsys.readouterr().out
    assert "1 samples to train on, 1 held out" in out
    assert "finished" in out
    assert read_card(tmp_path / "run" / "weights.safetensors")[1].steps == 3


def test_dry_run_writes_nothing(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", recipe, "--output", tmp_path / "run", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "M parameters" in out
    assert "3 in 1 phases, 6 samples a process" in out
    assert not (tmp_path / "run").exists()


def test_bad_input_has_its_exit_code(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run("--config", "no-such-recipe", "--output", out) == 2
    assert "neither a readable file nor a recipe" in capsys.readouterr().err
    assert run("--config", recipe, "--output", out, "--data", tmp_path / "empty") == 3
    assert "no readable packs" in capsys.readouterr().err
    pickled = tmp_path / "weights.pt"
    pickled.write_bytes(b"\x80\x04junk")
    assert run("--config", recipe, "--output", out, "--init", pickled) == 6
    assert "is a pickle" in capsys.readouterr().err


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_load_and_fit(name: str) -> None:
    config = load_recipe(name)
    assert config.name == name
    cost = estimate_cost(config)
    if config.network.pose_branch.kind == "warp":
        assert cost.parameters * 2 < 40e6  # stored in half precision
        assert cost.macs_per_frame < 6e9


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("--list", "--output", tmp_path) == 0
    assert "paper-shallow" in capsys.readouterr().out
