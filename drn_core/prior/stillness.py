"""When what is drawn of a person counts as not moved against the photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body

__all__ = ["Stillness"]

# Motion in pixels of a 512-pixel-high person up to which a place counts as unmoved, and from which as moved.
_STILL, _MOVED = 0.75, 2.5
# A torso is about 1 / 2.6 of a standing person.
_TORSOS, _UNIT_HEIGHT = 2.6, 512
_LEAST_UNIT = 0.5


@dataclass(frozen=True)
class Stillness:
    """The scale that motion is judged on.

    Attributes:
        unit_px: size of a pixel of a 512-pixel-high person, at least half a pixel.
    """

    unit_px: float

    @staticmethod
    def of(body: Body) -> Stillness:
        """Return the scale for a body in the photo."""
        return Stillness(max(body.torso_length * _TORSOS / _UNIT_HEIGHT, _LEAST_UNIT))

    def share(self, motion_px: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Return 1 for what has not moved, 0 for what has, and what lies between for motions (...,) between."""
        low, high = _STILL * self.unit_px, _MOVED * self.unit_px
        return np.asarray(np.clip((high - motion_px) / (high - low), 0.0, 1.0))
