"""Scalar fields over the body along which garments, shoes and part labels are cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.body import Body, BodyPack, load_body_pack
from drn_core.data.synthetic.pose import JOINT_AT, SIDES
from drn_core.data.synthetic.rig import joint_of_bone

__all__ = ["BodyLines", "LimbFields", "dominant_joint", "limb_fields", "measure_lines"]

FloatArray = npt.NDArray[np.float32]
_SEGMENTS = (
    ("arm", "shoulder", "upperarm01", "lowerarm01", 0.0), ("arm", "elbow", "lowerarm01", "wrist", 0.5),
    ("leg", "hip", "upperleg01", "lowerleg01", 0.0), ("leg", "knee", "lowerleg01", "foot", 0.5),
)  # fmt: skip
# Hands and feet go on along the last segment.
_ENDS = (
    ("arm", "wrist", "lowerarm01", "wrist"),
    ("leg", "ankle", "lowerleg01", "foot"), ("leg", "toe", "lowerleg01", "foot"),
)  # fmt: skip


@dataclass(frozen=True)
class LimbFields:
    """Where along a limb each vertex of the body sits.

    Attributes:
        arm: (V,) 0 at the shoulder, 0.5 at the elbow, 1 at the wrist, more on the hand; -1 off the arms.
        leg: (V,) 0 at the hip, 0.5 at the knee, 1 at the ankle, more on the foot; -1 off the legs.
    """

    arm: FloatArray
    leg: FloatArray


@dataclass(frozen=True)
class BodyLines:
    """Heights (y) of the lines a tailor would take, and the place of the neck, in metres at rest."""

    waist: float
    hip: float
    crotch: float
    shoulder: float
    ankle: float
    knee: float
    neck: npt.NDArray[np.float64]


@lru_cache(maxsize=1)
def dominant_joint() -> npt.NDArray[np.int64]:
    """(V,) index in `JOINTS` of the joint that moves each vertex most."""
    joints: npt.NDArray[np.int64] = joint_of_bone()[load_body_pack().bones[:, 0]]
    return joints


def limb_fields(pack: BodyPack, body: Body) -> LimbFields:
    """Compute the limb fields of a body."""
    at = {name: index for index, name in enumerate(pack.names)}
    joints = dominant_joint()
    fields = {name: np.full(len(body.vertices), -1.0, np.float32) for name in ("arm", "leg")}
    for side in SIDES:
        for field, joint, start, end, base in _SEGMENTS:
            mine = joints == JOINT_AT[f"{joint}.{side}"]
            head, tail = body.heads[at[f"{start}.{side}"]], body.heads[at[f"{end}.{side}"]]
            axis = tail - head
            fields[field][mine] = base + 0.5 * ((body.vertices[mine] - head) @ axis) / (axis @ axis)
        for field, joint, start, end in _ENDS:
            mine = joints == JOINT_AT[f"{joint}.{side}"]
            head, tail = body.heads[at[f"{start}.{side}"]], body.heads[at[f"{end}.{side}"]]
            axis = tail - head
            along = 0.5 + 0.5 * ((body.vertices[mine] - head) @ axis) / (axis @ axis)
            fields[field][mine] = np.maximum(along, 0.9)
    return LimbFields(fields["arm"], fields["leg"])


def measure_lines(pack: BodyPack, body: Body) -> BodyLines:
    """Measure a body at rest."""
    at = {name: index for index, name in enumerate(pack.names)}
    height = {name: float(body.heads[at[name]][1]) for name in pack.names}
    return BodyLines(
        waist=height["spine04"],
        hip=height["upperleg01.L"],
        crotch=height["upperleg02.L"],
        shoulder=height["upperarm01.L"],
        ankle=height["foot.L"],
        knee=height["lowerleg01.L"],
        neck=body.heads[at["neck01"]],
    )
