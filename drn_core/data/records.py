"""Training samples and batches."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from drn_core.model.records import DRNInput

__all__ = ["TrainingBatch", "collate"]

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingBatch:
    """Network inputs with the truth; a sample is a batch of one.

    Attributes:
        inputs: what the network sees.
        target: (B, 3, h, w) in [0, 1], the real picture in the driver's pose.
        target_mask: (B, 1, h, w) in [0, 1], the person in it; None where unknown.
        target_flow: (B, 2, h, w), true backward flow target -> source crop in pixels; None where unknown.
        target_visibility: (B, 1, h, w), 1 where the source shows that very surface; None where unknown.
        consecutive: runs of this many batch entries are successive frames of one clip.
    """

    inputs: DRNInput
    target: Tensor
    target_mask: Tensor | None = None
    target_flow: Tensor | None = None
    target_visibility: Tensor | None = None
    consecutive: int = 1

    @property
    def size(self) -> int:
        """B."""
        return self.target.shape[0]


def collate(samples: list[T]) -> T:
    """Join samples (nested dataclasses of tensors) along the batch; a field must be set in all of them or in none.

    Raises:
        ValueError: the list is empty, or a field is set in some samples only.
    """
    if not samples:
        raise ValueError("collate: no samples")
    first: Any = samples[0]
    joined = {
        field.name: _join(field.name, [getattr(sample, field.name) for sample in samples]) for field in fields(first)
    }
    return replace(first, **joined)  # type: ignore[no-any-return]


def _join(name: str, values: list[Any]) -> Any:
    first = values[0]
    if any((value is None) != (first is None) for value in values):
        raise ValueError(f"collate: {name} is set in some samples only")
    if isinstance(first, Tensor):
        return torch.cat(values)
    if is_dataclass(first):
        return collate(values)
    return first
