"""Recipes by name or file, their data, and what they will cost."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from drn_core.config import DeepFashionData, DRNConfig, PackData, TrainConfig
from drn_core.config_json import from_json
from drn_core.data.deepfashion import DeepFashionDataset
from drn_core.data.feed import PairDataset
from drn_core.data.packs import PackDataset
from drn_core.errors import ConfigError
from drn_core.model.build import build_drn, count_parameters
from drn_core.model.records import DriverInput, DRNInput, SourceInput
from drn_core.pose_maps import num_joints_of

__all__ = ["Cost", "estimate_cost", "load_recipe", "made_inputs", "open_data", "recipe_names", "with_data_folders"]


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the program."""
    folder = resources.files("drn_core") / "recipes"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def load_recipe(name_or_path: str) -> TrainConfig:
    """Read a recipe.

    Args:
        name_or_path: one of `recipe_names`, or a JSON file.

    Returns:
        The recipe.

    Raises:
        ConfigError: there is none of this name, the file is unreadable, or its content is wrong.
    """
    if name_or_path in recipe_names():
        text = (resources.files("drn_core") / "recipes" / f"{name_or_path}.json").read_text(encoding="utf-8")
    else:
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            known = ", ".join(recipe_names())
            raise ConfigError(f"{name_or_path}: is neither a readable file nor a recipe; known are {known}") from None
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name_or_path}: is no JSON ({error})") from None
    return from_json(TrainConfig, values, where="recipe")


def with_data_folders(config: TrainConfig, folders: list[Path]) -> TrainConfig:
    """Return the recipe reading its packs from other folders.

    Raises:
        ConfigError: the recipe does not read packs.
    """
    if not isinstance(config.data, PackData):
        raise ConfigError(f"recipe {config.name!r} reads no packs")
    return replace(config, data=replace(config.data, folders=tuple(map(str, folders))))


def open_data(config: TrainConfig) -> tuple[PairDataset, PairDataset | None, list[str]]:
    """Open training and validation data.

    Returns:
        Samples to train on, held-out samples or None, and warnings about what was left out.

    Raises:
        DataError: there is no usable data.
        ConfigError: no folder is named.
    """
    if isinstance(config.data, DeepFashionData):
        return _open_deepfashion(config.data, config.network.size_hw)
    folders = [Path(folder) for folder in config.data.folders]
    if not folders:
        raise ConfigError(f"recipe {config.name!r} names no folder of packs")
    data = config.data
    train = PackDataset(folders, consecutive=data.consecutive, augment=data.augment, holdout=data.holdout)
    held_out = None
    if data.holdout:
        held_out = PackDataset(folders, augment=False, holdout=data.holdout, is_validation=True)
    return train, held_out, train.unreadable


def _open_deepfashion(
    data: DeepFashionData, size_hw: tuple[int, int]
) -> tuple[PairDataset, PairDataset | None, list[str]]:
    images = Path(data.image_folder)
    train = DeepFashionDataset(
        images, Path(data.train_pairs), Path(data.train_keypoints), size_hw, augment=data.augment
    )
    warnings = [f"{train.num_left_out} pairs lack a picture or joints"] if train.num_left_out else []
    if not data.test_pairs:
        return train, None, warnings
    test = DeepFashionDataset(images, Path(data.test_pairs), Path(data.test_keypoints), size_hw, augment=False)
    return train, test, warnings


@dataclass(frozen=True)
class Cost:
    """What a recipe costs.

    Attributes:
        parameters: of the network.
        macs_per_frame: multiply-adds of convolutions for one frame, photo's features excluded.
        activation_bytes: kept for the backward pass of one sample, roughly.
        state_bytes: weights, gradients, optimiser and averages.
        steps: of the whole recipe.
        samples: seen in the whole recipe, per process.
    """

    parameters: int
    macs_per_frame: int
    activation_bytes: int
    state_bytes: int
    steps: int
    samples: int


def estimate_cost(config: TrainConfig) -> Cost:
    """Estimate a recipe's cost without computing anything: shapes only.

    Args:
        config: the recipe.

    Returns:
        Sizes and counts.
    """
    counted: list[int] = []
    kept: list[int] = []

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        kept.append(output.numel())
        if isinstance(module, nn.Conv2d):
            counted.append(output.numel() * module.weight[0].numel())

    with torch.device("meta"), torch.no_grad():
        model = build_drn(config.network)
        inputs = made_inputs(config.network)
        leaves = [module for module in model.modules() if not list(module.children())]
        features = model.encode_source(inputs.source)
        hooks = [module.register_forward_hook(count) for module in leaves]  # type: ignore[arg-type]
        model.predict(features, inputs.driver)
    for hook in hooks:
        hook.remove()
    parameters = count_parameters(model)
    element_bytes = 2 if config.precision == "bfloat16" else 4
    return Cost(
        parameters=parameters,
        macs_per_frame=sum(counted),
        activation_bytes=2 * element_bytes * sum(kept),
        state_bytes=4 * 5 * parameters,
        steps=config.total_steps,
        samples=sum(phase.steps * phase.batch_size for phase in config.phases),
    )


def made_inputs(network: DRNConfig, batch: int = 1) -> DRNInput:
    """Return empty inputs of the right shapes on the current default device, for measuring."""
    height, width = network.size_hw
    joints = num_joints_of(network.pose_branch.joints)
    points, sure = torch.zeros(batch, joints, 2), torch.ones(batch, joints)
    driver = DriverInput(
        keypoints=points,
        confidence=sure,
        depth=torch.zeros(batch, joints),
        prior_image=torch.zeros(batch, 3, height, width),
        prior_flow=torch.zeros(batch, 2, height, width),
        prior_visibility=torch.ones(batch, 1, height, width),
        background=torch.zeros(batch, 3, height, width),
    )
    return DRNInput(SourceInput(torch.zeros(batch, 3, height, width), points, sure), driver)
