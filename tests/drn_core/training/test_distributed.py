from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import multiprocessing

from drn_core.training.distributed import Processes, is_true_anywhere, join_processes, leave_processes
from drn_core.training.loop import TrainingRun
from tests.drn_core.training.pairs import MadePairs
from tests.drn_core.training.recipes import WARP_RECIPE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def train_as(rank: int, count: int, port: int, folder: str) -> None:
    import os

    torch.set_num_threads(1)
    if count > 1:
        os.environ |= {
            "RANK": str(rank),
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    processes = join_processes("cpu")
    phases = tuple(replace(phase, steps=2, batch_size=2 // count) for phase in WARP_RECIPE.phases[1:2])
    config = replace(WARP_RECIPE, phases=phases, ema_decay=0.0)
    run = TrainingRun(config, Path(folder), MadePairs(), processes=processes, tensorboard=False)
    run.run(max_seconds=3600)
    if processes.is_first:
        weight = run.state.model.pose_branch.heads["4"].flow.weight
        (Path(folder) / "weight.json").write_text(json.dumps(weight.flatten().tolist()))
    leave_processes()


@pytest.mark.slow
def test_two_processes_train_like_one_with_twice_the_batch(tmp_path: Path) -> None:
    train_as(0, 1, 0, str(tmp_path / "one"))
    multiprocessing.spawn(train_as, args=(2, free_port(), str(tmp_path / "two")), nprocs=2)
    one, two = (torch.tensor(json.loads((tmp_path / n / "weight.json").read_text())) for n in ("one", "two"))
    assert one.abs().max() > 0
    torch.testing.assert_close(one, two, atol=2e-5, rtol=0.05)


def test_alone_nothing_is_joined() -> None:
    processes = Processes(0, 1, torch.device("cpu"))
    assert is_true_anywhere(True, processes)
    assert not is_true_anywhere(False, processes)
    assert processes.is_first
