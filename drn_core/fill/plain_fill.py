"""Fill a hole where plain surfaces lie behind it: smooth colours and grain, nothing copied.

What surface lies behind a pixel of the hole is told by the surfaces on the hole's border: their shares are continued
over the hole as heat would spread. Where one prevails, it is continued; where none does, the pixel is left open.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.grain import make_grain
from drn_core.fill.harmonic import continue_smoothly
from drn_core.fill.surfaces import Surface, View

__all__ = ["continue_surfaces"]

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

_MAX_TEXTURE = 0.0045  # of a surface that shading and grain make up; snow and sand have more
_PREVAILS = 0.7  # share from which a surface lies behind a pixel
_SLIVER_PREVAILS = 0.3  # and a small piece
_BORDER_PX = 2.5  # the hole's border is not judged as near as this
_SMALLEST = 0.02  # area in squares of the unit below which a piece is left to others
_SHADING_PX = 9
_ENOUGH = 0.1  # part of a place that must be plain for its grain to be told
_MOST_GRAIN = 1.5  # how much stronger than on average the grain may be anywhere


def continue_surfaces(
    rgb: ByteArray, hole: BoolArray, view: View, surfaces: list[Surface], *, seed: int = 0
) -> tuple[ByteArray, BoolArray]:
    """Fill those parts of a hole behind which a plain surface lies.

    Args:
        rgb: (H, W, 3) uint8.
        hole: (H, W).
        view: the hole's neighbourhood.
        surfaces: the plain surfaces in it.
        seed: of the grain.

    Returns:
        (H, W, 3) uint8, equal to `rgb` but for what was filled; (H, W), the part of the hole that stays open.
    """
    surfaces = [surface for surface in surfaces if surface.texture < _MAX_TEXTURE]
    calm = [surface.calm for surface in surfaces]
    if not calm:
        return rgb, hole
    share = continue_smoothly(np.stack(calm, axis=-1).astype(np.float32), view.distance > _BORDER_PX)
    owner = _owners(share, view)
    top, bottom, left, right = view.box
    part, size = np.s_[top:bottom, left:right], (right - left, bottom - top)
    filled, still_open = rgb.copy(), hole.copy()
    for index, surface in enumerate(surfaces):
        if not (view.hole & (owner == index)).any():
            continue
        where = cv2.resize((owner == index).astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
        where &= still_open[part]
        colour = cv2.resize(surface.behind(view.colour, calm[index]), size, interpolation=cv2.INTER_LINEAR)
        grain = _grain(rgb[part], hole[part], calm[index], seed + index)
        filled[part][where] = np.clip(np.rint(colour + grain), 0.0, 255.0).astype(np.uint8)[where]
        still_open[part] &= ~where
    return filled, still_open


def _owners(share: FloatArray, view: View) -> IntArray:
    """Return (h, w) the index of the surface that lies behind (or is seen at) each pixel; -1 where none prevails."""
    owner = np.where(share.max(axis=-1) > _PREVAILS, share.argmax(axis=-1), -1).astype(np.int32)
    for index in range(share.shape[-1]):
        mine = owner == index
        small = mine & ~_large_pieces(mine, view.unit)
        owner[small] = -1
    unowned = view.hole & (owner < 0)
    slivers = unowned & ~_large_pieces(unowned, view.unit) & (share.max(axis=-1) > _SLIVER_PREVAILS)
    owner[slivers] = share.argmax(axis=-1)[slivers]
    return owner


def _large_pieces(mask: BoolArray, unit: float) -> BoolArray:
    """Return the mask without slivers and small pieces."""
    solid = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=4)
    is_large = stats[:, cv2.CC_STAT_AREA] >= _SMALLEST * unit**2
    is_large[0] = False
    return np.asarray(is_large[labels])


def _grain(picture: ByteArray, hole: BoolArray, calm: BoolArray, seed: int) -> FloatArray:
    """Return the (H, W, 3) grain of a surface, as strong in each place as it is on the surface nearby."""
    shape = (picture.shape[0], picture.shape[1])
    plain = (cv2.resize(calm.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST) > 0) & ~hole
    grain = make_grain(picture, plain, shape, seed)
    mean = float(np.abs(grain).mean())
    if mean == 0.0:
        return grain
    window = (_SHADING_PX, _SHADING_PX)
    residue = cv2.absdiff(picture, cv2.blur(picture, window)).mean(axis=-1, dtype=np.float32)
    valid = cv2.erode(plain.astype(np.uint8), np.ones(window, np.uint8)).astype(np.float32)
    size = calm.shape[::-1]
    weight = cv2.blur(cv2.resize(valid, size, interpolation=cv2.INTER_AREA), (5, 5))
    local = cv2.blur(cv2.resize(residue * valid, size, interpolation=cv2.INTER_AREA), (5, 5))
    strength = continue_smoothly((local / np.maximum(weight, 1e-3))[..., None], weight > _ENOUGH)
    ratio = cv2.resize(np.clip(strength / mean, 0.0, _MOST_GRAIN), shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(grain * ratio[..., None], np.float32)
