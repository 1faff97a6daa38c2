"""Skirts: cloth that hangs about both legs and belongs to neither.

Were each leg given its half of a skirt, robe or dress, it would split when the legs part. A skirt is found by what it
hides, the gap between the legs, and goes with the trunk's sheet; both legs carry it, each side more of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.prior.body import NO_HEM, Body
from drn_core.prior.cloth import eroded, looks_like
from drn_core.prior.geometry import smoothstep, unit
from drn_core.prior.parts import LIMBS, NUM_PARTS, RADII, Part

__all__ = ["find_hem", "skirt_masks", "skirt_share", "skirt_weights"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float64]

_LEGS = tuple(limb for limb in LIMBS if not limb.is_arm)

# Levels run along the legs: 0 at the hips, 1 at the knees, 2 at the ankles. A crotch is closed by any garment; what is
# seen to be closed from the first of these levels on, over the second share of a thigh and the third of the way to the
# hem, is a skirt.
_STEP, _BELOW_CROTCH, _LEAST_LENGTH, _LEAST_SHARE = 0.05, 0.5, 0.15, 0.45
# At its hem the outline steps in by this share or more, within so many levels (of `_STEP`): trousers whose legs touch
# don't. Nor can a skirt be told over more of them.
_STEP_IN, _HEM_REACH = 0.06, 3
# Half width of a leg at hip, knee and ankle, in torso lengths.
_HALF_WIDTHS = (RADII[Part.LEFT_THIGH], 0.17, 0.12)
# A gap between the legs is looked at from this width on (torso lengths), and closed or open by these shares of cloth.
_LEAST_GAP, _CLOSED, _OPEN = 0.06, 0.97, 0.75
# Legs whose points of one level lie this much (a sine) one below the other are not side by side.
_LEVEL = 0.7
# Where legs leave no gap, cloth this much wider than they are (in their half widths, on either side) is a skirt.
_FLARE = 1.8
# Trunk and legs in one line, seen at length and from the front (torso lengths between the hips): a trunk that bows, a
# lap, or one leg before the other hide the gap like a skirt.
_LEAST_THIGH, _LEAST_TURN, _LEAST_HIPS = 0.5, 0.6, 0.2
# The hem is cut by colour within this of its level; colours are read from this far below it. (levels)
_HEM_ABOVE, _HEM_BELOW, _LEG_BELOW = 0.1, 0.15, 0.45
# Legs are continued this far up under the hem. (levels)
_CONTINUED = 0.35
# From the hips down to here the legs take over from the pelvis. (levels)
_CARRIED = 0.35
# Around the knees thighs hand over to shins, which bend a long skirt half as much as they bend.
_KNEE = (0.8, 1.3)
_SHIN_SHARE = 0.5
# Legs nearer to each other than this (torso lengths) carry cloth in common.
_LEAST_WIDTH = 0.3


def _joints(body: Body) -> npt.NDArray[np.float64]:
    """Hips, knees and ankles of both legs, (2, 3, 2); ankles that are not seen lie on the thigh's line."""
    joints = np.array([body.keypoints[[leg.root, leg.middle, leg.tip]] for leg in _LEGS])
    for leg, line in zip(_LEGS, joints, strict=True):
        if not body.has(leg.tip):
            line[2] = 2.0 * line[1] - line[0]
    return joints


def _at_level(joints: Float, level: npt.NDArray[np.floating[Any]]) -> Float:
    """Points of a polyline of hip, knee and ankle (3, 2) at levels (...,): (..., 2)."""
    upper = np.clip(level, 0.0, 1.0)[..., None]
    lower = np.clip(level - 1.0, 0.0, 1.0)[..., None]
    return np.asarray(joints[0] + upper * (joints[1] - joints[0]) + lower * (joints[2] - joints[1]))


def _levels(body: Body, points: npt.NDArray[np.floating[Any]]) -> Float:
    """How far down the legs points (..., 2) are, measured along the middle between both."""
    hip, knee, ankle = _joints(body).mean(0)
    thigh, shin = knee - hip, ankle - knee
    upper = (points - hip) @ thigh / max(float(thigh @ thigh), 1e-6)
    lower = 1.0 + (points - knee) @ shin / max(float(shin @ shin), 1e-6)
    return np.asarray(np.where(upper < 1.0, upper, np.maximum(lower, 1.0)))


def _shows_standing_legs(body: Body) -> bool:
    if not (body.has_hips and all(body.confidence[leg.middle] >= 0.3 for leg in _LEGS)):
        return False
    hips = body.keypoints[[leg.root for leg in _LEGS]]
    if float(np.linalg.norm(hips[0] - hips[1])) < _LEAST_HIPS * body.torso_length:
        return False
    spine = body.pelvis - body.neck
    for leg in _LEGS:
        thigh = body.keypoints[leg.middle] - body.keypoints[leg.root]
        along = float(thigh @ spine) / (float(np.linalg.norm(spine)) + 1e-6)
        if along < max(_LEAST_THIGH * body.torso_length, _LEAST_TURN * float(np.linalg.norm(thigh))):
            return False
    return True


def _is_closed(cloth: Mask, left: Float, right: Float, down: Float, half_width: float, least_gap: float) -> bool | None:
    """Whether cloth closes the gap between two points of the legs, that go `down`; None where that can't be told."""
    across = right - left
    distance = float(np.linalg.norm(across))
    if abs(float(across @ down)) > _LEVEL * distance:
        return None
    count = max(round(distance), 2)
    steps = np.linspace(0.0, 1.0, count)
    gap = (steps * distance > half_width) & ((1.0 - steps) * distance > half_width)
    if gap.sum() * distance / count >= least_gap:
        share = float(_sampled(cloth, left + steps[gap, None] * across).mean())
        return True if share >= _CLOSED else False if share < _OPEN else None
    way = across / distance if distance > 1e-6 else np.array((1.0, 0.0))
    reach = np.arange(1.0, _FLARE * half_width + 1.0)[:, None]
    beside = np.concatenate([left - reach * way, right + reach * way, left + steps[:, None] * across])
    return True if _sampled(cloth, beside).mean() >= _CLOSED else None


def _outline_width(cloth: Mask, left: Float, right: Float) -> float:
    """Width of the outline on the line through two points of the legs, pixels; 0 beyond the picture."""
    across = right - left
    distance = float(np.linalg.norm(across))
    reach = np.arange(max(cloth.shape))[:, None] * across / max(distance, 1e-6)
    outward = [_sampled(cloth, left - reach), _sampled(cloth, right + reach)]
    return distance + sum(float(np.argmin(side)) for side in outward) if outward[0][0] and outward[1][0] else 0.0


def _sampled(mask: Mask, points: Float) -> Mask:
    """Values of a mask at the pixels nearest to points (N, 2); False beyond it."""
    x, y = np.rint(points).astype(int).T
    inside = (x >= 0) & (x < mask.shape[1]) & (y >= 0) & (y < mask.shape[0])
    return np.asarray(inside & mask[np.where(inside, y, 0), np.where(inside, x, 0)])


def find_hem(body: Body, cloth: Mask) -> float:
    """Find how far down a skirt hangs.

    Args:
        body: the body, measured on this picture.
        cloth: (H, W) the person's pixels without the arms'.

    Returns:
        The level of the hem: 1 at the knees, 2 at the ankles; `NO_HEM` without a skirt.
    """
    if not _shows_standing_legs(body):
        return NO_HEM
    hip, _, ankle = _joints(body).mean(0)
    down = unit(ankle - hip)
    levels = np.arange(_BELOW_CROTCH, 2.0 + _STEP / 2, _STEP)
    sides = list(zip(*(_at_level(line, levels) for line in _joints(body)), strict=True))
    last, closed = -1, 0
    for index, (left, right) in enumerate(sides):
        half_width = float(np.interp(levels[index], (0.0, 1.0, 2.0), _HALF_WIDTHS)) * body.torso_length
        is_closed = _is_closed(cloth, left, right, down, half_width, _LEAST_GAP * body.torso_length)
        if is_closed is False or (closed and index - last > _HEM_REACH):
            break
        if is_closed:
            last, closed = index, closed + 1
    if closed * _STEP < max(_LEAST_LENGTH, _LEAST_SHARE * (last + 1) * _STEP) - 1e-6:
        return NO_HEM
    widths = [_outline_width(cloth, *pair) for pair in sides[max(last - _HEM_REACH, 0) : last + _HEM_REACH + 1]]
    is_cut = last + _HEM_REACH >= len(sides) or widths[-1] == 0.0  # by the frame
    return float(levels[last]) if is_cut or widths[-1] < (1.0 - _STEP_IN) * max(widths) else NO_HEM


def skirt_masks(body: Body, cloth: Mask, points: npt.NDArray[np.float32], rgb: UInt8) -> tuple[Mask, Mask]:
    """Find the skirt of a body with a hem.

    Args:
        body: the body.
        cloth: (H, W) the person's pixels without the arms'.
        points: (H, W, 2) the pixels' places.
        rgb: (H, W, 3); at the hem, cloth is told from legs by its colour.

    Returns:
        (H, W) the skirt's pixels; (H, W) those under which the legs are continued, with their own colours.
    """
    level = _levels(body, points)
    core = cloth & (level > 0.0) & (level < body.hem - _HEM_ABOVE)
    edge = cloth & (level >= body.hem - _HEM_ABOVE) & (level < body.hem + _HEM_BELOW)
    legs = cloth & (level >= body.hem + _HEM_BELOW) & (level < body.hem + _LEG_BELOW)
    is_told_by_colour = core.any() and legs.any() and edge.any()
    lowest = looks_like(rgb, eroded(core), eroded(legs), edge) if is_told_by_colour else edge & (level < body.hem)
    skirt = core | lowest
    return skirt, skirt & (level > body.hem - _CONTINUED)


def skirt_share(body: Body, points: npt.NDArray[np.float32]) -> Float:
    """How far the legs carry points (V, 2) of the sheet of a trunk with a skirt, in [0, 1]."""
    return smoothstep(_levels(body, points), 0.0, _CARRIED)


def skirt_weights(body: Body, points: npt.NDArray[np.float32]) -> Float:
    """Shares of the parts in a skirt, (V, 15): across it from one leg to the other, down it from thighs to shins."""
    weights = np.zeros((len(points), NUM_PARTS))
    level = _levels(body, points)
    left, right = (_at_level(line, level) for line in _joints(body))
    across = right - left
    width = np.maximum((across**2).sum(1), (_LEAST_WIDTH * body.torso_length) ** 2)
    share = np.clip(0.5 + ((points - (left + right) / 2) * across).sum(1) / width, 0.0, 1.0)
    shin = _SHIN_SHARE * smoothstep(level, *_KNEE)
    for leg, own in zip(_LEGS, (1.0 - share, share), strict=True):
        weights[:, leg.parts[0]], weights[:, leg.parts[1]] = own * (1.0 - shin), own * shin
    return weights
