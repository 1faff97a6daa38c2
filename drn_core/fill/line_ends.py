"""Straight edges that run into a hole and come out again on its far side.

Source: von Gioi et al. 2012 (line segment detector).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["LineEnd", "find_line_ends", "pair_line_ends"]

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

_SIDE_PX = 720  # working size of the longer side
# Lengths are in units of the caller's, or in working pixels.
_MARGIN = 0.8  # what is looked at round the hole
_MIN_LENGTH, _MIN_LENGTH_PX = 0.1, 10.0  # of a segment
_MAX_START = 0.05  # how far from the hole it may end
_MAX_GAP = 2.5
_LENGTH_PER_GAP = 0.15  # of two segments together, as a share of the gap between them
_OFF_LINE, _OFF_LINE_PER_GAP = 0.008, 0.02  # how far one may end beside the other's line
_MAX_BEND = 0.07  # radians between the two
_OPEN_SHARE = 0.6  # part of the way between them that must lie in the hole


@dataclass(frozen=True)
class LineEnd:
    """Where a straight edge runs into the hole.

    Attributes:
        place: (2,) (x, y) of its end at the hole.
        into: (2,) unit vector into the hole.
        length: how far it is seen, in pixels.
        sign: 1 or -1, by the side that is brighter, seen along `into`.
    """

    place: Vector
    into: Vector
    length: float
    sign: float


def find_line_ends(rgb: ByteArray, hole: BoolArray, unit: float) -> list[LineEnd]:
    """Find the straight edges that end at a hole.

    Args:
        rgb: (H, W, 3) uint8, with its own content inside the hole: a made-up one would make up edges.
        hole: (H, W), not empty.
        unit: length in pixels in which neighbourhood and segments are measured.
    """
    left, top, width, height = cv2.boundingRect(hole.view(np.uint8))
    margin = round(_MARGIN * unit)
    corner = (max(0, left - margin), max(0, top - margin))
    part = np.s_[corner[1] : top + height + margin, corner[0] : left + width + margin]
    grey = cv2.cvtColor(rgb[part], cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _SIDE_PX / max(grey.shape))
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    found = cv2.createLineSegmentDetector().detect(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))[0]
    if found is None:
        return []
    is_hole = cv2.resize(hole[part].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    distance = cv2.distanceTransform(1 - is_hole, cv2.DIST_L2, 5)
    reach = _MAX_START * unit * scale + 2.0
    ends = [_line_end(segment[:2], segment[2:], distance, reach) for segment in found[:, 0].astype(np.float64)]
    shortest = max(_MIN_LENGTH * unit * scale, _MIN_LENGTH_PX)
    return [
        LineEnd((end.place + 0.5) / scale - 0.5 + corner, end.into, end.length / scale, end.sign)
        for end in ends
        if end is not None and end.length >= shortest
    ]


def pair_line_ends(ends: list[LineEnd], hole: BoolArray, unit: float) -> list[tuple[LineEnd, LineEnd]]:
    """Pair the ends that look at each other along one line, the narrowest gaps first; each is used once.

    Args:
        ends: as of `find_line_ends`.
        hole: (H, W), most of the way between two ends leads through it.
        unit: as for `find_line_ends`.
    """
    candidates = []
    for index, first in enumerate(ends):
        for second in ends[index + 1 :]:
            gap = float(np.hypot(*(second.place - first.place)))
            is_long = first.length + second.length >= _LENGTH_PER_GAP * gap
            is_near = 0.0 < gap <= _MAX_GAP * unit
            if not (is_near and is_long and _are_in_line(first, second, gap, unit)):
                continue
            if _share_inside(hole, first.place, second.place) >= _OPEN_SHARE:
                candidates.append((gap, first, second))
    taken: set[int] = set()
    pairs = []
    for _, first, second in sorted(candidates, key=lambda candidate: candidate[0]):
        if not {id(first), id(second)} & taken:
            taken |= {id(first), id(second)}
            pairs.append((first, second))
    return pairs


def _line_end(start: Vector, stop: Vector, distance: FloatArray, reach: float) -> LineEnd | None:
    """Cut a segment down to its longest piece outside the hole; None if that doesn't end at the hole."""
    length = float(np.hypot(*(stop - start)))
    points = start + np.linspace(0.0, 1.0, max(2, round(length) + 1))[:, None] * (stop - start)
    limits = np.array(distance.shape[::-1]) - 1
    columns, rows = np.clip(np.rint(points).astype(int), 0, limits).T
    away = distance[rows, columns]
    first, last = _longest_run(away > 0.0)
    if last <= first or min(away[first], away[last]) > reach:
        return None
    sign = 1.0 if away[last] <= away[first] else -1.0
    place = points[last] if sign > 0.0 else points[first]
    return LineEnd(place, sign * (stop - start) / length, float(np.hypot(*(points[last] - points[first]))), sign)


def _longest_run(mask: BoolArray) -> tuple[int, int]:
    """Return the first and last index of the longest run of True; (0, -1) where there is none."""
    borders = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    if not len(borders):
        return 0, -1
    longest = int((borders[1::2] - borders[::2]).argmax())
    return int(borders[2 * longest]), int(borders[2 * longest + 1]) - 1


def _are_in_line(first: LineEnd, second: LineEnd, gap: float, unit: float) -> bool:
    """Tell whether two ends look at each other along one line, the same side brighter."""
    way = second.place - first.place
    if first.into @ way <= 0.0 or second.into @ way >= 0.0 or -(first.into @ second.into) < np.cos(_MAX_BEND):
        return False
    off = max(abs(float(end.into[0] * way[1] - end.into[1] * way[0])) for end in (first, second))
    return first.sign == -second.sign and off <= 1.0 + _OFF_LINE * unit + _OFF_LINE_PER_GAP * gap


def _share_inside(hole: BoolArray, start: Vector, stop: Vector) -> float:
    points = np.rint(start + np.linspace(0.0, 1.0, 32)[:, None] * (stop - start)).astype(int)
    columns, rows = np.clip(points, 0, np.array(hole.shape[::-1]) - 1).T
    return float(hole[rows, columns].mean())
