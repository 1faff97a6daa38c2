"""Consistency over frame pairs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["temporal_loss"]


def temporal_loss(prediction: Tensor, target: Tensor, *, consecutive: int) -> Tensor:
    """Compare what changes from frame to frame: |(p_t+1 - p_t) - (q_t+1 - q_t)|.

    A steady error costs nothing here, one that comes and goes does: flicker is punished without any flow.

    Args:
        prediction: (B, C, H, W), runs of `consecutive` successive frames.
        target: (B, C, H, W).
        consecutive: length of the runs; divides B.

    Returns:
        A scalar; 0 for runs of one frame.

    Raises:
        ValueError: the batch is no whole number of runs.
    """
    if prediction.shape[0] % consecutive:
        raise ValueError(f"temporal_loss: {prediction.shape[0]} frames are no runs of {consecutive}")
    if consecutive == 1:
        return prediction.new_zeros(())
    error = (prediction - target).reshape(-1, consecutive, *prediction.shape[1:])
    return torch.mean((error[:, 1:] - error[:, :-1]).abs())
