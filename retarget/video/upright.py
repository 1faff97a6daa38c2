"""From coded pictures to upright pictures with square pixels: display matrix and pixel aspect."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, cast

import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

from retarget.records import UInt8Array

__all__ = ["Orientation", "PictureGeometry", "orientation_of", "square_size_hw"]

_MAX_ASPECT: Final = 10
_DISPLAY_MATRIX_BYTES: Final = 36


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to turn and mirror a picture: transpose first, then mirror.

    Attributes:
        transpose: exchange rows and columns.
        mirror_x: reverse left and right, after the transpose.
        mirror_y: reverse top and bottom, after the transpose.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def rotation_degrees(self) -> int:
        """Clockwise rotation in {0, 90, 180, 270}; a mirrored picture counts its turn before mirroring left-right."""
        if self.transpose:
            return 270 if self.mirror_y else 90
        return 180 if self.mirror_y else 0

    def apply(self, rgb: UInt8Array) -> UInt8Array:
        """Return the upright picture as a contiguous array.

        Args:
            rgb: (H, W, C) uint8.

        Returns:
            (H, W, C) or, where transposed, (W, H, C) uint8; `rgb` itself where nothing is to do.
        """
        if self == Orientation():
            return rgb
        import cv2

        turned = cv2.transpose(rgb) if self.transpose else rgb
        if self.mirror_x or self.mirror_y:
            flip_code = -1 if self.mirror_x and self.mirror_y else int(self.mirror_x)
            turned = cv2.flip(turned, flip_code)
        return np.asarray(turned, dtype=np.uint8)

    def size_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the (height, width) that a picture of `size_hw` has when upright."""
        return (size_hw[1], size_hw[0]) if self.transpose else size_hw


def orientation_of(frame: VideoFrame) -> Orientation:
    """Read the display matrix of a decoded frame; angles between are taken to the nearest quarter turn.

    Convention:
        The matrix maps a coded position to a shown one, x right and y down:
        x' = a x + c y, y' = b x + d y, stored as 16.16 fixed point in the order a, b, u, c, d, v, x, y, w.

    Args:
        frame: any decoded frame.

    Returns:
        How to turn it upright; the identity where it carries no matrix or a singular one.
    """
    try:
        matrix = bytes(cast("Mapping[SideDataType, Buffer]", frame.side_data)[SideDataType.DISPLAYMATRIX])
    except KeyError:
        return Orientation()
    if len(matrix) != _DISPLAY_MATRIX_BYTES:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if a * d == b * c:
        return Orientation()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(mirror_x=a < 0, mirror_y=d < 0)
    return Orientation(transpose=True, mirror_x=c < 0, mirror_y=b < 0)


def square_size_hw(size_hw: tuple[int, int], pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Return the size at which pixels are square; the shorter-sampled side grows, nothing is thrown away.

    Args:
        size_hw: coded (height, width).
        pixel_aspect: width of one pixel by its height; None, 0 and absurd ratios count as 1.

    Returns:
        (height, width) in square pixels.
    """
    height, width = size_hw
    if not pixel_aspect or not Fraction(1, _MAX_ASPECT) <= pixel_aspect <= _MAX_ASPECT:
        return size_hw
    if pixel_aspect >= 1:
        return height, round(width * pixel_aspect)
    return round(height / pixel_aspect), width


@dataclass(frozen=True)
class PictureGeometry:
    """How coded pictures become the pictures that are handed out.

    Attributes:
        full_hw: (height, width) of the upright, square-pixel picture.
        scaled_hw: (height, width) that coded pictures are scaled to, before they are turned upright.
        orientation: how they are turned.
    """

    full_hw: tuple[int, int]
    scaled_hw: tuple[int, int]
    orientation: Orientation

    @classmethod
    def of_frame(cls, frame: VideoFrame, pixel_aspect: Fraction | None, max_height: int | None) -> PictureGeometry:
        """Work out the geometry from a clip's first frame.

        Args:
            frame: the first decoded frame.
            pixel_aspect: of the stream; None where it is not told.
            max_height: upright pictures higher than this are scaled down to it; None keeps all pixels.
        """
        orientation = orientation_of(frame)
        square_hw = square_size_hw((frame.height, frame.width), pixel_aspect)
        full_hw = orientation.size_hw(square_hw)
        scale = min(1.0, max_height / full_hw[0]) if max_height else 1.0
        height, width = (max(1, round(side * scale)) for side in square_hw)
        return cls(full_hw=full_hw, scaled_hw=(height, width), orientation=orientation)
