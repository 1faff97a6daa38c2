"""Lay out a hole as few, large, coherent copies from elsewhere in the picture.

Every hole pixel p takes an offset o from a short list and shows picture(p + o); neighbours with different offsets pay
for how visible the seam between the two copies is. Candidates are the offsets at which the hole's surroundings repeat
themselves. Solved by alpha-expansion; each move is a minimum cut.

Source: He, Sun 2012 (offset statistics); Pritch et al. 2009 (shift map); Boykov, Veksler, Zabih 2001 (expansion
moves); Kolmogorov, Zabih 2004 (their graph).
"""

from __future__ import annotations

import cv2
import numba
import numpy as np
import numpy.typing as npt

from drn_core.fill.mincut import neighbours_of, source_side
from drn_core.fill.patchmatch import PATCH_RADIUS

__all__ = ["lay_out"]

ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_FORBIDDEN = 1_000_000
_NUM_OFFSETS = 200
_EDGE_WEIGHT = 0.05  # of the squared difference beside the plain one
_NUM_TARGETS = 600
_UNSEEN = 60.0  # cost of a seam where one of the two copies shows nothing that may be shown
_BORDER_WEIGHT = 40.0  # continuity with the known pixels round the hole, against seams inside it
_DISTANCE_COST = (15.0, 3.0)  # of an offset of the picture's height, vertical and horizontal, per pixel
_MAX_SWEEPS = 2
_OFFSET_COST = (20, 4)  # candidates nearby, at the same height above all, are likelier to be of the same kind


def lay_out(image: ByteArray, hole: BoolArray, usable: BoolArray, is_source: BoolArray) -> IntArray:
    """Choose for every pixel of the hole which pixel to copy.

    Args:
        image: (H, W, 3) uint8; what is inside the hole is not looked at.
        hole: (H, W), at most some thousand pixels (time grows with it).
        usable: (H, W) pixels that may be copied.
        is_source: (H, W) centres of wholly usable patches.

    Returns:
        (H, W, 2) int32 (row, column) of the pixel to copy; -1 outside the hole and where no candidate reaches
        usable pixels.
    """
    height, width = hole.shape
    matches = np.full((height, width, 2), -1, np.int32)
    offsets = _candidates(image, hole, is_source)
    if not len(offsets):
        return matches  # nowhere a whole patch to start from
    features = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    nodes = np.argwhere(hole).astype(np.int32)
    data = _data_costs(features, hole, usable, nodes, offsets)
    reachable = data.min(axis=1) < _FORBIDDEN
    if not reachable.any():
        return matches
    nodes, data = nodes[reachable], np.ascontiguousarray(data[reachable])
    labels = data.argmin(axis=1).astype(np.int32)
    seen = _what_offsets_show(features, usable, nodes, offsets)
    _expand(seen, neighbours_of(nodes, height, width), data, labels, _MAX_SWEEPS)
    matches[nodes[:, 0], nodes[:, 1]] = nodes + offsets[labels]
    return matches


def _candidates(image: ByteArray, hole: BoolArray, is_source: BoolArray) -> IntArray:
    """Return the (K, 2) offsets at which the surroundings of the hole most often repeat themselves."""
    height, width = hole.shape
    near = cv2.dilate(hole.astype(np.uint8), np.ones((61, 61), np.uint8)).astype(bool)
    sparse = np.zeros_like(hole)
    sparse[::3, ::3] = True
    targets = np.argwhere(near & sparse & is_source).astype(np.int32)
    if not len(targets):
        targets = np.argwhere(is_source).astype(np.int32)
    if not len(targets):
        return np.empty((0, 2), np.int32)
    targets = np.ascontiguousarray(targets[:: max(1, round(len(targets) / _NUM_TARGETS))])
    sources = np.argwhere(is_source).astype(np.int32)
    shortest = max(2 * PATCH_RADIUS, width // 15)
    wanted = _describe(image, targets)
    found = _similar_offsets(wanted, _describe(image, sources), targets, sources, shortest)
    contrast = wanted.reshape(-1, 9, 3).std(axis=1).mean(axis=1) + 1.0  # bare walls match anything
    votes = np.zeros((2 * height + 1, 2 * width + 1), np.float32)
    np.add.at(votes, (found[:, 0] + height, found[:, 1] + width), contrast)
    votes[height, width] = 0.0  # targets without any match far enough
    votes = cv2.GaussianBlur(votes, (0, 0), 1.0)
    is_peak = (votes >= cv2.dilate(votes, np.ones((3, 3), np.uint8))) & (votes > 1e-3)
    rows, columns = np.nonzero(is_peak)
    order = np.argsort(-votes[rows, columns], kind="stable")[:_NUM_OFFSETS]
    best: IntArray = np.stack([rows[order] - height, columns[order] - width], axis=1).astype(np.int32)
    return best


def _describe(image: ByteArray, centres: IntArray) -> IntArray:
    """Return (N, 27) colours of the patches at `centres`, each reduced to 3 x 3 means."""
    means = cv2.blur(image, (3, 3)).astype(np.int32)
    steps = np.array([(dy, dx) for dy in (-2, 0, 2) for dx in (-2, 0, 2)], np.int32)
    place = centres[:, None] + steps[None]
    described: IntArray = np.ascontiguousarray(means[place[..., 0], place[..., 1]].reshape(len(centres), -1))
    return described


@numba.njit(cache=True, nogil=True)
def _similar_offsets(
    wanted: IntArray, offered: IntArray, targets: IntArray, sources: IntArray, shortest: int
) -> IntArray:
    """Find for each target the offset to the most similar patch that is not too near, by exhaustive search.

    Args:
        wanted: (N, D) descriptions of the targets.
        offered: (M, D) descriptions of the sources.
        targets: (N, 2) patch centres.
        sources: (M, 2) patch centres.
        shortest: matches nearer than this many pixels are no news.

    Returns:
        (N, 2) (rows, columns) to the match; zero where there is none.
    """
    offsets = np.zeros((targets.shape[0], 2), np.int32)
    for n in range(targets.shape[0]):
        y, x = targets[n, 0], targets[n, 1]
        best = 2**31 - 1
        for m in range(sources.shape[0]):
            dy, dx = sources[m, 0] - y, sources[m, 1] - x
            cost = _OFFSET_COST[0] * abs(dy) + _OFFSET_COST[1] * abs(dx)
            for i in range(wanted.shape[1]):
                difference = wanted[n, i] - offered[m, i]
                cost += difference * difference
            if cost < best and dy * dy + dx * dx >= shortest * shortest:
                best = cost
                offsets[n, 0] = dy
                offsets[n, 1] = dx
    return offsets


def _data_costs(
    features: FloatArray, hole: BoolArray, usable: BoolArray, nodes: IntArray, offsets: IntArray
) -> IntArray:
    """Cost (N, K) of each offset at each hole pixel: misfit with the usable rim nearby, and distance."""
    height, width = hole.shape
    margin = 6
    (top, left), (bottom, right) = nodes.min(axis=0) - margin, nodes.max(axis=0) + 1 + margin
    top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
    wide = np.pad(np.dstack([features, usable]), ((height, height), (width, width), (0, 0))).astype(np.float32)
    here = features[top:bottom, left:right]
    rim = usable & cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    rim = rim[top:bottom, left:right]
    at = (nodes[:, 0] - top, nodes[:, 1] - left)
    costs = np.empty((len(nodes), len(offsets)), np.int32)
    for k, (dy, dx) in enumerate(offsets):
        shown = wide[height + top + dy : height + bottom + dy, width + left + dx : width + right + dx]
        difference = shown[..., :3] - here
        misfit = np.sqrt(np.einsum("yxc,yxc->yx", difference, difference))
        misfit = np.where(shown[..., 3] > 0, misfit, np.float32(_UNSEEN)) * rim
        near = cv2.GaussianBlur(misfit, (0, 0), 1.5)[at] * _BORDER_WEIGHT
        away = (_DISTANCE_COST[0] * abs(dy) + _DISTANCE_COST[1] * abs(dx)) / height
        costs[:, k] = np.where(shown[..., 3][at] > 0, near + away, _FORBIDDEN)
    return costs


def _what_offsets_show(features: FloatArray, usable: BoolArray, nodes: IntArray, offsets: IntArray) -> FloatArray:
    """Return (N, K, 4): the colour each offset shows at each pixel and, last, whether it may be shown."""
    height, width = usable.shape
    place = nodes[:, None] + offsets[None]
    inside = ((place >= 0) & (place < (height, width))).all(axis=-1)
    rows, columns = np.clip(place[..., 0], 0, height - 1), np.clip(place[..., 1], 0, width - 1)
    can_show = (inside & usable[rows, columns])[..., None]
    return np.concatenate([features[rows, columns] * can_show, can_show], axis=-1, dtype=np.float32)


@numba.njit(cache=True, nogil=True, inline="always")
def _seam(first: FloatArray, second: FloatArray) -> float:
    """How different two copies look at one pixel; breaking off an edge costs more than its contrast alone."""
    if first[3] == 0.0 or second[3] == 0.0:
        return _UNSEEN
    red, green, blue = first[0] - second[0], first[1] - second[1], first[2] - second[2]
    square = red * red + green * green + blue * blue
    return float(np.sqrt(square) + square * np.float32(_EDGE_WEIGHT))


@numba.njit(cache=True, nogil=True)
def _expand(seen: FloatArray, neighbours: IntArray, data: IntArray, labels: IntArray, max_sweeps: int) -> None:
    """Improve the labels by alpha-expansion until a sweep over all offsets changes nothing, in place.

    Args:
        seen: (N, K, 4) what each offset shows at each pixel.
        neighbours: (N, 4) as of `neighbours_of`.
        data: (N, K) cost of an offset at a pixel.
        labels: (N,) current offset of each pixel.
        max_sweeps: bound on the number of sweeps.
    """
    num = neighbours.shape[0]
    capacity = np.empty((num, 4), np.int32)
    gain = np.empty(num, np.int32)
    own = np.empty(num, np.float32)
    for _ in range(max_sweeps):
        changed = False
        for alpha in range(data.shape[1]):
            capacity[:] = 0
            for n in range(num):
                gain[n] = data[n, alpha] - data[n, labels[n]]
                own[n] = 0.0 if labels[n] == alpha else _seam(seen[n, labels[n]], seen[n, alpha])
            for n in range(num):
                for side in (0, 2):
                    other = neighbours[n, side]
                    if other < 0:
                        continue
                    first, second = labels[n], labels[other]
                    # costs of the seam if nobody, the other alone, or this pixel alone takes alpha
                    stay, there, here = 0.0, own[n] + own[other], own[n] + own[other]
                    if first != second:
                        stay = _seam(seen[n, first], seen[n, second]) + _seam(seen[other, first], seen[other, second])
                        there = own[n] + (_seam(seen[other, first], seen[other, alpha]) if first != alpha else 0.0)
                        here = own[other] + (_seam(seen[n, second], seen[n, alpha]) if second != alpha else 0.0)
                    gain[n] += int(here) - int(stay)
                    gain[other] -= int(here)
                    capacity[other, side + 1] = max(0, int(there) + int(here) - int(stay))
            if gain.min() >= 0:
                continue
            moved = source_side(neighbours, capacity, np.maximum(-gain, 0), np.maximum(gain, 0))
            for n in range(num):
                if moved[n] and labels[n] != alpha:
                    labels[n] = alpha
                    changed = True
        if not changed:
            return
