"""The background plate: the photo with the person taken out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.inpaint import fill_from_patches
from retarget.records import FloatArray, UInt8Array

__all__ = ["build_plate"]

BoolArray = npt.NDArray[np.bool_]

_SEEN_ALPHA = 0.02  # from here on a pixel is taken to hold something of the person
_HALO = 0.025  # width of the rim that goes with the person, in square roots of the person's area
_MIN_HALO_PX = 3.0


def build_plate(rgb: UInt8Array, alpha: FloatArray, *, other_people: BoolArray | None = None) -> UInt8Array:
    """Take the person out of the photo.

    Args:
        rgb: (H, W, 3) uint8 photo.
        alpha: (H, W) in [0, 1], the person's matte.
        other_people: (H, W), people who stay in the picture; nothing is copied from them.

    Returns:
        (H, W, 3) uint8; bit for bit the photo away from the person.
    """
    unit = float(np.sqrt((alpha > 0.5).sum()))
    radius = max(_MIN_HALO_PX, _HALO * unit)
    distance = cv2.distanceTransform((alpha <= _SEEN_ALPHA).astype(np.uint8), cv2.DIST_L2, 5)
    hole = distance <= radius if unit > 0.0 else np.zeros(alpha.shape, bool)
    return fill_from_patches(rgb, hole, None if other_people is None else ~other_people)
