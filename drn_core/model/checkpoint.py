"""Weights files: safetensors with the configuration and the model card in the header; strict, nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from drn_core.atomic import replace_file
from drn_core.config import DRNConfig
from drn_core.config_json import from_json, to_json
from drn_core.errors import CheckpointError, ConfigError
from drn_core.model.build import build_drn
from drn_core.model.drn import DRN

__all__ = ["FORMAT_VERSION", "Checkpoint", "ModelCard", "load_checkpoint", "read_card", "save_checkpoint"]

FORMAT_VERSION: Final = 1
_FORMAT: Final = "drn-weights"
# Far beyond any sensible network: keeps a forged header from building something enormous.
_MAX_CONFIG_NUMBER: Final = 4096
_PICKLE_STARTS: Final = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True)
class ModelCard:
    """Where weights come from.

    Attributes:
        recipe: name of the training recipe.
        data: what they were trained on, in words.
        seed: of the run.
        steps: optimiser steps of the run.
        commit: of the code.
        metrics: named figures, as measured at the end of the run.
        notes: free text: hours, limits.
    """

    recipe: str = ""
    data: str = ""
    seed: int = 0
    steps: int = 0
    commit: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded weights file.

    Attributes:
        model: the network, in evaluation mode, float32.
        config: what it was built from.
        card: where it comes from.
    """

    model: DRN
    config: DRNConfig
    card: ModelCard


def save_checkpoint(
    path: Path, model: DRN, config: DRNConfig, card: ModelCard, *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a weights file; an existing one is replaced only once the new one is complete.

    Args:
        path: file to write.
        model: the network.
        config: what it was built from.
        card: where it comes from.
        dtype: stored precision; float16 halves the file.

    Raises:
        OSError: the disk is full or the folder can't be written.
    """
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "format": _FORMAT,
        "version": str(FORMAT_VERSION),
        "config": json.dumps(to_json(config)),
        "card": json.dumps(to_json(card)),
    }
    replace_file(path, lambda temporary: _save(tensors, temporary, metadata))


def read_card(path: Path) -> tuple[DRNConfig, ModelCard]:
    """Read configuration and card without the weights.

    Raises:
        CheckpointError: as `load_checkpoint`.
    """
    with _open(path) as reader:
        return _header(path, reader.metadata())


def load_checkpoint(path: Path, *, device: torch.device | str = "cpu") -> Checkpoint:
    """Load a weights file.

    Args:
        path: file written by `save_checkpoint`.
        device: where the network goes.

    Returns:
        The network and its papers.

    Raises:
        CheckpointError: the file is missing, corrupt, a pickle, of another format, version or architecture, has
            missing or surplus keys, or holds values that are not finite.
    """
    with _open(path) as reader:
        config, card = _header(path, reader.metadata())
        with torch.device("meta"):
            model = build_drn(config)
        _compare(path, model.state_dict(), _shapes(reader))
        weights = {name: reader.get_tensor(name).float() for name in model.state_dict()}
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: weights {name!r} hold values that are not finite")
    model.load_state_dict(weights, assign=True)
    return Checkpoint(model=model.to(device).eval(), config=config, card=card)


def _shapes(reader: Any) -> dict[str, tuple[int, ...]]:
    names: list[str] = list(reader.keys())
    return {name: tuple(reader.get_slice(name).get_shape()) for name in names}


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from None


def _open(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror})") from None
    if start.startswith(_PICKLE_STARTS):
        raise CheckpointError(f"{path}: is a pickle, which could run code; only safetensors files are loaded")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is not a readable safetensors file ({error})") from None


def _header(path: Path, metadata: Mapping[str, str] | None) -> tuple[DRNConfig, ModelCard]:
    if not metadata or metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path}: holds no weights of this network (no {_FORMAT!r} header)")
    if metadata.get("version") != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path}: has format version {metadata.get('version')}, this program reads version {FORMAT_VERSION}"
        )
    try:
        values = json.loads(metadata["config"])
        _check_numbers(values)
        config = from_json(DRNConfig, values, where="config")
        card = from_json(ModelCard, json.loads(metadata.get("card", "{}")), where="card")
    except (KeyError, json.JSONDecodeError, RecursionError, ConfigError) as error:
        raise CheckpointError(f"{path}: its configuration does not fit this program ({error})") from None
    return config, card


def _check_numbers(value: object) -> None:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        _check_numbers(item)
    if isinstance(value, (int, float)) and not 0 <= value <= _MAX_CONFIG_NUMBER:
        raise ConfigError(f"number out of range: {value}")
    if isinstance(value, list) and len(value) > 64:
        raise ConfigError("list too long")


def _compare(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, tuple[int, ...]]) -> None:
    missing = sorted(set(expected) - set(found))
    surplus = sorted(set(found) - set(expected))
    if missing:
        raise CheckpointError(f"{path}: {len(missing)} weights are missing, the first is {missing[0]!r}")
    if surplus:
        raise CheckpointError(f"{path}: {len(surplus)} weights are surplus, the first is {surplus[0]!r}")
    for name, tensor in expected.items():
        if tuple(tensor.shape) != found[name]:
            raise CheckpointError(f"{path}: {name!r} has shape {found[name]}, expected {tuple(tensor.shape)}")
