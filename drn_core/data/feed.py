"""Which sample comes when: a pure function of the seed and the position, so that a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from drn_core.data.records import TrainingBatch, collate

__all__ = ["PairDataset", "batches"]


class PairDataset(Protocol):
    """A finite set of training samples (or short runs of frames)."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def sample(self, index: int, *, seed: int) -> TrainingBatch:
        """Return one sample; everything random in it follows from `seed`."""


class _Stream(Dataset[TrainingBatch]):
    """The endless stream by position, as the loader's processes need it."""

    def __init__(self, dataset: PairDataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __getitem__(self, position: int) -> TrainingBatch:
        length = len(self.dataset)
        epoch, offset = divmod(position, length)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order, self._epoch = torch.randperm(length, generator=generator), epoch
        return self.dataset.sample(int(self._order[offset]), seed=self.seed * 7_919 + position)


def batches(
    dataset: PairDataset,
    *,
    seed: int,
    start: int,
    count: int,
    batch_size: int,
    rank: int = 0,
    num_processes: int = 1,
    num_workers: int = 0,
) -> Iterator[TrainingBatch]:
    """Deliver consecutive batches of the stream.

    Args:
        dataset: where samples come from.
        seed: of order and augmentation.
        start: position in the stream, counted over all processes.
        count: number of batches.
        batch_size: samples per batch and process.
        rank: of this process.
        num_processes: processes sharing the stream.
        num_workers: loader processes; 0 loads in this one.

    Yields:
        Batches on the CPU.
    """
    end = start + count * batch_size * num_processes
    loader = DataLoader(
        _Stream(dataset, seed),
        batch_size=batch_size,
        sampler=range(start + rank, end, num_processes),
        collate_fn=collate,
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    yield from loader
