"""Pixels that a first cut gave to the wrong sheet: cloth beside a hand, slivers, specks and rims beside an arm."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body, BodyFields
from drn_core.prior.cloth import around, colour_distance, eroded, extend_colours, looks_like
from drn_core.prior.face_mirror import distance_to
from drn_core.prior.parts import ARM_LAYERS, LIMBS, Layer, Limb, Part

__all__ = ["blurred_rim", "give", "give_away", "return_islands", "return_slivers", "take_own_colour"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

# Half width in torso lengths below which a piece of the trunk beside an arm is a sliver, and one of an arm a spike.
_SLIVER = 0.025
# Side in torso lengths of a square as large as a speck.
_SPECK = 0.08
# Trunk this near to an arm (torso lengths), below the shoulder, may be the arm: if its colour differs from the trunk's
# by this much (Lab), and from the arm's by less than this share of that.
_RIM, _BELOW_SHOULDER, _LEAST_STEP, _NEARER = 0.05, 0.1, 20.0, 0.5
# Slivers within so many half widths of head and hands are hair, or seen between fingers.
_HANDS_BREADTH = 1.5
# Half widths of a hand within which its own colour is read.
_PALM = 0.3
# Blurred are colours that lie at least so far on the way from cloth to hand (if these differ by so much in Lab), and
# aside from it by less than this share of the way.
_LEAST_SHARE, _LEAST_BLUR_STEP, _ASIDE = 0.15, 30.0, 0.35
# A hand is blurred if in the near ring (shares of the reach) so many pixels are mixed, and in the far one less than so
# many of that. (Development photos: 0.4 - 0.5 and 0.3 of it; prints and sharp hands: below 0.4 or evenly spread.)
_NEAR_RING, _FAR_RING, _LEAST_BLUR, _THINS_OUT = (0.12, 0.25), (0.4, 0.65), 0.35, 0.5
# Half widths of the trunk within which stray pixels are the trunk's.
_NEAR_TRUNK = 1.5


def give_away(
    owned: dict[Layer, Mask], limb: Limb, lost: Mask, cloth: Mask, near: Mapping[Layer, Field], fields: BodyFields,
    rgb: UInt8,
) -> None:  # fmt: skip
    """Give to trunk and legs what lies beyond an arm's outline, unless it is of the hand or hangs on nothing.

    Args:
        owned: changed in place.
        limb: the arm.
        lost: (H, W) pixels that were the arm's and lie beyond its outline.
        cloth: (H, W) pixels that look like cloth, not like the hand.
        near: distance to each sheet.
        fields: distances to the parts. What is nearer to the hand than to the forearm may be fingers, that reach far.
        rgb: (H, W, 3); what is near the hand but looks like the trunk is cloth beside it.
    """
    below = (Layer.TORSO, *(layer for other in LIMBS if not other.is_arm for layer in other.layers))
    hand = owned[limb.lower_layer] & (fields.parts[limb.parts[2]] < fields.parts[limb.parts[1]])
    palm = owned[limb.lower_layer] & ~lost & (fields.parts[limb.parts[2]] < _PALM)
    cloth = lost & hand & (cloth | looks_like(rgb, eroded(owned[Layer.TORSO]), palm, lost & hand))
    for piece in (cloth, lost & ~hand):
        _, label = cv2.connectedComponents(piece.astype(np.uint8), connectivity=4)
        for layer in below:
            beside = cv2.dilate(owned[layer].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            free = piece & (owned[limb.upper_layer] | owned[limb.lower_layer])
            give(owned, layer, free & np.isin(label, np.unique(label[free & beside])))
        stray = lost & ~hand & (owned[limb.upper_layer] | owned[limb.lower_layer])
        give(owned, Layer.TORSO, piece & stray & (near[Layer.TORSO] < _NEAR_TRUNK))


def give(owned: dict[Layer, Mask], layer: Layer, pixels: Mask) -> None:
    """Give pixels (H, W) to one sheet, in place, and take them from all others."""
    for other, mask in owned.items():
        owned[other] = mask | pixels if other == layer else mask & ~pixels


def _beside_arms(fields: BodyFields) -> Mask:
    """Where strips of trunk are no hair and nothing seen between fingers."""
    hands = [fields.parts[limb.parts[2]] for limb in LIMBS if limb.is_arm]
    return np.asarray(np.minimum.reduce([fields.parts[Part.HEAD], *hands]) > _HANDS_BREADTH)


def _nearest_arm_sheet(near: Mapping[Layer, Field]) -> dict[Layer, Mask]:
    """Per sheet of an arm, (H, W) the pixels to which it is the nearest of them."""
    nearest = np.stack([near[layer] for layer in ARM_LAYERS]).argmin(0)
    return {layer: nearest == index for index, layer in enumerate(ARM_LAYERS)}


def return_slivers(body: Body, owned: dict[Layer, Mask], near: Mapping[Layer, Field], fields: BodyFields) -> None:
    """Strips of trunk along an arm, too thin for cloth, go with it: alone they would float when it leaves.

    Args:
        body: the body, measured on this picture.
        owned: per sheet, (H, W) the pixels it shows in the photo; changed in place.
        near: distance to each sheet.
        fields: distances to the parts.
    """
    radius = max(round(_SLIVER * body.torso_length), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    trunk = owned[Layer.TORSO].astype(np.uint8)
    thin = (trunk > 0) & (cv2.morphologyEx(trunk, cv2.MORPH_OPEN, kernel) == 0) & _beside_arms(fields)
    for layer, is_nearest in _nearest_arm_sheet(near).items():
        beside = cv2.dilate(owned[layer].astype(np.uint8), kernel) > 0
        give(owned, layer, thin & beside & is_nearest)


def return_islands(body: Body, owned: dict[Layer, Mask], near: Mapping[Layer, Field]) -> None:
    """Specks of trunk that hang together with an arm alone go with it: a cuff's stripe, a fold of a sleeve.

    Args:
        body: the body, measured on this picture.
        owned: per sheet, (H, W) the pixels it shows in the photo; changed in place.
        near: distance to each sheet.
    """
    trunk = owned[Layer.TORSO].astype(np.uint8)
    _, label, stats, _ = cv2.connectedComponentsWithStats(trunk, connectivity=8)
    is_speck = stats[:, cv2.CC_STAT_AREA] < (_SPECK * body.torso_length) ** 2
    is_speck[0] = False
    is_speck[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else 0] = False
    specks = is_speck[label]
    for layer, is_nearest in _nearest_arm_sheet(near).items():
        touches = cv2.dilate(owned[layer].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        touching = np.isin(label, np.unique(label[specks & touches]))
        give(owned, layer, specks & touching & is_nearest)


def take_own_colour(
    owned: dict[Layer, Mask], body: Body, fields: BodyFields, rgb: UInt8, cloth: Mapping[Layer, Mask]
) -> None:
    """Give to an arm what touches it of the trunk beside it and has its colour: cut by distance alone, a rim remains.

    A rim lies along the arm; what would stick out of it is a print that happens to have its colour.

    Args:
        owned: per sheet, (H, W) the pixels it shows in the photo; changed in place.
        body: the body, measured on this picture.
        fields: distances to its parts.
        rgb: (H, W, 3).
        cloth: per sheet, (H, W) what is known to be cloth beside bare skin; sheets may be missing.
    """
    reach, breadth = (2 * round(size * body.torso_length) + 1 for size in (_RIM, _SLIVER))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (breadth, breadth))
    for layer in ARM_LAYERS:
        arm = owned[layer]
        beside = cv2.dilate(arm.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        rim = beside & owned[Layer.TORSO] & (fields.along_trunk > _BELOW_SHOULDER)
        rim &= ~cloth.get(layer, np.zeros_like(rim))
        inner, trunk = eroded(arm), owned[Layer.TORSO] & ~beside
        if not (rim.any() and inner.any() and trunk.any()):
            continue
        to_arm, to_trunk = colour_distance(rgb, inner), colour_distance(rgb, trunk)
        alike = rim & (to_arm < _NEARER * to_trunk) & (to_trunk > _LEAST_STEP)
        # a rim lies on the arm, spikes stick out
        whole = cv2.morphologyEx((alike | arm).astype(np.uint8), cv2.MORPH_OPEN, kernel)
        _, labels = cv2.connectedComponents(whole | arm.astype(np.uint8), connectivity=4)
        give(owned, layer, alike & (whole > 0) & np.isin(labels, np.unique(labels[arm])))


def blurred_rim(rgb: UInt8, own: Mask, hand: Mask, reach: int) -> Mask:
    """Find what a moving hand has blurred into the cloth beside it: colours on the way from one to the other.

    Blur thins out away from the hand; a print that happens to have such colours has them everywhere.

    Args:
        rgb: (H, W, 3).
        own: (H, W) the pixels of a garment: trunk and upper arms.
        hand: (H, W) the pixels of one hand.
        reach: how far blur is looked for, pixels.

    Returns:
        (H, W), a part of `own`; none around a hand whose edge is sharp.
    """
    result = np.zeros_like(own)
    if not hand.any():
        return result
    window = around(hand)
    away = distance_to(hand[window])
    beside = own[window] & (away <= reach)
    cloth, skin = own[window] & ~beside, eroded(hand)[window]
    if not (beside.any() and cloth.any() and skin.any()):
        return result
    lab = cv2.cvtColor(np.ascontiguousarray(rgb[window]), cv2.COLOR_RGB2LAB)
    of_cloth, of_skin = (extend_colours(lab, known).astype(np.float32) for known in (cloth, skin))
    off, step = lab.astype(np.float32) - of_cloth, of_skin - of_cloth
    full = np.maximum((step * step).sum(2), 1e-6)
    share = (off * step).sum(2) / full
    aside = np.linalg.norm(off - share[..., None] * step, axis=2)
    is_mixed = (full > _LEAST_BLUR_STEP**2) & (share > _LEAST_SHARE) & (aside < _ASIDE * np.sqrt(full))
    rings = (beside & (away > low * reach) & (away <= high * reach) for low, high in (_NEAR_RING, _FAR_RING))
    near, far = ((is_mixed & ring).sum() / max(int(ring.sum()), 1) for ring in rings)
    if near < _LEAST_BLUR or far > _THINS_OUT * near:
        return result
    candidate = beside & is_mixed
    _, label = cv2.connectedComponents((candidate | hand[window]).astype(np.uint8), connectivity=4)
    result[window] = candidate & np.isin(label, np.unique(label[hand[window]]))
    return result
