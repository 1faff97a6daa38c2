"""What the picture itself says about how far joints moved between pairs of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import NUM_JOINTS
from retarget.records import FloatArray

__all__ = ["MotionLink", "MotionLinks"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MotionLink:
    """Motion of the picture at each joint between two frames.

    Attributes:
        first: the earlier frame.
        second: the later frame, not always the next one.
        shift: (33, 2) float32, pixels from the earlier to the later frame; 0 where not measured.
        quality: (33,) float32 in [0, 1]; 0 where not measured, 1 where flow forth and back agree and the whole
            neighbourhood moves as one.
    """

    first: int
    second: int
    shift: FloatArray
    quality: FloatArray


@dataclass(frozen=True)
class MotionLinks:
    """All links of a clip.

    Attributes:
        first: (M,) int64, the earlier frames.
        second: (M,) int64, the later frames.
        shift: (M, 33, 2) float32, pixels.
        quality: (M, 33) float32 in [0, 1].
    """

    first: IntArray
    second: IntArray
    shift: FloatArray
    quality: FloatArray

    @classmethod
    def of(cls, links: Sequence[MotionLink]) -> MotionLinks:
        """Gather single links."""
        return cls(
            first=np.array([link.first for link in links], np.int64),
            second=np.array([link.second for link in links], np.int64),
            shift=np.array([link.shift for link in links], np.float32).reshape(-1, NUM_JOINTS, 2),
            quality=np.array([link.quality for link in links], np.float32).reshape(-1, NUM_JOINTS),
        )

    def __len__(self) -> int:
        """Return the number of links M."""
        return len(self.first)

    def scaled(self, scale_xy: FloatArray) -> MotionLinks:
        """Return the links in a picture resized by (x, y) factors."""
        return MotionLinks(self.first, self.second, self.shift * scale_xy, self.quality)

    def within(self, frames: slice) -> MotionLinks:
        """Return the links between frames of a range, counted from its start."""
        is_inside = (self.first >= frames.start) & (self.second < frames.stop)
        return MotionLinks(
            self.first[is_inside] - frames.start,
            self.second[is_inside] - frames.start,
            self.shift[is_inside],
            self.quality[is_inside],
        )
