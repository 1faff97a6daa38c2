"""Garments, cut from the body's two cloth forms by scalar fields and pushed off along the normals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from drn_core.data.synthetic.body import Body, BodyPack, load_body_pack
from drn_core.data.synthetic.fields import BodyLines, LimbFields, dominant_joint
from drn_core.data.synthetic.outfit import Outfit
from drn_core.data.synthetic.parts import Part
from drn_core.data.synthetic.piece import Piece, Surface, cut_surface, densify, strongest, triangle_uv
from drn_core.data.synthetic.pose import JOINT_AT
from drn_core.data.synthetic.raster import vertex_normals

__all__ = ["Dressed", "covered_vertices", "make_bottom", "make_top", "tights_points"]

FloatArray = npt.NDArray[np.float32]
TEXTURE_METRES = 0.8  # width of cloth that one texture covers
SMOOTHING_ROUNDS = 12
COVER_MARGIN_METRES = 0.03
ARMHOLE_METRES = 0.168  # on the mean body


@dataclass(frozen=True)
class Dressed:
    """What a garment is cut from.

    Attributes:
        pack: the body model.
        body: the wearer.
        fields: limb fields of the wearer.
        lines: heights of the wearer.
        form: (V, 3) body points with the tights smoothed, so that cloth bridges hollows.
        normals: (V, 3) of the cloth forms.
    """

    pack: BodyPack
    body: Body
    fields: LimbFields
    lines: BodyLines
    form: FloatArray
    normals: FloatArray


@lru_cache(maxsize=1)
def _tights_averager() -> tuple[npt.NDArray[np.int32], sparse.csr_matrix]:
    """Vertices of the tights, and the matrix that replaces each by the mean of itself and its neighbours."""
    pack = load_body_pack()
    vertices = pack.vertices_of("tights")
    compact = np.full(len(pack.mean), -1)
    compact[vertices] = np.arange(len(vertices))
    faces = compact[pack.triangles["tights"]]
    start, end = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    count = len(vertices)
    links = sparse.coo_matrix((np.ones(len(start), np.float32), (start, end)), shape=(count, count))
    links = ((links + links.T) > 0).astype(np.float32)
    degree = np.asarray(links.sum(axis=1)).ravel()
    return vertices, (0.5 * sparse.eye(count) + 0.5 * sparse.diags(1 / degree) @ links).tocsr().astype(np.float32)


def tights_points(body: Body, fields: LimbFields) -> FloatArray:
    """Body points (V, 3) with the tights' trunk smoothed; hands and feet keep their shape."""
    vertices, averager = _tights_averager()
    smooth = body.vertices[vertices]
    for _ in range(SMOOTHING_ROUNDS):
        smooth = averager @ smooth
    trunk = np.maximum(fields.arm[vertices], fields.leg[vertices])
    share = np.clip((0.9 - trunk) / 0.2, 0.0, 1.0)[:, None]
    points = body.vertices.copy()
    # Smoothing shrinks; cloth must not lie inside the body, so only outward moves count.
    moved = smooth - points[vertices]
    normals = np.zeros_like(points)
    vertex_normals(body.vertices, load_body_pack().triangles["tights"], normals)
    outward = np.maximum((moved * normals[vertices]).sum(axis=1, keepdims=True), 0.0)
    points[vertices] += share * outward * normals[vertices]
    return points


def _surface(dressed: Dressed, form: str, offset: FloatArray, extra: dict[str, FloatArray]) -> Surface:
    """A cloth form as a surface of its own, pushed off by `offset` (V,) metres."""
    pack = dressed.pack
    vertices = pack.vertices_of(form)
    compact = np.full(len(pack.mean), -1, np.int32)
    compact[vertices] = np.arange(len(vertices))
    points = dressed.form[vertices] + dressed.normals[vertices] * offset[vertices, None]
    fields = {name: values[vertices] for name, values in extra.items()}
    return Surface(
        points=points.astype(np.float32),
        rest=pack.mean[vertices],
        weights=pack.weights[vertices],
        bones=pack.bones[vertices],
        faces=compact[pack.triangles[form]],
        fields=fields,
    )


def _neck_level(outfit: Outfit, points: FloatArray, lines: BodyLines) -> FloatArray:
    """Positive where the top closes around the neck: distance from a neck opening of the outfit's shape."""
    x, y, z = (points - lines.neck).T
    depth = outfit.neck_depth
    if outfit.neck_style == "v":
        front = np.abs(x) + (0.045 - depth - y) * 0.55 - 0.062
    else:
        front = np.hypot(0.85 * x, np.minimum(y + 0.5 * depth, 0.0) * 0.8) - (0.066 + 0.35 * depth)
        front = np.minimum(front, 0.05 - y)
    back = np.maximum(np.hypot(0.85 * x, np.minimum(y, 0.0)) - 0.072, 0.02 - y)
    share = np.clip(z / 0.05 + 0.5, 0, 1)
    return np.asarray((back + (front - back) * share * share * (3 - 2 * share)), dtype=np.float32)


def _top_level(outfit: Outfit, dressed: Dressed, points: FloatArray) -> FloatArray:
    arm, leg = dressed.fields.arm, dressed.fields.leg
    trunk = np.minimum(points[:, 1] - outfit.hem, _neck_level(outfit, points, dressed.lines))
    level = np.where(arm >= 0, (outfit.sleeve - arm) * 0.5, trunk)
    return np.where(leg > 0.8, -1.0, level).astype(np.float32)


def _trouser_level(outfit: Outfit, dressed: Dressed, points: FloatArray) -> FloatArray:
    arm, leg = dressed.fields.arm, dressed.fields.leg
    below_waist = np.where(arm >= 0, -1.0, dressed.lines.waist + 0.02 - points[:, 1])
    return np.minimum(np.where(leg >= 0, (outfit.leg - leg) * 0.8, 1.0), below_waist).astype(np.float32)


def _skirt_level(outfit: Outfit, dressed: Dressed, points: FloatArray) -> FloatArray:
    height = points[:, 1]
    # Above the top's hem a skirt would poke through it; so its rim is where the top ends.
    rim = min(dressed.lines.waist + 0.03, outfit.hem + 0.008)
    return np.minimum(height - outfit.skirt_hem, rim - height).astype(np.float32)


def _limb_uv(surface: Surface, dressed: Dressed, limb: str, side: str) -> FloatArray:
    """Texture coordinates (m, 3, 2) around an arm or a leg, `limb` "arm" or "leg"."""
    start, end, radius = ("upperarm01", "wrist", 0.055) if limb == "arm" else ("upperleg01", "foot", 0.085)
    names = dressed.pack.names
    head, tail = dressed.body.heads[names.index(f"{start}.{side}")], dressed.body.heads[names.index(f"{end}.{side}")]
    axis = (tail - head) / np.linalg.norm(tail - head)
    across = np.cross(axis, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    away = np.cross(across, axis)
    relative = surface.points - head
    # The middle of the texture is left to the chest: a logo there doesn't repeat on the limbs.
    angle = np.arctan2(relative @ across, relative @ away) * radius / TEXTURE_METRES
    along = 0.75 - (relative @ axis) / TEXTURE_METRES
    period = 2 * np.pi * radius / TEXTURE_METRES
    return triangle_uv(angle.astype(np.float32), along.astype(np.float32), surface.faces, period)


def _trunk_uv(surface: Surface, dressed: Dressed) -> FloatArray:
    """Texture coordinates (m, 3, 2) around the trunk; the middle of the front is at u = 0.5."""
    radius = 0.15
    angle = np.arctan2(surface.points[:, 0], surface.points[:, 2] - 0.02) * radius / TEXTURE_METRES + 0.5
    along = (surface.points[:, 1] - dressed.lines.shoulder) / TEXTURE_METRES + 0.75
    period = 2 * np.pi * radius / TEXTURE_METRES
    return triangle_uv(angle.astype(np.float32), along.astype(np.float32), surface.faces, period)


def _piece(surface: Surface, uv: FloatArray, texture: int, parts: npt.NDArray[np.generic]) -> Piece:
    return Piece(surface, uv, texture, parts.astype(np.uint8), np.zeros(len(parts), np.int32))


def make_top(dressed: Dressed, outfit: Outfit, texture: int) -> Piece:
    """Cut the top (also the upper half of a dress)."""
    points = dressed.form
    waist_slack = np.clip((dressed.lines.shoulder - 0.25 - points[:, 1]) / 0.3, 0, 1)
    arm = np.clip(dressed.fields.arm, 0, 1)
    # Close at the shoulders, looser towards waist and cuff.
    offset = 0.005 + outfit.looseness * (0.25 + waist_slack + 0.6 * np.clip((arm - 0.12) / 0.4, 0, 1))
    surface = _surface(dressed, "tights", offset.astype(np.float32), {"level": _top_level(outfit, dressed, points)})
    surface = cut_surface(surface, surface.fields["level"], len(dressed.pack.names))
    x, y, _ = surface.rest[surface.faces].mean(axis=1).T
    # A set-in sleeve begins at a vertical line through the armpit; the hips are wider than that, but lower.
    is_sleeve = (np.abs(x) > ARMHOLE_METRES) & ((y > 0.38) | (np.abs(x) > 0.30))
    left, right = is_sleeve & (x > 0), is_sleeve & (x < 0)
    parts = np.select([left, right], [Part.LEFT_SLEEVE, Part.RIGHT_SLEEVE], Part.TOP)
    uv = _trunk_uv(surface, dressed)
    uv[left] = _limb_uv(surface, dressed, "arm", "L")[left]
    uv[right] = _limb_uv(surface, dressed, "arm", "R")[right]
    return _piece(surface, uv, texture, parts)


def _make_trousers(dressed: Dressed, outfit: Outfit, texture: int) -> Piece:
    along = np.clip(dressed.fields.leg, 0, 1)
    offset = 0.004 + outfit.leg_looseness * np.clip(0.25 + along / 0.3, 0, 1) + outfit.flare * 0.10 * along**2
    level = _trouser_level(outfit, dressed, dressed.form)
    surface = _surface(dressed, "tights", offset.astype(np.float32), {"level": level})
    surface = cut_surface(surface, surface.fields["level"], len(dressed.pack.names))
    is_left = surface.rest[surface.faces].mean(axis=1)[:, 0] >= 0
    parts = np.where(is_left, Part.LEFT_TROUSER, Part.RIGHT_TROUSER)
    # Two tubes with a seam down the middle, as trousers are sewn.
    left, right = _limb_uv(surface, dressed, "leg", "L"), _limb_uv(surface, dressed, "leg", "R")
    uv = np.where(is_left[:, None, None], left, right)
    return _piece(surface, uv, texture, parts)


def _share_legs(surface: Surface, num_bones: int) -> Surface:
    """Let both legs carry a skirt together: left and right shares change smoothly across its width.

    Of the shins' weight half goes to the thighs, so that a long skirt bends little at the knee.
    """
    dense = densify(surface.weights, surface.bones, num_bones)
    names = load_body_pack().names
    side = np.clip(surface.rest[:, 0] / 0.26 + 0.5, 0, 1)
    left_share = side * side * (3 - 2 * side)
    thigh = [names.index("upperleg02.L"), names.index("upperleg02.R")]
    shin = [names.index("lowerleg01.L"), names.index("lowerleg01.R")]
    legs = [k for k, name in enumerate(names) if name.split(".")[0] in {"upperleg01", "upperleg02"}]
    shins = [k for k, name in enumerate(names) if name.startswith(("lowerleg", "foot", "toe"))]
    thigh_weight, shin_weight = dense[:, legs].sum(axis=1), dense[:, shins].sum(axis=1)
    dense[:, legs + shins] = 0
    for index, share in ((0, left_share), (1, 1 - left_share)):
        dense[:, thigh[index]] += share * (thigh_weight + 0.5 * shin_weight)
        dense[:, shin[index]] += share * 0.5 * shin_weight
    weights, bones = strongest(dense)
    return Surface(surface.points, surface.rest, weights, bones, surface.faces, surface.fields)


def _make_skirt(dressed: Dressed, outfit: Outfit, texture: int) -> Piece:
    drop = np.clip(dressed.lines.waist - dressed.form[:, 1], 0, 1)
    angle = np.arctan2(dressed.form[:, 0], dressed.form[:, 2])
    pleats = 0.10 * outfit.flare * np.sin(angle * outfit.num_pleats) * drop
    offset = 0.006 + outfit.flare * 0.35 * drop + pleats
    level = _skirt_level(outfit, dressed, dressed.form)
    surface = _surface(dressed, "skirt", offset.astype(np.float32), {"level": level})
    surface = cut_surface(surface, surface.fields["level"], len(dressed.pack.names))
    surface = _share_legs(surface, len(dressed.pack.names))
    parts = np.full(len(surface.faces), Part.SKIRT)
    return _piece(surface, _trunk_uv(surface, dressed), texture, parts)


def make_bottom(dressed: Dressed, outfit: Outfit, texture: int) -> Piece:
    """Cut the trousers, shorts or skirt (also the lower half of a dress)."""
    make = _make_skirt if outfit.has_skirt else _make_trousers
    return make(dressed, outfit, texture)


def covered_vertices(dressed: Dressed, outfit: Outfit) -> npt.NDArray[np.bool_]:
    """(V,) whether a skin vertex lies under cloth for sure; such skin is left out, so it can't poke through."""
    points = dressed.body.vertices
    above = _top_level(outfit, dressed, points) > COVER_MARGIN_METRES
    if outfit.has_skirt:
        below = (points[:, 1] < dressed.lines.waist) & (
            points[:, 1] > max(dressed.lines.crotch - 0.12, outfit.skirt_hem)
        )
        below &= dressed.fields.arm < 0
    else:
        below = _trouser_level(outfit, dressed, points) > COVER_MARGIN_METRES
    joints = dominant_joint()
    is_head = np.isin(joints, [JOINT_AT["head"], JOINT_AT["neck"]])
    return (above | below) & ~is_head
