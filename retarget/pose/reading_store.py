"""Readings as cache entries: arrays and JSON facts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from retarget.cache import Payload
from retarget.pose.reading import TrackReading
from retarget.records import PoseTrack
from retarget.smoothing.links import MotionLinks

__all__ = ["pack_reading", "unpack_reading"]

_TRACK_ARRAYS = ("keypoints", "confidence", "depth", "world", "is_detected", "pts")
_OPTIONAL_ARRAYS = ("hands", "face")
_LINK_ARRAYS = ("first", "second", "shift", "quality")


def pack_reading(reading: TrackReading) -> Payload:
    """Return a reading as arrays and facts; what took how long is not kept."""
    raw = reading.raw
    arrays: dict[str, npt.NDArray[Any]] = {name: getattr(raw, name) for name in _TRACK_ARRAYS}
    arrays |= {name: part for name in _OPTIONAL_ARRAYS if (part := getattr(raw, name)) is not None}
    arrays |= {f"link_{name}": getattr(reading.links, name) for name in _LINK_ARRAYS}
    facts = {
        "time_base": [raw.time_base.numerator, raw.time_base.denominator],
        "size_hw": list(raw.size_hw),
        "warnings": [list(warning) for warning in raw.warnings],
        "cuts": list(reading.cuts),
        "last_duration": raw.last_duration,
    }
    return Payload(arrays, facts)


def unpack_reading(payload: Payload) -> TrackReading:
    """Return the reading of a cache entry.

    Raises:
        KeyError, TypeError, ValueError: the entry holds something else.
    """
    arrays, facts = payload.arrays, payload.facts
    height, width = facts["size_hw"]
    raw = PoseTrack(
        keypoints=arrays["keypoints"],
        confidence=arrays["confidence"],
        depth=arrays["depth"],
        world=arrays["world"],
        is_detected=arrays["is_detected"],
        pts=arrays["pts"],
        time_base=Fraction(*facts["time_base"]),
        size_hw=(int(height), int(width)),
        hands=arrays.get("hands"),
        face=arrays.get("face"),
        warnings=tuple((str(code), str(text)) for code, text in facts["warnings"]),
        last_duration=None if facts["last_duration"] is None else int(facts["last_duration"]),
    )
    links = MotionLinks(**{name: np.asarray(arrays[f"link_{name}"]) for name in _LINK_ARRAYS})
    return TrackReading(raw, links, tuple(int(cut) for cut in facts["cuts"]))
