"""The person's shadow on the floor."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.camera import Camera, Light
from drn_core.data.synthetic.character import Character
from drn_core.data.synthetic.raster import project, rasterize

__all__ = ["floor_shadow"]

FloatArray = npt.NDArray[np.float32]
CONTACT_HEIGHT_METRES = 0.12


def floor_shadow(
    person: Character, points: FloatArray, floor: float, camera: Camera, light: Light, size_hw: tuple[int, int]
) -> FloatArray:
    """Factor (H, W), 0 to 1, by which the person darkens the floor: the cast shadow and the contact of the feet.

    Args:
        person: whose faces cast it.
        points: (n, 3) posed.
        floor: its height, metres.
        camera: of the picture.
        light: of the picture; its key casts the shadow.
        size_hw: of the picture.
    """
    height = np.maximum(points[:, 1] - floor, 0.0)
    slope = (light.direction / max(float(light.direction[1]), 0.2)).astype(np.float32)
    cast = points - height[:, None] * slope
    cast[:, 1] = floor
    key_share = float(light.key.mean() / (light.key.mean() + light.sky.mean()))
    shade = 0.75 * key_share * _soft(_covered(person, cast, camera, size_hw), size_hw, 0.012)
    low = points[:, 1] < floor + CONTACT_HEIGHT_METRES
    dropped = points.copy()
    dropped[:, 1] = floor
    contact = _covered(person, dropped, camera, size_hw, only=low)
    contact = 0.55 * _soft(contact, size_hw, 0.010) + 0.25 * _soft(contact, size_hw, 0.035)
    return ((1 - np.clip(shade, 0, 1)) * (1 - np.clip(contact, 0, 0.85))).astype(np.float32)


def _covered(
    person: Character,
    points: FloatArray,
    camera: Camera,
    size_hw: tuple[int, int],
    only: npt.NDArray[np.bool_] | None = None,
) -> FloatArray:
    faces = person.faces if only is None else person.faces[only[person.faces].all(axis=1)]
    screen = np.empty_like(points)
    project(points, camera.packed, screen)
    depth, face_at = np.empty(size_hw, np.float32), np.empty(size_hw, np.int32)
    none = np.zeros(len(faces), np.int32)
    rasterize(screen, faces, none, none, person.uv, person.atlas.texels, person.atlas.table, 1.0, depth, face_at)
    return (face_at >= 0).astype(np.float32)


def _soft(mask: FloatArray, size_hw: tuple[int, int], share: float) -> FloatArray:
    blurred: FloatArray = cv2.GaussianBlur(mask, (0, 0), max(0.6, share * size_hw[0]))
    return blurred
