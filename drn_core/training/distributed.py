"""One or several processes, as started by torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["Processes", "is_true_anywhere", "join_processes", "leave_processes", "share"]


@dataclass(frozen=True)
class Processes:
    """This process among its peers.

    Attributes:
        rank: 0 for the one that writes.
        count: of processes.
        device: this process's device.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes logs and files."""
        return self.rank == 0


def join_processes(device: str = "auto") -> Processes:
    """Join the group torchrun announces in the environment, or stay alone.

    Args:
        device: "auto", "cpu" or "cuda".

    Returns:
        Rank, number and device.
    """
    use_cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    chosen = torch.device("cuda", local_rank) if use_cuda else torch.device("cpu")
    if count > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if use_cuda else "gloo")
    return Processes(rank, count, chosen)


def share(module: nn.Module, processes: Processes) -> nn.Module:
    """Wrap a module so that gradients are averaged over the processes; alone, return it as it is."""
    if processes.count == 1:
        return module
    # Phases freeze parts, and faces come and go: which weights a batch reaches is not known beforehand.
    ids = [processes.device.index] if processes.device.type == "cuda" else None
    return DistributedDataParallel(module, device_ids=ids, find_unused_parameters=True)


def is_true_anywhere(flag: bool, processes: Processes) -> bool:
    """Tell whether any process says yes; all have to ask."""
    if processes.count == 1:
        return flag
    votes = torch.tensor([int(flag)], device=processes.device)
    distributed.all_reduce(votes, distributed.ReduceOp.MAX)
    return bool(votes.item())


def leave_processes() -> None:
    """Leave the group, if one was joined."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
