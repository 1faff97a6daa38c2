"""Rotation matrices of the body rig: right-handed, y up, column vectors, radians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "about", "aligning", "partial", "rotate_x", "rotate_y", "rotate_z", "twist_about"]

Matrix = npt.NDArray[np.float64]


def rotate_x(angle: float) -> Matrix:
    """Rotation about x (to the person's left) by `angle`."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotate_y(angle: float) -> Matrix:
    """Rotation about y (up) by `angle`."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotate_z(angle: float) -> Matrix:
    """Rotation about z (forward) by `angle`."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def about(axis: npt.ArrayLike, angle: float) -> Matrix:
    """Rotation about `axis` (3,), any length, by `angle` (Rodrigues)."""
    x, y, z = np.asarray(axis, dtype=np.float64).tolist()
    scale = 1.0 / max(math.sqrt(x * x + y * y + z * z), 1e-12)
    x, y, z = x * scale, y * scale, z * scale
    c, s = math.cos(angle), math.sin(angle)
    t = 1.0 - c
    return np.array([
        [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
        [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
        [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
    ])  # fmt: skip


def aligning(start: npt.NDArray[Any], end: npt.NDArray[Any]) -> Matrix:
    """Smallest rotation that turns direction `start` (3,) into direction `end` (3,); of any length."""
    # Plain numbers: array calls cost far more than the sums for a single vector.
    ax, ay, az = start.tolist()
    bx, by, bz = end.tolist()
    axis = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    sine = math.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
    if sine < 1e-12:
        return np.eye(3)
    return about(axis, math.atan2(sine, ax * bx + ay * by + az * bz))


def partial(rotation: Matrix, share: float) -> Matrix:
    """The same rotation about the same axis by `share` of its angle (angles below half a turn)."""
    turn = rotation.tolist()
    axis = (turn[2][1] - turn[1][2], turn[0][2] - turn[2][0], turn[1][0] - turn[0][1])
    sine = math.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
    if sine < 1e-12:
        return np.eye(3)
    return about(axis, share * math.atan2(sine, turn[0][0] + turn[1][1] + turn[2][2] - 1.0))


def twist_about(rotation: Matrix, axis: Matrix) -> Matrix:
    """The part of `rotation` that turns about the unit vector `axis` (3,); the rest only swings it."""
    return aligning(axis, rotation @ axis).T @ rotation
