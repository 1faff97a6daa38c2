"""Nearest-patch search and voting for exemplar fill: the numba loops behind `drn_core.fill.inpaint`.

Terms: a *target* is a pixel whose patch touches the hole; its *match* is the centre (row, column) of a source patch
that lies wholly in allowed, known pixels. Pictures are (H, W, 3) uint8, so that sums of squares are exact integers
and the result does not depend on the order of additions.

Source: Barnes et al. 2009 (PatchMatch: propagation and random search); Wexler, Shechtman, Irani 2007 (voting).
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["PATCH_RADIUS", "gather", "lift_matches", "search", "vote"]

PATCH_RADIUS = 3

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

_WORST = np.int32(2**31 - 1)
_AROUND = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


@numba.njit(cache=True, nogil=True, inline="always")
def _next_random(state: int) -> int:
    """Advance a 32-bit linear congruential generator (Numerical Recipes' constants)."""
    return (state * 1664525 + 1013904223) & 0xFFFFFFFF


@numba.njit(cache=True, nogil=True)
def _patch_cost(rows: ByteArray, y: int, x: int, sy: int, sx: int, limit: int) -> int:
    """Sum of squared differences of two patches, scaled to a full patch; gives up beyond `limit`.

    Pixels of the target's patch outside the picture are left out.
    """
    height, width = rows.shape[0], rows.shape[1] // 3
    top, bottom = max(-PATCH_RADIUS, -y), min(PATCH_RADIUS, height - 1 - y)
    left, right = max(-PATCH_RADIUS, -x), min(PATCH_RADIUS, width - 1 - x)
    length = 3 * (right - left + 1)
    count = (bottom - top + 1) * (right - left + 1)
    full = (2 * PATCH_RADIUS + 1) ** 2
    first, second = 3 * (x + left), 3 * (sx + left)
    total = np.int32(0)
    for dy in range(top, bottom + 1):
        a, b = rows[y + dy], rows[sy + dy]
        for i in range(length):
            difference = np.int32(a[first + i]) - np.int32(b[second + i])
            total += difference * difference
        if total > limit:
            return int(_WORST)
    return int(total * full // count)


@numba.njit(cache=True, nogil=True)
def _offset_cost(y: int, x: int, sy: int, sx: int, weight_y: float, weight_x: float) -> int:
    """Prefer matches nearby: a room's light and scale change with distance, with height above all."""
    return int(weight_y * abs(sy - y) + weight_x * abs(sx - x))


@numba.njit(cache=True, nogil=True)
def lift_matches(
    targets: IntArray, sources: IntArray, is_source: BoolArray, coarse: IntArray, matches: IntArray, seed: int
) -> None:
    """Carry matches from a level of half the size up to this one, in place; offsets double.

    A doubled offset that leaves the sources is moved to a source within two pixels, or else drawn at random.

    Args:
        targets: (N, 2) of the finer level.
        sources: (M, 2) allowed patch centres of the finer level.
        is_source: (H, W) the same as a mask.
        coarse: (ceil(H / 2), ceil(W / 2), 2) matches of the coarser level, negative where there is none.
        matches: (H, W, 2), written at the targets.
        seed: of the generator.
    """
    height, width = is_source.shape
    state = seed & 0xFFFFFFFF
    for n in range(targets.shape[0]):
        y, x = targets[n, 0], targets[n, 1]
        cy, cx = y // 2, x // 2
        state = _next_random(state)
        pick = (state >> 8) % sources.shape[0]
        best_y, best_x, best = sources[pick, 0], sources[pick, 1], 99
        for trial in range(len(_AROUND)):
            # the cell above this pixel first, then those around it
            ny, nx = cy + _AROUND[trial][0], cx + _AROUND[trial][1]
            if best < 99 or not (0 <= ny < coarse.shape[0] and 0 <= nx < coarse.shape[1]) or coarse[ny, nx, 0] < 0:
                continue
            sy, sx = y + 2 * (coarse[ny, nx, 0] - ny), x + 2 * (coarse[ny, nx, 1] - nx)
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    ty, tx = sy + dy, sx + dx
                    inside = 0 <= ty < height and 0 <= tx < width
                    if inside and abs(dy) + abs(dx) < best and is_source[ty, tx]:
                        best_y, best_x, best = ty, tx, abs(dy) + abs(dx)
        matches[y, x, 0] = best_y
        matches[y, x, 1] = best_x


@numba.njit(cache=True, nogil=True)
def search(
    image: ByteArray,
    targets: IntArray,
    is_source: BoolArray,
    matches: IntArray,
    costs: IntArray,
    offset_weights: tuple[float, float],
    radius: int,
    seed: int,
) -> None:
    """Improve the matches by one forward and one backward PatchMatch scan, in place.

    Args:
        image: (H, W, 3) with the hole's current estimate.
        targets: (N, 2) in raster order.
        is_source: (H, W) allowed patch centres.
        matches: (H, W, 2) current matches, negative where there is none.
        costs: (H, W), written at the targets: cost of the match.
        offset_weights: cost per pixel of vertical and horizontal distance to the match.
        radius: of the random search in pixels; halves down to 1.
        seed: of the generator.
    """
    height, width = is_source.shape
    rows = image.reshape(height, width * 3)
    weight_y, weight_x = offset_weights
    state = seed & 0xFFFFFFFF
    num = targets.shape[0]
    for scan in range(2):
        step = 1 if scan == 0 else -1
        for index in range(num):
            n = index if scan == 0 else num - 1 - index
            y, x = targets[n, 0], targets[n, 1]
            best_y, best_x = matches[y, x, 0], matches[y, x, 1]
            away = _offset_cost(y, x, best_y, best_x, weight_y, weight_x)
            best = _patch_cost(rows, y, x, best_y, best_x, _WORST - 1)
            best = best + away if best < _WORST - away else _WORST
            reach = radius
            trial = 0
            while trial < 2 or reach >= 1:
                if trial < 2:
                    ny, nx = (y - step, x) if trial == 0 else (y, x - step)
                    trial += 1
                    if not (0 <= ny < height and 0 <= nx < width) or matches[ny, nx, 0] < 0:
                        continue
                    sy, sx = matches[ny, nx, 0] + y - ny, matches[ny, nx, 1] + x - nx
                else:
                    state = _next_random(state)
                    sy = best_y + (state >> 8) % (2 * reach + 1) - reach
                    state = _next_random(state)
                    sx = best_x + (state >> 8) % (2 * reach + 1) - reach
                    reach //= 2
                if not (0 <= sy < height and 0 <= sx < width) or not is_source[sy, sx]:
                    continue
                if sy == best_y and sx == best_x:
                    continue
                away = _offset_cost(y, x, sy, sx, weight_y, weight_x)
                cost = _patch_cost(rows, y, x, sy, sx, best - away)
                if cost < _WORST and cost + away < best:
                    best, best_y, best_x = cost + away, sy, sx
            matches[y, x, 0] = best_y
            matches[y, x, 1] = best_x
            costs[y, x] = best


@numba.njit(cache=True, nogil=True)
def vote(
    image: ByteArray, holes: IntArray, matches: IntArray, costs: IntArray, confidence: FloatArray, sharpness: float
) -> None:
    """Rebuild the hole in place: each pixel is the weighted mean of what the patches over it propose.

    Args:
        image: (H, W, 3); the known pixels are read, those of the hole written.
        holes: (N, 2) pixels of the hole.
        matches: (H, W, 2), negative where there is none.
        costs: (H, W) cost of the match.
        confidence: (H, W) weight of a patch by how near its centre is to known pixels.
        sharpness: weight falls as exp(-cost * sharpness).
    """
    height, width = matches.shape[0], matches.shape[1]
    for n in range(holes.shape[0]):
        y, x = holes[n, 0], holes[n, 1]
        red = green = blue = total = 0.0
        for dy in range(-PATCH_RADIUS, PATCH_RADIUS + 1):
            for dx in range(-PATCH_RADIUS, PATCH_RADIUS + 1):
                ty, tx = y + dy, x + dx
                if not (0 <= ty < height and 0 <= tx < width) or matches[ty, tx, 0] < 0:
                    continue
                sy, sx = matches[ty, tx, 0] - dy, matches[ty, tx, 1] - dx
                weight = np.exp(-costs[ty, tx] * sharpness) * confidence[ty, tx] + 1e-12
                red += weight * image[sy, sx, 0]
                green += weight * image[sy, sx, 1]
                blue += weight * image[sy, sx, 2]
                total += weight
        image[y, x, 0] = np.uint8(red / total + 0.5)
        image[y, x, 1] = np.uint8(green / total + 0.5)
        image[y, x, 2] = np.uint8(blue / total + 0.5)


@numba.njit(cache=True, nogil=True)
def gather(image: ByteArray, holes: IntArray, matches: IntArray) -> None:
    """Copy each pixel of the hole from the centre of its match, in place (a shift map: as sharp as the source)."""
    for n in range(holes.shape[0]):
        y, x = holes[n, 0], holes[n, 1]
        for channel in range(3):
            image[y, x, channel] = image[matches[y, x, 0], matches[y, x, 1], channel]
