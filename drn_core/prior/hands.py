"""Hands cut out of what they lie on: cloth, a print, the other hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import BodyFields
from drn_core.prior.face_mirror import distance_to
from drn_core.prior.parts import ARM_LAYERS, LIMBS, Layer, Limb, Part

__all__ = ["HandCut", "cut_hand", "told_apart"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

# Half widths of a hand within which pixels may belong to it if their colour agrees, and within which they do; within
# the latter of a forearm too its colour is read.
_HAND_REACH, _HAND_CORE = 1.5, 0.3
# Weights of lightness, redness and yellowness where skin is told from cloth and prints.
_HUE_GAIN = (0.4, 6.0, 3.0)
# Cloth this many half widths from any arm shows what colours the cloth around the hands has: so many of them.
_FAR_FROM_ARMS, _NUM_COLOURS = 1.3, 8
# Colours of fewer of their pixels are strangers: skin in an open collar, a rim.
_RARE = 0.05
# Enough pixels to sum their colours up.
_MOST_SAMPLES = 5000
# Two things can be told apart by colour if so many pixels of the one look like it.
_LEAST_TOLD = 0.8
# Cuffs run across the arm askew by up to 45 degrees: what is this much farther from the sleeve's bone is none of it.
_SLANT = 1.5


@dataclass(frozen=True)
class HandCut:
    """A hand, and what its colour tells of the arm.

    Attributes:
        hand: (H, W) its pixels.
        cloth: (H, W) what looks like the trunk's cloth, not like the hand, where the bone beside it looks like the
            hand: beside a bare forearm it is not the arm's. Empty where hand and cloth look alike.
    """

    hand: Mask
    cloth: Mask


def cut_hand(
    limb: Limb, fields: BodyFields, near: Mapping[Layer, Field], wrist: Mask, forearm: Mask, person: Mask, rgb: UInt8
) -> HandCut:
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
        The hand.
    """
    twin = LIMBS[limb.twin]
    field, other = fields.parts[limb.parts[2]], near[twin.lower_layer]
    # fingers spread beyond any capsule; their colour tells where they end, but not before a face of the same colour
    within = field < np.where(fields.parts[Part.HEAD] > 1.0, _HAND_REACH, 1.0)
    own = person & (np.minimum(field, near[limb.lower_layer]) <= other)
    candidate, core = own & (within | wrist), own & (field < _HAND_CORE)
    if not core.any():
        return HandCut(core, core)
    told = told_apart(rgb, core, _far_from_arms(fields, near, person))
    likely = np.ones_like(core) if told is None else told
    hand = _cut_by_colour(rgb, core, candidate, forearm | (person & (other < 1.0)), likely)
    kernel = np.ones((3, 3), np.uint8)
    hand = cv2.morphologyEx(hand.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    bones = person & (np.minimum(fields.parts[limb.parts[1]], field) < _HAND_CORE)
    return HandCut(_connected_to(core, hand | core), ~likely & _beside(bones & likely, bones & ~likely))


def _cut_by_colour(rgb: UInt8, sure: Mask, candidate: Mask, undecided: Mask, likely: Mask) -> Mask:
    """Cut a hand out of the sheet below it by colour and edges (GrabCut), within the candidate pixels.

    Args:
        rgb: (H, W, 3).
        sure: (H, W) pixels certainly of the hand.
        candidate: (H, W) pixels possibly of the hand; contains `sure`.
        undecided: (H, W) pixels that may look like the hand without being it: its forearm, the other hand.
        likely: (H, W) pixels that look like the hand; the others begin as none of it, or a print between the fingers
            would be learned as the hand's.

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
    labels = np.where(candidate, cv2.GC_PR_BGD, cv2.GC_BGD)
    labels[(candidate | undecided) & likely] = cv2.GC_PR_FGD
    labels[sure] = cv2.GC_FGD
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


def _far_from_arms(fields: BodyFields, near: Mapping[Layer, Field], person: Mask) -> Mask:
    """Pixels (H, W) of the person that are certainly of no arm, nor of the head: they show what colours the cloth has.

    Args:
        fields: distances to the parts.
        near: distances to the sheets.
        person: (H, W) the person's pixels.
    """
    arms = np.minimum.reduce([near[layer] for layer in ARM_LAYERS])
    return np.asarray(person & (arms > _FAR_FROM_ARMS) & (fields.parts[Part.HEAD] > 1.0))


def told_apart(rgb: UInt8, one: Mask, other: Mask) -> Mask | None:
    """Find where (H, W) a colour is nearer to those of one thing than to those of another.

    Args:
        rgb: (H, W, 3).
        one: (H, W) pixels of the one.
        other: (H, W) pixels of the other, all of it: what the one lies on need not be seen beside it.

    Returns:
        (H, W); None where the two look alike, or too little is seen of either.
    """
    if min(one.sum(), other.sum()) < _NUM_COLOURS:
        return None
    hues = _by_hue(rgb)
    is_nearer = _palette_distance(hues, one) < _palette_distance(hues, other)
    return np.asarray(is_nearer) if is_nearer[one].mean() > _LEAST_TOLD else None


def _palette_distance(hues: UInt8, known: Mask) -> Field:
    """Squared distance (H, W) of colours to the nearest of the few that sum up some known pixels, but for rare ones."""
    samples = hues[known].astype(np.float32)
    samples = np.ascontiguousarray(samples[:: max(1, len(samples) // _MOST_SAMPLES)])
    criteria = cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 10, 1.0
    cv2.setRNGSeed(0)
    _, label, palette = cv2.kmeans(samples, _NUM_COLOURS, None, criteria, attempts=1, flags=cv2.KMEANS_PP_CENTERS)
    share = np.bincount(label.ravel(), minlength=_NUM_COLOURS) / len(samples)
    pixels, usual = hues.reshape(-1, 3).astype(np.float32), palette[share > _RARE]
    squared = (usual * usual).sum(1) - 2.0 * (pixels @ usual.T)
    return np.asarray((squared.min(1) + (pixels * pixels).sum(1)).reshape(known.shape), np.float32)


def _by_hue(rgb: UInt8) -> UInt8:
    """Colours (H, W, 3) in which hue counts more than light: a print is as bright as a knuckle, but not as red."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    scaled = (lab - np.float32(128)) * np.array(_HUE_GAIN, np.float32) + np.float32(128)
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def _beside(one: Mask, other: Mask) -> Mask:
    """Where (H, W) one thing is clearly nearer than another; nowhere if there is none of it."""
    return np.asarray(_SLANT * distance_to(one) < distance_to(other)) if one.any() else np.zeros_like(one)


def _connected_to(seed: Mask, mask: Mask) -> Mask:
    """The pieces of a mask that the seed touches."""
    _, label = cv2.connectedComponents((mask | seed).astype(np.uint8), connectivity=4)
    return np.asarray(mask & np.isin(label, np.unique(label[seed])) & (label > 0))
