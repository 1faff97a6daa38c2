from __future__ import annotations

import json

import pytest

from drn_core.config import DRNConfig, WarpConfig
from drn_core.config_json import from_json, to_json
from drn_core.errors import ConfigError
from drn_core.model.build import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    config = preset(name)
    assert from_json(DRNConfig, json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"sizes": 1}, "config: unknown key 'sizes'"),
        ({"size_hw": [256]}, r"config\.size_hw: expected 2 values, got 1"),
        ({"size_hw": [250, 256]}, "multiples of 16"),
        ({"size_hw": "256"}, r"config\.size_hw: expected a list"),
        ({"pose_branch": {"kind": "magic"}}, r"config\.pose_branch\.kind: expected one of patn, warp, got 'magic'"),
        ({"pose_branch": {"kind": "warp", "num_parts": 1.5}}, r"num_parts: expected int, got 1\.5"),
        ({"pose_branch": {"kind": "warp", "predicts_content": 1}}, "predicts_content: expected bool, got 1"),
        ({"global_drm": 3}, r"config\.global_drm: expected an object, got int"),
        ([], "config: expected an object, got list"),
    ],
)
def test_mistakes_are_named(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_json(DRNConfig, value)


def test_whole_numbers_serve_as_floats() -> None:
    config = from_json(DRNConfig, {"pose_branch": {"kind": "warp", "max_residual_px": 8}})
    assert config.pose_branch == WarpConfig(max_residual_px=8.0)


def test_unknown_preset_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown network 'best'; known are default"):
        preset("best")
