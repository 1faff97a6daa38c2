"""The person's clean edge: from the estimator's coarse mask to alpha and uncontaminated colours.

Steps, all on the person's crop: GrabCut corrects the coarse mask where colours tell (fingers, shoes, loose cloth,
gaps between arm and trunk); a band around the result is left open and solved by closed-form matting at a bounded
working size; the alpha is carried up to the photo's own size through its local linear colour model; stray islands
and pinholes go; foreground colours are estimated and run on beyond the silhouette.

Source: Rother et al. 2004 (GrabCut); Levin, Lischinski, Weiss 2008 (closed form); Germer et al. 2020 (multi-level
foreground); He, Sun 2015 (fast guided filter: the local linear model carried up).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.skeleton import FACE_JOINTS, NUM_JOINTS
from retarget.person.fingers import find_fingers
from retarget.records import FloatArray, UInt8Array

__all__ = ["Matte", "refine_matte"]

BoolArray = npt.NDArray[np.bool_]

# Lengths are in units of the square root of the person's area (about 0.4 of a standing person's height).
_CUT_IN, _CUT_OUT = 0.05, 0.06  # how far GrabCut may move the coarse contour inwards and outwards
_CUT_IN_HEAD = 0.02  # dark hair before a dark wall is not GrabCut's to remove
_SURE_IN, _SURE_OUT = 0.03, 0.03  # beyond this from the contour, colours are taken for pure
_LIMB_REACH = 0.16  # around hands and feet it may move outwards as far as this
_LIMB_CORE = 0.05  # width of the strip along a limb's bone that is the person's for certain
_BAND_IN, _BAND_OUT = 0.022, 0.018  # half widths of the band that matting decides
_BAND_HAIR = 0.05  # outer half width around the head
_MIN_CONTRAST = 20.0  # 8-bit Lab; below it colours don't tell and the coarse contour stands
_COARSE_BIAS = 0.012  # the coarse contour lies outside the true one by about this much
_MIN_BAND_PX = 2.5
_GAP_CORE, _MIN_GAP_PX = 0.6, 1.5  # gaps keep a line of certainty from this share of their half width on
_SURELY_CLEAR = 0.2  # of the coarse mask
_NOTCH, _NOTCH_AT = 0.4, 0.45  # radius of armpit and crotch and distance from the joint, in lengths of the limb
_NOTCH_DEPTH = 0.16  # how far background may run into them
_STREAK = 0.012  # half width of streaks beside feet
_LIKE_BACKGROUND = 12.0  # difference in 8-bit Lab
_ISLAND_AREA, _PINHOLE_AREA = 0.02, 0.0015  # parts of the person's area
_CUT_SIDE_PX = 360  # working size of GrabCut
_CUTOUT_SHARE = 0.01  # a photo's alpha is a real cut-out where at least this share is clear and as much opaque


_LIMB_BONES = ((11, 13), (13, 15), (12, 14), (14, 16), (23, 25), (25, 27), (24, 26), (26, 28))
_NOTCHES = ((11, 13, 23), (12, 14, 24), (23, 25, 26), (24, 26, 25))  # joint, end of its limb, what lies beyond the gap
_FEET = (27, 28, 29, 30, 31, 32)
_EXTREMITIES = (15, 16, 17, 18, 19, 20, 21, 22, 27, 28, 29, 30, 31, 32)


@dataclass(frozen=True)
class Matte:
    """Who is in front, and with which colours.

    Attributes:
        alpha: (H, W) float32 in [0, 1], share of the person in each pixel.
        foreground: (H, W, 3) uint8, the person's own colour: the photo where alpha is 1, freed of the background on
            the edge, and continued beyond it so that interpolation near the edge never meets the background.
    """

    alpha: FloatArray
    foreground: UInt8Array


def refine_matte(
    rgb: UInt8Array,
    coarse_mask: FloatArray,
    *,
    keypoints: FloatArray | None = None,
    photo_alpha: FloatArray | None = None,
    max_working_side: int = 640,
) -> Matte:
    """Turn a pose estimator's coarse mask into a clean matte.

    Args:
        rgb: (H, W, 3) uint8 photo.
        coarse_mask: (H, W) in [0, 1], the estimator's probability of the person.
        keypoints: (33, 2) joints in pixels; hands, feet and hair get more room where given.
        photo_alpha: (H, W) in [0, 1], the photo's own alpha channel; wins where it is a real cut-out.
        max_working_side: longest side in pixels of the crop on which alpha is solved.

    Returns:
        The matte; all zero where the mask holds nobody.

    Raises:
        ValueError: shapes do not fit.
    """
    if coarse_mask.shape != rgb.shape[:2] or (photo_alpha is not None and photo_alpha.shape != rgb.shape[:2]):
        raise ValueError(f"mask {coarse_mask.shape} does not fit the photo {rgb.shape[:2]}")
    if keypoints is not None and keypoints.shape != (NUM_JOINTS, 2):
        raise ValueError(f"keypoints: expected {(NUM_JOINTS, 2)}, got {keypoints.shape}")
    if not (coarse_mask > 0.5).any():
        return Matte(np.zeros(coarse_mask.shape, np.float32), rgb.copy())
    if photo_alpha is not None and _is_cutout(photo_alpha, coarse_mask):
        alpha = photo_alpha.astype(np.float32)
    else:
        alpha = _estimate_alpha(rgb, coarse_mask, keypoints, max_working_side)
    return Matte(alpha, _foreground_colours(rgb, alpha))


def _is_cutout(photo_alpha: FloatArray, coarse_mask: FloatArray) -> bool:
    """Tell whether an alpha channel cuts the person out (many are opaque throughout)."""
    is_opaque = photo_alpha > 0.5
    share = float(is_opaque.mean())
    covers_person = float(is_opaque[coarse_mask > 0.5].mean()) > 0.6
    return covers_person and _CUTOUT_SHARE < share < 1.0 - _CUTOUT_SHARE


def _estimate_alpha(rgb: UInt8Array, coarse: FloatArray, keypoints: FloatArray | None, max_side: int) -> FloatArray:
    """Solve alpha on the person's crop at a bounded size and bring it back to the photo's size."""
    unit = float(np.sqrt((coarse > 0.5).sum()))
    crop = _bounding_box(coarse > 0.5, margin=int(np.ceil(0.25 * unit)))
    picture = rgb[crop]
    scale = min(1.0, max_side / max(picture.shape))
    small = _resize(picture, scale)
    size = small.shape[1::-1]
    small_mask = cv2.resize(coarse[crop], size, interpolation=cv2.INTER_AREA)
    joints = None
    if keypoints is not None:
        joints = (keypoints - np.array([crop[1].start, crop[0].start], np.float32) + 0.5) * scale - 0.5
    cut, contrast = _colour_cut(small, small_mask, joints, unit * scale)
    cut |= find_fingers(small, cut, joints)
    trimap = _open_band(cut, small_mask, contrast, joints, unit * scale)
    trimap = _open_notches(small, trimap, contrast, joints, unit * scale)
    alpha = _tidy(_solve_alpha(small, trimap), unit * scale)
    if scale < 1.0:
        alpha = _carry_up(alpha, small, picture)
    full = np.zeros(coarse.shape, np.float32)
    full[crop] = alpha
    return full


def _bounding_box(mask: BoolArray, margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), min(mask.shape[0], int(rows[-1]) + 1 + margin)),
        slice(max(0, int(columns[0]) - margin), min(mask.shape[1], int(columns[-1]) + 1 + margin)),
    )


def _resize(picture: UInt8Array, scale: float) -> UInt8Array:
    if scale == 1.0:
        return np.ascontiguousarray(picture)
    resized: UInt8Array = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return resized


def _distance_to(mask: BoolArray) -> FloatArray:
    """Distance in pixels of every pixel to the nearest one of `mask`."""
    distance: FloatArray = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return distance


def _zone(shape: tuple[int, ...], joints: FloatArray | None, indices: tuple[int, ...], radius: float) -> BoolArray:
    """Return the discs of `radius` around the given joints."""
    zone = np.zeros(shape, np.uint8)
    if joints is not None:
        for x, y in joints[list(indices)]:
            if -radius < x < shape[1] + radius and -radius < y < shape[0] + radius:
                cv2.circle(zone, (round(float(x)), round(float(y))), max(1, round(radius)), 1, -1)
    return zone.astype(bool)


def _limb_cores(shape: tuple[int, ...], joints: FloatArray | None, width: float) -> BoolArray:
    """Return strips along the limbs' bones: a shin before a floor of its colour is not GrabCut's to remove."""
    strips = np.zeros(shape, np.uint8)
    if joints is not None:
        for first, second in _LIMB_BONES:
            ends = [(round(float(x)), round(float(y))) for x, y in (joints[first], joints[second])]
            cv2.line(strips, ends[0], ends[1], 1, max(1, round(width)))
    return strips.astype(bool)


def _gap_cores(person: BoolArray, clear: BoolArray, reach: float) -> BoolArray:
    """Return the middles of gaps narrower than twice `reach`, where the coarse mask is clear: between legs, say."""
    outside = _distance_to(person)
    side = 2 * int(reach) + 1
    half_width = cv2.dilate(outside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(clear & (outside > _GAP_CORE * half_width) & (outside >= _MIN_GAP_PX))


def _head_zone(shape: tuple[int, ...], joints: FloatArray | None, unit: float) -> BoolArray:
    """Return where hair may be: a disc around the face, a good deal wider than the landmarks."""
    if joints is None:
        return np.zeros(shape, bool)
    face = joints[list(FACE_JOINTS)]
    radius = 2.2 * float(np.linalg.norm(face - face.mean(axis=0), axis=1).max())
    return _zone(shape, joints, (0, 7, 8), max(radius, 0.15 * unit))


def _colour_cut(
    rgb: UInt8Array, coarse: FloatArray, joints: FloatArray | None, unit: float
) -> tuple[BoolArray, FloatArray]:
    """Move the coarse contour to where the colours change (GrabCut), within limits.

    Returns:
        (H, W) the person; (H, W) how much the colours on the two sides differ thereabouts.
    """
    scale = min(1.0, _CUT_SIDE_PX / max(coarse.shape))
    small = _resize(rgb, scale)
    coarse_small = cv2.resize(coarse, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    mask = coarse_small > 0.5
    unit = unit * scale
    joints = None if joints is None else joints * scale
    inside, outside = _distance_to(~mask), _distance_to(mask)
    is_head = _head_zone(mask.shape, joints, unit)
    is_limb_end = _zone(mask.shape, joints, _EXTREMITIES, _LIMB_REACH * unit) & ~is_head
    labels = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inside > np.where(is_head, _CUT_IN_HEAD, _CUT_IN) * unit] = cv2.GC_FGD
    labels[mask & _limb_cores(mask.shape, joints, _LIMB_CORE * unit)] = cv2.GC_FGD
    labels[outside > np.where(is_limb_end, _LIMB_REACH, _CUT_OUT) * unit] = cv2.GC_BGD
    labels[_gap_cores(mask, coarse_small < _SURELY_CLEAR, _CUT_OUT * unit) & ~is_limb_end] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any() or not (labels == cv2.GC_BGD).any():
        return coarse > 0.5, np.full(coarse.shape, _MIN_CONTRAST, np.float32)
    cv2.setRNGSeed(0)  # its colour models start from k-means
    cv2.grabCut(small, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    cut = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    cut &= mask | ~_zone(mask.shape, joints, _FEET, _LIMB_REACH * unit) | _thick(cut, _STREAK * unit)
    contrast = _contrast(small, inside > _SURE_IN * unit, outside > _SURE_OUT * unit, 0.08 * unit)
    cut = np.where(contrast > _MIN_CONTRAST, cut, inside > _COARSE_BIAS * unit).astype(np.float32)
    rounded = cv2.GaussianBlur(cut, (0, 0), max(0.012 * unit, 0.5))  # its contour follows the noise
    cut = np.where(is_limb_end, cut, rounded)
    size = coarse.shape[::-1]
    return cv2.resize(cut, size) > 0.5, cv2.resize(contrast, size)


def _thick(mask: BoolArray, half_width: float) -> BoolArray:
    """Return the mask without streaks: beside a foot they are joints and edges of the floor."""
    side = 2 * max(1, round(half_width)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def _contrast(rgb: UInt8Array, person: BoolArray, background: BoolArray, reach: float) -> FloatArray:
    """Lab distance between the person's and the background's mean colours nearby; large where either is missing."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    means = []
    for side in (person, background):
        weight = cv2.GaussianBlur(side.astype(np.float32), (0, 0), reach)
        means.append(cv2.GaussianBlur(lab * side[..., None], (0, 0), reach) / np.maximum(weight, 1e-3)[..., None])
    distance: FloatArray = np.linalg.norm(means[0] - means[1], axis=-1)
    return distance


def _open_band(
    cut: BoolArray, coarse: FloatArray, contrast: FloatArray, joints: FloatArray | None, unit: float
) -> FloatArray:
    """Return the trimap: 1 person, 0 background, 0.5 where matting decides; narrow where colours don't tell."""
    inside, outside = _distance_to(~cut), _distance_to(cut)
    is_head = _head_zone(cut.shape, joints, unit)
    trust = np.clip(contrast / _MIN_CONTRAST - 1.0, 0.0, 1.0)
    reach_out = 1.0 + trust * np.maximum(np.where(is_head, _BAND_HAIR, _BAND_OUT) * unit, _MIN_BAND_PX)
    reach_in = 1.0 + trust * max(_BAND_IN * unit, _MIN_BAND_PX)
    side = 2 * int(reach_in.max()) + 1
    thickness = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    core = np.minimum(reach_in, 0.75 * thickness)  # thin limbs keep a line of certainty along their middle
    trimap = np.full(cut.shape, 0.5, np.float32)
    is_limb_end = _zone(cut.shape, joints, _EXTREMITIES, _LIMB_REACH * unit)
    trimap[cut & (inside >= core) & ((coarse > 0.3) | is_limb_end)] = 1.0
    is_gap = _gap_cores(cut, coarse < _SURELY_CLEAR, float(reach_out.max()))
    trimap[((outside > reach_out) | (is_gap & ~is_limb_end)) & ~(is_head & (coarse > 0.5))] = 0.0
    return trimap


def _open_notches(
    rgb: UInt8Array, trimap: FloatArray, contrast: FloatArray, joints: FloatArray | None, unit: float
) -> FloatArray:
    """Give armpits and crotch back to the background where they look like it: contours round such corners off."""
    if joints is None:
        return trimap
    zone = np.zeros(trimap.shape, np.uint8)
    for root, middle, other in _NOTCHES:
        length = float(np.linalg.norm(joints[middle] - joints[root]))
        first, second = (_unit(joints[joint] - joints[root]) for joint in (middle, other))
        x, y = joints[root] + _NOTCH_AT * length * (first + second)
        cv2.circle(zone, (round(float(x)), round(float(y))), max(1, round(_NOTCH * length)), 1, -1)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    is_clear, reach = (trimap == 0.0).astype(np.float32), 0.5 * _NOTCH_DEPTH * unit
    weight = cv2.GaussianBlur(is_clear, (0, 0), reach)
    beside = cv2.GaussianBlur(lab * is_clear[..., None], (0, 0), reach) / np.maximum(weight, 1e-4)[..., None]
    is_alike = (np.linalg.norm(lab - beside, axis=-1) < _LIKE_BACKGROUND) & (weight > 1e-3)
    is_alike &= (contrast > 2.0 * _MIN_CONTRAST) & (zone > 0) & (_distance_to(trimap < 1.0) < _NOTCH_DEPTH * unit)
    _, labels = cv2.connectedComponents((is_alike | (trimap == 0.0)).astype(np.uint8), connectivity=4)
    reached = (is_alike & np.isin(labels, np.unique(labels[trimap == 0.0]))).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    is_mixed = (cv2.dilate(reached, kernel, iterations=2) > 0) & (trimap == 1.0)
    return np.where(reached > 0, 0.0, np.where(is_mixed, 0.5, trimap)).astype(np.float32)


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def _solve_alpha(rgb: UInt8Array, trimap: FloatArray) -> FloatArray:
    """Solve closed-form matting for the open pixels, the others given."""
    from pymatting.laplacian.cf_laplacian import cf_laplacian
    from pymatting.preconditioner.ichol import ichol
    from pymatting.solver.cg import cg

    is_open = (trimap == 0.5).ravel()
    alpha = trimap.astype(np.float64).ravel()
    if is_open.any() and not is_open.all():
        laplacian = cf_laplacian(rgb / 255.0, epsilon=1e-6, is_known=~is_open).tocsr()
        rows = laplacian[is_open]
        system = rows[:, is_open].tocsc()
        right = -rows[:, ~is_open] @ alpha[~is_open]
        alpha[is_open] = cg(system, right, M=ichol(system), rtol=1e-5, maxiter=500)
    return np.clip(alpha, 0.0, 1.0).reshape(trimap.shape).astype(np.float32)


def _tidy(alpha: FloatArray, unit: float) -> FloatArray:
    """Drop islands that do not hang together with the person, fill pinholes, snap the last per cent to 0 and 1."""
    alpha = np.clip((alpha - 0.04) / 0.92, 0.0, 1.0)
    num, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.1).astype(np.uint8), connectivity=8)
    for label in range(1, num):
        if stats[label, cv2.CC_STAT_AREA] < _ISLAND_AREA * unit**2:
            alpha[labels == label] = 0.0
    num, labels, stats, _ = cv2.connectedComponentsWithStats((alpha < 0.9).astype(np.uint8), connectivity=4)
    for label in range(1, num):
        if stats[label, cv2.CC_STAT_AREA] < _PINHOLE_AREA * unit**2:
            alpha[labels == label] = 1.0
    return alpha.astype(np.float32)


def _carry_up(alpha: FloatArray, small: UInt8Array, picture: UInt8Array) -> FloatArray:
    """Carry alpha to a larger size by the local linear model alpha = a . colour + b that matting itself assumes."""
    size = (picture.shape[1], picture.shape[0])
    plain = cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC)
    guide = small.astype(np.float32) / 255.0
    window, eps = (5, 5), 1e-4
    mean_guide, mean_alpha = cv2.blur(guide, window), cv2.blur(alpha, window)
    covariance = cv2.blur(guide * alpha[..., None], window) - mean_guide * mean_alpha[..., None]
    outer = guide[..., :, None] * guide[..., None, :]
    second = cv2.blur(outer.reshape(*alpha.shape, 9), window).reshape(*alpha.shape, 3, 3)
    spread = second - mean_guide[..., :, None] * mean_guide[..., None, :] + eps * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, covariance[..., None])[..., 0].astype(np.float32)
    offset = mean_alpha - (slope * mean_guide).sum(axis=-1)
    slope, offset = cv2.blur(slope, window), cv2.blur(offset, window)
    slope = cv2.resize(slope, size, interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(offset, size, interpolation=cv2.INTER_LINEAR)
    fitted = (slope * (picture.astype(np.float32) / 255.0)).sum(axis=-1) + offset
    is_edge = cv2.dilate(((plain > 0.004) & (plain < 0.996)).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    carried = np.where(is_edge, fitted, np.rint(plain))
    return np.clip(carried, 0.0, 1.0).astype(np.float32)


def _foreground_colours(rgb: UInt8Array, alpha: FloatArray) -> UInt8Array:
    """Estimate the person's own colours on the edge and run them on beyond it."""
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    solved = estimate_foreground_ml(rgb / np.float32(255.0), alpha)
    colours = np.rint(np.clip(solved, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.where((alpha >= 1.0)[..., None], rgb, colours)
