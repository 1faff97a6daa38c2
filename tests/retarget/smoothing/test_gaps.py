"""Gaps: short ones are bridged, long ones held, nothing crosses a cut. Expected values are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.smoothing.gaps import Gap, bridge_gaps, find_gaps


def times(num_frames: int, rate: float = 10.0) -> np.ndarray:
    return np.arange(num_frames) / rate


def fill(text: str, values: list[float], *, limit: float, cuts: tuple[int, ...] = ()) -> list[float]:
    seen = np.array([letter == "x" for letter in text])
    array = np.array(values, np.float32)[:, None]
    gaps = find_gaps(seen, times(len(text)), max_gap_seconds=limit, cuts=cuts)
    return bridge_gaps(array, gaps, times(len(text)), max_gap_seconds=limit)[:, 0].tolist()


@pytest.mark.parametrize(
    ("text", "values", "limit", "cuts", "expected"),
    [
        ("xxxx", [1, 2, 3, 4], 0.5, (), [1, 2, 3, 4]),
        ("x..x", [0, 9, 9, 3], 0.5, (), [0, 1, 2, 3]),
        ("..xx", [9, 9, 5, 6], 0.5, (), [5, 5, 5, 6]),
        ("xx..", [4, 5, 9, 9], 0.5, (), [4, 5, 5, 5]),
        # 0.6 s between the ends: held until 0.2 s before the next sight, then led into it
        ("x.....x", [0, 9, 9, 9, 9, 9, 8], 0.2, (), [0, 0, 0, 0, 0, 4, 8]),
        # a cut inside: each side holds its own
        ("x....x", [1, 9, 9, 9, 9, 7], 0.9, (3,), [1, 1, 1, 7, 7, 7]),
        # a shot without anybody holds what came before
        ("xx..xx", [1, 2, 9, 9, 7, 8], 0.9, (2, 4), [1, 2, 2, 2, 7, 8]),
        ("..xx", [9, 9, 7, 8], 0.9, (2,), [7, 7, 7, 8]),
        ("....", [3, 3, 3, 3], 0.5, (), [3, 3, 3, 3]),
    ],
)
def test_filled_by_hand(
    text: str, values: list[float], limit: float, cuts: tuple[int, ...], expected: list[float]
) -> None:
    assert fill(text, values, limit=limit, cuts=cuts) == pytest.approx(expected)


def test_gaps_are_listed_with_their_ends() -> None:
    seen = np.array([letter == "x" for letter in ".x.x......x"])
    assert find_gaps(seen, times(11), max_gap_seconds=0.3) == [
        Gap(0, 1, None, 1, False),
        Gap(2, 3, 1, 3, True),
        Gap(4, 10, 3, 10, False),
    ]


def test_the_limit_is_in_seconds() -> None:
    seen = np.array([True, False, False, True])
    assert find_gaps(seen, times(4, rate=5), max_gap_seconds=0.5)[0].is_bridged is False
    assert find_gaps(seen, times(4, rate=30), max_gap_seconds=0.5)[0].is_bridged is True


def test_the_input_is_left_alone() -> None:
    values = np.array([[0.0], [9.0], [2.0]], np.float32)
    gaps = find_gaps(np.array([True, False, True]), times(3), max_gap_seconds=1)
    bridge_gaps(values, gaps, times(3), max_gap_seconds=1)
    assert values[1, 0] == 9
