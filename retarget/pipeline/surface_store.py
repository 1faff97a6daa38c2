"""What a driver's surface does, as a cache entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.prior.surface import SurfaceTrack, TrackedPoints
from retarget.cache import Payload

__all__ = ["pack_surface", "unpack_surface"]


def pack_surface(surface: SurfaceTrack | None) -> Payload:
    """Return a surface track as arrays and facts; None says that there was nothing to track."""
    if surface is None:
        return Payload({})
    points = surface.points
    arrays: dict[str, npt.NDArray[Any]] = {
        "xy": points.xy,
        "layers": points.layers,
        "displacement": surface.displacement,
    }
    return Payload(arrays, {"person_height_px": float(points.person_height_px)})


def unpack_surface(payload: Payload, num_frames: int) -> SurfaceTrack | None:
    """Return what `pack_surface` packed.

    Args:
        payload: of the entry.
        num_frames: which the track has to have.

    Raises:
        KeyError, TypeError, ValueError: the entry holds something else.
    """
    arrays = payload.arrays
    if not arrays:
        return None
    points = TrackedPoints(arrays["xy"], arrays["layers"], float(payload.facts["person_height_px"]))
    displacement = arrays["displacement"]
    if displacement.shape != (num_frames, len(points.xy), 2) or displacement.dtype != np.float16:
        raise ValueError("does not fit the track")
    return SurfaceTrack(points, displacement)
