"""Seams between planks or tiles, drawn on where a plain surface was made up behind a hole.

A seam is a thin line on a surface that is the same on its two sides. What it adds to the surface is measured where it
runs into the hole and added along its straight continuation, up to where the surface ends.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.line_ends import LineEnd, find_line_ends

__all__ = ["draw_seams"]

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

# Lengths in units of the caller's, colours in grey levels.
_HALF_WIDTH, _MIN_HALF_PX = 0.02, 4  # of what is looked at across a seam
_SEEN = 0.25  # length over which it is measured
_LONGEST = 1.0  # way on through the hole
_MIN_DEPTH, _MAX_STEP = 5.0, 0.35  # what it adds at least; difference of its two sides, as a share of that
_MAX_UNREST = 0.4  # spread of line and surface along its length, as a share of what it adds
_SURFACE_ENDS = 18.0  # change of colour over `_AHEAD_PX` at which the surface has ended
_AHEAD_PX = 4
_MAX_REST = 0.25  # unrest of the filling on the way, as a share of what the seam adds: it may have one already


def draw_seams(plate: ByteArray, photo: ByteArray, hole: BoolArray, unit: float) -> ByteArray:
    """Draw seams on into what was made up of their surface.

    Args:
        plate: (H, W, 3) uint8, the filled picture.
        photo: (H, W, 3) uint8, the picture before, equal outside the hole.
        hole: (H, W).
        unit: length in pixels in which widths and lengths are measured.

    Returns:
        (H, W, 3) uint8, equal to `plate` but for the seams.
    """
    if not hole.any():
        return plate
    drawn, result = np.zeros(hole.shape, bool), plate.astype(np.float32)
    for end in find_line_ends(photo, hole, unit):
        seam = _Seam.measured(end, photo, hole, unit)
        length = seam.way(plate, hole, _LONGEST * unit) if seam is not None else 0
        if seam is not None and length > 0:
            seam.draw(result, hole, drawn, length)
    return np.clip(np.rint(result), 0.0, 255.0).astype(np.uint8)


class _Seam:
    """A thin line that runs into the hole.

    Args:
        place: (2,) (x, y) on the line at the hole.
        into: (2,) unit vector into the hole.
        profile: (2 n + 1, 3) what it adds across.
        beside: (3,) colour of the surface on its two sides.
    """

    def __init__(self, place: Vector, into: Vector, profile: FloatArray, beside: FloatArray) -> None:
        self._place, self._into, self._profile, self._beside = place, into, profile, beside
        self._across = np.array((-into[1], into[0]))
        self._half = len(profile) // 2
        self._strongest = float(np.abs(profile).max())

    @classmethod
    def measured(cls, end: LineEnd, photo: ByteArray, hole: BoolArray, unit: float) -> _Seam | None:
        """Measure what lies along a line's end; None if that is no seam."""
        half = max(_MIN_HALF_PX, round(_HALF_WIDTH * unit))
        back = np.arange(1, max(8, round(min(_SEEN * unit, end.length))))
        across = np.array((-end.into[1], end.into[0]))
        colours, known = _looked_up(photo, hole, end.place, -end.into, back, across, 2 * half)
        count = known.sum(axis=1)
        if count.min() < len(back) // 2:
            return None
        rows = (colours * known[..., None]).sum(axis=1) / count[:, None]
        depth = np.abs(rows - cv2.blur(rows, (1, 2 * half + 1))).sum(axis=1)
        middle = half + int(depth[half : 3 * half + 1].argmax())
        profile = rows[middle - half : middle + half + 1]
        share = np.linspace(0.0, 1.0, len(profile))[:, None]
        sides = [profile[:2].mean(axis=0), profile[-2:].mean(axis=0)]
        added = profile - (sides[0] + share * (sides[1] - sides[0]))
        strongest = float(np.abs(added[half]).max())
        if strongest < _MIN_DEPTH or np.abs(sides[1] - sides[0]).max() > _MAX_STEP * strongest:
            return None
        strip = np.s_[middle - half : middle + half + 1]
        off = np.abs(colours[strip] - rows[strip, None]).max(axis=-1) * known[strip]
        if (off.sum(axis=1) / count[strip]).max() > _MAX_UNREST * strongest:
            return None
        added *= np.clip(2.0 - 2.0 * np.abs(2.0 * share - 1.0), 0.0, 1.0)
        beside = np.mean(sides, axis=0).astype(np.float32)
        return cls(end.place + (middle - 2 * half) * across, end.into, added.astype(np.float32), beside)

    def way(self, plate: ByteArray, hole: BoolArray, longest: float) -> int:
        """Return how many pixels it runs on up to the end of its surface; 0 where it would end in mid-surface."""
        steps = np.arange(-_AHEAD_PX, round(longest))
        colours, is_open = _looked_up(plate, ~hole, self._place, self._into, steps, self._across, 2)
        smooth, inside = colours.mean(axis=0), is_open[2]
        started = np.flatnonzero(inside)
        if not len(started) or np.abs(smooth[started[: self._half]].mean(0) - self._beside).max() > _SURFACE_ENDS:
            return 0
        ends = np.flatnonzero(~inside[started[0] :])
        last = int(started[0] + (ends[0] if len(ends) else len(steps)))
        change = np.abs(smooth[_AHEAD_PX:] - smooth[:-_AHEAD_PX]).max(axis=-1)
        jumps = np.flatnonzero(change[: max(0, last - _AHEAD_PX)] > _SURFACE_ENDS)
        jumps = jumps[jumps + _AHEAD_PX > started[0] + 2 * self._half]  # not at its own end
        if not len(jumps) or jumps[0] == 0:
            return 0
        stop = int(jumps[0])  # the surface goes on to here at least, counted from the place
        filled, _ = _looked_up(plate, ~hole, self._place, self._into, np.arange(stop), self._across, self._half)
        rest = np.abs(filled - filled.mean(axis=0))[:, inside[_AHEAD_PX : _AHEAD_PX + stop]]
        return stop if rest.size and rest.mean(axis=(0, 1)).max() < _MAX_REST * self._strongest else 0

    def draw(self, picture: FloatArray, hole: BoolArray, drawn: BoolArray, length: int) -> None:
        """Add the line to what is made up, in place, once."""
        ends = self._place + np.array([(0.0,), (float(length),)]) * self._into
        low = np.maximum(np.floor(ends.min(axis=0)).astype(int) - self._half - 1, 0)
        high = np.minimum(np.ceil(ends.max(axis=0)).astype(int) + self._half + 2, np.array(hole.shape[::-1]))
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        places = np.argwhere(hole[part] & ~drawn[part]) + low[::-1]
        along, across = ((places[:, ::-1] - self._place) @ axis for axis in (self._into, self._across))
        is_line = (np.abs(across) < self._half) & (along > -self._half) & (along <= length)
        rows, columns = places[is_line].T
        at = np.arange(-self._half, self._half + 1)
        for channel in range(3):
            picture[rows, columns, channel] += np.interp(across[is_line], at, self._profile[:, channel])
        drawn[rows, columns] = True


def _looked_up(
    picture: ByteArray, closed: BoolArray, place: Vector, along: Vector, steps: npt.NDArray[np.int64], across: Vector,
    half: int,
) -> tuple[FloatArray, BoolArray]:  # fmt: skip
    """Return (2 half + 1, N, 3) the colours of a strip along a line, and (2 half + 1, N) what is seen of it."""
    aside = np.arange(-half, half + 1)[:, None]
    x, y = ((place[i] + steps * along[i] + aside * across[i]).astype(np.float32) for i in (0, 1))
    colours = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    seen = cv2.remap((~closed).astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return colours, seen > 0.99
