"""Which implementation of an op runs: the choice, what is present, and the override by environment.

`auto` follows the data: CUDA tensors run the CUDA kernels, CPU tensors the numba ones, and where those are absent
the plain-torch reference. A backend that is *named*, by argument or by `RETARGET_BACKEND`, is never replaced
silently: its absence is a `BackendUnavailable` that says how to get it.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Literal, get_args

import torch
from torch import Tensor

from kernels.errors import BackendUnavailable, DtypeError

__all__ = ["BACKEND_VARIABLE", "Backend", "BackendChoice", "available", "pick", "why_absent"]

Backend = Literal["reference", "numba", "cuda"]
BackendChoice = Literal["auto", "reference", "numba", "cuda"]

BACKEND_VARIABLE = "RETARGET_BACKEND"


def _find_absences() -> dict[Backend, str]:
    absences: dict[Backend, str] = {}
    if not importlib.util.find_spec("numba"):
        absences["numba"] = "numba is not installed: pip install numba"
    if not torch.cuda.is_available():
        absences["cuda"] = (
            "no CUDA device is visible to torch: run on a machine with an NVIDIA GPU and a CUDA build of torch"
        )
    elif not importlib.util.find_spec("cuda"):
        absences["cuda"] = "the run-time compiler is not installed: pip install 'retarget[cuda]'"
    return absences


_ABSENCES = _find_absences()


def why_absent(backend: Backend) -> str | None:
    """Tell why a backend can't run on this machine, and how to get it; None where it can."""
    return _ABSENCES.get(backend)


def available() -> tuple[Backend, ...]:
    """List the backends that can run on this machine, fastest last."""
    names: tuple[Backend, ...] = get_args(Backend)
    return tuple(name for name in names if why_absent(name) is None)


def pick(choice: BackendChoice, *tensors: Tensor | None) -> Backend:
    """Decide which backend serves these inputs.

    Args:
        choice: "auto", or the name of one backend.
        tensors: all tensor inputs of the op (None for one left out); they have to be on one device.

    Returns:
        The backend's name. "auto" takes the fastest one present for the tensors' device, unless the environment
        variable `RETARGET_BACKEND` names another.

    Raises:
        DtypeError: the tensors are on several devices, or on one that the named backend does not serve.
        BackendUnavailable: the named backend is not present; the message says how to get it.
        ValueError: the name is unknown.
    """
    device = _common_device(tensors)
    named = os.environ.get(BACKEND_VARIABLE, "auto") if choice == "auto" else choice
    if named == "auto":
        fastest: Backend = "cuda" if device == "cuda" else "numba"
        serves = device in ("cuda", "cpu") and why_absent(fastest) is None
        return fastest if serves else "reference"
    origin = f" (set by {BACKEND_VARIABLE})" if choice == "auto" else ""
    if named not in get_args(Backend):
        raise ValueError(f"unknown backend {named!r}{origin}; choose one of {', '.join(get_args(BackendChoice))}")
    backend: Backend = named  # type: ignore[assignment]
    reason = why_absent(backend)
    if reason is not None:
        raise BackendUnavailable(f"backend {backend!r}{origin} can't run here: {reason}")
    wanted = {"numba": "cpu", "cuda": "cuda"}.get(backend)
    if wanted is not None and device != wanted:
        raise DtypeError(f"backend {backend!r}{origin} takes tensors on {wanted}, got tensors on {device}")
    return backend


def _common_device(tensors: tuple[Tensor | None, ...]) -> str:
    if all(tensor is None or tensor.is_cpu for tensor in tensors):
        return "cpu"
    devices = [tensor.device for tensor in tensors if tensor is not None]
    if devices.count(devices[0]) != len(devices):
        names = ", ".join(sorted({str(device) for device in devices}))
        raise DtypeError(f"all tensors of an op have to be on one device, got {names}")
    return devices[0].type
