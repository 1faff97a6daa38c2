"""Colours that the photo does not show: cloth behind a limb, and the rim around a layer."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.inpaint import fill_from_patches

__all__ = ["extend_colours", "fill_cloth"]

UInt8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# Patches come from this far around a hole, in shares of the hole's size, and are matched in a copy of this size:
# what lies behind an arm is in shadow and half covered again in most frames.
_REACH = 0.5
_PATCH_SIDE = 112
# Thinner holes than this (pixels from rim to middle) are marched over: there is no room for texture in them.
_THIN = 7.0
_MARCH_RADIUS = 4
# With fewer whole patches to copy from, the fill would be one patch over and over.
_LEAST_PATCHES = 50


def fill_cloth(colour: UInt8, trusted: Mask, hole: Mask) -> UInt8:
    """Fill a hole with cloth of the trusted pixels near it (the rim of trust is distrusted by a pixel).

    Args:
        colour: (H, W, 3).
        trusted: (H, W) pixels whose colour belongs to the cloth.
        hole: (H, W) pixels to fill.

    Returns:
        (H, W, 3), equal to `colour` outside the hole.

    Source: thin holes Telea 2004, others by patches (`drn_core.inpaint`).
    """
    if not hole.any() or not trusted.any():
        return colour
    ys, xs = np.nonzero(hole)
    reach = round(_REACH * max(np.ptp(ys), np.ptp(xs))) + 12
    window = np.s_[
        max(int(ys.min()) - reach, 0) : int(ys.max()) + reach + 1,
        max(int(xs.min()) - reach, 0) : int(xs.max()) + reach + 1,
    ]
    known = cv2.erode(trusted[window].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not known.any():
        return colour
    unknown = hole[window] & ~known
    around = extend_colours(np.ascontiguousarray(colour[window]), known)
    depth = cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, 5).max()
    filled = _march(around, unknown) if depth < _THIN else _match(around, unknown, known)
    result = colour.copy()
    result[window][unknown] = filled[unknown]
    return result


def _march(colour: UInt8, hole: Mask) -> UInt8:
    return np.asarray(cv2.inpaint(colour, hole.astype(np.uint8), _MARCH_RADIUS, cv2.INPAINT_TELEA), np.uint8)


def _match(colour: UInt8, hole: Mask, known: Mask) -> UInt8:
    """Fill by patches in a small copy, brought back to size."""
    scale = min(1.0, _PATCH_SIDE / max(hole.shape))
    size = (max(round(hole.shape[1] * scale), 8), max(round(hole.shape[0] * scale), 8))
    small = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8)
    small_hole = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    small_known = (cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99) & ~small_hole
    whole_patches = cv2.erode(small_known.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0)
    if whole_patches.sum() < _LEAST_PATCHES:
        return _march(colour, hole)
    filled = fill_from_patches(small, small_hole, small_known)
    return np.asarray(cv2.resize(filled, hole.shape[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


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
