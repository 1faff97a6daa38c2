"""Fill holes in a picture from its own patches, sharp and without a seam, at native resolution."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.patchmatch import PATCH_RADIUS, gather, lift_matches, peel, search, vote

__all__ = ["fill_from_patches"]

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]

_DEPTH = 1.3  # weight of a patch falls by this factor per pixel into the hole (Wexler et al.: 1.3)
_OFFSET_WEIGHTS = (60.0, 15.0)  # cost per (row, column) of distance at a picture 100 px high


@dataclass
class _Level:
    """One size of the picture. `image` holds the current estimate inside `hole`."""

    image: ByteArray
    hole: BoolArray
    usable: BoolArray


def _halve(level: _Level) -> _Level:
    """Return the level at half the size; a coarse pixel is known where any of its pixels is."""
    height, width = level.hole.shape
    pad = ((0, height % 2), (0, width % 2))
    known = np.pad(~level.hole, pad, mode="edge").astype(np.float32)
    image = np.pad(level.image, (*pad, (0, 0)), mode="edge").astype(np.float32) * known[..., None]
    size = (known.shape[1] // 2, known.shape[0] // 2)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(image, size, interpolation=cv2.INTER_AREA) / np.maximum(weight, 0.25)[..., None]
    usable = np.pad(level.usable, pad, mode="edge").astype(np.float32)
    all_usable = cv2.resize(usable, size, interpolation=cv2.INTER_AREA) > 0.99
    is_known = weight > 0.99
    return _Level(np.rint(mean).astype(np.uint8), ~is_known, all_usable & is_known)


def _source_centres(usable: BoolArray) -> BoolArray:
    """Return the pixels whose whole patch is usable and inside the picture."""
    side = 2 * PATCH_RADIUS + 1
    kernel = np.ones((side, side), np.uint8)
    inside = cv2.erode(usable.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(inside > 0)


def _pixels(mask: BoolArray) -> IntArray:
    return np.argwhere(mask).astype(np.int32)


def _depth(hole: BoolArray) -> FloatArray:
    """Distance of each hole pixel to the nearest known one, 0 outside."""
    padded = np.pad(hole, 1, mode="edge")
    distance: FloatArray = cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    return distance


def _pyramid(top: _Level) -> list[_Level]:
    """Return the levels, finest first, down to where the hole is a patch or two thick."""
    levels = [top]
    while True:
        last = levels[-1]
        too_small = min(last.hole.shape) < 8 * PATCH_RADIUS
        if too_small or _depth(last.hole).max() <= 3.5 * PATCH_RADIUS:
            return levels
        below = _halve(last)
        if not _source_centres(below.usable).any():
            return levels
        levels.append(below)


def _solve_level(level: _Level, coarse: IntArray | None, *, rounds: int, radius: int, seed: int) -> IntArray:
    """Fill one level's hole by alternating search and vote; return its matches."""
    height, width = level.hole.shape
    is_source = _source_centres(level.usable)
    sources = _pixels(is_source)
    side = 2 * PATCH_RADIUS + 1
    targets = _pixels(cv2.dilate(level.hole.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool))
    holes = _pixels(level.hole)
    matches = np.full((height, width, 2), -1, np.int32)
    costs = np.zeros((height, width), np.int32)
    confidence = np.power(np.float32(_DEPTH), -_depth(level.hole)).astype(np.float32)
    weights = (_OFFSET_WEIGHTS[0] * 100 / height, _OFFSET_WEIGHTS[1] * 100 / height)
    if coarse is None:
        depth = _depth(level.hole)[targets[:, 0], targets[:, 1]]
        peel(level.image, ~level.hole, targets[np.argsort(depth, kind="stable")], sources, matches, weights)
    else:
        lift_matches(targets, sources, is_source, coarse, matches, seed)
        vote(level.image, holes, matches, costs, confidence, 0.0)
    for turn in range(rounds):
        search(level.image, targets, is_source, matches, costs, weights, radius, seed + 7919 * (turn + 1))
        spread = max(float(np.percentile(costs[targets[:, 0], targets[:, 1]], 75)), 1.0)
        vote(level.image, holes, matches, costs, confidence, 0.5 / spread)
    return matches


def fill_from_patches(
    rgb: ByteArray,
    hole: BoolArray,
    allowed: BoolArray | None = None,
    *,
    max_working_side: int = 640,
    seed: int = 0,
) -> ByteArray:
    """Fill a hole with patches from elsewhere in the picture.

    Args:
        rgb: (H, W, 3) uint8.
        hole: (H, W), True where the picture is to be made up.
        allowed: (H, W), where patches may come from; everywhere outside the hole if None.
        max_working_side: longest side of a level in pixels on which matches are searched freely; larger levels
            only refine them.
        seed: of the random search; the result is a function of the arguments alone.

    Returns:
        (H, W, 3) uint8, equal to `rgb` outside the hole.

    Raises:
        ValueError: shapes do not fit.
    """
    if rgb.ndim != 3 or hole.shape != rgb.shape[:2] or (allowed is not None and allowed.shape != hole.shape):
        raise ValueError(f"hole {hole.shape} does not fit the picture {rgb.shape}")
    usable = ~hole if allowed is None else allowed & ~hole
    if not hole.any():
        return rgb.copy()
    if not _source_centres(usable).any():
        plain: ByteArray = cv2.inpaint(rgb, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        return np.where(hole[..., None], plain, rgb)
    levels = _pyramid(_Level(rgb.copy(), hole, usable))
    matches: IntArray | None = None
    for index in range(len(levels) - 1, -1, -1):
        side = max(levels[index].hole.shape)
        is_free = side <= max_working_side
        rounds = 20 if matches is None else min(4, 2 + 2 * index) if is_free else 1
        matches = _solve_level(levels[index], matches, rounds=rounds, radius=side if is_free else 2, seed=seed + index)
    filled = levels[0].image
    if matches is not None:
        gather(filled, _pixels(hole), matches)
    return filled
