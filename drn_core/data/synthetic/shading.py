"""Compiled picture passes: ambient occlusion, lighting with shadow map, and the resolve over the background."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from drn_core.data.synthetic.raster import PARALLEL_FAR

__all__ = ["ambient_occlusion", "resolve", "shade"]

SHADOW_BIAS_METRES = 0.008
SHADOW_PUSH_METRES = 0.012
OCCLUSION_NEAR_METRES = 0.012
OCCLUSION_FAR_METRES = 0.35


@njit(cache=True, nogil=True)
def ambient_occlusion(depth, radius_px, out):  # type: ignore[no-untyped-def]
    """Share (H, W) of 12 neighbours, in two rings of `radius_px`, that stand clearly before a sample."""
    height, width = depth.shape
    offset_x = np.empty((6, 12), np.int64)
    offset_y = np.empty((6, 12), np.int64)
    for variant in range(6):
        for k in range(12):
            angle = 1.0472 * (k // 2) + 0.17 * variant
            reach = radius_px * (0.6 + 0.6 * (k % 2))
            offset_x[variant, k] = round(math.cos(angle) * reach)
            offset_y[variant, k] = round(math.sin(angle) * reach)
    for y in range(height):
        for x in range(width):
            count = 0.0
            if depth[y, x] > 0.0:
                here = 1.0 / depth[y, x]
                variant = (x * 7 + y * 13) % 6
                for k in range(12):
                    u, v = x + offset_x[variant, k], y + offset_y[variant, k]
                    if 0 <= u < width and 0 <= v < height and depth[v, u] > 0.0:
                        step = here - 1.0 / depth[v, u]
                        if OCCLUSION_NEAR_METRES < step < OCCLUSION_FAR_METRES:
                            count += 1.0
            out[y, x] = count / 12.0


@njit(cache=True, nogil=True, fastmath=True)
def _sample(atlas, start, size, u, v, colour):  # type: ignore[no-untyped-def]
    """Bilinear, wrapping texture fetch into colour (3,), 0 to 1."""
    x = u * size - 0.5
    y = (1.0 - v) * size - 0.5
    floor_x, floor_y = math.floor(x), math.floor(y)
    ax, ay = x - floor_x, y - floor_y
    mask = size - 1
    x0, y0 = int(floor_x) & mask, int(floor_y) & mask
    x1, y1 = (x0 + 1) & mask, (y0 + 1) & mask
    i00, i01 = start + (y0 * size + x0) * 4, start + (y0 * size + x1) * 4
    i10, i11 = start + (y1 * size + x0) * 4, start + (y1 * size + x1) * 4
    for k in range(3):
        top = atlas[i00 + k] * (1.0 - ax) + atlas[i01 + k] * ax
        bottom = atlas[i10 + k] * (1.0 - ax) + atlas[i11 + k] * ax
        colour[k] = (top * (1.0 - ay) + bottom * ay) / 255.0


@njit(cache=True, nogil=True, fastmath=True)
def _height_slope(atlas, start, size, u, v):  # type: ignore[no-untyped-def]
    """Slope of the relief in the alpha channel along u and v, per unit of texture, heights 0 to 1."""
    mask = size - 1
    x = math.floor(u * size)
    y = math.floor((1.0 - v) * size)
    row, above, below = (y & mask) * size, ((y - 1) & mask) * size, ((y + 1) & mask) * size
    right = atlas[start + (row + ((x + 1) & mask)) * 4 + 3]
    left = atlas[start + (row + ((x - 1) & mask)) * 4 + 3]
    upper = atlas[start + (above + (x & mask)) * 4 + 3]
    lower = atlas[start + (below + (x & mask)) * 4 + 3]
    scale = size / 510.0
    return (float(right) - float(left)) * scale, (float(upper) - float(lower)) * scale


@njit(cache=True, nogil=True, fastmath=True)
def _lean(points, uv, f, a, b, c, slope_u, slope_v):  # type: ignore[no-untyped-def]
    """Gradient (3,) in the world of a height with the given slopes along u and v of face f."""
    e0, e1, e2 = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    g0, g1, g2 = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    n0, n1, n2 = e1 * g2 - e2 * g1, e2 * g0 - e0 * g2, e0 * g1 - e1 * g0
    square = n0 * n0 + n1 * n1 + n2 * n2 + 1e-18
    rise_b = slope_u * (uv[f, 1, 0] - uv[f, 0, 0]) + slope_v * (uv[f, 1, 1] - uv[f, 0, 1])
    rise_c = slope_u * (uv[f, 2, 0] - uv[f, 0, 0]) + slope_v * (uv[f, 2, 1] - uv[f, 0, 1])
    return (
        (rise_b * (g1 * n2 - g2 * n1) + rise_c * (n1 * e2 - n2 * e1)) / square,
        (rise_b * (g2 * n0 - g0 * n2) + rise_c * (n2 * e0 - n0 * e2)) / square,
        (rise_b * (g0 * n1 - g1 * n0) + rise_c * (n0 * e1 - n1 * e0)) / square,
    )


@njit(cache=True, nogil=True, fastmath=True)
def _lit_share(px, py, pz, shadow, camera):  # type: ignore[no-untyped-def]
    """Share of the key light that reaches a point: 3 x 3 taps of the shadow map."""
    x = camera[12] * (camera[0] * px + camera[1] * py + camera[2] * pz + camera[9]) + camera[13]
    y = camera[12] * (camera[3] * px + camera[4] * py + camera[5] * pz + camera[10]) + camera[14]
    z = PARALLEL_FAR - (camera[6] * px + camera[7] * py + camera[8] * pz + camera[11])
    size = shadow.shape[0]
    column, row = round(x), round(y)
    blocked = taps = 0.0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            u, v = column + dx, row + dy
            if 0 <= u < size and 0 <= v < size:
                taps += 1.0
                if shadow[v, u] > z + SHADOW_BIAS_METRES:
                    blocked += 1.0
    return 1.0 - blocked / taps if taps > 0.0 else 1.0


# Colours may differ in the last bit between machines; labels and depth are computed without such licence.
@njit(cache=True, nogil=True, fastmath=True)
def shade(  # type: ignore[no-untyped-def]  # noqa: PLR0915 - one loop body, kept whole for the compiler
    screen, points, normals, faces, face_texture, uv, materials, atlas, table, scale,
    face_at, occlusion, light, shadow, shadow_camera, eye, is_lit, out,
):  # fmt: skip
    """Colour every covered sample.

    Args:
        screen: (n, 3) projected vertices.
        points: (n, 3) posed vertices.
        normals: (n, 3) their normals.
        faces: (m, 3) vertex indices.
        face_texture: (m,) row of `table`.
        uv: (m, 3, 2) texture coordinates.
        materials: (T, 4) as `Material` lists them.
        atlas: texels as `TextureAtlas` packs them.
        table: where each texture starts in `atlas`.
        scale: samples per pixel side.
        face_at: (H, W) face index at each sample, -1 where empty.
        occlusion: (H / scale, W / scale) share of occluding neighbours.
        light: (12,) direction to the key light, its colour, sky colour, ground colour.
        shadow: shadow map.
        shadow_camera: (15,) its parallel camera.
        eye: (3,) camera position.
        is_lit: False writes the bare texture (albedo).
        out: (H, W, 4) float32: gamma-encoded colour 0 to 1 and coverage.
    """
    height, width = face_at.shape
    shift = 0.5 * scale - 0.5
    colour = np.zeros(3, np.float32)
    per_pixel = int(scale)
    for row in range(height):
        for column in range(width):
            f = face_at[row, column]
            if f < 0:
                out[row, column, 0] = out[row, column, 1] = out[row, column, 2] = out[row, column, 3] = 0.0
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0 = screen[a, 0] * scale + shift, screen[a, 1] * scale + shift
            x1, y1 = screen[b, 0] * scale + shift, screen[b, 1] * scale + shift
            x2, y2 = screen[c, 0] * scale + shift, screen[c, 1] * scale + shift
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            w0 = ((x1 - column) * (y2 - row) - (x2 - column) * (y1 - row)) / area
            w1 = ((x2 - column) * (y0 - row) - (x0 - column) * (y2 - row)) / area
            w2 = 1.0 - w0 - w1
            z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
            w0 *= screen[a, 2] / z
            w1 *= screen[b, 2] / z
            w2 *= screen[c, 2] / z
            u = w0 * uv[f, 0, 0] + w1 * uv[f, 1, 0] + w2 * uv[f, 2, 0]
            v = w0 * uv[f, 0, 1] + w1 * uv[f, 1, 1] + w2 * uv[f, 2, 1]
            texture = face_texture[f]
            size = table[texture, 0]
            texture_area = abs(
                (uv[f, 1, 0] - uv[f, 0, 0]) * (uv[f, 2, 1] - uv[f, 0, 1])
                - (uv[f, 2, 0] - uv[f, 0, 0]) * (uv[f, 1, 1] - uv[f, 0, 1])
            )
            texels = texture_area * size * size / (abs(area) + 1e-6)
            level = 0
            while texels > 2.0 and level < table.shape[1] - 2:
                texels *= 0.25
                level += 1
                size //= 2
            _sample(atlas, table[texture, 1 + level], size, u, v, colour)
            out[row, column, 3] = 1.0
            if not is_lit:
                out[row, column, 0], out[row, column, 1], out[row, column, 2] = colour[0], colour[1], colour[2]
                continue
            n0 = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
            n1 = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
            n2 = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
            length = 1.0 / (math.sqrt(n0 * n0 + n1 * n1 + n2 * n2) + 1e-9)
            n0, n1, n2 = n0 * length, n1 * length, n2 * length
            relief = materials[texture, 3]
            if relief > 0.0:
                slope_u, slope_v = _height_slope(atlas, table[texture, 1 + level], size, u, v)
                l0, l1, l2 = _lean(points, uv, f, a, b, c, relief * slope_u, relief * slope_v)
                n0, n1, n2 = n0 - l0, n1 - l1, n2 - l2
                length = 1.0 / (math.sqrt(n0 * n0 + n1 * n1 + n2 * n2) + 1e-9)
                n0, n1, n2 = n0 * length, n1 * length, n2 * length
            p0 = w0 * points[a, 0] + w1 * points[b, 0] + w2 * points[c, 0]
            p1 = w0 * points[a, 1] + w1 * points[b, 1] + w2 * points[c, 1]
            p2 = w0 * points[a, 2] + w1 * points[b, 2] + w2 * points[c, 2]
            e0, e1, e2 = eye[0] - p0, eye[1] - p1, eye[2] - p2
            length = 1.0 / math.sqrt(e0 * e0 + e1 * e1 + e2 * e2)
            e0, e1, e2 = e0 * length, e1 * length, e2 * length
            facing = n0 * e0 + n1 * e1 + n2 * e2
            if facing < 0.0:
                n0, n1, n2, facing = -n0, -n1, -n2, -facing
            toward = n0 * light[0] + n1 * light[1] + n2 * light[2]
            warmth = materials[texture, 2]
            lit = 1.0
            if toward > -0.3:
                push = SHADOW_PUSH_METRES
                lit = _lit_share(p0 + n0 * push, p1 + n1 * push, p2 + n2 * push, shadow, shadow_camera)
            open_share = 1.0 - 0.55 * occlusion[row // per_pixel, column // per_pixel]
            diffuse = 0.85 * max(toward, 0.0) + 0.15 * max(0.0, (toward + 0.4) / 1.4)
            bleed = warmth * max(0.0, (toward + 0.5) / 1.5) * (0.4 + 0.6 * lit)
            up = 0.5 + 0.5 * n1
            h0, h1, h2 = e0 + light[0], e1 + light[1], e2 + light[2]
            length = 1.0 / (math.sqrt(h0 * h0 + h1 * h1 + h2 * h2) + 1e-9)
            half = max(0.0, (n0 * h0 + n1 * h1 + n2 * h2) * length)
            # Schlick's rational stand-in for half ** exponent.
            peak = half / (materials[texture, 1] * (1.0 - half) + half)
            gloss = materials[texture, 0] * peak * lit * 0.15
            rim = 0.018 * (1.0 - facing) ** 3
            for k in range(3):
                albedo = colour[k] * colour[k]
                fill = light[9 + k] + (light[6 + k] - light[9 + k]) * up
                key = light[3 + k] * diffuse * lit * (0.7 + 0.3 * open_share)
                soft = light[3 + k] * bleed * (0.16 if k == 0 else 0.04)
                value = albedo * (fill * open_share + key + soft) + gloss * light[3 + k] + rim * light[6 + k]
                out[row, column, k] = math.sqrt(max(value, 0.0))


@njit(cache=True, nogil=True)
def resolve(samples, background, out, coverage):  # type: ignore[no-untyped-def]
    """Average the samples of each pixel over background (H, W, 3), 0 to 1, into out (uint8) and coverage (H, W)."""
    height, width = coverage.shape
    scale = samples.shape[0] // height
    share = 1.0 / (scale * scale)
    for y in range(height):
        for x in range(width):
            red = green = blue = alpha = 0.0
            for j in range(scale):
                for i in range(scale):
                    sample = samples[y * scale + j, x * scale + i]
                    red += min(sample[0], 1.0)
                    green += min(sample[1], 1.0)
                    blue += min(sample[2], 1.0)
                    alpha += sample[3]
            alpha *= share
            coverage[y, x] = alpha
            rest = 1.0 - alpha
            out[y, x, 0] = int(255.0 * min(1.0, max(0.0, red * share + background[y, x, 0] * rest)) + 0.5)
            out[y, x, 1] = int(255.0 * min(1.0, max(0.0, green * share + background[y, x, 1] * rest)) + 0.5)
            out[y, x, 2] = int(255.0 * min(1.0, max(0.0, blue * share + background[y, x, 2] * rest)) + 0.5)
