"""Pictures as files hold them, and as networks take them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["picture_tensor"]


def picture_tensor(picture: npt.NDArray[np.uint8]) -> Tensor:
    """Turn a picture into a tensor.

    Args:
        picture: (H, W, C) uint8.

    Returns:
        (1, C, H, W) float32 in [0, 1].
    """
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
