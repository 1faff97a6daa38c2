"""The whole state of a run in one safetensors file: weights, averages, optimisers, adversaries, position."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from drn_core.atomic import replace_file
from drn_core.config import TrainConfig
from drn_core.config_json import to_json
from drn_core.errors import TrainingError
from drn_core.losses.adversarial import ImagePool
from drn_core.model.discriminator import DiscriminatorPair
from drn_core.model.drn import DRN
from drn_core.training.ema import WeightAverage

__all__ = ["RunState", "load_state", "read_step", "save_state"]

_FORMAT: Final = "drn-training-state-1"


@dataclass
class RunState:
    """Everything that changes while training.

    Attributes:
        step: steps taken in the whole recipe.
        model: the network in training.
        average: its averaged weights.
        discriminators: the adversaries, or None.
        pools: image pools of D_A and D_S.
        optimizers: of the current phase, by name; empty between phases.
    """

    step: int
    model: DRN
    average: WeightAverage
    discriminators: DiscriminatorPair | None
    pools: tuple[ImagePool, ImagePool]
    optimizers: Mapping[str, Optimizer]


def save_state(path: Path, state: RunState, config: TrainConfig) -> None:
    """Write a state; the previous one survives a failure.

    Args:
        path: file to replace.
        state: what to save.
        config: the recipe, kept in the header and compared on loading.

    Raises:
        TrainingError: the disk is full or the folder can't be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(state).items()}
    metadata = {"format": _FORMAT, "step": str(state.step), "config": json.dumps(to_json(config))}

    def write(temporary: Path) -> None:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from None

    try:
        replace_file(path, write)
    except OSError as error:
        raise TrainingError(f"{path}: the training state can't be saved ({error}); the previous one is kept") from None


def load_state(path: Path, state: RunState, config: TrainConfig) -> None:
    """Bring a state back, in place; `state.optimizers` must be those of the phase the file was saved in.

    Args:
        path: file written by `save_state`.
        state: objects of the same recipe.
        config: the recipe; only the number of steps may differ from that of the file.

    Raises:
        TrainingError: the file is unreadable or of another recipe.
    """
    saved = _read(path, config)
    state.step = _step_of(path)
    _load_module(path, state.model, saved, "model")
    _load_module(path, state.average.model, saved, "average")
    if state.discriminators is not None:
        _load_module(path, state.discriminators, saved, "discriminators")
    device = next(state.model.parameters()).device
    for index, pool in enumerate(state.pools):
        pool.load_state(_under(saved, f"pool{index}"), device)
    for name, optimizer in state.optimizers.items():
        _load_optimizer(optimizer, _under(saved, f"optimizer.{name}"))


def read_step(path: Path) -> int:
    """Return the step a state file was saved at.

    Raises:
        TrainingError: the file is unreadable.
    """
    return _step_of(path)


def _tensors(state: RunState) -> dict[str, Tensor]:
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.model.state_dict().items()}
    if state.discriminators is not None:
        tensors |= {f"discriminators.{k}": v for k, v in state.discriminators.state_dict().items()}
    for index, pool in enumerate(state.pools):
        tensors |= {f"pool{index}.{k}": v for k, v in pool.state().items()}
    for name, optimizer in state.optimizers.items():
        for number, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{number}.{k}": torch.as_tensor(v) for k, v in slots.items()}
    return tensors


def _header(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as reader:
            metadata: dict[str, str] = reader.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise TrainingError(f"{path}: is no readable training state ({error})") from None
    if metadata.get("format") != _FORMAT:
        raise TrainingError(f"{path}: is no training state of this version")
    return metadata


def _step_of(path: Path) -> int:
    return int(_header(path)["step"])


def _read(path: Path, config: TrainConfig) -> dict[str, Tensor]:
    saved, wanted = json.loads(_header(path)["config"]), json.loads(json.dumps(to_json(config)))
    for key in ("network", "seed", "precision", "betas", "weight_decay", "discriminator_channels", "pool_size"):
        if saved.get(key) != wanted[key]:
            raise TrainingError(f"{path}: was saved by a recipe with another {key!r}; start in a new folder")
    with safe_open(path, framework="pt") as reader:
        names: list[str] = list(reader.keys())
        return {name: reader.get_tensor(name) for name in names}


def _under(saved: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name[len(start) :]: tensor for name, tensor in saved.items() if name.startswith(start)}


def _load_module(path: Path, module: nn.Module, saved: Mapping[str, Tensor], prefix: str) -> None:
    try:
        module.load_state_dict(_under(saved, prefix))
    except RuntimeError as error:
        raise TrainingError(f"{path}: {prefix} does not fit this recipe ({str(error).splitlines()[0]})") from None


def _load_optimizer(optimizer: Optimizer, saved: Mapping[str, Tensor]) -> None:
    slots: dict[int, dict[str, Any]] = {}
    for name, tensor in saved.items():
        number, _, key = name.partition(".")
        slots.setdefault(int(number), {})[key] = tensor
    whole = optimizer.state_dict()
    whole["state"] = slots
    optimizer.load_state_dict(whole)
