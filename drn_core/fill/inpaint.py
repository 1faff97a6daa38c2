"""Fill holes in a picture from its own patches: sharp, without a seam, at the picture's own resolution.

Three steps. The hole is laid out as a few coherent copies at a size where it has some thousand pixels (`shiftmap`:
this decides what one sees); the copies' offsets are carried up level by level and aligned by patch search and voting
(`patchmatch`); at full size every pixel is copied from its match, hence as sharp as the photo, and the seams are
evened out in the gradient domain (`seamless`).

Measured against what libraries give, on four 850 x 567 room photos with a standing person's hole (12-20 % of the
picture), one core: cv2 Telea 0.1 s, fans of smear; cv2.xphoto FSR 3-7 s, blurred; cv2.xphoto shift-map 14-20 s, sharp,
with visible seams and triangles; scikit-image's biharmonic fill is smooth by design; this one 0.8-2 s, sharp (once
more 3-10 s for compiling on a machine's first run).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.patchmatch import PATCH_RADIUS, gather, lift_matches, search, vote
from drn_core.fill.seamless import seam_correction
from drn_core.fill.shiftmap import lay_out

__all__ = ["fill_from_patches"]

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]

_PATCH = np.ones((2 * PATCH_RADIUS + 1, 2 * PATCH_RADIUS + 1), np.uint8)
_LAYOUT_PIXELS = 7000  # the hole is laid out at the first size where it has no more,
_LAYOUT_SOURCES = 80_000  # and there is no more to copy from than this
_DEPTH = 1.3  # a patch's vote falls by this factor per pixel into the hole (Wexler et al. 2007: 1.3)
_OFFSET_WEIGHTS = (60.0, 15.0)  # cost of a (row, column) of distance to the match in a picture 100 px high
_BLEND_REACH = 0.1  # colours are corrected over this part of the picture's longer side
_SEARCH_RADIUS = 4  # the layout is good; matches only settle


def fill_from_patches(
    rgb: ByteArray,
    hole: BoolArray,
    allowed: BoolArray | None = None,
    *,
    max_working_side: int = 1280,
    seed: int = 0,
) -> ByteArray:
    """Fill a hole with pieces of the rest of the picture.

    Args:
        rgb: (H, W, 3) uint8.
        hole: (H, W), True where the picture is to be made up; its content is never looked at.
        allowed: (H, W), the pixels that may be copied and that the filling should fit to; all outside the hole if
            None.
        max_working_side: longest side in pixels up to which matches are searched; at larger sizes they are only
            carried up.
        seed: of the random search; the result is a function of the arguments alone.

    Returns:
        (H, W, 3) uint8, equal to `rgb` outside the hole (and everywhere, where nothing at all is allowed).

    Raises:
        ValueError: shapes do not fit.
    """
    if rgb.ndim != 3 or hole.shape != rgb.shape[:2] or (allowed is not None and allowed.shape != hole.shape):
        raise ValueError(f"hole {hole.shape} does not fit the picture {rgb.shape}")
    usable = ~hole if allowed is None else allowed & ~hole
    if not hole.any() or not usable.any():
        return rgb.copy()
    levels = _pyramid(_Level(rgb.copy(), hole, usable))
    all_matches = [_lay_out(levels[-1])]
    for index in range(len(levels) - 2, -1, -1):
        is_searched = max(levels[index].hole.shape) <= max_working_side
        all_matches.append(_carry_up(levels[index], all_matches[-1], is_searched=is_searched, seed=seed + index))
    filled = rgb.copy()
    filled[hole] = _blended(levels, all_matches[::-1])[hole[levels[0].hole]]
    return filled


class _Level:
    """One size of the picture.

    Attributes:
        image: (H, W, 3), with the current estimate inside `hole`.
        core: (H, W) what is asked for.
        usable: (H, W) what may be copied.
        hole: (H, W) the core, and what is not usable nearby: patches across it must not fit to that.
    """

    def __init__(self, image: ByteArray, core: BoolArray, usable: BoolArray) -> None:
        self.image, self.core, self.usable = image, core, usable
        self.hole: BoolArray = core | (_grow(core) & ~usable)

    def halved(self) -> _Level:
        """Return the level at half the size; what touches the hole belongs to it."""
        pad = ((0, self.core.shape[0] % 2), (0, self.core.shape[1] % 2))
        size = ((self.core.shape[1] + 1) // 2, (self.core.shape[0] + 1) // 2)
        image = cv2.resize(np.pad(self.image, (*pad, (0, 0)), mode="edge"), size, interpolation=cv2.INTER_AREA)
        core, usable = (
            cv2.resize(np.pad(mask, pad, mode="edge").astype(np.float32), size, interpolation=cv2.INTER_AREA)
            for mask in (self.core, self.usable)
        )
        return _Level(image, core > 0.01, usable > 0.99)


def _grow(mask: BoolArray) -> BoolArray:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _PATCH) > 0)


def _pixels(mask: BoolArray) -> IntArray:
    """Return the (N, 2) places (row, column) of a mask, looked for inside its bounding box."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    inside = np.argwhere(mask[top : top + height, left : left + width])
    return np.asarray(inside + np.array((top, left)), np.int32)


def _source_centres(usable: BoolArray) -> BoolArray:
    """Return the pixels whose whole patch is usable and inside the picture."""
    inside = cv2.erode(usable.astype(np.uint8), _PATCH, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(inside > 0)


def _pyramid(top: _Level) -> list[_Level]:
    """Return the levels, finest first, down to where hole and picture are small enough for a layout."""
    levels = [top]
    while levels[-1].hole.sum() > _LAYOUT_PIXELS or levels[-1].usable.sum() > _LAYOUT_SOURCES:
        below = levels[-1].halved()
        if not below.usable.any():
            break
        levels.append(below)
    return levels


def _lay_out(level: _Level) -> IntArray:
    """Fill the coarsest level by coherent copies, and by copies of copies where they don't reach at once."""
    matches = np.full((*level.hole.shape, 2), -1, np.int32)
    open_hole, usable = level.hole.copy(), level.usable.copy()
    while open_hole.any():
        found = lay_out(level.image, open_hole, usable, _source_centres(usable))
        reached = found[..., 0] >= 0
        if not reached.any():
            found, reached = _nearest(usable), open_hole
        rows, columns = found[reached].T
        level.image[reached] = level.image[rows, columns]
        first = matches[rows, columns]  # a copy of a copy points to the original
        matches[reached] = np.where(first >= 0, first, found[reached])
        open_hole &= ~reached
        usable |= reached
    return matches


def _nearest(usable: BoolArray) -> IntArray:
    """Return (H, W, 2) (row, column) of the usable pixel nearest to each."""
    _, labels = cv2.distanceTransformWithLabels(
        (~usable).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    places = np.zeros((int(labels.max()) + 1, 2), np.int32)
    places[labels[usable]] = np.argwhere(usable)
    nearest: IntArray = places[labels]
    return nearest


def _carry_up(level: _Level, coarse: IntArray, *, is_searched: bool, seed: int) -> IntArray:
    """Carry the matches up to a level; if asked to, let them settle by one round of search and vote."""
    targets, holes = _pixels(_grow(level.hole)), _pixels(level.hole)
    is_source = _source_centres(level.usable)
    if not is_source.any():
        is_source, is_searched = level.usable, False
    matches = np.full((*level.hole.shape, 2), -1, np.int32)
    lift_matches(targets, _pixels(is_source), is_source, coarse, matches, seed)
    gather(level.image, holes, matches)
    if is_searched:
        costs = np.zeros(level.hole.shape, np.int32)
        scale = 100.0 / level.hole.shape[0]
        weights = (_OFFSET_WEIGHTS[0] * scale, _OFFSET_WEIGHTS[1] * scale)
        search(level.image, targets, is_source, matches, costs, weights, _SEARCH_RADIUS, seed)
        spread = max(float(np.percentile(costs[targets[:, 0], targets[:, 1]], 75)), 1.0)
        depth = cv2.distanceTransform(np.pad(level.hole, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        vote(level.image, holes, matches, costs, np.power(np.float32(_DEPTH), -depth), 0.5 / spread)
    return matches


def _blended(levels: list[_Level], all_matches: list[IntArray]) -> ByteArray:
    """Return (N, 3) the finest level's hole with its copies evened out; corrections are found from coarse to fine."""
    correction = np.zeros((1, 1, 3), np.float32)
    for level, matches in zip(levels[::-1], all_matches[::-1], strict=True):
        height, width = level.hole.shape
        gather(level.image, _pixels(level.hole), matches)
        start = cv2.resize(correction, (width, height), interpolation=cv2.INTER_LINEAR)
        reach = _BLEND_REACH * max(height, width)
        correction = seam_correction(level.image, level.hole, level.usable, matches, start, reach)
    hole = levels[0].hole
    evened = np.rint(np.clip(levels[0].image[hole] + correction[hole], 0.0, 255.0))
    return np.asarray(evened, np.uint8)
