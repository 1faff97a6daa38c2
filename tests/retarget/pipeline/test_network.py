"""Models by name and file, and drawing with a network: untrained it is the prior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drn_core.model.build import build_drn, preset
from drn_core.model.checkpoint import ModelCard, save_checkpoint
from drn_core.prior.person import build_person
from retarget.config import RenderConfig
from retarget.errors import DeviceError, ModelError
from retarget.person.matte import Matte
from retarget.pipeline import model_files
from retarget.pipeline.model_files import DEFAULT_WEIGHTS
from retarget.pipeline.models import load_model, pick_device
from retarget.pipeline.retargeter import Retargeter
from retarget.pipeline.source import SourceModel
from tests.helpers.figure import figure, joints, raise_left_arm, track_of


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    config = preset("default")
    torch.manual_seed(0)
    save_checkpoint(path, build_drn(config), config, ModelCard())
    return path


@pytest.fixture(scope="module")
def source() -> SourceModel:
    drawn = figure()
    plate = np.full_like(drawn.rgb, 90)
    return SourceModel(drawn.rgb, drawn.pose, Matte(drawn.alpha, drawn.rgb), plate, build_person(drawn.source))


def test_the_prior_is_no_network() -> None:
    assert load_model("prior") is None


def test_default_is_the_prior_until_weights_ship() -> None:
    assert (load_model("default", "cpu") is None) == (not DEFAULT_WEIGHTS.exists())


def test_fast_is_the_same_network_on_smaller_crops(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "DEFAULT_WEIGHTS", weights)
    default, fast = load_model("default", "cpu"), load_model("fast", "cpu")
    assert default is not None
    assert fast is not None
    assert (default.size_hw, fast.size_hw) == ((256, 256), (192, 192))
    states = (model.network.state_dict() for model in (default, fast))
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ModelError, match=r"defualt.*prior, default"):
        load_model("defualt")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(ModelError, match="weights"):
        load_model(str(path), "cpu")


@pytest.mark.parametrize("choice", ["gpu", "tpu:0", "cuda:99"])
def test_an_absent_device_is_named(choice: str) -> None:
    with pytest.raises(DeviceError, match=choice):
        pick_device(choice)


def test_an_untrained_network_draws_what_the_prior_draws(source: SourceModel, weights: Path) -> None:
    track = track_of([joints(), raise_left_arm(joints(), 40)])
    pictures = []
    for model in ("prior", str(weights)):
        retargeter = Retargeter(source, render=RenderConfig(model=model, device="cpu"))
        pictures.append([frame.image.astype(int) for frame in retargeter.render(retargeter.plan(track))])
    for prior, drawn in zip(*pictures, strict=True):
        assert np.abs(prior - drawn).max() <= 2
