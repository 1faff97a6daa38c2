"""Compiled geometry passes: skinning, normals, projection and the z-buffer.

Screen coordinates are those of the picture: pixel centres are integers. The third screen coordinate is the inverse
of the depth (larger is nearer), which is linear across a triangle; 0 means nothing there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = [
    "ALPHA_TESTED",
    "CULLED",
    "bounds",
    "project",
    "project_parallel",
    "rasterize",
    "skin_points",
    "vertex_normals",
]

ALPHA_TESTED = 1
CULLED = 2
ALPHA_THRESHOLD = 110
PARALLEL_FAR = 100.0  # metres; turns the depth of the shadow map into a "larger is nearer" value


@njit(cache=True, nogil=True)
def skin_points(points, weights, bones, rotations, offsets, out):  # type: ignore[no-untyped-def]
    """Linear blend skinning of points (n, 3) by weights and bones (n, K), strongest first, into out (n, 3)."""
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        a = b = c = np.float32(0.0)
        for k in range(weights.shape[1]):
            w = weights[i, k]
            if w <= 0.0:
                break
            j = bones[i, k]
            a += w * (rotations[j, 0, 0] * x + rotations[j, 0, 1] * y + rotations[j, 0, 2] * z + offsets[j, 0])
            b += w * (rotations[j, 1, 0] * x + rotations[j, 1, 1] * y + rotations[j, 1, 2] * z + offsets[j, 1])
            c += w * (rotations[j, 2, 0] * x + rotations[j, 2, 1] * y + rotations[j, 2, 2] * z + offsets[j, 2])
        out[i, 0], out[i, 1], out[i, 2] = a, b, c


@njit(cache=True, nogil=True)
def bounds(points):  # type: ignore[no-untyped-def]
    """Lowest and highest coordinates (2, 3) of points (n, 3)."""
    out = np.empty((2, 3), np.float64)
    for k in range(3):
        low = high = points[0, k]
        for i in range(1, points.shape[0]):
            low = min(low, points[i, k])
            high = max(high, points[i, k])
        out[0, k] = low
        out[1, k] = high
    return out


@njit(cache=True, nogil=True)
def vertex_normals(points, faces, out):  # type: ignore[no-untyped-def]
    """Area-weighted unit normals (n, 3) of the vertices of faces (m, 3)."""
    out[:] = 0.0
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        e0 = points[b, 0] - points[a, 0]
        e1 = points[b, 1] - points[a, 1]
        e2 = points[b, 2] - points[a, 2]
        g0 = points[c, 0] - points[a, 0]
        g1 = points[c, 1] - points[a, 1]
        g2 = points[c, 2] - points[a, 2]
        n0, n1, n2 = e1 * g2 - e2 * g1, e2 * g0 - e0 * g2, e0 * g1 - e1 * g0
        for v in (a, b, c):
            out[v, 0] += n0
            out[v, 1] += n1
            out[v, 2] += n2
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + 1e-12
        out[v, 0] /= length
        out[v, 1] /= length
        out[v, 2] /= length


@njit(cache=True, nogil=True)
def project(points, camera, out):  # type: ignore[no-untyped-def]
    """Perspective projection of points (n, 3) into out (n, 3): x, y in pixels and 1 / depth.

    `camera` (15,) holds the rotation row by row, the translation, the focal length and the principal point.
    """
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        x = camera[0] * px + camera[1] * py + camera[2] * pz + camera[9]
        y = camera[3] * px + camera[4] * py + camera[5] * pz + camera[10]
        z = camera[6] * px + camera[7] * py + camera[8] * pz + camera[11]
        inverse = 1.0 / max(z, 0.05)
        out[i, 0] = camera[12] * x * inverse + camera[13]
        out[i, 1] = camera[12] * y * inverse + camera[14]
        out[i, 2] = inverse


@njit(cache=True, nogil=True)
def project_parallel(points, camera, out):  # type: ignore[no-untyped-def]
    """Parallel projection for the shadow map; the third coordinate is PARALLEL_FAR - depth."""
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        x = camera[0] * px + camera[1] * py + camera[2] * pz + camera[9]
        y = camera[3] * px + camera[4] * py + camera[5] * pz + camera[10]
        z = camera[6] * px + camera[7] * py + camera[8] * pz + camera[11]
        out[i, 0] = camera[12] * x + camera[13]
        out[i, 1] = camera[12] * y + camera[14]
        out[i, 2] = PARALLEL_FAR - z


@njit(cache=True, nogil=True)
def alpha_at(atlas, table, texture, u, v):  # type: ignore[no-untyped-def]
    """Opacity (0-255) of the nearest texel of the finest level."""
    size = table[texture, 0]
    x = math.floor(u * size) & (size - 1)
    y = math.floor((1.0 - v) * size) & (size - 1)
    return atlas[table[texture, 1] + (y * size + x) * 4 + 3]


@njit(cache=True, nogil=True)
def rasterize(  # type: ignore[no-untyped-def]
    screen, faces, flags, face_texture, uv, atlas, table, scale, depth, face_at
):
    """Fill the z-buffer and the index of the nearest face at every sample.

    Samples lie `scale` to a pixel side, evenly; sample (i, j) is at pixel ((i + 0.5) / scale - 0.5, ...).

    Args:
        screen: (n, 3) projected vertices.
        faces: (m, 3) vertex indices.
        flags: (m,) ALPHA_TESTED and CULLED bits.
        face_texture: (m,) row of `table`.
        uv: (m, 3, 2) texture coordinates.
        atlas: texels as `TextureAtlas` packs them.
        table: where each texture starts in `atlas`.
        scale: samples per pixel side.
        depth: (H, W) float32, out: inverse depth, 0 where empty.
        face_at: (H, W) int32, out: face index, -1 where empty.
    """
    depth[:] = 0.0
    face_at[:] = -1
    height, width = depth.shape
    shift = 0.5 * scale - 0.5
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = screen[a, 0] * scale + shift, screen[a, 1] * scale + shift
        x1, y1 = screen[b, 0] * scale + shift, screen[b, 1] * scale + shift
        x2, y2 = screen[c, 0] * scale + shift, screen[c, 1] * scale + shift
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if (flags[f] & CULLED) and area >= 0.0:
            continue
        if abs(area) < 1e-9:
            continue
        left = max(0, math.ceil(min(x0, x1, x2)))
        right = min(width - 1, math.floor(max(x0, x1, x2)))
        top = max(0, math.ceil(min(y0, y1, y2)))
        bottom = min(height - 1, math.floor(max(y0, y1, y2)))
        if left > right or top > bottom:
            continue
        inverse = 1.0 / area
        z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
        step0, step1 = (y1 - y2) * inverse, (y2 - y0) * inverse
        is_tested = (flags[f] & ALPHA_TESTED) != 0
        for y in range(top, bottom + 1):
            w0 = ((x1 - left) * (y2 - y) - (x2 - left) * (y1 - y)) * inverse
            w1 = ((x2 - left) * (y0 - y) - (x0 - left) * (y2 - y)) * inverse
            for x in range(left, right + 1):
                w2 = 1.0 - w0 - w1
                if w0 >= 0.0 and w1 >= 0.0 and w2 >= 0.0:
                    z = w0 * z0 + w1 * z1 + w2 * z2
                    if z > depth[y, x]:
                        is_solid = True
                        if is_tested:
                            q0, q1, q2 = w0 * z0 / z, w1 * z1 / z, w2 * z2 / z
                            u = q0 * uv[f, 0, 0] + q1 * uv[f, 1, 0] + q2 * uv[f, 2, 0]
                            v = q0 * uv[f, 0, 1] + q1 * uv[f, 1, 1] + q2 * uv[f, 2, 1]
                            is_solid = alpha_at(atlas, table, face_texture[f], u, v) > ALPHA_THRESHOLD
                        if is_solid:
                            depth[y, x] = z
                            face_at[y, x] = f
                w0 += step0
                w1 += step1
