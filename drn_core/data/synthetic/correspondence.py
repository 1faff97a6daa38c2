"""Compiled ground truth: for every pixel of the target, the same point of the surface in the source."""

from __future__ import annotations

import math

from numba import njit

__all__ = ["BACKGROUND", "OCCLUDED", "OUTSIDE", "VISIBLE", "gather_surface", "trace_flow"]

BACKGROUND = 0
VISIBLE = 1
OCCLUDED = 2
OUTSIDE = 3
DEPTH_TOLERANCE_METRES = 0.012


@njit(cache=True, nogil=True)
def trace_flow(  # type: ignore[no-untyped-def]
    target_screen, source_screen, faces, target_face, source_depth, source_scale, flow, codes
):
    """Backward flow and its visibility code at every target pixel.

    Args:
        target_screen: (n, 3) the vertices projected in the target.
        source_screen: (n, 3) the same vertices projected in the source.
        faces: (m, 3).
        target_face: (H, W) face at each target pixel's centre, -1 on the background.
        source_depth: z-buffer of the source, `source_scale` samples per pixel side.
        source_scale: see above.
        flow: (H, W, 2) float32, out: target pixel + flow = source position; 0 on the background.
        codes: (H, W) uint8, out: BACKGROUND, VISIBLE, OCCLUDED (hidden or turned away in the source), OUTSIDE
            (beyond the source's frame).
    """
    height, width = target_face.shape
    depth_height, depth_width = source_depth.shape
    limit_x = depth_width / source_scale - 0.5
    limit_y = depth_height / source_scale - 0.5
    for y in range(height):
        for x in range(width):
            f = target_face[y, x]
            if f < 0:
                flow[y, x, 0] = flow[y, x, 1] = 0.0
                codes[y, x] = BACKGROUND
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0 = target_screen[a, 0], target_screen[a, 1]
            x1, y1 = target_screen[b, 0], target_screen[b, 1]
            x2, y2 = target_screen[c, 0], target_screen[c, 1]
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            # Weights on the surface times the source depth: the projection of the point, not of the triangle.
            w0 = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) / area * target_screen[a, 2] / source_screen[a, 2]
            w1 = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) / area * target_screen[b, 2] / source_screen[b, 2]
            w2 = ((x0 - x) * (y1 - y) - (x1 - x) * (y0 - y)) / area * target_screen[c, 2] / source_screen[c, 2]
            total = w0 + w1 + w2
            sx = (w0 * source_screen[a, 0] + w1 * source_screen[b, 0] + w2 * source_screen[c, 0]) / total
            sy = (w0 * source_screen[a, 1] + w1 * source_screen[b, 1] + w2 * source_screen[c, 1]) / total
            flow[y, x, 0] = sx - x
            flow[y, x, 1] = sy - y
            if sx < -0.5 or sy < -0.5 or sx >= limit_x or sy >= limit_y:
                codes[y, x] = OUTSIDE
                continue
            inverse = (w0 * source_screen[a, 2] + w1 * source_screen[b, 2] + w2 * source_screen[c, 2]) / total
            column = min(depth_width - 1, math.floor((sx + 0.5) * source_scale))
            row = min(depth_height - 1, math.floor((sy + 0.5) * source_scale))
            nearest = source_depth[row, column]
            source_area = (source_screen[b, 0] - source_screen[a, 0]) * (source_screen[c, 1] - source_screen[a, 1]) - (
                source_screen[c, 0] - source_screen[a, 0]
            ) * (source_screen[b, 1] - source_screen[a, 1])
            is_hidden = nearest <= 0.0 or 1.0 / nearest < 1.0 / inverse - DEPTH_TOLERANCE_METRES
            codes[y, x] = OCCLUDED if is_hidden or source_area * area < 0.0 else VISIBLE


@njit(cache=True, nogil=True)
def gather_surface(screen, faces, face_at, parts, rest, part_map, coords):  # type: ignore[no-untyped-def]
    """Part label (H, W) and position on the mean body at rest (H, W, 3), in metres, of each pixel's surface point."""
    height, width = face_at.shape
    for y in range(height):
        for x in range(width):
            f = face_at[y, x]
            if f < 0:
                part_map[y, x] = 0
                coords[y, x, 0] = coords[y, x, 1] = coords[y, x, 2] = 0.0
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0, x1, y1 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
            x2, y2 = screen[c, 0], screen[c, 1]
            w0 = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) * screen[a, 2]
            w1 = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) * screen[b, 2]
            w2 = ((x0 - x) * (y1 - y) - (x1 - x) * (y0 - y)) * screen[c, 2]
            total = w0 + w1 + w2
            part_map[y, x] = parts[f]
            for k in range(3):
                coords[y, x, k] = (w0 * rest[a, k] + w1 * rest[b, k] + w2 * rest[c, k]) / total
