"""Take the seams out of a hole filled by copies, in the gradient domain.

Each pixel keeps, as far as it can, the differences to its neighbours that its source had, while the border keeps its
colours. Where a copy ends at an object's edge, the edge stays; a weak pull towards the copy itself lets corrections
fade with distance.

Source: Perez, Gangnet, Blake 2003 (gradient-domain blending), screened as in Bhat et al. 2008.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["seam_correction"]

ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_SEAM_STEP = 24.0  # a step of this many grey levels is corrected by half, larger ones less: they are edges
_SWEEPS = 50
_OVER_RELAXATION = 1.9


def seam_correction(
    image: ByteArray, hole: BoolArray, usable: BoolArray, matches: IntArray, start: FloatArray, reach_px: float
) -> FloatArray:
    """Find what to add to the copies inside a hole so that no seam is seen.

    Args:
        image: (H, W, 3) uint8, the hole filled with image(matches).
        hole: (H, W).
        usable: (H, W) pixels that may be looked at as sources, and that the filling is to fit to.
        matches: (H, W, 2) (row, column) of each hole pixel's source.
        start: (H, W, 3) first guess, as from half the size.
        reach_px: distance over which a correction fades.

    Returns:
        (H, W, 3) float32, zero outside the hole.
    """
    nodes = np.argwhere(hole).astype(np.int32)
    index = np.full(hole.shape, -1, np.int32)
    index[hole] = np.arange(len(nodes), dtype=np.int32)
    neighbours, force = _seam_forces(image, usable, nodes, index, matches)
    solution = start[hole].astype(np.float32)
    _relax(neighbours, force, solution, 1.0 / reach_px**2)
    correction = np.zeros(image.shape, np.float32)
    correction[hole] = solution
    return correction


@numba.njit(cache=True, nogil=True)
def _seam_forces(
    image: ByteArray, usable: BoolArray, nodes: IntArray, index: IntArray, matches: IntArray
) -> tuple[IntArray, FloatArray]:
    """By how much should the differences to the neighbours grow over those of the copies?

    Returns:
        (N, 4) indices of the neighbours, -1 a known pixel, -2 of no account; (N, 3) forces.
    """
    height, width = index.shape
    neighbours = np.full((nodes.shape[0], 4), -2, np.int32)
    force = np.zeros((nodes.shape[0], 3), np.float32)
    for n in range(nodes.shape[0]):
        y, x = nodes[n, 0], nodes[n, 1]
        for side in range(4):
            dy, dx = (side == 2) - (side == 3), (side == 0) - (side == 1)
            ny, nx = y + dy, x + dx
            if not (0 <= ny < height and 0 <= nx < width) or (index[ny, nx] < 0 and not usable[ny, nx]):
                continue
            neighbours[n, side] = index[ny, nx]
            step = np.zeros(3, np.float32)
            views = _add_step(image, usable, matches[y, x, 0], matches[y, x, 1], dy, dx, step)
            if index[ny, nx] >= 0:
                ty, tx = matches[ny, nx, 0] - dy, matches[ny, nx, 1] - dx
                if ty == matches[y, x, 0] and tx == matches[y, x, 1]:
                    continue  # both from one piece: no seam
                views += _add_step(image, usable, ty, tx, dy, dx, step)
            if views > 0:
                for channel in range(3):
                    step[channel] = step[channel] / views - image[y, x, channel] + np.float32(image[ny, nx, channel])
                force[n] += step / (1.0 + (step * step).sum() / (3.0 * _SEAM_STEP**2))
    return neighbours, force


@numba.njit(cache=True, nogil=True)
def _add_step(image: ByteArray, usable: BoolArray, y: int, x: int, dy: int, dx: int, step: FloatArray) -> int:
    """Add the colour difference of a source pixel to its neighbour, in place; return 1 if both may be seen, else 0."""
    ny, nx = y + dy, x + dx
    if not (min(y, ny) >= 0 and max(y, ny) < usable.shape[0] and min(x, nx) >= 0 and max(x, nx) < usable.shape[1]):
        return 0
    if not (usable[y, x] and usable[ny, nx]):
        return 0
    for channel in range(3):
        step[channel] += np.float32(image[y, x, channel]) - np.float32(image[ny, nx, channel])
    return 1


@numba.njit(cache=True, nogil=True)
def _relax(neighbours: IntArray, force: FloatArray, correction: FloatArray, pull: float) -> None:
    """Solve sum over neighbours of (u - u') + pull * u = force by successive over-relaxation, in place."""
    num = neighbours.shape[0]
    for sweep in range(_SWEEPS):
        for turn in range(num):
            n = turn if sweep % 2 == 0 else num - 1 - turn
            count = 0
            red, green, blue = force[n, 0], force[n, 1], force[n, 2]
            for side in range(4):
                other = neighbours[n, side]
                if other >= -1:
                    count += 1
                if other >= 0:
                    red += correction[other, 0]
                    green += correction[other, 1]
                    blue += correction[other, 2]
            scale = np.float32(1.0 / (count + pull))
            pace = np.float32(_OVER_RELAXATION)
            correction[n, 0] += pace * (red * scale - correction[n, 0])
            correction[n, 1] += pace * (green * scale - correction[n, 1])
            correction[n, 2] += pace * (blue * scale - correction[n, 2])
