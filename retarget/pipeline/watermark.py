"""A line of text in the corner of a picture, readable on any ground."""

from __future__ import annotations

import cv2
import numpy as np

from retarget.records import UInt8Array

__all__ = ["Watermark"]


class Watermark:
    """Draws a text into the lower left corner: white, with a dark rim.

    Args:
        text: what to draw; empty draws nothing.
        size_hw: size of the pictures.
    """

    def __init__(self, text: str, size_hw: tuple[int, int]) -> None:
        from PIL import Image, ImageDraw, ImageFont

        height, width = size_hw
        size = max(10, round(0.03 * height))
        font = ImageFont.load_default(size)
        canvas = Image.new("L", (width, 2 * size), 0)
        ImageDraw.Draw(canvas).text((size // 2, size // 4), text, fill=255, font=font)
        ink = np.asarray(canvas, np.uint8)
        rim = np.asarray(cv2.dilate(ink, np.ones((3, 3), np.uint8)))
        rows = min(2 * size, height)
        self._rows = slice(height - rows, height)
        self._ink = ink[:rows, :, None].astype(np.float32) / 255 * 0.85
        self._cover = rim[:rows, :, None].astype(np.float32) / 255 * 0.85
        self._is_empty = not text

    def draw(self, picture: UInt8Array) -> UInt8Array:
        """Return the picture with the text; RGBA pictures become opaque under it."""
        if self._is_empty:
            return picture
        result = picture.copy()
        corner = result[self._rows]
        colour = corner[..., :3] * (1 - self._cover) + 255 * self._ink
        corner[..., :3] = np.clip(np.round(colour), 0, 255).astype(np.uint8)
        if picture.shape[2] == 4:
            corner[..., 3:] = np.maximum(corner[..., 3:], np.round(255 * self._cover).astype(np.uint8))
        return result
