"""A dressed person, merged into one mesh that the compiled passes draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.body import Body, BodyPack, draw_body, load_body_pack
from drn_core.data.synthetic.fields import dominant_joint, limb_fields, measure_lines
from drn_core.data.synthetic.garments import Dressed, covered_vertices, make_bottom, make_top, tights_points
from drn_core.data.synthetic.hair import HairStyle, draw_hair_style, hair_texture, make_hair
from drn_core.data.synthetic.outfit import Outfit, draw_outfit
from drn_core.data.synthetic.parts import Part
from drn_core.data.synthetic.piece import Piece, Surface
from drn_core.data.synthetic.pose import JOINT_AT
from drn_core.data.synthetic.prints import cloth_texture
from drn_core.data.synthetic.raster import CULLED, bounds, vertex_normals
from drn_core.data.synthetic.rig import Rig
from drn_core.data.synthetic.shoes import make_shoes, make_socks, shod_vertices, shoe_texture
from drn_core.data.synthetic.skin import Complexion, draw_complexion, eye_texture, skin_texture
from drn_core.data.synthetic.textures import Material, TextureAtlas, pack_textures

__all__ = ["Character", "CharacterDesign", "build_character", "draw_design"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

SKIN, EYES, HAIR, TOP, BOTTOM, SHOES, SOCKS = range(7)
_MATERIALS = [
    Material(gloss=0.35, exponent=14.0, warmth=1.0),
    Material(gloss=1.2, exponent=60.0),
    Material(gloss=0.9, exponent=9.0),
    Material(gloss=0.06, exponent=6.0, relief=0.017),
    Material(gloss=0.06, exponent=6.0, relief=0.017),
    Material(gloss=0.5, exponent=20.0),
    Material(gloss=0.03, exponent=6.0),
]
_SKIN_PARTS = {
    "neck": Part.FACE, "head": Part.FACE,
    "shoulder.L": Part.LEFT_ARM_SKIN, "elbow.L": Part.LEFT_ARM_SKIN, "wrist.L": Part.LEFT_HAND,
    "shoulder.R": Part.RIGHT_ARM_SKIN, "elbow.R": Part.RIGHT_ARM_SKIN, "wrist.R": Part.RIGHT_HAND,
    **{f"{joint}.L": Part.LEFT_LEG_SKIN for joint in ("hip", "knee", "ankle", "toe")},
    **{f"{joint}.R": Part.RIGHT_LEG_SKIN for joint in ("hip", "knee", "ankle", "toe")},
}  # fmt: skip


@dataclass(frozen=True)
class CharacterDesign:
    """Everything that makes a person, before any mesh is built.

    Attributes:
        body: shape.
        outfit: clothes.
        hair: hair style.
        complexion: colours.
        has_logo: whether the top carries a print.
        seed: of the textures.
    """

    body: Body
    outfit: Outfit
    hair: HairStyle
    complexion: Complexion
    has_logo: bool
    seed: int


@dataclass(frozen=True)
class Character:
    """One person ready to be posed and drawn.

    Attributes:
        points: (n, 3) at rest.
        rest: (n, 3) surface coordinates: the points on the mean body.
        weights, bones: (n, 6) skinning.
        cloth_at: (c,) indices of the garments' points.
        cloth_normals: (c, 3) their normals at rest.
        faces: (m, 3).
        uv: (m, 3, 2).
        face_texture: (m,) row in the atlas.
        flags: (m,) raster flags.
        parts: (m,) part labels.
        atlas: textures.
        rig: bones.
        body: shape.
        expressions: facial actions: indices into `points` and displacements at full strength.
    """

    points: FloatArray
    rest: FloatArray
    weights: FloatArray
    bones: IntArray
    cloth_at: IntArray
    cloth_normals: FloatArray
    faces: IntArray
    uv: FloatArray
    face_texture: IntArray
    flags: IntArray
    parts: npt.NDArray[np.uint8]
    atlas: TextureAtlas
    rig: Rig
    body: Body
    expressions: dict[str, tuple[IntArray, FloatArray]]

    @property
    def cloth_points(self) -> FloatArray:
        """(c, 3) the garments' points at rest."""
        return self.points[self.cloth_at]

    @property
    def floor(self) -> float:
        """Height of the soles at rest, metres."""
        return float(bounds(self.points)[0, 1])

    def with_expression(self, strengths: dict[str, float]) -> FloatArray:
        """Rest points (n, 3) with facial actions applied.

        Args:
            strengths: 0 to 1 by name, see `EXPRESSIONS`.
        """
        points = self.points.copy()
        for name, strength in strengths.items():
            index, offset = self.expressions[name]
            points[index] += np.float32(strength) * offset
        return points


def draw_design(rng: np.random.Generator) -> CharacterDesign:
    """Draw a person."""
    pack = load_body_pack()
    body = draw_body(pack, rng)
    return CharacterDesign(
        body=body,
        outfit=draw_outfit(rng, measure_lines(pack, body), is_female=body.is_female),
        hair=draw_hair_style(rng, is_female=body.is_female),
        complexion=draw_complexion(rng, body.origins, is_female=body.is_female),
        has_logo=bool(rng.random() < 0.3),
        seed=int(rng.integers(2**31)),
    )


def _surface_of(pack: BodyPack, body: Body, vertices: IntArray, faces: IntArray) -> Surface:
    compact = np.full(len(pack.mean), -1, np.int32)
    compact[vertices] = np.arange(len(vertices))
    return Surface(
        body.vertices[vertices], pack.mean[vertices], pack.weights[vertices], pack.bones[vertices], compact[faces], {}
    )


def _skin_piece(pack: BodyPack, body: Body, is_hidden: npt.NDArray[np.bool_]) -> tuple[Piece, IntArray]:
    """The skin that may be seen, and which body vertices it uses."""
    faces = pack.triangles["skin"]
    seen = ~is_hidden[faces].all(axis=1)
    faces, uv = faces[seen], pack.uv[seen]
    vertices = np.unique(faces).astype(np.int32)
    label = np.full(len(JOINT_AT), Part.TORSO_SKIN, np.uint8)
    for joint, part in _SKIN_PARTS.items():
        label[JOINT_AT[joint]] = part
    parts = label[dominant_joint()[faces[:, 0]]]
    piece = Piece(_surface_of(pack, body, vertices, faces), uv, SKIN, parts, np.full(len(faces), CULLED, np.int32))
    return piece, vertices


def _eye_piece(pack: BodyPack, body: Body, name: str) -> Piece:
    faces = pack.triangles[name]
    vertices = pack.vertices_of(name)
    ball = body.vertices[faces]
    centre = body.vertices[vertices].mean(axis=0)
    relative = ball - centre
    radius = float(np.linalg.norm(relative, axis=-1).mean())
    uv = relative[..., :2] / radius * 0.5 + 0.5
    uv = np.where(relative[..., 2:] < 0, 0.02, uv).astype(np.float32)
    count = len(faces)
    return Piece(
        _surface_of(pack, body, vertices, faces), uv, EYES, np.full(count, Part.EYE, np.uint8),
        np.full(count, CULLED, np.int32),
    )  # fmt: skip


def _dress(pack: BodyPack, body: Body) -> Dressed:
    fields = limb_fields(pack, body)
    form = tights_points(body, fields)
    normals = np.zeros_like(form)
    cloth = np.concatenate([pack.triangles["tights"], pack.triangles["skirt"]])
    vertex_normals(form, cloth, normals)
    return Dressed(pack, body, fields, measure_lines(pack, body), form, normals)


def _textures(design: CharacterDesign, size: int) -> TextureAtlas:
    rng = np.random.default_rng(design.seed)
    skin = skin_texture(rng, design.complexion, size)
    top = cloth_texture(rng, size, has_logo=design.has_logo and not design.outfit.is_dress)
    bottom = top if design.outfit.is_dress else cloth_texture(rng, size, is_quiet=bool(rng.random() < 0.75))
    is_curly = design.hair.curl > 0.008
    images = [
        skin, eye_texture(design.complexion), hair_texture(rng, design.complexion.hair, size // 2, is_curly=is_curly),
        top, bottom, shoe_texture(rng), cloth_texture(rng, 32, is_quiet=True),
    ]  # fmt: skip
    return pack_textures(images, _MATERIALS)


def build_character(design: CharacterDesign, texture_size: int) -> Character:
    """Build the mesh and textures of a person.

    Args:
        design: the person.
        texture_size: side of the skin and cloth textures in texels; a power of two, at least 128.
    """
    pack, body, outfit = load_body_pack(), design.body, design.outfit
    dressed = _dress(pack, body)
    hidden = covered_vertices(dressed, outfit) | shod_vertices(dressed, outfit)
    skin, skin_vertices = _skin_piece(pack, body, hidden)
    pieces = [skin, _eye_piece(pack, body, "left_eye"), _eye_piece(pack, body, "right_eye")]
    pieces += make_hair(pack, body, design.hair, HAIR, np.random.default_rng(design.seed + 1))
    first_cloth = len(pieces)
    pieces += [make_bottom(dressed, outfit, BOTTOM), make_top(dressed, outfit, TOP)]
    last_cloth = len(pieces)
    pieces.append(make_shoes(dressed, outfit, SHOES))
    if outfit.has_socks:
        pieces.append(make_socks(dressed, outfit, SOCKS))
    return _merge(pieces, (first_cloth, last_cloth), skin_vertices, design, _textures(design, texture_size))


def _merge(
    pieces: list[Piece], cloth: tuple[int, int], skin_vertices: IntArray, design: CharacterDesign, atlas: TextureAtlas
) -> Character:
    pack = load_body_pack()
    starts = np.cumsum([0] + [len(piece.surface.points) for piece in pieces])
    points = np.concatenate([piece.surface.points for piece in pieces])
    faces = np.concatenate([p.surface.faces + start for p, start in zip(pieces, starts, strict=False)]).astype(np.int32)
    normals = np.zeros_like(points)
    vertex_normals(points, faces, normals)
    cloth_at = np.arange(starts[cloth[0]], starts[cloth[1]], dtype=np.int32)
    place = np.full(len(pack.mean), -1, np.int32)
    place[skin_vertices] = np.arange(len(skin_vertices))
    expressions = {}
    for name, (index, offset) in pack.expressions.items():
        here = place[index]
        expressions[name] = (here[here >= 0], offset[here >= 0])
    return Character(
        points=points,
        rest=np.concatenate([piece.surface.rest for piece in pieces]),
        weights=np.concatenate([piece.surface.weights for piece in pieces]),
        bones=np.concatenate([piece.surface.bones for piece in pieces]),
        cloth_at=cloth_at,
        cloth_normals=normals[cloth_at],
        faces=faces,
        uv=np.concatenate([piece.uv for piece in pieces]),
        face_texture=np.concatenate([np.full(len(p.uv), p.texture, np.int32) for p in pieces]),
        flags=np.concatenate([piece.flags for piece in pieces]),
        parts=np.concatenate([piece.parts for piece in pieces]),
        atlas=atlas,
        rig=Rig(pack, design.body),
        body=design.body,
        expressions=expressions,
    )
