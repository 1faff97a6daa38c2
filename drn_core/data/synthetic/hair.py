"""Hair: a cap grown on the scalp, curtains of longer hair, tails and buns, with strand textures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.body import Body, BodyPack
from drn_core.data.synthetic.parts import Part
from drn_core.data.synthetic.piece import Piece, Surface, cut_surface, triangle_uv
from drn_core.data.synthetic.raster import ALPHA_TESTED
from drn_core.data.synthetic.skin import HEAD_AXIS_Z, hairline_height
from drn_core.data.synthetic.textures import as_bytes

__all__ = ["HairStyle", "draw_hair_style", "hair_texture", "make_hair"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
CROWN = np.array([0.0, 0.945, 0.035], np.float32)  # centre of the skull on the mean body
# Thinnest and thickest cap in metres, and unevenness, of the styles that are a cap alone.
_CAPS = {
    "shaved": (0.0, 0.0, 0.0), "crop": (0.006, 0.012, 0.002),
    "short": (0.016, 0.030, 0.006), "afro": (0.035, 0.075, 0.012),
}  # fmt: skip
FRINGE_SHARE = 0.10  # of the texture, at the tips, where strands end one by one


@dataclass(frozen=True)
class HairStyle:
    """A hair style.

    Attributes:
        thickness: of the cap at its fullest, metres; 0 for a shaved head.
        front: height of the front hairline on the mean body, metres.
        curl: unevenness of the cap's surface, metres.
        length: of the curtain at the back below the skull's equator, metres; 0 for none.
        side_length: of the curtain at the sides.
        tail: "none", "bun" or "tail".
    """

    thickness: float
    front: float
    curl: float
    length: float
    side_length: float
    tail: str


def draw_hair_style(rng: np.random.Generator, *, is_female: bool) -> HairStyle:
    """Draw a hair style."""
    names = ("shaved", "crop", "short", "afro", "bob", "long", "tail", "bun")
    shares = (
        (0.0, 0.05, 0.12, 0.08, 0.25, 0.25, 0.15, 0.10)
        if is_female
        else (0.08, 0.35, 0.40, 0.10, 0.04, 0.01, 0.01, 0.01)
    )
    kind = str(rng.choice(names, p=shares))
    front = rng.uniform(0.975, 0.992)
    if kind in _CAPS:
        thinnest, thickest, curl = _CAPS[kind]
        return HairStyle(rng.uniform(thinnest, thickest), front, curl, 0.0, 0.0, "none")
    if kind in {"tail", "bun"}:
        return HairStyle(rng.uniform(0.007, 0.012), front, 0.003, 0.0, 0.0, kind)
    length = rng.uniform(0.12, 0.19) if kind == "bob" else rng.uniform(0.24, 0.46)
    side_length = length * rng.uniform(0.8, 1.0) if kind == "bob" else rng.uniform(0.12, 0.18)
    return HairStyle(rng.uniform(0.012, 0.022), front, 0.004, length, side_length, "none")


def hair_texture(rng: np.random.Generator, colour: FloatArray, size: int, *, is_curly: bool) -> UInt8Array:
    """Strands from root (top) to tip (bottom), (size, size, 4) uint8 RGBA; the tips fray into transparency."""
    noise = rng.random((size, size)).astype(np.float32)
    stretch = (size // 40 * 2 + 3, size // 40 * 2 + 3) if is_curly else (1, size // 4 * 2 + 1)
    strands = cv2.blur(np.tile(noise, (1, 3)) if is_curly else np.tile(noise, (3, 1)), stretch)
    strands = strands[:size, size : 2 * size] if is_curly else strands[size : 2 * size]
    strands = (strands - strands.mean()) / (strands.std() + 1e-6)
    rows = (np.arange(size, dtype=np.float32) + 0.5)[:, None] / size
    shine = 0.22 * np.exp(-(((rows - 0.38) / 0.12) ** 2))
    value = np.clip(0.92 + 0.20 * strands + shine * (1 + 0.6 * strands), 0.3, 2.0)
    image = np.empty((size, size, 4), np.float32)
    # The added light keeps strands apart in black hair, too.
    sheen = 0.028 * np.maximum(strands, 0.0) + 0.05 * shine
    image[..., :3] = np.clip(colour * value[..., None] + sheen[..., None], 0.02, 0.97)
    tip = rng.random(size).astype(np.float32)
    tip = cv2.blur(np.tile(tip, 3)[None], (max(1, size // 128) * 2 + 1, 1))[0, size : 2 * size]
    tip = (tip - tip.min()) / (np.ptp(tip) + 1e-6)
    image[..., 3] = (rows < 1 - FRINGE_SHARE * tip).astype(np.float32)
    return as_bytes(image)


def _rigid(points: FloatArray, rest: FloatArray, faces: npt.NDArray[np.int32], bone: int) -> Surface:
    """A surface that moves with one bone."""
    weights = np.zeros((len(points), 6), np.float32)
    weights[:, 0] = 1
    bones = np.full((len(points), 6), bone, np.int32)
    return Surface(points.astype(np.float32), rest.astype(np.float32), weights, bones, faces.astype(np.int32), {})


def _hair_piece(surface: Surface, uv: FloatArray, texture: int) -> Piece:
    count = len(surface.faces)
    return Piece(surface, uv, texture, np.full(count, Part.HAIR, np.uint8), np.full(count, ALPHA_TESTED, np.int32))


def _head_scale(pack: BodyPack, body: Body) -> tuple[FloatArray, FloatArray]:
    """Affine map from the mean head to this one: scale (3,) and shift (3,)."""
    skin = pack.vertices_of("skin")
    head = skin[pack.mean[skin, 1] > 0.90]
    mean, own = pack.mean[head], body.vertices[head]
    scale = np.ptp(own, axis=0) / np.ptp(mean, axis=0)
    return scale, (own.min(axis=0) + own.max(axis=0)) / 2 - (mean.min(axis=0) + mean.max(axis=0)) / 2 * scale


def _cap(pack: BodyPack, body: Body, style: HairStyle, texture: int, rng: np.random.Generator) -> Piece:
    vertices = pack.vertices_of("skin")
    vertices = vertices[pack.mean[vertices, 1] > 0.80]
    compact = np.full(len(pack.mean), -1, np.int32)
    compact[vertices] = np.arange(len(vertices))
    faces = compact[pack.triangles["skin"]]
    faces = faces[(faces >= 0).all(axis=1)]
    rest = pack.mean[vertices]
    above = rest[:, 1] - hairline_height(rest, front=style.front)
    off_ear = 0.0775 - np.abs(rest[:, 0])
    inside = rest[:, 2] < 0.155
    level = np.where(inside, np.minimum(above, off_ear), -1.0).astype(np.float32)
    outward = rest - CROWN
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    full = 1 - np.exp(-np.clip(above, 0, None) / 0.022)
    waves = np.sin(rest @ rng.normal(0, 90, (3, 4)).astype(np.float32) + rng.uniform(0, 6.28, 4)).mean(axis=1)
    offset = 0.0025 + style.thickness * full + style.curl * waves * full
    azimuth = np.arctan2(rest[:, 0], rest[:, 2] - CROWN[2])
    surface = Surface(
        points=(body.vertices[vertices] + outward * offset[:, None]).astype(np.float32),
        rest=rest,
        weights=pack.weights[vertices],
        bones=pack.bones[vertices],
        faces=faces,
        fields={"azimuth": azimuth.astype(np.float32), "above": above.astype(np.float32)},
    )
    surface = cut_surface(surface, level, len(pack.names))
    u = surface.fields["azimuth"] / (2 * np.pi) * 4
    v = np.clip(0.02 + surface.fields["above"] / 0.20, 0.02, 0.98)
    return _hair_piece(surface, triangle_uv(u.astype(np.float32), v.astype(np.float32), surface.faces, 4.0), texture)


def _grid_faces(rows: int, columns: int) -> npt.NDArray[np.int32]:
    """Triangles of a grid of vertices numbered row by row, seen from outside with rows going down."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    quads = np.stack([corner, corner + columns, corner + columns + 1, corner + 1], axis=1)
    return np.asarray(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), dtype=np.int32)


def _curtain(pack: BodyPack, body: Body, style: HairStyle, texture: int) -> Piece:
    """Hair that hangs from the skull's equator: to the chin at the sides, further down behind the ears."""
    rows, columns = 16, 41
    azimuth = np.linspace(1.12, 2 * np.pi - 1.12, columns)
    back = np.clip((np.minimum(azimuth, 2 * np.pi - azimuth) - 1.6) / 0.7, 0, 1)
    back = back * back * (3 - 2 * back)
    length = style.side_length + (style.length - style.side_length) * back
    down = np.linspace(0, 1, rows)[:, None]
    height = 0.972 - down * (length + 0.072)
    # It starts inside the cap, swells below it and narrows towards the tips.
    start = np.clip(down / 0.18, 0, 1)
    swell = 0.90 + 0.10 * start * (2 - start) + 0.08 * np.sin(np.pi * np.clip(down * 1.1, 0, 1)) - 0.10 * down
    thick = style.thickness + 0.007
    x = (0.0735 + thick) * np.sin(azimuth) * swell
    z = HEAD_AXIS_Z - 0.008 + (0.094 + thick) * np.cos(azimuth) * swell
    # Below the jaw the back lies on neck and shoulders, which are behind the head's own axis.
    low = np.clip((0.86 - height) / 0.14, 0, 1) * back
    z = z + low * (-0.115 - z) * 0.7
    x = x * (1 - 0.12 * low)
    rest = np.stack([x, height + 0 * x, z], axis=-1).reshape(-1, 3)
    scale, shift = _head_scale(pack, body)
    points = rest * scale + shift
    surface = _rigid(points, rest, _grid_faces(rows, columns), pack.names.index("head"))
    hang = np.clip((0.84 - rest[:, 1]) / 0.16, 0, 0.75).astype(np.float32)
    surface.weights[:, 0] = 1 - hang
    surface.weights[:, 1] = hang
    surface.bones[:, 1] = pack.names.index("spine01")
    order = np.argsort(-surface.weights, axis=1, kind="stable")
    surface = Surface(
        surface.points, surface.rest, np.take_along_axis(surface.weights, order, 1),
        np.take_along_axis(surface.bones, order, 1), surface.faces, {},
    )  # fmt: skip
    u = np.broadcast_to(azimuth / (2 * np.pi) * 4, (rows, columns)).ravel().astype(np.float32)
    v = np.broadcast_to(0.98 - 0.96 * down, (rows, columns)).ravel().astype(np.float32)
    return _hair_piece(surface, triangle_uv(u, v, surface.faces), texture)


def _tube(pack: BodyPack, body: Body, line: FloatArray, radii: FloatArray, texture: int) -> Piece:
    """A closed tube of hair along points (r, 3) of the mean body, moved by the head."""
    columns = 13
    angle = np.linspace(0, 2 * np.pi, columns)
    ring = np.stack([np.sin(angle), np.zeros(columns), np.cos(angle)], axis=1)
    tangent = np.gradient(line, axis=0)
    tilt = np.arctan2(-tangent[:, 2], -tangent[:, 1])  # lean of the tube in the y-z plane
    cosine, sine = np.cos(tilt)[:, None], np.sin(tilt)[:, None]
    y = -ring[None, :, 2] * sine
    z = ring[None, :, 2] * cosine
    circle = np.stack([np.broadcast_to(ring[None, :, 0], z.shape), y, z], axis=-1)
    rest = (line[:, None] + radii[:, None, None] * circle).reshape(-1, 3)
    scale, shift = _head_scale(pack, body)
    surface = _rigid(rest * scale + shift, rest, _grid_faces(len(line), columns), pack.names.index("head"))
    u = np.broadcast_to(angle / (2 * np.pi), (len(line), columns)).ravel().astype(np.float32)
    down = np.linspace(0.98, 0.02, len(line))
    v = np.broadcast_to(down[:, None], (len(line), columns)).ravel().astype(np.float32)
    return _hair_piece(surface, triangle_uv(u, v, surface.faces), texture)


def _tail(pack: BodyPack, body: Body, texture: int, rng: np.random.Generator, *, is_bun: bool) -> Piece:
    t = np.linspace(0, 1, 12)
    if is_bun:
        radius = rng.uniform(0.028, 0.042)
        high = rng.uniform(0.94, 1.0)
        line = np.stack([0 * t, high + 0.03 - t * 2 * radius * 0.9, np.full_like(t, -0.055 - radius * 0.6)], axis=1)
        radii = radius * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0.0, 1)) + 0.001
    else:
        length = rng.uniform(0.18, 0.34)
        drop = np.clip(t * 1.15 - 0.10, 0, 1)
        line = np.stack([0 * t, 0.965 + 0.012 * np.sin(np.pi * np.clip(t * 4, 0, 1)) - length * drop,
                         -0.058 - 0.05 * np.clip(t * 4, 0, 1) - 0.01 * t], axis=1)  # fmt: skip
        radii = 0.012 + 0.016 * np.sin(np.pi * np.clip(t * 0.9 + 0.05, 0, 1))
    return _tube(pack, body, line.astype(np.float32), radii.astype(np.float32), texture)


def make_hair(pack: BodyPack, body: Body, style: HairStyle, texture: int, rng: np.random.Generator) -> list[Piece]:
    """Grow the hair of a person; an empty list for a shaved head."""
    if style.thickness == 0:
        return []
    pieces = [_cap(pack, body, style, texture, rng)]
    if style.length > 0:
        pieces.append(_curtain(pack, body, style, texture))
    if style.tail != "none":
        pieces.append(_tail(pack, body, texture, rng, is_bun=style.tail == "bun"))
    return pieces
