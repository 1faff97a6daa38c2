"""Backgrounds: studio paper, gradients, simple rooms, muted texture and shapes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.prints import draw_colour, smooth_noise

__all__ = ["draw_background"]

FloatArray = npt.NDArray[np.float32]


def _grid(size_hw: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    y, x = np.mgrid[0 : size_hw[0], 0 : size_hw[1]].astype(np.float32)
    return y / size_hw[0], x / size_hw[1]


def _muted(rng: np.random.Generator) -> FloatArray:
    return draw_colour(rng, (0.02, 0.30), (0.25, 0.95))


def _out_of_focus(image: FloatArray, sigma_px: float) -> FloatArray:
    blurred: FloatArray = cv2.GaussianBlur(image, (0, 0), sigma_px)
    return blurred


def _studio(rng: np.random.Generator, size_hw: tuple[int, int]) -> FloatArray:
    y, x = _grid(size_hw)
    base = np.float32(rng.uniform(0.55, 0.97)) + rng.normal(0, 0.02, 3).astype(np.float32)
    vignette = rng.uniform(0, 0.35) * ((x - rng.uniform(0.3, 0.7)) ** 2 + (y - rng.uniform(0.2, 0.6)) ** 2)
    return np.asarray((base * (1 - vignette - rng.uniform(0, 0.15) * y)[..., None]), dtype=np.float32)


def _gradient(rng: np.random.Generator, size_hw: tuple[int, int]) -> FloatArray:
    y, x = _grid(size_hw)
    angle = rng.uniform(0, 2 * np.pi)
    share = np.clip(0.5 + 0.7 * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)), 0, 1)[..., None]
    return np.asarray((_muted(rng) * (1 - share) + _muted(rng) * share), dtype=np.float32)


def _room(rng: np.random.Generator, size_hw: tuple[int, int]) -> FloatArray:
    """Wall, floor and skirting board, with a window, picture or shelf on some walls."""
    height, width = size_hw
    image = _studio(rng, size_hw) * _muted(rng) ** np.float32(0.5)
    line = int(height * rng.uniform(0.66, 0.90))
    floor = _muted(rng) * np.float32(rng.uniform(0.5, 1.0))
    image[line:] = floor
    if rng.random() < 0.5:
        _add_boards(rng, image, line)
    for _ in range(int(rng.integers(0, 4))):
        x, y = int(rng.integers(-width // 8, width)), int(rng.integers(0, max(1, line // 2)))
        w, h = int(rng.uniform(0.08, 0.35) * width), int(rng.uniform(0.08, 0.40) * height)
        colour = tuple(float(value) for value in _muted(rng))
        cv2.rectangle(image, (x, y), (x + w, min(y + h, line - 4)), colour, -1)
        frame = tuple(float(value) for value in _muted(rng) * 0.6)
        cv2.rectangle(image, (x, y), (x + w, min(y + h, line - 4)), frame, max(1, width // 100))
    board = max(2, height // 60)
    image[line - board : line] = np.clip(image[max(line - 2 * board, 0)].mean(axis=0) * 1.12, 0, 1)
    return _out_of_focus(image, rng.uniform(0.4, 2.5) * width / 256)


def _add_boards(rng: np.random.Generator, image: FloatArray, line: int) -> None:
    """Floor boards that run towards a vanishing point."""
    height, width = image.shape[:2]
    colour = tuple(float(value) for value in image[-1, 0] * 0.8)
    centre = width * rng.uniform(0.3, 0.7)
    for foot in np.linspace(-2 * width, 3 * width, int(rng.integers(18, 40))):
        start = (int(centre + (foot - centre) * 0.35), line)
        cv2.line(image, start, (int(foot), height), colour, 1, cv2.LINE_AA)


def _texture(rng: np.random.Generator, size_hw: tuple[int, int]) -> FloatArray:
    """Muted clouds, bricks or foliage-like noise, out of focus."""
    size = max(size_hw)
    image = np.empty((size, size, 3), np.float32)
    image[:] = _muted(rng)
    for cells in (3, 7, 16, 40):
        share = 0.45 * np.clip(smooth_noise(rng, size, cells), 0, 1)[..., None]
        image += (_muted(rng) - image) * share
    image = _out_of_focus(image, rng.uniform(0.5, 4.0) * size / 256)
    return np.ascontiguousarray(image[: size_hw[0], : size_hw[1]])


def _shapes(rng: np.random.Generator, size_hw: tuple[int, int]) -> FloatArray:
    height, width = size_hw
    image = _gradient(rng, size_hw)
    for _ in range(int(rng.integers(3, 12))):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        colour = tuple(float(value) for value in draw_colour(rng, (0.05, 0.6), (0.2, 0.95)))
        reach = (int(rng.uniform(0.03, 0.25) * width) + 1, int(rng.uniform(0.03, 0.25) * height) + 1)
        if rng.random() < 0.5:
            cv2.ellipse(image, centre, reach, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            corner = (centre[0] + reach[0], centre[1] + reach[1])
            cv2.rectangle(image, centre, corner, colour, -1)
    return _out_of_focus(image, rng.uniform(0.4, 3.0) * width / 256)


_KINDS: tuple[tuple[float, Callable[[np.random.Generator, tuple[int, int]], FloatArray]], ...] = (
    (0.30, _studio), (0.16, _gradient), (0.28, _room), (0.16, _texture), (0.10, _shapes),
)  # fmt: skip


def draw_background(rng: np.random.Generator, size_hw: tuple[int, int]) -> FloatArray:
    """Draw a background (H, W, 3) float32 RGB, 0 to 1, without noise."""
    choice = int(rng.choice(len(_KINDS), p=[share for share, _ in _KINDS]))
    image = _KINDS[choice][1](rng, size_hw)
    return np.asarray(np.clip(image, 0, 1), dtype=np.float32)
