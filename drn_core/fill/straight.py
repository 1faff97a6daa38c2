"""Continue straight edges behind a hole: a skirting board, the horizon, the rim of a mat.

An edge that runs into the hole and comes out again on its far side, in line and between the same colours, is the same
edge. A strip along it is laid straight; in every row of the strip the hole is filled with what the row shows to its
left and right, mirrored at the hole's ends and blended from one end to the other. So light, grain and the width of
the edge go on without a seam.

Source: structure before texture, Sun et al. 2005.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.line_ends import LineEnd, find_line_ends, pair_line_ends

__all__ = ["continue_lines"]

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Lengths are in units of the caller's, colours in grey levels.
_WIDTH = 0.12  # of a strip to either side of its edge
_MIN_WIDTH = 0.015
_SEEN = 0.25  # length over which the two ends are compared, and continued
_MIN_RUN = 0.02  # length of what a row shows beside the hole
_MIN_STEP = 6.0  # between the two sides of an edge
_STEP_RATIO = 0.45  # how much the steps at the two ends may differ
_MAX_OFFSET, _OFFSET_PER_STEP = 28.0, 0.25  # and the light: more behind a strong edge, which is not mistaken
_ENOUGH = 0.3  # part of that length that must be known
_SAME, _CALM = 10.0, 14.0  # difference between the ends, spread along a row

_LINE = 1024  # places are looked up in lines of so many: OpenCV's limit is 32 767
_WHOLE = 0.99


def continue_lines(
    rgb: ByteArray, hole: BoolArray, unit: float, allowed: BoolArray | None = None
) -> tuple[ByteArray, BoolArray]:
    """Fill strips of a hole along the straight edges that go on behind it.

    Args:
        rgb: (H, W, 3) uint8, with its own content inside the hole.
        hole: (H, W).
        unit: length in pixels in which neighbourhood and widths are measured.
        allowed: (H, W), what may be looked at outside the hole; everything if None.

    Returns:
        (H, W, 3) uint8, equal to `rgb` but for the strips; (H, W), the part of the hole that stays open.
    """
    if not hole.any():
        return rgb, hole
    known = ~hole if allowed is None else ~hole & allowed
    filled, still_open = rgb.copy(), hole.copy()
    for first, second in pair_line_ends(find_line_ends(rgb, hole, unit), hole, unit):
        strip = _Strip(rgb, known, first, second, unit)
        rows = strip.rows()
        if rows is not None:
            strip.write(filled, still_open, *rows)
    return filled, still_open


class _Strip:
    """The surroundings of an edge, laid straight: rows run along it, from one end to the other and beyond."""

    def __init__(self, rgb: ByteArray, known: BoolArray, first: LineEnd, second: LineEnd, unit: float) -> None:
        way = second.place - first.place
        self._gap, self._unit = float(np.hypot(*way)), unit
        self._photo = rgb
        self._start, self._along = first.place, way / self._gap
        self._across = np.array((-self._along[1], self._along[0]))
        self._slopes = [float(end.into @ self._across) * sign for end, sign in ((first, 1.0), (second, -1.0))]
        self._half, self._reach = max(3, round(_WIDTH * unit)), round(_SEEN * unit)
        self._middle = (self._reach, self._reach + round(self._gap))  # columns of the two ends
        steps = np.arange(self._middle[1] + self._reach, dtype=np.float64) - self._reach
        aside = np.arange(-self._half, self._half + 1)[:, None] + self._bow(steps)
        x, y = (
            (self._start[axis] + steps * self._along[axis] + aside * self._across[axis]).astype(np.float32)
            for axis in (0, 1)
        )
        self._colour = cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        self._known = cv2.remap(known.astype(np.float32), x, y, cv2.INTER_LINEAR) > _WHOLE
        seen = [round(min(_SEEN * unit, end.length)) for end in (first, second)]
        self._ends = slice(self._reach - seen[0], self._reach), slice(self._middle[1], self._middle[1] + seen[1])
        self._known[:, : self._ends[0].start] = self._known[:, self._ends[1].stop :] = False
        self._known = _without_slivers(self._known, round(_MIN_RUN * unit))

    def _bow(self, steps: DoubleArray) -> DoubleArray:
        """Return by how much the edge lies beside the chord: it leaves both ends as it arrives there."""
        inside = np.clip(steps / self._gap, 0.0, 1.0)
        beyond = steps - inside * self._gap
        left, right = self._slopes
        bow = self._gap * (left * inside * (1.0 - inside) ** 2 - right * inside**2 * (1.0 - inside))
        return np.asarray(bow + beyond * np.where(beyond < 0.0, left, right))

    def rows(self) -> tuple[int, int] | None:
        """Return the first and last row in which both ends show the same; None if that is no edge."""
        (left, left_spread), (right, right_spread) = (
            _row_means(self._colour[:, end], self._known[:, end]) for end in self._ends
        )
        middle, inner = self._half, max(2, round(_MIN_WIDTH * self._unit))
        near = np.s_[middle - inner : middle + inner + 1]
        offset = (right - left)[near].mean(axis=0)
        if not np.isfinite(offset).all():
            return None
        steps = [_step(side[near]) for side in (left, right)]
        weaker = min(float(np.abs(step).max()) for step in steps)
        if not _are_alike(*steps) or np.abs(offset).max() > max(_MAX_OFFSET, _OFFSET_PER_STEP * weaker):
            return None
        is_same = np.abs(right - left - offset).max(axis=-1) < _SAME
        is_same &= np.maximum(left_spread, right_spread) < _CALM
        is_same[near] = True
        is_same &= self._can_be_filled()
        if not is_same[near].all():
            return None
        ends = np.flatnonzero(~np.pad(is_same, 1)) - 1
        return int(ends[ends < middle][-1]) + 1, int(ends[ends > middle][0]) - 1

    def _can_be_filled(self) -> BoolArray:
        """Return (rows,) whether what is unknown between the ends lies between enough that is known."""
        between = ~self._known
        between[:, : self._middle[0]] = between[:, self._middle[1] :] = False
        is_bounded = np.minimum(*_Gaps(self._known).runs) > 0
        return np.asarray((is_bounded | ~between).all(axis=1))

    def write(self, filled: ByteArray, still_open: BoolArray, first_row: int, last_row: int) -> None:
        """Write rows of the strip into what is still open, in place: every pixel is looked up in the photo once."""
        frame = [(x, y) for x in (-self._reach, self._gap + self._reach) for y in (-self._half, self._half)]
        corners = self._start + np.array(frame) @ np.stack((self._along, self._across))
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 3, np.array(still_open.shape[::-1]))
        places = np.argwhere(still_open[low[1] : high[1], low[0] : high[0]]) + low[::-1]
        along, across = ((places[:, ::-1] - self._start) @ axis for axis in (self._along, self._across))
        across = across - self._bow(along)
        columns, rows = np.rint(along + self._reach).astype(int), np.rint(across + self._half).astype(int)
        is_strip = (columns >= 0) & (columns < self._known.shape[1]) & (rows >= first_row) & (rows <= last_row)
        left, right, share = _mirrored(self._known)
        is_strip[is_strip] = left[rows[is_strip], columns[is_strip]] >= 0
        cells, places = (rows[is_strip], columns[is_strip]), places[is_strip]
        shift = along[is_strip] - columns[is_strip]
        first, second = (self._looked_up(side[cells] + shift, across[is_strip]) for side in (left, right))
        values = first + share[cells][:, None] * (second - first)
        filled[places[:, 0], places[:, 1]] = np.clip(np.rint(values), 0.0, 255.0).astype(np.uint8)
        still_open[places[:, 0], places[:, 1]] = False

    def _looked_up(self, along: DoubleArray, across: DoubleArray) -> FloatArray:
        """Return (N, 3) the photo's colours at N places of the strip."""
        aside = across + self._bow(along)
        lines = max(1, -(-len(along) // _LINE))
        x, y = (
            np.pad(start + along * way + aside * side, (0, lines * _LINE - len(along))).reshape(lines, _LINE)
            for start, way, side in zip(self._start, self._along, self._across, strict=True)
        )
        looked_up = cv2.remap(
            self._photo, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(looked_up.reshape(-1, 3)[: len(along)], np.float32)


class _Gaps:
    """What every row of a strip shows on the two sides of each of its unknown pixels.

    Attributes:
        nearest: twice (rows, columns): column of the nearest known pixel to the left and to the right; -1 where there
            is none.
        runs: twice (rows, columns): how many pixels are known there without a break; 0 where there is none.
    """

    def __init__(self, known: BoolArray) -> None:
        left, left_run = _last_known(known)
        right, right_run = (values[:, ::-1] for values in _last_known(known[:, ::-1]))
        self.nearest = left, np.where(right < 0, -1, known.shape[1] - 1 - right)
        self.runs = left_run, right_run


def _without_slivers(known: BoolArray, least: int) -> BoolArray:
    """Forget what a row shows in runs of too few pixels to repeat, between two fingers, say.

    `least` counts as the next odd number: opening by an even one would move what it keeps.
    """
    kernel = np.ones((1, 2 * (least // 2) + 1), np.uint8)
    return np.asarray(cv2.morphologyEx(known.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def _last_known(known: BoolArray) -> tuple[IntArray, IntArray]:
    """Return (rows, columns) the column of the last known pixel up to each and how many are known up to that one."""
    columns = np.arange(known.shape[1])
    last = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    run = columns - np.maximum.accumulate(np.where(known, -1, columns), axis=1)
    return last, np.where(last < 0, 0, np.take_along_axis(run, np.maximum(last, 0), axis=1))


def _mirrored(known: BoolArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Find for every unknown pixel the pixels of its row that are its mirror images at the two ends of the gap.

    Returns:
        (rows, columns) column of the left and of the right one, -1 where the pixel is known or a side shows nothing;
        (rows, columns) share of the right one.
    """
    gaps = _Gaps(known)
    place = np.nonzero(~known & (gaps.nearest[0] >= 0) & (gaps.nearest[1] >= 0))
    images, depths = [], []
    for side, all_nearest, all_runs in zip((-1, 1), gaps.nearest, gaps.runs, strict=True):
        nearest, run = all_nearest[place], all_runs[place]
        depths.append(np.abs(place[1] - nearest))
        turn = (depths[-1] - 1) % (2 * run)
        image = np.full(known.shape, -1)
        image[place] = nearest + side * np.where(turn < run, turn, 2 * run - 1 - turn)
        images.append(image)
    share = np.zeros(known.shape, np.float32)
    share[place] = depths[0] / (depths[0] + depths[1])
    return images[0], images[1], share


def _step(rows: FloatArray) -> FloatArray:
    """Return (3,) by how much the lower half of some rows is brighter than the upper."""
    half = len(rows) // 2
    return np.asarray(rows[half + 1 :].mean(axis=0) - rows[:half].mean(axis=0))


def _are_alike(first: FloatArray, second: FloatArray) -> bool:
    """Tell whether two steps are large enough and the same."""
    sizes = [float(np.linalg.norm(step)) for step in (first, second)]
    return min(sizes) >= _MIN_STEP and float(np.linalg.norm(first - second)) <= _STEP_RATIO * max(sizes)


def _row_means(colour: FloatArray, known: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return (rows, 3) the mean of what is known of each row and (rows,) its spread; NaN where that is too little."""
    weight = known.astype(np.float32)
    count = weight.sum(axis=1)
    enough = np.where(count >= max(2.0, _ENOUGH * known.shape[1]), count, np.nan)
    mean = (colour * weight[..., None]).sum(axis=1) / enough[:, None]
    spread = (np.abs(colour - mean[:, None]).max(axis=-1) * weight).sum(axis=1) / enough
    return mean, spread
