"""Minimum cuts: by hand, and against an independent solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_flow

from drn_core.fill.mincut import neighbours_of, source_side


def test_neighbours_by_hand() -> None:
    nodes = np.array([(0, 0), (0, 1), (1, 1)], np.int32)
    assert neighbours_of(nodes, 2, 2).tolist() == [[1, -1, -1, -1], [-1, 0, 2, -1], [-1, -1, -1, 1]]


def test_cut_runs_through_the_weakest_edge() -> None:
    nodes = np.array([(0, x) for x in range(4)], np.int32)
    neighbours = neighbours_of(nodes, 1, 4)
    capacity = np.zeros((4, 4), np.int32)
    capacity[:3, 0] = (5, 2, 5)
    source = np.array((9, 0, 0, 0), np.int32)
    sink = np.array((0, 0, 0, 9), np.int32)
    assert source_side(neighbours, capacity, source, sink).tolist() == [True, True, False, False]


@pytest.mark.parametrize("seed", range(8))
def test_cut_is_as_small_as_the_largest_flow(seed: int) -> None:
    generator = np.random.default_rng(seed)
    height, width = generator.integers(2, 12, 2)
    nodes = np.argwhere(generator.random((height, width)) < 0.9).astype(np.int32)
    neighbours = neighbours_of(nodes, int(height), int(width))
    num = len(nodes)
    capacity = np.where(neighbours >= 0, generator.integers(0, 20, (num, 4)), 0).astype(np.int32)
    balance = generator.integers(-30, 30, num).astype(np.int32)
    graph = np.zeros((num + 2, num + 2), np.int32)
    graph[num, :num] = np.maximum(-balance, 0)
    graph[:num, num + 1] = np.maximum(balance, 0)
    for node, side in np.argwhere(neighbours >= 0):
        graph[node, neighbours[node, side]] = capacity[node, side]
    flow = maximum_flow(csr_matrix(graph), num, num + 1).flow_value
    inside = source_side(neighbours, capacity, np.maximum(-balance, 0), np.maximum(balance, 0))
    on_source_side = np.append(inside, (True, False))
    assert graph[np.ix_(on_source_side, ~on_source_side)].sum() == flow
