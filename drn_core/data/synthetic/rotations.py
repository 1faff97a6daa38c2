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
    x, y, z = np.asarray(axis, dtype=np.float64) / max(float(np.linalg.norm(axis)), 1e-12)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross)


def aligning(start: npt.NDArray[Any], end: npt.NDArray[Any]) -> Matrix:
    """Smallest rotation that turns direction `start` (3,) into direction `end` (3,)."""
    start = start / np.linalg.norm(start)
    end = end / np.linalg.norm(end)
    axis = np.cross(start, end)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        return np.eye(3)
    return about(axis, math.atan2(sine, float(start @ end)))


def partial(rotation: Matrix, share: float) -> Matrix:
    """The same rotation about the same axis by `share` of its angle (angles below half a turn)."""
    angle = math.acos(min(1.0, max(-1.0, (float(np.trace(rotation)) - 1.0) / 2.0)))
    axis = np.array([
        rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1],
    ])  # fmt: skip
    if angle < 1e-9 or float(np.linalg.norm(axis)) < 1e-9:
        return np.eye(3)
    return about(axis, share * angle)


def twist_about(rotation: Matrix, axis: Matrix) -> Matrix:
    """The part of `rotation` that turns about the unit vector `axis` (3,); the rest only swings it."""
    return aligning(axis, rotation @ axis).T @ rotation
