"""Cameras and lights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Camera", "Light", "draw_light", "look_at", "parallel_camera"]

Array = npt.NDArray[np.float64]
SHADOW_REACH_METRES = 1.25


@dataclass(frozen=True)
class Camera:
    """A perspective camera; camera axes are x right, y down, z away.

    Attributes:
        rotation: (3, 3) from world to camera axes.
        eye: (3,) position in the world, metres.
        focal_px: focal length in pixels.
        centre: (x, y) principal point in pixels; pixel centres are integers.
    """

    rotation: Array
    eye: Array
    focal_px: float
    centre: tuple[float, float]

    @property
    def packed(self) -> Array:
        """(15,) for the compiled passes: rotation, translation, focal length, centre."""
        translation = -self.rotation @ self.eye
        return np.concatenate([self.rotation.ravel(), translation, [self.focal_px, *self.centre]])

    def project(self, points: npt.ArrayLike) -> tuple[Array, Array]:
        """Project points (..., 3): pixel positions (..., 2) and depths (...) in metres."""
        local = (np.asarray(points, dtype=np.float64) - self.eye) @ self.rotation.T
        depth = np.maximum(local[..., 2], 0.05)
        return self.focal_px * local[..., :2] / depth[..., None] + np.array(self.centre), depth


@dataclass(frozen=True)
class Light:
    """A key light with a shadow and a fill from above and below; colours are linear, about 0 to 1.

    Attributes:
        direction: (3,) unit vector towards the key light.
        key, sky, ground: (3,) colours.
    """

    direction: Array
    key: Array
    sky: Array
    ground: Array

    @property
    def packed(self) -> Array:
        """(12,) for the compiled passes."""
        return np.concatenate([self.direction, self.key, self.sky, self.ground])


def _facing(forward: Array) -> Array:
    """Camera axes (3, 3) that look along `forward` with the horizon level."""
    z = forward / np.linalg.norm(forward)
    x = np.cross(z, [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def look_at(eye: npt.ArrayLike, target: npt.ArrayLike, focal_px: float, size_hw: tuple[int, int]) -> Camera:
    """A camera at `eye` with `target` in the middle of a picture of `size_hw`."""
    position = np.asarray(eye, dtype=np.float64)
    rotation = _facing(np.asarray(target, dtype=np.float64) - position)
    return Camera(rotation, position, focal_px, ((size_hw[1] - 1) / 2, (size_hw[0] - 1) / 2))


def parallel_camera(direction: Array, middle: Array, size: int) -> Array:
    """(15,) the shadow map's camera: looks at `middle` from `direction`, `size` samples across."""
    rotation = _facing(-direction)
    translation = -rotation @ (middle + 10.0 * direction)
    scale = size / (2 * SHADOW_REACH_METRES)
    return np.concatenate([rotation.ravel(), translation, [scale, (size - 1) / 2, (size - 1) / 2]])


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a light: the key from above and before, sometimes from the side, with a matching warm or cool fill."""
    azimuth, elevation = rng.normal(0, 0.65), rng.uniform(0.35, 1.05)
    direction = np.array([
        math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation),
    ])  # fmt: skip
    warmth = rng.normal(0, 0.05)
    softness = rng.uniform(0.25, 0.85)
    level = rng.uniform(0.82, 1.12)
    key = level * (1.05 - 0.55 * softness) * np.array([1 + warmth, 1.0, 1 - warmth])
    sky = level * (0.28 + 0.50 * softness) * np.array([1 - 0.5 * warmth, 1.0, 1 + 0.5 * warmth])
    ground = sky * rng.uniform(0.45, 0.85) * np.array([1.02, 1.0, 0.96])
    return Light(direction, key, sky, ground)
