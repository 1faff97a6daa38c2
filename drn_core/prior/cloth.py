"""Colours that the photo does not show: cloth behind a limb, and the rim around a layer."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = [
    "around",
    "colour_distance",
    "eroded",
    "extend_colours",
    "fill_cloth",
    "fill_garment",
    "fill_pieces",
    "fill_plain",
    "looks_like",
]

UInt8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Field = npt.NDArray[np.float32]

# A window around a hole, in pixels: marching looks no further.
_REACH = 16
_RADIUS = 4
# Colours within this many deviations of the usual one, or this near in units of Lab, are a garment's ground; the rest
# is collar, hair, a badge.
_DEVIATIONS, _LEAST_SPREAD = 3.0, (60.0, 12.0, 20.0)
# A colour this far from grey is told by its hue: within this tangent, at least as vivid as this share of it.
_VIVID, _HUE_TURN, _LEAST_VIVIDNESS = 30.0, 0.25, 0.6
# Folds run on from the rim over this share of a hole's size.
_FOLD_REACH = 0.2
# A garment has a print if more than this share of it lies at steps of so many units of Lab over this share of its size.
# (Plain ones of the development photos, with folds and badges: up to 0.07; prints and stripes: from 0.12.)
_PRINT_SHARE, _PRINT_STEP, _PRINT_REACH = 0.1, 40.0, 0.015
# What surrounds a piece of a hole reaches this far, in sides of a square as large as the piece; of one colour is what
# has it on this share.
_SURROUNDINGS, _MOSTLY = 0.5, 0.75
# Pieces of fewer pixels are filled from their rim.
_LEAST_PIECE = 64

# A colour is clearly one thing's if it is nearer to it than this share of its distance to the other.
_NEARER = 0.5
# How far, in pixels of the working copy, a thing is looked for.
_NEARBY = 24


def fill_cloth(colour: UInt8, trusted: Mask, hole: Mask) -> UInt8:
    """Fill a hole from the trusted pixels at its rim (the rim of trust is distrusted by a pixel).

    Right for narrow holes of any kind; `fill_garment` knows more of the trunk.

    Args:
        colour: (H, W, 3).
        trusted: (H, W) pixels whose colour belongs to the cloth.
        hole: (H, W) pixels to fill.

    Returns:
        (H, W, 3), equal to `colour` outside the hole.

    Source: Telea 2004.
    """
    if not hole.any() or not trusted.any():
        return colour
    ys, xs = np.nonzero(hole)
    window = np.s_[
        max(int(ys.min()) - _REACH, 0) : int(ys.max()) + _REACH + 1,
        max(int(xs.min()) - _REACH, 0) : int(xs.max()) + _REACH + 1,
    ]
    known = eroded(trusted[window])
    if not known.any():
        return colour
    unknown = hole[window] & ~known
    around = extend_colours(np.ascontiguousarray(colour[window]), known)
    filled = cv2.inpaint(around, unknown.astype(np.uint8), _RADIUS, cv2.INPAINT_TELEA)
    result = colour.copy()
    result[window][unknown] = filled[unknown]
    return result


def _ground(colour: UInt8, trusted: Mask) -> Mask:
    """The trusted pixels (H, W) of the most usual colour."""
    lab = cv2.cvtColor(colour, cv2.COLOR_RGB2LAB)
    samples = lab[trusted].astype(np.float32)
    for _ in range(2):
        middle = np.median(samples, 0)
        spread = np.maximum(1.5 * _DEVIATIONS * np.median(np.abs(samples - middle), 0), _LEAST_SPREAD)
        samples = samples[(np.abs(samples - middle) < spread).all(1)]
    is_usual = (np.abs(lab.astype(np.float32) - middle) < spread).all(2)
    return np.asarray(trusted & (is_usual | _has_hue(lab, middle)))


def _has_hue(lab: UInt8, middle: Field) -> Mask:
    """Pixels (H, W) that are as vivid as a colour and of its hue, in whatever light; none if the colour is a grey."""
    hue = middle[1:] - 128.0
    vividness = float(np.linalg.norm(hue))
    if vividness < _VIVID:
        return np.zeros(lab.shape[:2], bool)
    own = lab[..., 1:].astype(np.float32) - 128.0
    along = own @ (hue / vividness)
    across = np.abs(own @ (np.array([-hue[1], hue[0]], np.float32) / vividness))
    return np.asarray((along > _LEAST_VIVIDNESS * vividness) & (across < _HUE_TURN * along))


def _is_plain(colour: UInt8, known: Mask) -> bool:
    """Whether a garment is of one colour but for folds and small things on it."""
    reach = max(round(_PRINT_REACH * float(np.sqrt(known.sum()))), 1)
    lab = cv2.cvtColor(colour, cv2.COLOR_RGB2LAB).astype(np.float32)
    ahead = known[:-reach, :-reach] & known[reach:, :-reach] & known[:-reach, reach:]
    here, down, right = lab[:-reach, :-reach][ahead], lab[reach:, :-reach][ahead], lab[:-reach, reach:][ahead]
    if len(here) == 0:
        return True
    steps = np.maximum(np.linalg.norm(down - here, axis=1), np.linalg.norm(right - here, axis=1))
    return bool((steps > _PRINT_STEP).mean() < _PRINT_SHARE)


def _pull_push(colour: UInt8, known: Mask) -> UInt8:
    """Spread known colours smoothly over the rest: averages at every size, the finest that knows anything."""
    weight = known.astype(np.float32)
    levels = [(colour.astype(np.float32) * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    total, weight = levels[-1]
    mean = total / np.maximum(weight, 1e-6)[..., None]
    for total, weight in levels[-2::-1]:
        coarse = cv2.pyrUp(mean, dstsize=(weight.shape[1], weight.shape[0]))
        trust = np.minimum(4.0 * weight, 1.0)[..., None]
        mean = trust * total / np.maximum(weight, 1e-6)[..., None] + (1.0 - trust) * coarse
    return np.asarray(np.clip(np.round(mean), 0, 255), np.uint8)


def fill_plain(colour: UInt8, trusted: Mask, hole: Mask) -> UInt8:
    """Fill a hole in something of one colour, in different light, from the pixels that have that colour.

    Marching from the rim would draw whatever touches the hole (a strand of hair, a lace) into it as fans.

    Args:
        colour: (H, W, 3).
        trusted: (H, W) pixels of the thing.
        hole: (H, W) pixels to fill.

    Returns:
        (H, W, 3), equal to `colour` outside the hole (and everywhere when nothing is trusted).
    """
    known = eroded(trusted & ~hole)
    if not hole.any() or not known.any():
        return colour
    ground = _ground(colour, known)
    smooth, marched = _pull_push(colour, ground), fill_cloth(colour, ground, hole | (known & ~ground))
    depth = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)
    share = np.exp(-depth / (_FOLD_REACH * float(np.sqrt(hole.sum()))))[..., None]
    mixed = np.round(smooth + share * (marched.astype(np.float32) - smooth)).astype(np.uint8)
    return np.asarray(np.where(hole[..., None], mixed, colour), np.uint8)


def fill_garment(colour: UInt8, trusted: Mask, hole: Mask) -> UInt8:
    """Fill a hole in a garment: evenly where it is plain, from the rim where it has a print.

    A jacket is plain over a striped shirt, too: where the whole is not, each piece of the hole is judged by itself.

    Patches of the print (`drn_core.fill.inpaint`) are sharper, but lay out eyes and badges where none are: on a signing
    clip they cost 0.9 dB against marching.

    Args:
        colour: (H, W, 3).
        trusted: (H, W) pixels of the garment.
        hole: (H, W) pixels to fill.

    Returns:
        (H, W, 3), equal to `colour` outside the hole.
    """
    known = eroded(trusted & ~hole)
    if not hole.any() or not known.any():
        return colour
    return (fill_plain if _is_plain(colour, known) else fill_pieces)(colour, trusted, hole)


def fill_pieces(colour: UInt8, trusted: Mask, hole: Mask) -> UInt8:
    """Fill a hole piece by piece: evenly where what surrounds it is plain and mostly of one colour, else from the rim.

    Args:
        colour: (H, W, 3).
        trusted: (H, W) pixels that show their own colour.
        hole: (H, W) pixels to fill.

    Returns:
        (H, W, 3), equal to `colour` outside the hole.
    """
    known = eroded(trusted & ~hole)
    result, rest = colour.copy(), hole.copy()
    num, label, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8))
    for index in np.flatnonzero(stats[1:num, cv2.CC_STAT_AREA] >= _LEAST_PIECE) + 1:
        reach = _SURROUNDINGS * float(np.sqrt(stats[index, cv2.CC_STAT_AREA]))
        left, top, width, height = stats[index, :4]
        margin = int(reach) + 1
        window = np.s_[max(top - margin, 0) : top + height + margin, max(left - margin, 0) : left + width + margin]
        piece, colours = label[window] == index, np.ascontiguousarray(colour[window])
        near = known[window] & (cv2.distanceTransform((~piece).astype(np.uint8), cv2.DIST_L2, 5) < reach)
        if near.any() and _is_plain(colours, near) and _ground(colours, near)[near].mean() > _MOSTLY:
            result[window][piece] = fill_plain(colours, near, piece)[piece]
            rest[window] &= ~piece
    return fill_cloth(result, trusted | (hole & ~rest), rest)


def eroded(mask: Mask) -> Mask:
    """The mask (H, W) without its rim of mixed colours."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


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


def colour_distance(rgb: UInt8, known: Mask) -> Field:
    """Return (H, W) float32 how far, in Lab, each pixel's colour is from that of the nearest known one.

    Args:
        rgb: (H, W, 3).
        known: (H, W).
    """
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    return np.asarray(np.linalg.norm(lab.astype(np.float32) - extend_colours(lab, known), axis=2), np.float32)


def looks_like(rgb: UInt8, one: Mask, other: Mask, where: Mask) -> Mask:
    """Find the pixels whose colour is clearly that of one thing nearby and not that of another.

    Args:
        rgb: (H, W, 3).
        one: (H, W) pixels of the one.
        other: (H, W) pixels of the other.
        where: (H, W) the pixels in question; neither thing is looked for far from them.

    Returns:
        (H, W), within `where`; all false where either is not seen nearby.
    """
    result = np.zeros_like(where)
    if not where.any():
        return result
    window = around(where)
    if one[window].any() and other[window].any():
        part = np.ascontiguousarray(rgb[window])
        is_nearer = colour_distance(part, one[window]) < _NEARER * colour_distance(part, other[window])
        result[window] = where[window] & is_nearer
    return result


def around(mask: Mask) -> tuple[slice, slice]:
    """Return the slices (rows, columns) of what is set in a mask (H, W) and its neighbourhood."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        slice(max(int(ys[0]) - _NEARBY, 0), int(ys[-1]) + _NEARBY + 1),
        slice(max(int(xs[0]) - _NEARBY, 0), int(xs[-1]) + _NEARBY + 1),
    )
