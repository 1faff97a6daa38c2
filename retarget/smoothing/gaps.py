"""Frames in which nobody was found: bridged when the gap is short, held and reported when it is long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray

__all__ = ["Gap", "bridge_gaps", "find_gaps"]

BoolArray = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """A run of frames without a person.

    Attributes:
        start: first frame of the gap.
        stop: first frame after it.
        duration_seconds: from the last frame seen before to the first seen after; at an end of the clip, of the run.
        is_bridged: short enough to be interpolated.
    """

    start: int
    stop: int
    duration_seconds: float
    is_bridged: bool


def find_gaps(is_detected: BoolArray, times: Times, *, max_gap_seconds: float) -> list[Gap]:
    """List the runs of frames without a person.

    Args:
        is_detected: (T,).
        times: (T,) seconds, increasing.
        max_gap_seconds: inner gaps up to this length are bridged.
    """
    gaps = []
    for start, stop in _runs(~is_detected):
        is_inner = start > 0 and stop < len(times)
        duration = float(times[min(stop, len(times) - 1)] - times[max(start - 1, 0)])
        gaps.append(Gap(start, stop, duration, is_inner and duration <= max_gap_seconds))
    return gaps


def bridge_gaps(values: FloatArray, gaps: list[Gap], times: Times, *, max_gap_seconds: float) -> FloatArray:
    """Fill the frames of gaps.

    A short gap is interpolated. A long one holds the last pose seen and moves to the next one within the last
    `max_gap_seconds` of the gap, so that nothing jumps. Before the first and after the last sight the nearest is held.

    Args:
        values: (T, ...); frames of gaps may hold anything.
        gaps: as found by `find_gaps`.
        times: (T,) seconds.
        max_gap_seconds: time over which a long gap leads into the next pose.

    Returns:
        A filled copy; as it was if there is no frame outside the gaps.
    """
    filled = values.copy()
    for gap in gaps:
        if gap.start == 0 and gap.stop == len(values):
            return filled
        if gap.start == 0:
            filled[: gap.stop] = values[gap.stop]
        elif gap.stop == len(values):
            filled[gap.start :] = values[gap.start - 1]
        else:
            before, after = times[gap.start - 1], times[gap.stop]
            lead_in = max(before, after - max_gap_seconds)
            share = np.clip((times[gap.start : gap.stop] - lead_in) / (after - lead_in), 0, 1)
            share = share.reshape(-1, *[1] * (values.ndim - 1))
            filled[gap.start : gap.stop] = (1 - share) * values[gap.start - 1] + share * values[gap.stop]
    return filled


def _runs(is_set: BoolArray) -> Iterator[tuple[int, int]]:
    """Half-open runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_set, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
