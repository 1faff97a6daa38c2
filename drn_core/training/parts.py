"""Which weights a phase trains, and how large they are."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn import Parameter

from drn_core.config import PhaseConfig
from drn_core.errors import ConfigError
from drn_core.model.drn import DRN

__all__ = ["parameters_of", "select_trainable"]


def _members(model: DRN, part: str) -> list[Parameter]:
    branch = model.pose_branch
    content = getattr(branch, "content", None)
    content_parameters = [] if content is None else list(content.parameters())
    if part == "content":
        return content_parameters
    if part == "flow":
        excluded = {id(parameter) for parameter in content_parameters}
        return [parameter for parameter in branch.parameters() if id(parameter) not in excluded]
    module: nn.Module | None = {"pose": branch, "detail": model.global_drm, "face": model.face_drm}[part]
    return [] if module is None else list(module.parameters())


def parameters_of(model: DRN, parts: Iterable[str]) -> list[Parameter]:
    """Return the weights of the named parts, each once, in a fixed order.

    Args:
        model: the network.
        parts: of "flow", "content", "pose", "detail", "face".

    Returns:
        The weights.

    Raises:
        ConfigError: the network has no such part.
    """
    seen: dict[int, Parameter] = {}
    for part in parts:
        members = _members(model, part)
        if not members:
            raise ConfigError(f"this network has no part {part!r} to train")
        seen.update({id(parameter): parameter for parameter in members})
    return list(seen.values())


def select_trainable(model: DRN, phase: PhaseConfig) -> list[Parameter]:
    """Freeze everything the phase does not train and return the rest."""
    chosen = parameters_of(model, phase.trains)
    ids = {id(parameter) for parameter in chosen}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in ids)
        if id(parameter) not in ids:
            parameter.grad = None
    return chosen
