"""Pieces of a person's surface (skin, a garment, a shoe, hair), and how to cut one at a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Piece", "Surface", "cut_surface", "strongest", "triangle_uv"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
NUM_WEIGHTS = 6


@dataclass(frozen=True)
class Surface:
    """A triangle mesh that can be skinned.

    Attributes:
        points: (n, 3) at rest, metres.
        rest: (n, 3) the same points on the mean body at rest: the surface coordinates.
        weights: (n, 6) skinning weights, strongest first.
        bones: (n, 6) their bones.
        faces: (m, 3) vertex indices, counter-clockwise seen from outside.
        fields: (n,) scalars carried along when the surface is cut, by name.
    """

    points: FloatArray
    rest: FloatArray
    weights: FloatArray
    bones: IntArray
    faces: IntArray
    fields: dict[str, FloatArray]


@dataclass(frozen=True)
class Piece:
    """A surface with its looks.

    Attributes:
        surface: geometry and skinning.
        uv: (m, 3, 2) texture coordinates of each face's corners, v upwards.
        texture: index of the texture.
        parts: (m,) uint8 part labels of the faces.
        flags: (m,) int32 raster flags of the faces.
    """

    surface: Surface
    uv: FloatArray
    texture: int
    parts: npt.NDArray[np.uint8]
    flags: IntArray


def strongest(dense: FloatArray) -> tuple[FloatArray, IntArray]:
    """The strongest weights (n, 6), normalised, and their bones (n, 6) of dense weights (n, J)."""
    bones = np.argsort(-dense, axis=1, kind="stable")[:, :NUM_WEIGHTS]
    weights = np.take_along_axis(dense, bones, axis=1)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return (weights / total).astype(np.float32), bones.astype(np.int32)


def densify(weights: FloatArray, bones: IntArray, num_bones: int) -> FloatArray:
    """Dense weights (n, num_bones) of sparse ones (n, 6)."""
    dense = np.zeros((len(weights), num_bones), np.float32)
    np.add.at(dense, (np.arange(len(weights))[:, None], bones), weights)
    return dense


def _split_faces(faces: IntArray, level: FloatArray) -> tuple[IntArray, list[tuple[int, int]]]:
    """Faces on the positive side of the zero line; new vertices are numbered on from len(level), one per cut edge."""
    inside = level > 0
    count = inside[faces].sum(axis=1)
    kept = [faces[count == 3]]
    edges: dict[tuple[int, int], int] = {}

    def crossing(first: int, second: int) -> int:
        key = (min(first, second), max(first, second))
        return edges.setdefault(key, len(level) + len(edges))

    rim: list[tuple[int, int, int]] = []
    for face in faces[(count == 1) | (count == 2)].tolist():
        a, b, c = face
        is_single = int(inside[a]) + int(inside[b]) + int(inside[c]) == 1
        while bool(inside[a]) != is_single:
            a, b, c = b, c, a
        ab, ac = crossing(a, b), crossing(a, c)
        rim += [(a, ab, ac)] if is_single else [(ab, b, c), (ab, c, ac)]
    if rim:
        kept.append(np.array(rim, np.int32))
    return np.concatenate(kept).astype(np.int32), list(edges)


def cut_surface(surface: Surface, level: FloatArray, num_bones: int) -> Surface:
    """Keep the part of a surface where `level` (n,) is positive; triangles are cut exactly at its zero line.

    Vertices that no face uses are dropped.
    """
    faces, edges = _split_faces(surface.faces, level)
    points, rest, weights, bones = surface.points, surface.rest, surface.weights, surface.bones
    fields = surface.fields
    if edges:
        first, second = np.array(edges).T
        share = (level[first] / (level[first] - level[second])).astype(np.float32)[:, None]

        def between(values: FloatArray) -> FloatArray:
            mix = values[first] * (1 - share) + values[second] * share
            return np.concatenate([values, mix.astype(np.float32)])

        dense = densify(weights[first], bones[first], num_bones) * (1 - share)
        new_weights, new_bones = strongest(dense + densify(weights[second], bones[second], num_bones) * share)
        fields = {name: between(values[:, None])[:, 0] for name, values in fields.items()}
        points, rest = between(points), between(rest)
        weights, bones = np.concatenate([weights, new_weights]), np.concatenate([bones, new_bones])
    used, compact = np.unique(faces, return_inverse=True)
    return Surface(
        points=points[used],
        rest=rest[used],
        weights=weights[used],
        bones=bones[used],
        faces=compact.reshape(-1, 3).astype(np.int32),
        fields={name: values[used] for name, values in fields.items()},
    )


def triangle_uv(u: FloatArray, v: FloatArray, faces: IntArray, period: float = 0.0) -> FloatArray:
    """Texture coordinates per face corner (m, 3, 2) of per-vertex u and v (n,).

    Args:
        u: horizontal coordinate; it may jump by `period` where the surface closes on itself.
        v: vertical coordinate.
        faces: (m, 3).
        period: jump of u to undo within each face; 0 for none.
    """
    corner_u = u[faces]
    if period > 0:
        wraps = np.ptp(corner_u, axis=1) > period / 2
        jumping = corner_u[wraps]
        middle = (jumping.min(axis=1, keepdims=True) + jumping.max(axis=1, keepdims=True)) / 2
        corner_u[wraps] = np.where(jumping < middle, jumping + np.float32(period), jumping)
    return np.asarray(np.stack([corner_u, v[faces]], axis=-1), dtype=np.float32)
