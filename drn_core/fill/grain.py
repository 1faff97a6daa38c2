"""Film grain and sensor noise for surfaces that are made up: as strong, as coarse and as coloured as the picture's.

Source: Galerne, Gousseau, Morel 2011 (asymptotic discrete spot noise).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["make_grain"]

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

_TILE_PX = 32
_CANVAS_PX = 256  # the grain repeats after this many pixels
_MAX_TILES = 12
_SHADING_PX = 9  # what varies more slowly is shading


def make_grain(rgb: ByteArray, plain: BoolArray, shape: tuple[int, int], seed: int = 0) -> FloatArray:
    """Make noise like that of a picture's plain parts.

    White noise is filtered by the residues of plain tiles, a field of its own for each: their sum has the tiles' mean
    spectrum and the covariance of their channels.

    Args:
        rgb: (H, W, 3) uint8.
        plain: (H, W), where the picture shows a smooth surface.
        shape: (height, width) wanted.
        seed: of the noise.

    Returns:
        (height, width, 3) float32 in grey levels, mean zero; zero where no tile is plain.
    """
    grain = np.zeros((_CANVAS_PX, _CANVAS_PX, 3), np.float32)
    tiles = _typical([_residue(rgb, top, left) for top, left in _plain_tiles(plain)])
    window = np.outer(np.hanning(_TILE_PX), np.hanning(_TILE_PX)).astype(np.float32)[..., None]
    random = np.random.default_rng(seed)
    for tile in tiles:
        residue = tile * window / np.float32(np.sqrt((window**2).sum() * len(tiles)))
        white = np.fft.rfft2(random.standard_normal((_CANVAS_PX, _CANVAS_PX), np.float32))
        for channel in range(3):
            spectrum = np.fft.rfft2(residue[..., channel], (_CANVAS_PX, _CANVAS_PX))
            grain[..., channel] += np.fft.irfft2(white * spectrum, (_CANVAS_PX, _CANVAS_PX))
    repeats = (-(-shape[0] // _CANVAS_PX), -(-shape[1] // _CANVAS_PX), 1)
    return np.asarray(np.tile(grain, repeats)[: shape[0], : shape[1]], np.float32)


def _plain_tiles(plain: BoolArray) -> list[tuple[int, int]]:
    """Return (top, left) of up to twice `_MAX_TILES` wholly plain tiles, spread over the picture."""
    rows, columns = plain.shape[0] // _TILE_PX, plain.shape[1] // _TILE_PX
    blocks = plain[: rows * _TILE_PX, : columns * _TILE_PX].reshape(rows, _TILE_PX, columns, _TILE_PX)
    tiles = np.argwhere(blocks.all(axis=(1, 3))) * _TILE_PX
    chosen = tiles[np.linspace(0, len(tiles) - 1, min(len(tiles), 2 * _MAX_TILES)).astype(int)]
    return [(int(top), int(left)) for top, left in chosen]


def _typical(residues: list[FloatArray]) -> list[FloatArray]:
    """Return the calmer half, without the calmest tenth: specks and edges are no grain, clipped white has none."""
    ranked = sorted(residues, key=lambda residue: float((residue**2).sum()))
    return ranked[len(ranked) // 10 : max(1, (len(ranked) + 1) // 2)]


def _residue(rgb: ByteArray, top: int, left: int) -> FloatArray:
    """Return (tile, tile, 3) what a tile has beside its shading, mean zero."""
    tile = rgb[top : top + _TILE_PX, left : left + _TILE_PX].astype(np.float32)
    residue = tile - cv2.blur(tile, (_SHADING_PX, _SHADING_PX), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(residue - residue.mean(axis=(0, 1)), np.float32)
