"""A layered person as a cache entry: packed pictures, arrays and JSON facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body
from drn_core.prior.head import HeadRelief
from drn_core.prior.parts import LIMBS, Layer, Part
from drn_core.prior.person import PersonLayers
from drn_core.prior.skinning import LayerMesh
from retarget.cache import Payload
from retarget.packed_picture import pack_picture, unpack_picture

__all__ = ["pack_layers", "unpack_layers"]

_MESH_ARRAYS: Final = tuple(field.name for field in fields(LayerMesh))
_BODY_ARRAYS: Final = ("keypoints", "confidence", "depth")
_HEAD_ARRAYS: Final = ("vertices", "joints", "down")


def pack_layers(person: PersonLayers) -> Payload:
    """Return a layered person as arrays and facts; sheets that hold nothing take no room."""
    mesh, body, head = person.mesh, person.body, person.head
    arrays: dict[str, npt.NDArray[Any]] = {f"mesh_{name}": getattr(mesh, name) for name in _MESH_ARRAYS}
    arrays |= {f"body_{name}": getattr(body, name) for name in _BODY_ARRAYS}
    arrays |= {f"head_{name}": getattr(head, name) for name in _HEAD_ARRAYS}
    arrays |= {_texture(layer): pack_picture(sheet) for layer in Layer if (sheet := person.textures[layer]).any()}
    if person.photo_joints is not None:
        arrays["photo_joints"] = person.photo_joints
    facts = {
        "texture_hw": list(person.textures.shape[1:3]),
        "origin_xy": [int(value) for value in person.origin_xy],
        "size_hw": [int(value) for value in person.size_hw],
        "torso_length": float(body.torso_length),
        "radii": _by_number(body.radii),
        "off_middle": _by_number(body.off_middle),
        "hem": float(body.hem),
        "head_unit_px": float(head.unit_px),
        "head_limit": float(head.limit),
        "rebuilt": [LIMBS.index(limb) for limb in person.rebuilt],
        "lengthened": [int(part) for part in person.lengthened],
        "regrown": [int(part) for part in person.regrown],
        "shown_layers": [int(layer) for layer in person.shown_layers],
    }
    return Payload(arrays, facts)


def unpack_layers(payload: Payload) -> PersonLayers:
    """Return the layered person of a cache entry.

    Raises:
        IndexError, KeyError, TypeError, ValueError: the entry holds something else.
    """
    arrays, facts = payload.arrays, payload.facts
    height, width = facts["texture_hw"]
    textures = np.zeros((len(Layer), height, width, 4), np.uint8)
    for layer in Layer:
        if _texture(layer) in arrays:
            textures[layer] = unpack_picture(arrays[_texture(layer)], (height, width, 4))
    body = Body(
        **{name: arrays[f"body_{name}"] for name in _BODY_ARRAYS},
        torso_length=facts["torso_length"],
        radii=_by_part(facts["radii"]),
        off_middle=_by_part(facts["off_middle"]),
        hem=facts["hem"],
    )
    head = HeadRelief(
        **{name: arrays[f"head_{name}"] for name in _HEAD_ARRAYS},
        unit_px=facts["head_unit_px"],
        limit=facts["head_limit"],
    )
    return PersonLayers(
        textures=textures,
        origin_xy=(facts["origin_xy"][0], facts["origin_xy"][1]),
        mesh=LayerMesh(**{name: arrays[f"mesh_{name}"] for name in _MESH_ARRAYS}),
        body=body,
        head=head,
        size_hw=(facts["size_hw"][0], facts["size_hw"][1]),
        rebuilt=tuple(LIMBS[number] for number in facts["rebuilt"]),
        lengthened=tuple(Part(number) for number in facts["lengthened"]),
        regrown=tuple(Part(number) for number in facts["regrown"]),
        photo_joints=arrays.get("photo_joints"),
        shown_layers=tuple(Layer(number) for number in facts["shown_layers"]),
    )


def _texture(layer: Layer) -> str:
    return f"texture_{layer.name.lower()}"


def _by_number(values: Mapping[Part, float]) -> list[tuple[int, float]]:
    return [(int(part), float(value)) for part, value in values.items()]


def _by_part(pairs: list[tuple[int, float]]) -> dict[Part, float]:
    return {Part(number): value for number, value in pairs}
