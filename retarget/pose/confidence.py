"""How far a joint may be trusted for where it lies."""

from __future__ import annotations

from typing import Final

import numpy as np

from retarget.records import FloatArray

__all__ = ["DRIVER_MARGIN", "PHOTO_MARGIN", "in_picture_weight"]

DRIVER_MARGIN: Final = 0.02
PHOTO_MARGIN: Final = 0.15


def in_picture_weight(keypoints: FloatArray, size_hw: tuple[int, int], *, margin: float) -> FloatArray:
    """Return a weight that falls from 1 to 0 as a joint leaves the picture.

    The estimator reports joints outside the picture at full visibility. How far such a guess is of use depends on
    whose it is: for a driver it must go before it does harm (small margin: a ramp centred on the edge); a photo's
    still tells a limb's direction (large margin: 1 inside, falling only outside).

    Args:
        keypoints: (..., 2), pixels.
        size_hw: size of the picture.
        margin: width of the ramp, as a share of the picture's width or height.

    Returns:
        (...,) float32 in [0, 1].
    """
    height, width = size_hw
    x, y = (keypoints[..., 0] + 0.5) / width, (keypoints[..., 1] + 0.5) / height
    inside = np.minimum.reduce([x, 1 - x, y, 1 - y])
    ramp = (inside + margin) / (2 * margin) if margin < 0.1 else (inside + margin) / margin
    weight: FloatArray = np.clip(ramp, 0, 1).astype(np.float32)
    return weight
