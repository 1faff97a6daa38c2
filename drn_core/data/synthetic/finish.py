"""The camera's own marks on a picture: a little blur, and noise over person and background alike."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Look", "develop", "draw_look", "draw_noise"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """How a camera renders: standard deviations of its blur in pixels and of its noise, 0 to 1."""

    blur_px: float
    noise: float


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a camera: mostly sharp and clean, sometimes soft or noisy."""
    return Look(blur_px=max(0.0, float(rng.normal(0.30, 0.30))), noise=0.002 + 0.010 * float(rng.random()) ** 2)


def draw_noise(rng: np.random.Generator, size_hw: tuple[int, int], look: Look) -> FloatArray:
    """One exposure's noise (H, W, 3): fine in brightness, coarser and weaker in colour."""
    height, width = size_hw
    fine = rng.standard_normal((height, width, 1), dtype=np.float32)
    coarse = rng.standard_normal((-(-height // 2), -(-width // 2), 3), dtype=np.float32)
    colour = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(look.noise * (fine + 0.7 * colour), dtype=np.float32)


def develop(image: UInt8Array, look: Look, noise: FloatArray) -> UInt8Array:
    """Blur and noise a rendered picture (H, W, 3) uint8; shadows are noisier than lights.

    Args:
        image: RGB.
        look: of the camera.
        noise: (H, W, 3) of the exposure, 0 to 1.
    """
    soft = image if look.blur_px < 0.2 else cv2.GaussianBlur(image, (0, 0), look.blur_px)
    grain = noise * (330.0 - 0.6 * soft)
    return np.asarray(np.clip(np.round(soft + grain), 0, 255), dtype=np.uint8)
