"""Shoes and socks, cut from the feet of the tights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.fields import dominant_joint
from drn_core.data.synthetic.garments import Dressed
from drn_core.data.synthetic.outfit import Outfit
from drn_core.data.synthetic.parts import Part
from drn_core.data.synthetic.piece import Piece, Surface, cut_surface, triangle_uv
from drn_core.data.synthetic.pose import JOINT_AT
from drn_core.data.synthetic.prints import draw_cloth_colour
from drn_core.data.synthetic.textures import as_bytes

__all__ = ["make_shoes", "make_socks", "shod_vertices", "shoe_texture"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
SOLE_METRES = 0.026
SHAFT_METRES_PER_LEG = 0.8  # metres that one unit of the leg field stands for, roughly


def _foot_surface(dressed: Dressed, offset: FloatArray, level: FloatArray) -> Surface:
    pack = dressed.pack
    vertices = pack.vertices_of("tights")
    compact = np.full(len(pack.mean), -1, np.int32)
    compact[vertices] = np.arange(len(vertices))
    surface = Surface(
        points=(dressed.body.vertices + dressed.normals * offset[:, None])[vertices].astype(np.float32),
        rest=pack.mean[vertices],
        weights=pack.weights[vertices],
        bones=pack.bones[vertices],
        faces=compact[pack.triangles["tights"]],
        fields={"level": level[vertices].astype(np.float32)},
    )
    return cut_surface(surface, surface.fields["level"], len(pack.names))


def _level(dressed: Dressed, height: float) -> FloatArray:
    return (np.maximum(dressed.fields.leg, -1.0) - height) * np.float32(SHAFT_METRES_PER_LEG)


def _side_parts(surface: Surface, left: Part, right: Part) -> npt.NDArray[np.uint8]:
    is_left = surface.rest[surface.faces].mean(axis=1)[:, 0] >= 0
    return np.where(is_left, left, right).astype(np.uint8)


def make_shoes(dressed: Dressed, outfit: Outfit, texture: int) -> Piece:
    """Cut both shoes; the sole is flat and stands out a little."""
    offset = np.full(len(dressed.body.vertices), 0.008, np.float32)
    surface = _foot_surface(dressed, offset, _foot_level(dressed, outfit.shoe_height))
    floor = float(surface.points[:, 1].min()) - 0.008
    points = _with_sole(dressed, surface.points, floor)
    flat = Surface(points, surface.rest, surface.weights, surface.bones, surface.faces, surface.fields)
    height = np.clip((points[:, 1] - floor) / 0.25, 0.02, 0.98).astype(np.float32)
    around = (surface.rest[:, 2] / 0.5 + 0.4).astype(np.float32)
    uv = triangle_uv(around, height, flat.faces)
    return Piece(flat, uv, texture, _side_parts(flat, Part.LEFT_SHOE, Part.RIGHT_SHOE), np.zeros(len(uv), np.int32))


def _with_sole(dressed: Dressed, points: FloatArray, floor: float) -> FloatArray:
    """Stand shoe points (n, 3) on a flat sole: low ones move away from the foot's middle line and down."""
    at = {name: index for index, name in enumerate(dressed.pack.names)}
    shaped = points.copy()
    depth = np.clip((floor + 1.6 * SOLE_METRES - points[:, 1]) / SOLE_METRES, 0, 1).astype(np.float32)
    for side, is_mine in (("L", points[:, 0] >= 0), ("R", points[:, 0] < 0)):
        heel, toe = dressed.body.heads[at[f"foot.{side}"]][[0, 2]], dressed.body.heads[at[f"toe2-2.{side}"]][[0, 2]]
        axis = toe - heel
        flat = points[is_mine][:, [0, 2]]
        along = np.clip((flat - heel) @ axis / (axis @ axis), -0.05, 0.9)[:, None]
        away = flat - (heel + along * axis)
        away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-6
        # The under side stays a narrow flat patch; only the rim moves out.
        rim = np.clip((points[is_mine, 1] - floor) / 0.010, 0, 1)
        moved = (0.007 * depth[is_mine] * rim)[:, None] * away
        shaped[is_mine, 0] += moved[:, 0]
        shaped[is_mine, 2] += moved[:, 1]
    shaped[:, 1] = np.where(depth > 0, points[:, 1] - depth**2 * np.clip(points[:, 1] - floor, 0, 0.020), points[:, 1])
    return shaped


def _foot_level(dressed: Dressed, height: float) -> FloatArray:
    """Positive on the foot and up the leg to `height` of the leg field; the collar is level at the ankle."""
    ankle_like = dressed.lines.ankle + (1.0 - height) * SHAFT_METRES_PER_LEG + 0.012
    below = ankle_like - dressed.body.vertices[:, 1]
    return np.where(dressed.fields.leg > 0.6, below, -1.0).astype(np.float32)


def make_socks(dressed: Dressed, outfit: Outfit, texture: int) -> Piece:
    """Cut the socks: from a hand's breadth above the shoe down into it."""
    offset = np.full(len(dressed.body.vertices), 0.003, np.float32)
    surface = _foot_surface(dressed, offset, _foot_level(dressed, min(outfit.shoe_height, 1.0) - 0.11))
    uv = triangle_uv(surface.rest[:, 2] * 3, surface.rest[:, 1] * 3, surface.faces)
    return Piece(
        surface, uv, texture, _side_parts(surface, Part.LEFT_SHOE, Part.RIGHT_SHOE), np.zeros(len(uv), np.int32)
    )


def shod_vertices(dressed: Dressed, outfit: Outfit) -> npt.NDArray[np.bool_]:
    """(V,) whether a skin vertex is inside a shoe for sure."""
    joints = dominant_joint()
    feet = [JOINT_AT[f"{name}.{side}"] for name in ("ankle", "toe") for side in "LR"]
    inside: npt.NDArray[np.bool_] = _foot_level(dressed, outfit.shoe_height) > 0.02
    return inside | np.isin(joints, feet) & inside


def shoe_texture(rng: np.random.Generator, size: int = 64) -> UInt8Array:
    """(size, size, 3) uint8: sole below, upper above, a stripe of laces on some."""
    image = np.empty((size, size, 3), np.float32)
    image[:] = draw_cloth_colour(rng)
    sole = np.full(3, rng.choice([0.92, 0.85, 0.12, 0.35]), np.float32)
    rows = 1 - (np.arange(size) + 0.5) / size
    image[rows < 0.085] = sole
    if rng.random() < 0.5:
        image[(rows > 0.10) & (rows < 0.125)] = draw_cloth_colour(rng)
    image *= 1 + 0.05 * (rng.random((size, size, 1)).astype(np.float32) - 0.5)
    return as_bytes(np.clip(image, 0.02, 0.98))
