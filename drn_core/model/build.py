"""Composition root: configuration -> network; named presets hold numbers only."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import torch
from torch import nn

from drn_core.config import DRNConfig, FaceDRMConfig, GlobalDRMConfig, PatnConfig, WarpConfig
from drn_core.errors import ConfigError
from drn_core.model.detail_branch import GlobalDRM
from drn_core.model.drn import DRN, PoseBranch
from drn_core.model.face_branch import FaceDRM
from drn_core.model.patn import PatnPoseBranch
from drn_core.model.warp_branch import WarpPoseBranch

__all__ = ["PRESETS", "build_drn", "count_parameters", "preset", "set_compute_dtype"]

_SMALL_DRM: Final = GlobalDRMConfig(
    style_channels=(32, 64, 128, 128), hidden=128, num_upsamplings=1, kernel_size=3, starts_at_zero=True
)
_SMALL_FACE: Final = FaceDRMConfig(
    points="blazepose11",
    base_channels=16,
    num_content_blocks=1,
    predicts="residual",
    drm=GlobalDRMConfig(
        style_channels=(32, 64, 128, 128), hidden=128, num_upsamplings=3, kernel_size=3, starts_at_zero=True
    ),
)

PRESETS: Final = MappingProxyType(
    {
        "default": DRNConfig(pose_branch=WarpConfig(), global_drm=_SMALL_DRM, face_drm=_SMALL_FACE),
        "flow": DRNConfig(pose_branch=WarpConfig(predicts_content=False)),
        "content": DRNConfig(pose_branch=WarpConfig()),
        "paper": DRNConfig(
            size_hw=(256, 176), pose_branch=PatnConfig(), global_drm=GlobalDRMConfig(), face_drm=FaceDRMConfig()
        ),
        "paper-shallow": DRNConfig(
            size_hw=(256, 176),
            pose_branch=PatnConfig(num_downsamplings=2),
            global_drm=GlobalDRMConfig(num_upsamplings=2),
            face_drm=FaceDRMConfig(),
        ),
    }
)
"""Named configurations: ours and its ablations, the paper's at both published depths."""


def preset(name: str) -> DRNConfig:
    """Return a named configuration.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown network {name!r}; known are {', '.join(PRESETS)}")
    return PRESETS[name]


def build_drn(config: DRNConfig) -> DRN:
    """Build an untrained network on the current default device."""
    branch_config = config.pose_branch
    branch: PoseBranch
    branch = PatnPoseBranch(branch_config) if isinstance(branch_config, PatnConfig) else WarpPoseBranch(branch_config)
    return DRN(
        pose_branch=branch,
        global_drm=None if config.global_drm is None else GlobalDRM(branch.feature_channels, config.global_drm),
        face_drm=None if config.face_drm is None else FaceDRM(config.face_drm),
    )


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(parameter.numel() for parameter in module.parameters())


def set_compute_dtype(model: DRN, dtype: torch.dtype) -> DRN:
    """Convert a network for inference in lower precision, in place.

    Positions stay exact: flow heads and the content head, marked by `keeps_float32`, keep their precision, and all
    warping is done in float32 anyway.

    Args:
        model: a network with float32 weights.
        dtype: torch.bfloat16 or torch.float32.

    Returns:
        The same network, its convolutions laid out channels-last.
    """

    def convert(module: nn.Module) -> None:
        if getattr(module, "keeps_float32", False):
            return
        for child in module.children():
            convert(child)
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(dtype)

    convert(model)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
