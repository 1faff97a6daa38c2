"""Minimum cuts on parts of a pixel grid by push-relabel (numba loops behind `drn_core.fill.shiftmap`).

Nodes are pixels with up to four neighbours; side 0 is right, 1 left, 2 below, 3 above, so that `side ^ 1` leads back.

Source: Goldberg, Tarjan 1988, with first-in first-out order and periodic exact heights (Cherkassky, Goldberg 1997).
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["neighbours_of", "source_side"]

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


@numba.njit(cache=True, nogil=True)
def neighbours_of(nodes: IntArray, height: int, width: int) -> IntArray:
    """Return (N, 4) indices of the neighbours among `nodes` (N, 2) (row, column); -1 where there is none."""
    index = np.full((height, width), -1, np.int32)
    for n in range(nodes.shape[0]):
        index[nodes[n, 0], nodes[n, 1]] = n
    neighbours = np.full((nodes.shape[0], 4), -1, np.int32)
    for n in range(nodes.shape[0]):
        for side in range(4):
            y = nodes[n, 0] + (side == 2) - (side == 3)
            x = nodes[n, 1] + (side == 0) - (side == 1)
            if 0 <= y < height and 0 <= x < width:
                neighbours[n, side] = index[y, x]
    return neighbours


@numba.njit(cache=True, nogil=True)
def source_side(neighbours: IntArray, capacity: IntArray, excess: IntArray, to_sink: IntArray) -> BoolArray:
    """Find the smallest source's side of a minimum cut; all capacities are used up.

    Args:
        neighbours: (N, 4) as of `neighbours_of`.
        capacity: (N, 4) of the edge to each neighbour, >= 0.
        excess: (N,) capacity from the source to the node, >= 0.
        to_sink: (N,) capacity from the node to the sink, >= 0.

    Returns:
        (N,) True on the source's side.
    """
    num = neighbours.shape[0]
    heights = np.empty(num, np.int32)
    _set_heights(neighbours, capacity, to_sink, heights)
    beyond = num + 1  # height of what the sink can't be reached from
    queue = np.empty(num + 1, np.int32)  # a ring
    is_queued = np.zeros(num, np.bool_)
    head = tail = relabels = 0
    for n in range(num):
        if excess[n] > 0 and heights[n] < beyond:
            queue[tail], is_queued[n] = n, True
            tail += 1
    while head != tail:
        n = queue[head]
        head = (head + 1) % (num + 1)
        is_queued[n] = False
        while excess[n] > 0 and heights[n] < beyond:
            tail = _push(n, neighbours, capacity, excess, to_sink, heights, queue, is_queued, tail)
            if excess[n] > 0:
                heights[n] = _relabelled(n, neighbours, capacity, heights)
                relabels += 1
        if relabels > num:
            relabels = 0
            _set_heights(neighbours, capacity, to_sink, heights)
    side: BoolArray = _reached_by_excess(neighbours, capacity, excess)
    return side


@numba.njit(cache=True, nogil=True)
def _set_heights(neighbours: IntArray, capacity: IntArray, to_sink: IntArray, heights: IntArray) -> None:
    """Set each node's height to its residual distance to the sink; N + 1 where the sink is out of reach."""
    num = neighbours.shape[0]
    queue = np.empty(num, np.int32)
    head = tail = 0
    for n in range(num):
        heights[n] = num + 1
        if to_sink[n] > 0:
            heights[n] = 1
            queue[tail] = n
            tail += 1
    while head < tail:
        n = queue[head]
        head += 1
        for side in range(4):
            other = neighbours[n, side]
            if other >= 0 and heights[other] == num + 1 and capacity[other, side ^ 1] > 0:
                heights[other] = heights[n] + 1
                queue[tail] = other
                tail += 1


@numba.njit(cache=True, nogil=True)
def _push(
    n: int,
    neighbours: IntArray,
    capacity: IntArray,
    excess: IntArray,
    to_sink: IntArray,
    heights: IntArray,
    queue: IntArray,
    is_queued: BoolArray,
    tail: int,
) -> int:
    """Push a node's excess to the sink and downhill; return the queue's new tail."""
    amount = min(excess[n], to_sink[n])
    excess[n] -= amount
    to_sink[n] -= amount
    for side in range(4):
        other = neighbours[n, side]
        if other < 0 or excess[n] == 0 or capacity[n, side] == 0 or heights[n] != heights[other] + 1:
            continue
        amount = min(excess[n], capacity[n, side])
        capacity[n, side] -= amount
        capacity[other, side ^ 1] += amount
        excess[n] -= amount
        excess[other] += amount
        if not is_queued[other]:
            queue[tail], is_queued[other] = other, True
            tail = (tail + 1) % queue.shape[0]
    return tail


@numba.njit(cache=True, nogil=True)
def _relabelled(n: int, neighbours: IntArray, capacity: IntArray, heights: IntArray) -> int:
    """Return one more than the lowest height that a node's excess could flow to."""
    lowest = neighbours.shape[0]
    for side in range(4):
        other = neighbours[n, side]
        if other >= 0 and capacity[n, side] > 0:
            lowest = min(lowest, heights[other])
    return lowest + 1


@numba.njit(cache=True, nogil=True)
def _reached_by_excess(neighbours: IntArray, capacity: IntArray, excess: IntArray) -> BoolArray:
    """Return the nodes that can be reached from those whose excess found no way to the sink."""
    num = neighbours.shape[0]
    reached = np.zeros(num, np.bool_)
    stack = np.empty(num, np.int32)
    size = 0
    for n in range(num):
        if excess[n] > 0:
            reached[n] = True
            stack[size] = n
            size += 1
    while size > 0:
        size -= 1
        n = stack[size]
        for side in range(4):
            other = neighbours[n, side]
            if other >= 0 and capacity[n, side] > 0 and not reached[other]:
                reached[other] = True
                stack[size] = other
                size += 1
    return reached
