"""Colours that the photo does not show: cloth behind a limb, and the rim around a layer."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["extend_colours", "fill_cloth"]

UInt8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_FILL_RADIUS = 4


def fill_cloth(colour: UInt8, trusted: Mask, hole: Mask) -> UInt8:
    """Fill a hole from the trusted pixels only (Telea's marching; the rim of trust is distrusted by a pixel).

    Args:
        colour: (H, W, 3).
        trusted: (H, W) pixels whose colour belongs to the cloth.
        hole: (H, W) pixels to fill.

    Returns:
        (H, W, 3), equal to `colour` outside the hole.
    """
    if not hole.any() or not trusted.any():
        return colour
    ys, xs = np.nonzero(hole)
    window = np.s_[
        max(int(ys.min()) - 16, 0) : int(ys.max()) + 17,
        max(int(xs.min()) - 16, 0) : int(xs.max()) + 17,
    ]
    known = cv2.erode(trusted[window].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not known.any():
        return colour
    filled = cv2.inpaint(
        np.ascontiguousarray(extend_colours(colour[window], known)),
        (hole[window] & ~known).astype(np.uint8),
        _FILL_RADIUS,
        cv2.INPAINT_TELEA,
    )
    result = colour.copy()
    target = hole[window] & ~known
    result[window][target] = filled[target]
    return result


def extend_colours(colour: UInt8, known: Mask) -> UInt8:
    """Give every unknown pixel the colour of the nearest known one, so that sampling never pulls strangers in.

    Args:
        colour: (H, W, 3).
        known: (H, W).

    Returns:
        (H, W, 3), equal to `colour` where known (and everywhere when nothing is known).
    """
    if not known.any() or known.all():
        return colour
    _, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    flat = np.zeros(int(label.max()) + 1, np.int64)
    flat[label[known]] = np.flatnonzero(known)
    return np.asarray(colour.reshape(-1, 3)[flat[label]])
