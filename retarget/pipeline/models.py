"""What `--model` and `--device` name: geometry alone, the shipped network, or a weights file; and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from drn_core.errors import DRNError
from drn_core.model.checkpoint import load_checkpoint
from drn_core.model.drn import DRN
from retarget.errors import DeviceError, ModelError
from retarget.pipeline.model_files import weights_of

__all__ = ["LoadedModel", "load_model", "pick_device"]

_CELL: Final = 16
"""Crops are multiples of this."""


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to draw.

    Attributes:
        network: the DRN, in evaluation mode.
        size_hw: the crop it works on.
        device: where it runs.
        dtype: of its arithmetic.
    """

    network: DRN
    size_hw: tuple[int, int]
    device: torch.device
    dtype: torch.dtype


def pick_device(choice: str) -> torch.device:
    """Turn "auto", "cpu" or "cuda[:N]" into a device that is there.

    Raises:
        DeviceError: the device is unknown or absent.
    """
    if choice == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(choice)
    except RuntimeError:
        device = None
    if device is None or device.type not in {"cpu", "cuda"}:
        raise DeviceError(f"--device {choice}: no such device", hint="use auto, cpu or cuda[:N]")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(f"--device {choice}: this machine has {count} CUDA devices", hint="use --device cpu")
    return device


def load_model(name: str, device: str = "auto") -> LoadedModel | None:
    """Load what `--model` names.

    Args:
        name: "prior", "default", "fast" or the path of a weights file.
        device: see `pick_device`.

    Returns:
        The network; None for geometry alone.

    Raises:
        ModelError: no such model, or a file that is no weights file of this project.
        DeviceError: the device is absent.
    """
    where = pick_device(device)
    path = weights_of(name)
    if path is None:
        return None
    try:
        checkpoint = load_checkpoint(path, device=where)
    except DRNError as error:
        raise ModelError(str(error), hint="use a file that `retarget train` wrote") from error
    size_hw = checkpoint.config.size_hw
    if name == "fast":
        size_hw = (_smaller(size_hw[0]), _smaller(size_hw[1]))
    return LoadedModel(checkpoint.model, size_hw, where, _dtype(where))


def _smaller(length: int) -> int:
    """Three quarters, as a multiple of the network's coarsest cell."""
    return max(length * 3 // 4 // _CELL * _CELL, _CELL)


def _dtype(device: torch.device) -> torch.dtype:
    """Half precision where the machine computes it faster than single; elsewhere it is emulated."""
    is_quick = device.type == "cuda" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if is_quick else torch.float32
