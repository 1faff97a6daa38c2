"""A shrunk upright cut of a picture around a region, and the way back to the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from retarget.pose.estimator import Region, size_of
from retarget.pose.shrinking import shrink
from retarget.records import FloatArray, UInt8Array

__all__ = ["RegionCrop"]

_MARGIN: Final = 1.05
"""Side of the cut against the upright box of the turned region."""
_MIN_SIDE_PX: Final = 8


@dataclass(frozen=True)
class RegionCrop:
    """Pixels around a region. Positions within are shares of the cut, from its left and top edge.

    Attributes:
        rgb: (h, w, 3) uint8, the cut, shrunk.
        origin_xy: left and top edge of the cut in the picture, pixels.
        cut_wh: width and height of the cut in the picture, pixels.
        picture_hw: size of the picture.
    """

    rgb: UInt8Array
    origin_xy: tuple[int, int]
    cut_wh: tuple[int, int]
    picture_hw: tuple[int, int]

    @classmethod
    def around(cls, rgb: UInt8Array, region: Region, *, region_side_px: int) -> RegionCrop | None:
        """Cut a picture; None where the region lies outside of it.

        Args:
            rgb: (H, W, 3) uint8.
            region: what the cut has to hold, at its turn.
            region_side_px: a larger region is shrunk to this side.
        """
        height, width = size_of(rgb)
        reach = _MARGIN * (abs(math.cos(region.rotation)) + abs(math.sin(region.rotation))) * region.size_px / 2
        x, y = region.center_xy
        left, right = (int(np.clip(x + side, 0, width)) for side in (-reach, reach + 1))
        top, bottom = (int(np.clip(y + side, 0, height)) for side in (-reach, reach + 1))
        if min(right - left, bottom - top) < _MIN_SIDE_PX:
            return None
        right, bottom = right - (right - left) % 2, bottom - (bottom - top) % 2  # even sides are halved quickly
        cut = rgb[top:bottom, left:right]
        scale = region_side_px / region.size_px
        if scale < 1.0:
            size_wh = (
                max(_MIN_SIDE_PX, round((right - left) * scale)),
                max(_MIN_SIDE_PX, round((bottom - top) * scale)),
            )
            cut = shrink(cut, size_wh)
        return cls(np.ascontiguousarray(cut), (left, top), (right - left, bottom - top), (height, width))

    def shares_of(self, region: Region) -> tuple[float, float, float, float]:
        """Return middle x, middle y, width and height of a region as shares of the cut."""
        (left, top), (width, height) = self.origin_xy, self.cut_wh
        # A pixel's centre is an integer in the picture, and half a pixel from its edges.
        x, y = region.center_xy
        return (x + 0.5 - left) / width, (y + 0.5 - top) / height, region.size_px / width, region.size_px / height

    def to_picture(self, points: npt.NDArray[np.float64]) -> FloatArray:
        """Return points given in shares of the cut in pixels of the picture.

        Args:
            points: (N, 3): x and y in shares, depth in shares of the cut's width.
        """
        placed = points * (self.cut_wh[0], self.cut_wh[1], self.cut_wh[0])
        placed[:, :2] += np.array(self.origin_xy) - 0.5
        return np.asarray(placed, np.float32)

    def mask_to_picture(self, mask: FloatArray) -> FloatArray:
        """Return a mask of the cut, at any size, as a mask of the picture; 0 outside of the cut."""
        (left, top), (width, height) = self.origin_xy, self.cut_wh
        whole = np.zeros(self.picture_hw, np.float32)
        part = whole[top : top + height, left : left + width]
        cv2.resize(np.clip(mask, 0, 1), self.cut_wh, dst=part, interpolation=cv2.INTER_LINEAR)
        return whole
