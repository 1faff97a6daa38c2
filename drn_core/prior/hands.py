"""Hands cut out of what they lie on: cloth, a print, the other hand."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import BodyFields
from drn_core.prior.parts import LIMBS, Layer, Limb, Part

__all__ = ["cut_hand"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

# Half widths of a hand within which pixels may belong to it if their colour agrees, and within which they do.
_HAND_REACH, _HAND_CORE = 1.5, 0.3
# Weights of lightness, redness and yellowness where skin is told from cloth and prints.
_HUE_GAIN = (0.4, 6.0, 3.0)


def cut_hand(
    limb: Limb, fields: BodyFields, near: Mapping[Layer, Field], wrist: Mask, forearm: Mask, person: Mask, rgb: UInt8
) -> Mask:
    """Find the pixels of a hand: within reach of its bone, nearer to it than to the other hand, alike, in one piece.

    Args:
        limb: the arm.
        fields: distances to the parts.
        near: distances to the sheets.
        wrist: (H, W) pixels around the wrist, where hand and forearm join.
        forearm: (H, W) pixels of the forearm.
        person: (H, W) the person's pixels.
        rgb: (H, W, 3).

    Returns:
        (H, W) the hand.
    """
    twin = LIMBS[limb.twin]
    field, other = fields.parts[limb.parts[2]], near[twin.lower_layer]
    # fingers spread beyond any capsule; their colour tells where they end, but not before a face of the same colour
    within = field < np.where(fields.parts[Part.HEAD] > 1.0, _HAND_REACH, 1.0)
    own = person & (np.minimum(field, near[limb.lower_layer]) <= other)
    candidate, core = own & (within | wrist), own & (field < _HAND_CORE)
    if not core.any():
        return core
    hand = _cut_by_colour(rgb, core, candidate, forearm | (person & (other < 1.0)))
    kernel = np.ones((3, 3), np.uint8)
    hand = cv2.morphologyEx(hand.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    return _connected_to(core, hand | core)


def _cut_by_colour(rgb: UInt8, sure: Mask, candidate: Mask, undecided: Mask) -> Mask:
    """Cut a hand out of the sheet below it by colour and edges (GrabCut), within the candidate pixels.

    Args:
        rgb: (H, W, 3).
        sure: (H, W) pixels certainly of the hand.
        candidate: (H, W) pixels possibly of the hand; contains `sure`.
        undecided: (H, W) pixels that may look like the hand without being it: its forearm, the other hand.

    Returns:
        (H, W) the hand, a part of `candidate`.
    """
    rest = candidate & ~sure
    if sure.sum() < 20 or rest.sum() < 20:
        return candidate
    ys, xs = np.nonzero(candidate)
    margin = 2 + (int(ys.max()) - int(ys.min())) // 4
    window = np.s_[
        max(int(ys.min()) - margin, 0) : int(ys.max()) + margin + 1,
        max(int(xs.min()) - margin, 0) : int(xs.max()) + margin + 1,
    ]
    labels = np.where(sure, cv2.GC_FGD, np.where(candidate | undecided, cv2.GC_PR_FGD, cv2.GC_BGD))
    labels = labels[window].astype(np.uint8)
    if not (labels == cv2.GC_BGD).any():
        return candidate
    cv2.setRNGSeed(0)  # GrabCut's mixtures start from k-means
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(_by_hue(rgb[window]), labels, None, *models, 2, cv2.GC_INIT_WITH_MASK)
    cut = np.zeros_like(candidate)
    cut[window] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    smooth = cv2.medianBlur(cut.astype(np.uint8), 5) > 0
    return np.asarray((smooth | sure) & candidate)


def _by_hue(rgb: UInt8) -> UInt8:
    """Colours (H, W, 3) in which hue counts more than light: a print is as bright as a knuckle, but not as red."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    scaled = (lab - np.float32(128)) * np.array(_HUE_GAIN, np.float32) + np.float32(128)
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def _connected_to(seed: Mask, mask: Mask) -> Mask:
    """The pieces of a mask that the seed touches."""
    _, label = cv2.connectedComponents((mask | seed).astype(np.uint8), connectivity=4)
    return np.asarray(mask & np.isin(label, np.unique(label[seed])) & (label > 0))
