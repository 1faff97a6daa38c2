"""The background plate: the photo with the person taken out.

The person's halo, things held and shadows at the feet go with the person. Shadows cast on plain surfaces are lit up,
plain surfaces are continued behind the person, and what then is still open is filled with patches.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.inpaint import fill_from_patches
from drn_core.fill.plain_fill import continue_surfaces
from drn_core.fill.seams import draw_seams
from drn_core.fill.straight import continue_lines
from drn_core.fill.surfaces import View, find_leftovers, find_surfaces
from retarget.person.cast_shadows import find_lost_light, find_sun_shadows, light_up
from retarget.person.surroundings import find_contact_shadows, find_held_objects
from retarget.records import FloatArray, UInt8Array

__all__ = ["build_plate"]

BoolArray = npt.NDArray[np.bool_]

_SEEN_ALPHA = 0.02  # from here on a pixel is taken to hold something of the person
_HALO = 0.025  # width of the rim that goes with the person, in square roots of the person's area
_MIN_HALO_PX = 3.0
_GAP = 0.04  # half width of the notches in the matte that are filled too
_BRIDGE = 0.15  # the same inside held things: strings of a racket, the gap to the hand
_FELT = 0.02  # logarithm of lost light that is felt
_SHADOW_RIM_PX = 2.5  # in shadow, working pixels nearer to the hole than this are mixed with the person's
_LIMB_END = 0.06  # radius of what goes round fingers and toes in any case
_HEELS_AND_TOES = (29, 30, 31, 32)
_FINGERS_AND_TOES = (17, 18, 19, 20, 21, 22, 31, 32)


def build_plate(
    rgb: UInt8Array,
    alpha: FloatArray,
    *,
    keypoints: FloatArray | None = None,
    confidence: FloatArray | None = None,
    other_people: BoolArray | None = None,
) -> UInt8Array:
    """Take the person out of the photo.

    Args:
        rgb: (H, W, 3) uint8 photo.
        alpha: (H, W) in [0, 1], the person's matte.
        keypoints: (33, 2) joints in pixels; with `confidence`, shadows at the feet and things held in the
            hands go too.
        confidence: (33,) in [0, 1].
        other_people: (H, W), people who stay in the picture; nothing is copied from them.

    Returns:
        (H, W, 3) uint8; bit for bit the photo away from the person.
    """
    unit = float(np.sqrt((alpha > 0.5).sum()))
    if unit == 0.0:
        return rgb.copy()
    hole = _closed(alpha > _SEEN_ALPHA, round(_GAP * unit))
    feet = np.empty((0, 2), np.float32)
    if keypoints is not None and confidence is not None:
        hole |= find_contact_shadows(rgb, alpha, keypoints, confidence)
        hole |= _closed(find_held_objects(rgb, alpha, keypoints, confidence), round(_BRIDGE * unit))
        hole |= _ends_of_limbs(hole.shape, keypoints, confidence, _LIMB_END * unit)
        feet = keypoints[[joint for joint in _HEELS_AND_TOES if confidence[joint] > 0.5]]
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
    hole = distance <= max(_MIN_HALO_PX, _HALO * unit)
    return _filled(rgb, hole, unit, feet, other_people)


def _filled(
    rgb: UInt8Array, hole: BoolArray, unit: float, feet: FloatArray, other_people: BoolArray | None
) -> UInt8Array:
    """Light up the person's shadows, continue straight edges and plain surfaces, fill the rest with patches."""
    allowed = None if other_people is None else ~other_people
    picture, still_open = continue_lines(rgb, hole, unit, allowed)
    view = View.around(picture, still_open, unit, other_people)
    surfaces = find_surfaces(view)
    lost = find_lost_light(view, surfaces)
    more = find_leftovers(view, surfaces) | find_sun_shadows(view, surfaces, feet)
    more |= (np.abs(lost).max(axis=-1) > _FELT) & (view.distance <= _SHADOW_RIM_PX)
    if lost.any() or more.any():
        picture, still_open = continue_lines(light_up(rgb, lost, view.box), hole, unit, allowed)
        still_open |= _at_full_size(more, view.box, hole.shape)
        view = View.around(picture, still_open, unit, other_people)
        surfaces = find_surfaces(view)
    lit, closed = picture, hole | still_open
    picture, still_open = continue_surfaces(picture, still_open, view, surfaces)
    picture = fill_from_patches(picture, still_open, allowed)
    return draw_seams(picture, lit, closed, unit)


def _at_full_size(mask: BoolArray, box: tuple[int, int, int, int], shape: tuple[int, ...]) -> BoolArray:
    """Return a mask of a neighbourhood at working size as one of the whole photo."""
    top, bottom, left, right = box
    full = np.zeros(shape, bool)
    full[top:bottom, left:right] = cv2.resize(mask.astype(np.float32), (right - left, bottom - top)) > 0.3
    return full


def _closed(mask: BoolArray, radius: int) -> BoolArray:
    """Close notches and gaps up to twice `radius` wide: what shows through them is not worth keeping."""
    apart = cv2.distanceTransform(np.pad(~mask, radius + 1, constant_values=True).astype(np.uint8), cv2.DIST_L2, 5)
    back = cv2.distanceTransform((apart <= radius).astype(np.uint8), cv2.DIST_L2, 5)
    inner = slice(radius + 1, -radius - 1)
    return np.asarray(back > radius)[inner, inner] | mask


def _ends_of_limbs(shape: tuple[int, ...], keypoints: FloatArray, confidence: FloatArray, radius: float) -> BoolArray:
    """Return discs on fingers and toes, where a matte most easily misses something."""
    canvas = np.zeros(shape, np.uint8)
    for joint in _FINGERS_AND_TOES:
        x, y = keypoints[joint]
        if confidence[joint] > 0.5 and 0 <= x < shape[1] and 0 <= y < shape[0]:
            cv2.circle(canvas, (round(float(x)), round(float(y))), max(1, round(radius)), 1, -1)
    return np.asarray(canvas > 0)
