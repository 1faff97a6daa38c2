"""Packing of square textures with their mip levels into one flat array for the compiled passes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Material", "TextureAtlas", "as_bytes", "pack_textures"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
NUM_LEVELS = 6


@dataclass(frozen=True)
class Material:
    """How a texture reflects light.

    Attributes:
        gloss: strength of the highlight.
        exponent: its sharpness.
        warmth: strength of the light that bleeds through, as in skin.
        relief: metres of height from alpha 0 to alpha 255 where alpha holds a relief; 0 where it holds opacity.
    """

    gloss: float = 0.05
    exponent: float = 12.0
    warmth: float = 0.0
    relief: float = 0.0


@dataclass(frozen=True)
class TextureAtlas:
    """All textures of one person.

    Attributes:
        texels: flat uint8 RGBA of every level of every texture.
        table: (T, 1 + levels) int64: side length in texels, then the start of each level in `texels`.
        materials: (T, 4) float32, as in `Material`.
    """

    texels: UInt8Array
    table: npt.NDArray[np.int64]
    materials: npt.NDArray[np.float32]


def as_bytes(image: FloatArray) -> UInt8Array:
    """Round values in [0, 1] to uint8; values beyond are clipped."""
    return np.asarray(np.round(np.clip(image, 0.0, 1.0) * 255), dtype=np.uint8)


def _with_alpha(image: UInt8Array) -> UInt8Array:
    if image.shape[2] == 4:
        return np.ascontiguousarray(image)
    opaque = np.full((*image.shape[:2], 4), 255, np.uint8)
    opaque[..., :3] = image
    return opaque


def pack_textures(images: list[UInt8Array], materials: list[Material]) -> TextureAtlas:
    """Pack square power-of-two images (S, S, 3 or 4) uint8 and their materials.

    Raises:
        ValueError: an image is not square or its side is no power of two of at least 32.
    """
    table = np.zeros((len(images), 1 + NUM_LEVELS), np.int64)
    levels: list[UInt8Array] = []
    start = 0
    for row, image in enumerate(images):
        size = image.shape[0]
        if image.shape[1] != size or size < 2**NUM_LEVELS // 2 or size & (size - 1):
            raise ValueError(f"texture {row}: expected a square of a power of two >= 32, got {image.shape}")
        table[row, 0] = size
        level = _with_alpha(image)
        for column in range(1, 1 + NUM_LEVELS):
            table[row, column] = start
            levels.append(level.ravel())
            start += level.size
            if column < NUM_LEVELS:
                half = level.shape[0] // 2
                level = np.asarray(cv2.resize(level, (half, half), interpolation=cv2.INTER_AREA))
    return TextureAtlas(
        texels=np.concatenate(levels),
        table=table,
        materials=np.array([[m.gloss, m.exponent, m.warmth, m.relief] for m in materials], np.float32),
    )
