"""Shadows that the person casts on a wall or floor, taken away by lighting the surface up again.

On a plain surface (`drn_core.fill.surfaces`) a cast shadow is a dark region without hard edges that reaches the person,
lies in lit surface on its other sides and has the surface's colour. There the light is divided out, smoothly, so that
texture and small things in the shadow stay. Furniture has hard edges, falls of light run on to the edges of the
picture: both are left alone. In the sun, shadows have hard edges too: such a one is known by reaching the feet, lying
in lit ground to one side of them (a mat lies all round) and being evenly dark; its border would show if it were lit
up, so it is for the hole.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.harmonic import continue_smoothly
from drn_core.fill.surfaces import Surface, View, share_around
from retarget.records import FloatArray, UInt8Array

__all__ = ["find_lost_light", "find_sun_shadows", "light_up"]

BoolArray = npt.NDArray[np.bool_]

# Depths are logarithms of the light, lengths are in units of the square root of the person's area.
_MIN_DEPTH, _MIN_DEPTH_IN_UNRESTS = 0.035, 2.5  # from here on a surface counts as dark
_MIN_MEAN_DEPTH = 0.05
_MAX_DEPTH = 1.1  # what has lost more light is another material
_MAX_UNREST = 0.04  # of a surface whose light can be told
_MIN_LIT = 0.4  # part of the surface that must be lit
_MAX_TINT = 0.12  # how unequally the channels may have lost light
_MIN_AREA = 0.004
_HARDEST = 0.29  # a border harder than this is a thing's (see `_hardness`)
_MIXED_PX = 2.0
_REACH = 1.1  # how far from the person its shadow may lie
_TOUCHES = 0.06  # distance to the hole within which a shadow reaches the person
_ENCLOSED = 0.78  # part of its outer border that lit surface and the person must make up
_ENCLOSED_APART = 0.9  # the same where it doesn't reach the person
_LIT_BEFORE_END, _TINT_BEFORE_END = 0.4, 0.05  # where the surface may end at a shadow: part that is lit, tint at most
_POCKET = 0.65  # enclosed by the person to this part, it is in its shadow
_PENUMBRA = 0.06  # how far the soft border is followed outwards
_LEAST_BLUR_PX, _BLUR_PER_UNREST, _MOST_BLUR_PX = 0.8, 100.0, 4.0  # a textured surface's light is told less finely
_CALM = 0.01
_ONE_SIDED = 0.9
_FOOT = 0.45  # a shadow in the sun comes as near to a foot as this
_SUN_AREA, _SUN_ENCLOSED, _SUN_TINT = 1.0, 0.85, 0.3  # its largest area; otherwise as above
_SUN_DEPTHS, _SUN_UNREST = (0.12, 1.6), 0.3  # its median depth, the spread of its depth between the quartiles
_SPILL_PX = 4.0  # how far large things that are not the surface are lit with it
_ISLAND = 0.05  # area up to which a thing in the shadow is lit as a whole


def find_lost_light(view: View, surfaces: list[Surface]) -> FloatArray:
    """Find the light that the person's shadows take from the surfaces round it.

    Args:
        view: neighbourhood of the person, who is its hole; the unit is the square root of the person's area.
        surfaces: plain surfaces in it.

    Returns:
        (h, w, 3) float32 logarithm of what the photo is to be multiplied by; zero where there is no shadow.
    """
    lost = np.zeros((*view.hole.shape, 3), np.float32)
    settled = np.zeros(view.hole.shape, bool)
    for surface in surfaces:
        shadow = _shadow_on(view, surface)
        if shadow.any():
            wide = cv2.distanceTransform((~shadow).astype(np.uint8), cv2.DIST_L2, 5) <= _PENUMBRA * view.unit + 2.0
            shadow = wide & surface.region
            behind = surface.behind(view.colour, surface.region & ~shadow)
            darkening = np.log(np.maximum(behind, 1.0) / np.maximum(view.colour, 1.0))
            lost += _blurred(darkening, shadow, surface)
            settled |= surface.region
    if not settled.any():
        return lost
    return continue_smoothly(lost, ~view.hole & (settled | _too_far(lost, settled, view)))


def find_sun_shadows(view: View, surfaces: list[Surface], feet: FloatArray) -> BoolArray:
    """Find the person's hard-edged shadows on the ground.

    Args:
        view: neighbourhood of the person.
        surfaces: plain surfaces in it.
        feet: (N, 2) joints of the feet that are seen, in pixels of the photo.

    Returns:
        (h, w), True on the shadows.
    """
    found = np.zeros(view.hole.shape, bool)
    joints = (feet - np.array((view.box[2], view.box[0])) + 0.5) * view.scale - 0.5
    at_feet = np.zeros(view.hole.shape, np.uint8)
    for x, y in joints:
        cv2.circle(at_feet, (round(float(x)), round(float(y))), round(_FOOT * view.unit), 1, -1)
    at_feet &= view.distance <= _TOUCHES * view.unit + 3.0
    for surface in surfaces:
        other = ~view.hole & ~surface.region
        _, labels = cv2.connectedComponents(other.astype(np.uint8), connectivity=4)
        for label in np.unique(labels[(at_feet > 0) & other]):
            part = labels == label
            if _leads_away(part, joints) and _is_sun_shadow(view, surface, part):
                found |= part
    return found


def light_up(rgb: UInt8Array, lost: FloatArray, box: tuple[int, int, int, int]) -> UInt8Array:
    """Give a photo the light back that it has lost.

    Args:
        rgb: (H, W, 3) uint8.
        lost: (h, w, 3) logarithm of the factor, at any size.
        box: (top, bottom, left, right) of the part it stands for.

    Returns:
        (H, W, 3) uint8; bit for bit the photo where nothing was lost.
    """
    top, bottom, left, right = box
    gone = np.argwhere(lost.any(axis=-1))
    if not len(gone):
        return rgb
    scale = np.array([bottom - top, right - left]) / lost.shape[:2]
    first = np.maximum(np.floor((gone.min(axis=0) - 1) * scale), 0).astype(int)
    last = np.ceil((gone.max(axis=0) + 2) * scale).astype(int)
    inner = np.s_[first[0] : last[0], first[1] : last[1]]
    gain = cv2.exp(cv2.resize(lost, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)[inner])
    result = rgb.copy()
    part = result[top:bottom, left:right][inner]
    part[...] = np.clip(np.rint(part * gain), 0.0, 255.0).astype(np.uint8)
    return result


def _shadow_on(view: View, surface: Surface) -> BoolArray:
    """Return (h, w) the person's shadow on one surface."""
    nothing = np.zeros(view.hole.shape, bool)
    limit = max(_MIN_DEPTH, _MIN_DEPTH_IN_UNRESTS * surface.unrest)
    is_dark = surface.region & (surface.deviation < -limit)
    if surface.unrest > _MAX_UNREST or is_dark.sum() > (1.0 - _MIN_LIT) * surface.region.sum():
        return nothing
    is_lit = surface.region & ~is_dark
    solid = cv2.morphologyEx(is_dark.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(solid, connectivity=4)
    near = view.distance <= _REACH * view.unit
    shadow = nothing
    for label in np.unique(labels[near & (labels > 0)]):
        part = labels == label
        if _is_shadow(view, surface, part, is_lit):
            shadow = shadow | part
    return shadow


def _is_shadow(view: View, surface: Surface, part: BoolArray, is_lit: BoolArray) -> bool:
    """Tell a shadow from other dark parts of a surface."""
    depth = -surface.deviation[part]
    if part.sum() < _MIN_AREA * view.unit**2 or depth.mean() < _MIN_MEAN_DEPTH or np.percentile(depth, 90) > _MAX_DEPTH:
        return False
    if (view.distance[part] > _REACH * view.unit).mean() > 0.05:
        return False
    tint = np.log(np.maximum(view.colour[part], 1.0) / np.maximum(surface.colour[part], 1.0)).mean(axis=0)
    if float(np.ptp(tint)) > _MAX_TINT:
        return False
    if _hardness(view, surface, part) > _HARDEST:
        return False
    by_person = view.distance <= 3.0
    persons, lit = share_around(by_person, part, 3), share_around(is_lit & ~by_person, part, 3)
    if float(view.distance[part].min()) > _TOUCHES * view.unit + 3.0:
        return persons > _POCKET or persons + lit > _ENCLOSED_APART
    enclosed = persons + lit
    if lit > _LIT_BEFORE_END and float(np.ptp(tint)) < _TINT_BEFORE_END:
        # where the surface itself ends, nothing can be lit: a floor at the foot of a wall
        enclosed += share_around(~surface.region & ~by_person, part, 3)
    return persons > _POCKET or enclosed > _ENCLOSED


def _leads_away(part: BoolArray, feet: FloatArray) -> bool:
    """Tell whether a region lies to one side of the feet, by its mean offset from them over its spread."""
    places = np.argwhere(part)[:, ::-1]
    return bool(
        np.linalg.norm(places.mean(axis=0) - feet.mean(axis=0)) > _ONE_SIDED * np.sqrt(places.var(axis=0).sum())
    )


def _is_sun_shadow(view: View, surface: Surface, part: BoolArray) -> bool:
    """Tell an evenly dark piece of the ground from things that stand on it."""
    if not _MIN_AREA <= part.sum() / view.unit**2 <= _SUN_AREA:
        return False
    if share_around(surface.region | view.hole, part, 1) < _SUN_ENCLOSED:
        return False
    ratio = np.log(np.maximum(view.colour[part], 1.0) / np.maximum(surface.colour[part], 1.0))
    low, middle, high = np.percentile(-ratio.mean(axis=-1), (25, 50, 75))
    is_even = _SUN_DEPTHS[0] < middle < _SUN_DEPTHS[1] and high - low < _SUN_UNREST
    return bool(is_even and np.ptp(np.median(ratio, axis=0)) < _SUN_TINT)


def _hardness(view: View, surface: Surface, part: BoolArray) -> float:
    """Steepest slope over the step in a 7-pixel window, median along a part's border: 0.34 for a hard edge."""
    light = np.exp(view.brightness)
    outside = view.distance > _MIXED_PX  # nearer to the hole, colours are the person's too
    across = [cv2.Sobel(light, cv2.CV_32F, *order) / 8.0 for order in ((1, 0), (0, 1))]
    slope = np.where(outside, np.hypot(*across), 0.0).astype(np.float32)
    border = (cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~part & surface.region
    border &= view.distance > 2.0 * _MIXED_PX
    if not border.any():
        return 0.0
    window = np.ones((7, 7), np.uint8)
    highest = cv2.dilate(np.where(outside, light, np.float32(-np.inf)), window)[border]
    lowest = cv2.erode(np.where(outside, light, np.float32(np.inf)), window)[border]
    steepest = cv2.dilate(slope, np.ones((5, 5), np.uint8))[border]
    return float(np.median(steepest / np.maximum(highest - lowest, 2.0)))


def _too_far(lost: FloatArray, settled: BoolArray, view: View) -> BoolArray:
    """Return what is no surface and keeps its light: all but small things in the shadow and the rim of large ones."""
    distance = cv2.distanceTransform((lost[..., 1] == 0).astype(np.uint8), cv2.DIST_L2, 5)
    others = (~settled & ~view.hole).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(others, connectivity=4)
    is_large = stats[:, cv2.CC_STAT_AREA] > _ISLAND * view.unit**2
    in_shadow = np.isin(labels, np.unique(labels[distance <= _SPILL_PX]))
    return np.asarray(np.where(is_large[labels] | ~in_shadow, distance > _SPILL_PX, False))


def _blurred(darkening: FloatArray, shadow: BoolArray, surface: Surface) -> FloatArray:
    """Smooth the lost light so that the surface's texture is not taken for shadow; zero outside the shadow."""
    sigma = min(_LEAST_BLUR_PX + _BLUR_PER_UNREST * max(0.0, surface.unrest - _CALM), _MOST_BLUR_PX)
    weight = cv2.GaussianBlur(surface.region.astype(np.float32), (0, 0), sigma)
    kept = np.where(shadow[..., None], darkening, np.float32(0.0))
    smooth = cv2.GaussianBlur(kept, (0, 0), sigma) / np.maximum(weight, 1e-3)[..., None]
    return np.where(shadow[..., None], smooth, np.float32(0.0))
