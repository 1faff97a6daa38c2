"""Frames in which nobody was found: bridged when the gap is short, held and reported when it is long."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray

__all__ = ["Gap", "Times", "bridge_gaps", "find_gaps"]

BoolArray = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """A run of frames without a person, within one shot.

    Attributes:
        start: first frame of the gap.
        stop: first frame after it.
        before: frame that it can be filled from at its start; None at the start of a shot.
        after: frame that it can be filled from at its end; None at the end of a shot.
        is_bridged: has both, near enough to be interpolated.
    """

    start: int
    stop: int
    before: int | None
    after: int | None
    is_bridged: bool


def find_gaps(is_detected: BoolArray, times: Times, *, max_gap_seconds: float, cuts: Collection[int] = ()) -> list[Gap]:
    """List the runs of frames without a person; a run across a cut counts as two.

    Args:
        is_detected: (T,).
        times: (T,) seconds, increasing.
        max_gap_seconds: gaps with a person on both sides, no further apart than this, are bridged.
        cuts: frames that begin a new shot.
    """
    gaps = []
    for start, stop in _runs(~is_detected, cuts):
        before = start - 1 if start > 0 and start not in cuts else None
        after = stop if stop < len(times) and stop not in cuts else None
        is_short = before is not None and after is not None and times[after] - times[before] <= max_gap_seconds
        gaps.append(Gap(start, stop, before, after, bool(is_short)))
    return gaps


def bridge_gaps(values: FloatArray, gaps: list[Gap], times: Times, *, max_gap_seconds: float) -> FloatArray:
    """Fill the frames of gaps.

    A short gap is interpolated. A long one holds the last pose seen and moves to the next one within the last
    `max_gap_seconds` of the gap, so that nothing jumps. At an end of a shot the nearest pose of the shot is held; a
    shot without anybody holds the last pose of the one before (the first of the one after, at the clip's start).

    Args:
        values: (T, ...); frames of gaps may hold anything.
        gaps: as found by `find_gaps`, in order.
        times: (T,) seconds.
        max_gap_seconds: time over which a long gap leads into the next pose.

    Returns:
        A filled copy; as it was if there is no frame outside the gaps.
    """
    filled = values.copy()
    is_known = np.ones(len(values), bool)
    for gap in gaps:
        is_known[gap.start : gap.stop] = False
    for gap in gaps:
        rows = slice(gap.start, gap.stop)
        if gap.before is not None and gap.after is not None:
            lead_in = max(times[gap.before], times[gap.after] - max_gap_seconds)
            share = np.clip((times[rows] - lead_in) / (times[gap.after] - lead_in), 0, 1)
            share = share.reshape(-1, *[1] * (values.ndim - 1))
            filled[rows] = (1 - share) * values[gap.before] + share * values[gap.after]
        elif (source := _nearest_source(gap, is_known)) is not None:
            filled[rows] = values[source]
    return filled


def _nearest_source(gap: Gap, is_known: BoolArray) -> int | None:
    """The frame to hold where only one side, or neither, has a person in the same shot."""
    if gap.before is not None:
        return gap.before
    if gap.after is not None:
        return gap.after
    earlier, later = np.flatnonzero(is_known[: gap.start]), np.flatnonzero(is_known[gap.stop :])
    if len(earlier):
        return int(earlier[-1])
    return gap.stop + int(later[0]) if len(later) else None


def _runs(is_set: BoolArray, cuts: Collection[int]) -> Iterator[tuple[int, int]]:
    """Half-open runs of True, split at cuts."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_set, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        splits = [start, *sorted(cut for cut in cuts if start < cut < stop), stop]
        yield from pairwise(splits)
