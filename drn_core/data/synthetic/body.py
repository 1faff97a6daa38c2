"""Bodies: the pack of adult body shapes and the bodies drawn from it.

The pack (`drn_core/assets/body.npz`, built by `scripts/build_body_pack.py`) holds a linear model of shapes over
one mesh, its joints and skinning weights, and the surfaces cut from that mesh: skin, eyes and the two
forms ("tights", "skirt") from which garments are made. Metres, y up, z forward, x to the person's left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

__all__ = ["EXPRESSIONS", "Body", "BodyPack", "draw_body", "load_body_pack", "split_quads"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

SURFACES = ("skin", "tights", "skirt", "left_eye", "right_eye")
EXPRESSIONS = ("smile", "blink", "jaw_open", "brow_up", "brow_down", "pucker", "frown")


@dataclass(frozen=True)
class BodyPack:
    """The linear body model and its surfaces.

    Attributes:
        mean: (V, 3) mean body.
        basis: (C, V * 3) principal displacements, one standard deviation each.
        coefficients: (N, C) of the N bodies the model was built from.
        traits: (N, 4) of the same bodies: female, African, Asian, Caucasian share, each in [0, 1].
        joint_regressor: (1 + C, J * 3) bone heads as an affine function of the coefficients.
        weights: (V, 6) skinning weights, strongest first, summing to 1.
        bones: (V, 6) the bones they belong to.
        parents: (J,) parent bone; -1 for the root. Parents come before their children.
        names: J bone names, `.L` and `.R` at the end of paired ones.
        triangles: (M, 3) vertex indices of each surface by name.
        uv: (M, 3, 2) texture coordinates of the skin, [0, 1], v upwards.
        expressions: facial actions by name: vertex indices (n,) and their displacement (n, 3) at full strength.
    """

    mean: FloatArray
    basis: FloatArray
    coefficients: FloatArray
    traits: FloatArray
    joint_regressor: FloatArray
    weights: FloatArray
    bones: IntArray
    parents: IntArray
    names: tuple[str, ...]
    triangles: dict[str, IntArray]
    uv: FloatArray
    expressions: dict[str, tuple[IntArray, FloatArray]]

    def vertices_of(self, surface: str) -> IntArray:
        """Indices (n,) of the vertices a surface uses, ascending."""
        return np.unique(self.triangles[surface]).astype(np.int32)


@dataclass(frozen=True)
class Body:
    """One body at rest.

    Attributes:
        vertices: (V, 3).
        heads: (J, 3) bone heads.
        is_female: whether the shape was drawn from the female half.
        origins: (3,) African, Asian, Caucasian share of the shape, summing to 1.
    """

    vertices: FloatArray
    heads: npt.NDArray[np.float64]
    is_female: bool
    origins: FloatArray


def split_quads(quads: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Split quads (Q, 4, ...) into triangles (2Q, 3, ...), all first halves before all second halves."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


@lru_cache(maxsize=1)
def load_body_pack() -> BodyPack:
    """Read the pack that ships with the package (once per process)."""
    with (
        resources.files("drn_core.assets").joinpath("body.npz").open("rb") as stream,
        np.load(stream, allow_pickle=False) as pack,
    ):
        weights = pack["skin_weights"].astype(np.float32)
        return BodyPack(
            mean=pack["mean"],
            basis=pack["basis"].astype(np.float32),
            coefficients=pack["coefficients"],
            traits=pack["traits"],
            joint_regressor=pack["joint_regressor"],
            weights=weights / weights.sum(axis=1, keepdims=True),
            bones=pack["skin_bones"].astype(np.int32),
            parents=pack["bone_parents"].astype(np.int32),
            names=tuple(str(name) for name in pack["bone_names"]),
            triangles={name: split_quads(pack[f"quads_{name}"]).astype(np.int32) for name in SURFACES},
            uv=(split_quads(pack["uv_skin"]).astype(np.float32) / 65535.0).astype(np.float32),
            expressions={
                name: (
                    pack[f"expression_{name}_index"].astype(np.int32),
                    pack[f"expression_{name}_offset"].astype(np.float32),
                )
                for name in EXPRESSIONS
            },
        )


def draw_body(pack: BodyPack, rng: np.random.Generator) -> Body:
    """Draw a body: a random blend of three bodies of one sex, which is always as plausible as they are."""
    is_female = bool(rng.random() < 0.5)
    candidates = np.flatnonzero((pack.traits[:, 0] > 0.5) == is_female)
    chosen = rng.choice(candidates, size=3, replace=False)
    shares = rng.dirichlet([1.0, 0.6, 0.4]).astype(np.float32)
    coefficients = shares @ pack.coefficients[chosen]
    traits = shares @ pack.traits[chosen]
    vertices = (coefficients @ pack.basis).reshape(-1, 3) + pack.mean
    heads = (np.concatenate([[1.0], coefficients]) @ pack.joint_regressor).reshape(-1, 3)
    return Body(
        vertices=np.ascontiguousarray(vertices, dtype=np.float32),
        heads=heads.astype(np.float64),
        is_female=is_female,
        origins=(traits[1:] / traits[1:].sum()).astype(np.float32),
    )
