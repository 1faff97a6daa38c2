"""Cloth: colours, woven and printed patterns, folds and logos, as square RGB textures."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.textures import as_bytes

__all__ = ["cloth_texture", "draw_colour", "smooth_noise"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

# Base size in which feature widths are given; textures of other sizes scale with it.
BASE_SIZE = 256
_PATTERNS = ("plain", "rows", "columns", "check", "dots", "blotches", "leaves", "melange")
_SHARES = (0.36, 0.14, 0.06, 0.12, 0.07, 0.08, 0.07, 0.10)


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> FloatArray:
    """Tileable noise (size, size) in about [0, 1] with features of 1 / cells of the side."""
    coarse = rng.random((cells, cells)).astype(np.float32)
    padded = np.pad(coarse, 2, mode="wrap")
    scale = size / cells
    wide = cv2.resize(padded, (round(scale * (cells + 4)),) * 2, interpolation=cv2.INTER_CUBIC)
    start = round(2 * scale)
    return np.asarray(wide[start : start + size, start : start + size], dtype=np.float32)


def draw_colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> FloatArray:
    """A random colour (3,), 0 to 1, with saturation and value drawn from the given ranges."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value)), np.float32)


def draw_cloth_colour(rng: np.random.Generator) -> FloatArray:
    """A colour as clothes have it: often white, black, grey, navy or earthy, sometimes loud."""
    kind = rng.random()
    if kind < 0.14:
        return np.full(3, rng.uniform(0.80, 0.95), np.float32) * np.array([1.0, 0.99, 0.96], np.float32)
    if kind < 0.28:
        return np.full(3, rng.uniform(0.08, 0.20), np.float32)
    if kind < 0.38:
        return np.full(3, rng.uniform(0.3, 0.65), np.float32) * rng.uniform(0.94, 1.06, 3).astype(np.float32)
    if kind < 0.52:
        return np.array(colorsys.hsv_to_rgb(rng.uniform(0.56, 0.66), rng.uniform(0.3, 0.75), rng.uniform(0.2, 0.6)),
                        np.float32)  # fmt: skip
    if kind < 0.66:
        return np.array(colorsys.hsv_to_rgb(rng.uniform(0.05, 0.14), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.8)),
                        np.float32)  # fmt: skip
    return draw_colour(rng, (0.35, 0.85), (0.35, 0.92))


def _ramp(size: int, count: int) -> FloatArray:
    return (np.arange(size, dtype=np.float32) * count / size) % 1.0


def _rows(rng: np.random.Generator, size: int) -> FloatArray:
    band = (_ramp(size, int(rng.integers(8, 28))) < rng.uniform(0.2, 0.6)).astype(np.float32)
    return np.repeat(band[:, None], size, axis=1)


def _columns(rng: np.random.Generator, size: int) -> FloatArray:
    return np.ascontiguousarray(_rows(rng, size).T)


def _check(rng: np.random.Generator, size: int) -> FloatArray:
    count = int(rng.integers(6, 22))
    band = (_ramp(size, count) < 0.5).astype(np.float32)
    return (band[:, None] + band[None, :]) / 2


def _dots(rng: np.random.Generator, size: int) -> FloatArray:
    ramp = _ramp(size, int(rng.integers(10, 24))) - 0.5
    return ((ramp[:, None] ** 2 + ramp[None, :] ** 2) < rng.uniform(0.03, 0.11)).astype(np.float32)


def _blotches(rng: np.random.Generator, size: int) -> FloatArray:
    return (smooth_noise(rng, size, int(rng.integers(8, 22))) > 0.5).astype(np.float32)


def _melange(rng: np.random.Generator, size: int) -> FloatArray:
    noise = cv2.GaussianBlur(rng.random((size, size)).astype(np.float32), (0, 0), size / 220)
    return np.asarray(np.clip((noise - 0.5) * 4 + 0.5, 0, 1), dtype=np.float32)


_MASKS: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "rows": _rows, "columns": _columns, "check": _check, "dots": _dots,
    "blotches": _blotches, "leaves": _blotches, "melange": _melange,
}  # fmt: skip


def _warped_noise(rng: np.random.Generator, size: int, cells: int, bend: float) -> FloatArray:
    """Tileable noise whose features are bent by slower noise, so that they run on like creases."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    map_x = x + bend * size * (smooth_noise(rng, size, 4) - 0.5)
    map_y = y + bend * size * (smooth_noise(rng, size, 4) - 0.5)
    noise = smooth_noise(rng, size, cells)
    return np.asarray(cv2.remap(noise, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), dtype=np.float32)


def _creases(rng: np.random.Generator, size: int) -> FloatArray:
    """Relief of worn cloth (size, size), 0 to 1: soft dents and ridged creases."""
    dents = _warped_noise(rng, size, 7, 0.12)
    ridges = 1 - np.abs(2 * _warped_noise(rng, size, 9, 0.20) - 1)
    return np.asarray(np.clip(0.15 + 0.45 * dents + 0.30 * ridges**3, 0, 1), dtype=np.float32)


def _add_logo(rng: np.random.Generator, image: FloatArray) -> None:
    """Paint a shape or letters on the chest; the front of a garment is the middle of its texture."""
    size = image.shape[0]
    radius = int(size * rng.uniform(0.05, 0.11))
    x, y = size // 2 + int(size * rng.uniform(-0.06, 0.06)), int(size * rng.uniform(0.37, 0.45))
    colour = tuple(float(v) for v in draw_colour(rng, (0.0, 0.9), (0.1, 1.0)))
    kind = int(rng.integers(4))
    if kind == 0:
        cv2.circle(image, (x, y), radius, colour, -1, cv2.LINE_AA)
    elif kind == 1:
        text = "".join(chr(65 + int(k)) for k in rng.integers(0, 26, int(rng.integers(2, 6))))
        scale, thick = radius / 14, max(1, size // 110)
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, thick)
        cv2.putText(image, text, (x - width // 2, y + height // 2), cv2.FONT_HERSHEY_DUPLEX, scale, colour, thick,
                    cv2.LINE_AA)  # fmt: skip
    elif kind == 2:
        cv2.rectangle(image, (x - radius, y - radius // 2), (x + radius, y + radius // 2), colour, -1)
    else:
        angles = np.linspace(0, 2 * np.pi, 10, endpoint=False) - np.pi / 2
        reach = radius * np.array([1.0, 0.42] * 5)
        star = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
        cv2.fillPoly(image, [np.round(star).astype(np.int32)], colour, cv2.LINE_AA)


def cloth_texture(rng: np.random.Generator, size: int, *, has_logo: bool = False, is_quiet: bool = False) -> UInt8Array:
    """Draw a cloth.

    Args:
        rng: source of chance.
        size: side in texels; a power of two.
        has_logo: paint a shape or letters where the chest is.
        is_quiet: plain or melange only, as most trousers are.

    Returns:
        (size, size, 4) uint8: RGB, and the relief of the creases in place of alpha; tileable but for the logo.
    """
    kind = str(rng.choice(["plain", "melange"], p=[0.7, 0.3])) if is_quiet else str(rng.choice(_PATTERNS, p=_SHARES))
    first = draw_cloth_colour(rng)
    second = draw_cloth_colour(rng) if rng.random() < 0.6 else first * np.float32(rng.uniform(0.35, 0.75))
    if kind == "melange":
        second = first * np.float32(rng.uniform(0.7, 0.9))
    image = np.empty((size, size, 3), np.float32)
    image[:] = first
    if kind in _MASKS:
        mask = cv2.GaussianBlur(_MASKS[kind](rng, size), (0, 0), 0.3 + size / 700)[..., None]
        image = image * (1 - mask) + second * mask
    if kind == "leaves":
        for _ in range(2):
            image[smooth_noise(rng, size, int(rng.integers(8, 20))) > 0.64] = draw_cloth_colour(rng)
    if has_logo:
        _add_logo(rng, image)
    weave = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), 0.7)
    creases = _creases(rng, size)
    # Creases collect dirt and wear: a little of them is in the colour, too.
    image *= (0.93 + 0.14 * creases + 0.03 * weave)[..., None]
    return as_bytes(np.dstack([np.clip(image, 0.02, 0.98), creases]))
