from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from drn_core.config import DRNConfig, WarpConfig
from drn_core.errors import CheckpointError
from drn_core.model import checkpoint as module
from drn_core.model.build import build_drn
from drn_core.model.checkpoint import ModelCard, load_checkpoint, read_card, save_checkpoint
from tests.drn_core.model.inputs import make_inputs

CONFIG = DRNConfig(size_hw=(32, 32), pose_branch=WarpConfig(channels=(8, 8, 8, 8), num_blocks=(1, 1, 1)))
CARD = ModelCard(recipe="tiny", data="random", seed=3, steps=10, commit="abc", metrics={"psnr": 20.5})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, build_drn(CONFIG), CONFIG, CARD)
    return path


def rewrite(path: Path, *, drop: str | None = None, add: str | None = None, **metadata: str) -> None:
    with safe_open(path, framework="pt") as reader:
        header = dict(reader.metadata())
    tensors = load_file(path)
    if drop is not None:
        del tensors[drop]
    if add is not None:
        tensors[add] = torch.zeros(1)
    save_file(tensors, path, header | metadata)


def test_round_trip_keeps_config_card_and_result(weights: Path) -> None:
    torch.manual_seed(0)
    model, inputs = build_drn(CONFIG).eval(), make_inputs(1, (32, 32))
    loaded = load_checkpoint(weights)
    assert loaded.config == CONFIG
    assert loaded.card == CARD == read_card(weights)[1]
    assert not loaded.model.training
    assert torch.equal(loaded.model(inputs).image, model(inputs).image)


def test_half_precision_file_is_half_as_large(weights: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    save_checkpoint(half, load_checkpoint(weights).model, CONFIG, CARD, dtype=torch.float16)
    assert half.stat().st_size < 0.6 * weights.stat().st_size
    assert next(load_checkpoint(half).model.parameters()).dtype == torch.float32


def test_missing_and_surplus_keys_are_named(weights: Path) -> None:
    rewrite(weights, drop="pose_branch.stem.bias")
    with pytest.raises(CheckpointError, match=r"1 weights are missing, the first is 'pose_branch\.stem\.bias'"):
        load_checkpoint(weights)
    save_checkpoint(weights, build_drn(CONFIG), CONFIG, CARD)
    rewrite(weights, add="surprise")
    with pytest.raises(CheckpointError, match="1 weights are surplus, the first is 'surprise'"):
        load_checkpoint(weights)


def test_wrong_shape_version_and_format_are_named(weights: Path) -> None:
    other = DRNConfig(size_hw=(32, 32), pose_branch=WarpConfig(channels=(16, 8, 8, 8), num_blocks=(1, 1, 1)))
    rewrite(weights, config=json.dumps(module.to_json(other)))
    with pytest.raises(CheckpointError, match="has shape"):
        load_checkpoint(weights)
    rewrite(weights, version="99")
    with pytest.raises(CheckpointError, match="format version 99"):
        load_checkpoint(weights)
    rewrite(weights, format="something")
    with pytest.raises(CheckpointError, match="holds no weights of this network"):
        load_checkpoint(weights)


@pytest.mark.parametrize(
    "config", ["{", '{"surprise": 1}', '{"pose_branch": {"kind": "warp", "max_residual_px": 1e9}}']
)
def test_foreign_configuration_is_refused(weights: Path, config: str) -> None:
    rewrite(weights, config=config)
    with pytest.raises(CheckpointError, match="its configuration does not fit"):
        load_checkpoint(weights)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = build_drn(CONFIG)
    model.pose_branch.stem.bias.data.fill_(float("nan"))
    save_checkpoint(tmp_path / "nan.safetensors", model, CONFIG, CARD)
    with pytest.raises(CheckpointError, match=r"pose_branch\.stem\.bias' hold values that are not finite"):
        load_checkpoint(tmp_path / "nan.safetensors")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise AssertionError('executed')",))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "plain.pt", tmp_path / "zipped.pt"
    plain.write_bytes(pickle.dumps(Bomb()))
    torch.save({"x": Bomb()}, zipped)
    for path in (plain, zipped):
        with pytest.raises(CheckpointError, match="is a pickle"):
            load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x10" * 64, b"\xff" * 64])
def test_corrupt_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(path)


def test_truncated_and_missing_files_are_refused(weights: Path, tmp_path: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(weights)
    with pytest.raises(CheckpointError, match="can't be read"):
        load_checkpoint(tmp_path / "absent.safetensors")


def test_full_disk_leaves_the_previous_file(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = weights.read_bytes()

    def full(*args: object) -> None:
        Path(str(args[1])).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(weights, build_drn(CONFIG), CONFIG, CARD)
    assert weights.read_bytes() == before
    assert [p.name for p in weights.parent.iterdir()] == ["model.safetensors"]
