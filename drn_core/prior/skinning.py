"""Mesh and skinning weights of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import NO_HEM, Body, BodyFields, elbow_cap, measure_fields, middle_bones
from drn_core.prior.geometry import smoothstep, unit
from drn_core.prior.parts import LIMB_OF, LIMBS, NUM_PARTS, Layer, Limb, Part
from drn_core.prior.skirt import skirt_share, skirt_weights

__all__ = ["LayerMesh", "join_meshes", "mesh_layer", "skin_weights"]

# w = 1 / (softness^4 + d^4): wide enough to bend smoothly, steep enough to keep parts rigid. (development clips)
_SOFTNESS = 0.35

# The corner of a bent elbow: from the bone in radii of the cap (not yet, wholly), and past the joint in half widths.
_CORNER, _BEYOND = (1.0, 1.3), (-0.5, 0.3)
# An elbow bent by less in the photo has none, by more (degrees) wholly.
_CORNER_BEND = (30.0, 60.0)

# A limb's root in the trunk moves only what is this near to the joint, in half widths (full, none).
_ROOT_REACH = (1.0, 2.2)


@dataclass(frozen=True)
class LayerMesh:
    """A triangle mesh over one or several layers.

    Attributes:
        source_xy: (V, 2) float32, where each vertex lies in the photo.
        weights: (V, 15) float32, the share of each part; rows sum to 1.
        triangles: (F, 3) int32, grouped by layer.
        triangle_layer: (F,) int32.
        triangle_part: (F,) int32, the part with the greatest share.
    """

    source_xy: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    triangles: npt.NDArray[np.int32]
    triangle_layer: npt.NDArray[np.int32]
    triangle_part: npt.NDArray[np.int32]


def _closeness(distance: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    return np.asarray(1.0 / (_SOFTNESS**4 + distance.astype(np.float64) ** 4))


def skin_weights(body: Body, layer: Layer, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Compute how much each part moves the points of one layer.

    Args:
        body: the body in the photo.
        layer: the layer the points belong to; only its own parts can move it.
        points: (V, 2) in the body's pixels.

    Returns:
        (V, 15) float32, rows sum to 1.
    """
    fields: BodyFields = measure_fields(body, points)
    weights = np.zeros((len(points), NUM_PARTS))
    lower = smoothstep(fields.along_trunk, 0.15, 0.85)
    if layer == Layer.TORSO:
        trunk = _closeness(fields.torso)
        weights[:, Part.CHEST], weights[:, Part.PELVIS] = trunk * (1 - lower), trunk * lower
        weights[:, Part.HEAD] = _closeness(fields.parts[Part.HEAD])
        outside_trunk = np.minimum(fields.torso, 1.0)
        for limb in LIMBS:
            stub = _closeness(fields.stubs[limb.parts[0]]) * outside_trunk
            if limb.is_arm:  # a raised arm lifts the shoulder's cloth, not the side of the shirt it hung beside
                stub = stub * _near_joint(body, points, limb.root, limb.parts[0])
            weights[:, limb.parts[0]] = stub
        if body.hem > NO_HEM:
            share = skirt_share(body, points)[:, None]
            weights *= (1.0 - share) / weights.sum(1, keepdims=True)
            weights += share * skirt_weights(body, points)
    else:
        _limb_weights(weights, body, fields, layer, points)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _limb_weights(
    weights: npt.NDArray[np.float64], body: Body, fields: BodyFields, layer: Layer, points: npt.NDArray[np.float32]
) -> None:
    """Weights of a limb's sheet: only neighbours along the limb may share a point."""
    limb = LIMB_OF[layer]
    upper, lower, end = limb.parts
    weights[:, lower], weights[:, upper] = _closeness(fields.parts[lower]), _closeness(fields.parts[upper])
    if layer == limb.lower_layer:
        weights[:, end] = _closeness(fields.parts[end])
    if limb.is_arm:
        own, other = (lower, upper) if layer == limb.lower_layer else (upper, lower)
        share = _drawn_in(body, limb, fields, points, own)
        weights[:, other] = weights.sum(1) - weights[:, other]
        weights[:, other] *= share / (1.0 - share)
    else:
        weights[:, upper if layer == limb.lower_layer else lower] *= _near_joint(body, points, limb.middle, lower)
    if layer == limb.upper_layer:
        carrier = Part.CHEST if limb.is_arm else Part.PELVIS
        weights[:, carrier] = _closeness(fields.roots[upper]) * _near_joint(body, points, limb.root, upper)


def _drawn_in(
    body: Body, limb: Limb, fields: BodyFields, points: npt.NDArray[np.float32], own: Part
) -> npt.NDArray[np.float64]:
    """Share of the other bone at an elbow: none within the arm's width, half for the corner of a bent sleeve beyond.

    An elbow is not rubber: both its sheets are rigid and overlap in a round cap, like the links of a chain. Were they
    blended, straightening a bent arm would pinch it. But what stands out beyond the cap at the outside of the bend
    has to follow both bones, or it would stand out of the straightened arm. A straight arm has no such corner: the rims
    of its cap would be torn off it when it bends.
    """
    root, middle, tip = middle_bones(body, body.keypoints, limb)
    upper, lower = unit(middle - root), unit(tip - middle)
    bend = np.degrees(np.arccos(np.clip(upper @ lower, -1.0, 1.0)))
    beyond = (points - middle) @ (upper if own == limb.parts[0] else -lower) / body.radii[own]
    off_bone = fields.parts[own] * (body.radii[own] / elbow_cap(body, limb)[1])
    corner = smoothstep(off_bone, *_CORNER) * smoothstep(beyond, *_BEYOND)
    return 0.5 * corner * float(smoothstep(bend, *_CORNER_BEND))


def _near_joint(body: Body, points: npt.NDArray[np.float32], joint: int, part: Part) -> npt.NDArray[np.float64]:
    """1 near a joint, 0 beyond its reach."""
    distance = np.linalg.norm(points - body.keypoints[joint], axis=1) / body.radii[part]
    return 1.0 - smoothstep(distance, *_ROOT_REACH)


def mesh_layer(
    body: Body, layer: Layer, coverage: npt.NDArray[np.bool_], spacing_px: int, origin_xy: tuple[float, float]
) -> LayerMesh:
    """Lay a regular triangle grid over the covered pixels of a layer and skin it.

    Args:
        body: the body, in pixels whose origin is `origin_xy` of the coverage's pixels.
        layer: the layer.
        coverage: (H, W) pixels that must lie on the mesh.
        spacing_px: grid spacing.
        origin_xy: position of coverage[0, 0] in the body's pixels.

    Returns:
        The mesh; its vertices are in the body's pixels.
    """
    height, width = coverage.shape
    rows, columns = -(-height // spacing_px), -(-width // spacing_px)
    grown = cv2.dilate(coverage.astype(np.uint8), np.ones((5, 5), np.uint8))
    padded = np.zeros((rows * spacing_px, columns * spacing_px), np.uint8)
    padded[:height, :width] = grown
    live = padded.reshape(rows, spacing_px, columns, spacing_px).any((1, 3))
    corner = np.arange((rows + 1) * (columns + 1), dtype=np.int32).reshape(rows + 1, columns + 1)
    a, b = corner[:-1, :-1][live], corner[:-1, 1:][live]
    c, d = corner[1:, :-1][live], corner[1:, 1:][live]
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([d, c, b], 1)])
    used, compact = np.unique(triangles, return_inverse=True)
    row, column = np.divmod(used, columns + 1)
    points = np.stack([column, row], 1).astype(np.float32) * spacing_px + np.asarray(origin_xy, np.float32)
    weights = skin_weights(body, layer, points)
    faces = compact.reshape(triangles.shape).astype(np.int32)
    return LayerMesh(
        source_xy=points,
        weights=weights,
        triangles=faces,
        triangle_layer=np.full(len(faces), int(layer), np.int32),
        triangle_part=weights[faces].sum(1).argmax(1).astype(np.int32),
    )


def join_meshes(meshes: list[LayerMesh]) -> LayerMesh:
    """Put the meshes of several layers into one; triangles stay grouped by layer."""
    offsets = np.cumsum([0] + [len(mesh.source_xy) for mesh in meshes[:-1]])
    return LayerMesh(
        source_xy=np.concatenate([mesh.source_xy for mesh in meshes]),
        weights=np.concatenate([mesh.weights for mesh in meshes]),
        triangles=np.concatenate(
            [mesh.triangles + np.int32(o) for mesh, o in zip(meshes, offsets, strict=True)]
        ).astype(np.int32),
        triangle_layer=np.concatenate([mesh.triangle_layer for mesh in meshes]),
        triangle_part=np.concatenate([mesh.triangle_part for mesh in meshes]),
    )
