"""Learning rates over a phase, and where in the recipe a step lies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drn_core.config import PhaseConfig

__all__ = ["locate_step", "rate_factor"]


def rate_factor(phase: PhaseConfig, step: int) -> float:
    """Return the factor on the learning rate at a step of a phase.

    Args:
        phase: decay and warm-up.
        step: 0 for the phase's first step.

    Returns:
        In (0, 1]; the last step of a decaying phase still moves (the published schedule's last epoch did not).
    """
    warmup = min(1.0, (step + 1) / phase.warmup_steps) if phase.warmup_steps else 1.0
    progress = step / phase.steps
    if phase.decay == "linear":
        return warmup * (1 - progress)
    if phase.decay == "cosine":
        return warmup * (0.5 + 0.5 * math.cos(math.pi * progress))
    return warmup


def locate_step(phases: Sequence[PhaseConfig], step: int) -> tuple[int, int]:
    """Return (index of the phase, step within it) of a step of the whole recipe.

    Raises:
        ValueError: the recipe is over by then.
    """
    remaining = step
    for index, phase in enumerate(phases):
        if remaining < phase.steps:
            return index, remaining
        remaining -= phase.steps
    raise ValueError(f"step {step} is beyond the end of the recipe")
