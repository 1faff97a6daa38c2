"""Running averages of weights: what is validated and saved."""

from __future__ import annotations

import copy

import torch

from drn_core.model.drn import DRN

__all__ = ["WeightAverage"]


class WeightAverage:
    """Exponential average of a network's weights.

    Args:
        model: the network in training.
        decay: per step, once warmed up; 0 keeps the last weights.
    """

    def __init__(self, model: DRN, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: DRN, step: int) -> None:
        """Take the weights after a step in; early steps count more, so that the start is forgotten.

        Args:
            model: the network in training.
            step: steps taken before this one.
        """
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay > 0 else 0.0
        averages = [parameter.data for parameter in self.model.parameters()]
        current = [parameter.data for parameter in model.parameters()]
        torch._foreach_lerp_(averages, current, 1 - decay)
