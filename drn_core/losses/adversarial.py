"""The least-squares game, and the pool of past fakes."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ImagePool", "lsgan_discriminator_loss", "lsgan_generator_loss"]


def lsgan_generator_loss(fake_score: Tensor) -> Tensor:
    """Return mean (D(fake) - 1)^2: how far the fakes are from passing for real."""
    return (fake_score - 1).square().mean()


def lsgan_discriminator_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return half of mean (D(real) - 1)^2 + mean D(fake)^2."""
    return 0.5 * ((real_score - 1).square().mean() + fake_score.square().mean())


class ImagePool:
    """Remembers past fakes together with their condition, and hands some of them back to the discriminator.

    Args:
        capacity: number of entries; 0 passes everything through.
        seed: of the pool's own random numbers.

    Source: Shrivastava et al. 2017; 50 entries and probability 0.5 as in the paper's code base (DESIGN.md).
    """

    def __init__(self, capacity: int = 50, *, seed: int = 0) -> None:
        self.capacity = capacity
        self.entries: list[Tensor] = []
        self.generator = torch.Generator().manual_seed(seed)

    def exchange(self, fakes: Tensor) -> Tensor:
        """Store fakes and return as many, new or remembered.

        Args:
            fakes: (B, C, H, W), picture and condition stacked; they are detached.

        Returns:
            (B, C, H, W): each new one with probability 1/2, else a remembered one, whose place it takes.
        """
        fakes = fakes.detach()
        if self.capacity == 0:
            return fakes
        handed_out = []
        for fake in fakes:
            if len(self.entries) < self.capacity:
                self.entries.append(fake.clone())
                handed_out.append(fake)
            elif torch.rand((), generator=self.generator) < 0.5:
                handed_out.append(fake)
            else:
                index = int(torch.randint(self.capacity, (), generator=self.generator))
                handed_out.append(self.entries[index])
                self.entries[index] = fake.clone()
        return torch.stack(handed_out)

    def state(self) -> dict[str, Tensor]:
        """Return entries and random state as named tensors."""
        state = {"generator": self.generator.get_state()}
        if self.entries:
            state["entries"] = torch.stack(self.entries)
        return state

    def load_state(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Restore what `state` returned."""
        self.generator.set_state(state["generator"].cpu())
        self.entries = [entry.to(device) for entry in state["entries"]] if "entries" in state else []
