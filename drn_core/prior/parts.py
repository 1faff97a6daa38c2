"""The rigid parts of the body, the sheets they are painted on, and the joints that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drn_core.skeleton import JOINT_INDEX

__all__ = ["ARM_LAYERS", "LIMBS", "LIMB_OF", "NUM_PARTS", "RADII", "SEGMENTS", "Layer", "Limb", "Part"]


class Part(IntEnum):
    """A part moves by one affine transform; skinning blends neighbours."""

    CHEST = 0
    PELVIS = 1
    HEAD = 2
    LEFT_UPPER_ARM = 3
    LEFT_FOREARM = 4
    LEFT_HAND = 5
    RIGHT_UPPER_ARM = 6
    RIGHT_FOREARM = 7
    RIGHT_HAND = 8
    LEFT_THIGH = 9
    LEFT_SHIN = 10
    LEFT_FOOT = 11
    RIGHT_THIGH = 12
    RIGHT_SHIN = 13
    RIGHT_FOOT = 14


NUM_PARTS: Final = len(Part)


class Layer(IntEnum):
    """A layer is one sheet of cloth and skin.

    Limbs are two sheets, because a bent limb lies on itself: were a fist at the shoulder one sheet with the upper
    arm, opening the arm would draw cloth out between them like rubber. The two sheets overlap at elbow or knee,
    where they move alike.
    """

    TORSO = 0
    LEFT_UPPER_ARM = 1
    LEFT_LOWER_ARM = 2
    RIGHT_UPPER_ARM = 3
    RIGHT_LOWER_ARM = 4
    LEFT_UPPER_LEG = 5
    LEFT_LOWER_LEG = 6
    RIGHT_UPPER_LEG = 7
    RIGHT_LOWER_LEG = 8


@dataclass(frozen=True)
class Limb:
    """An arm or a leg: its sheets, its three parts from the root out, and its joints.

    Attributes:
        name: e.g. "left arm".
        upper_layer: sheet of the upper part.
        lower_layer: sheet of the lower and the end part.
        parts: upper, lower and end part (upper arm, forearm, hand; thigh, shin, foot).
        root: shoulder or hip.
        middle: elbow or knee.
        tip: wrist or ankle.
        ends: joints whose mean is the far end of the hand or foot.
        joints: all joints past the root.
        twin: index in `LIMBS` of the mirror twin.
        is_arm: arm or leg.
    """

    name: str
    upper_layer: Layer
    lower_layer: Layer
    parts: tuple[Part, Part, Part]
    root: int
    middle: int
    tip: int
    ends: tuple[int, ...]
    joints: tuple[int, ...]
    twin: int
    is_arm: bool

    @property
    def layers(self) -> tuple[Layer, Layer]:
        """Upper and lower sheet."""
        return self.upper_layer, self.lower_layer


def _arm(side: str, layers: tuple[Layer, Layer], parts: tuple[Part, Part, Part], twin: int) -> Limb:
    joint = {n: JOINT_INDEX[f"{side}_{n}"] for n in ("shoulder", "elbow", "wrist", "pinky", "index", "thumb")}
    return Limb(
        f"{side} arm", *layers, parts, joint["shoulder"], joint["elbow"], joint["wrist"],
        (joint["pinky"], joint["index"]), tuple(joint.values())[1:], twin, True,
    )  # fmt: skip


def _leg(side: str, layers: tuple[Layer, Layer], parts: tuple[Part, Part, Part], twin: int) -> Limb:
    joint = {n: JOINT_INDEX[f"{side}_{n}"] for n in ("hip", "knee", "ankle", "heel", "foot_index")}
    return Limb(
        f"{side} leg", *layers, parts, joint["hip"], joint["knee"], joint["ankle"],
        (joint["foot_index"],), tuple(joint.values())[1:], twin, False,
    )  # fmt: skip


LIMBS: Final = (
    _arm(
        "left", (Layer.LEFT_UPPER_ARM, Layer.LEFT_LOWER_ARM),
        (Part.LEFT_UPPER_ARM, Part.LEFT_FOREARM, Part.LEFT_HAND), 1,
    ),
    _arm(
        "right", (Layer.RIGHT_UPPER_ARM, Layer.RIGHT_LOWER_ARM),
        (Part.RIGHT_UPPER_ARM, Part.RIGHT_FOREARM, Part.RIGHT_HAND), 0,
    ),
    _leg(
        "left", (Layer.LEFT_UPPER_LEG, Layer.LEFT_LOWER_LEG), (Part.LEFT_THIGH, Part.LEFT_SHIN, Part.LEFT_FOOT), 3
    ),
    _leg(
        "right", (Layer.RIGHT_UPPER_LEG, Layer.RIGHT_LOWER_LEG),
        (Part.RIGHT_THIGH, Part.RIGHT_SHIN, Part.RIGHT_FOOT), 2,
    ),
)  # fmt: skip

LIMB_OF: Final = {layer: limb for limb in LIMBS for layer in limb.layers}
"""The limb that a sheet belongs to (the torso belongs to none)."""

ARM_LAYERS: Final = tuple(layer for layer, limb in LIMB_OF.items() if limb.is_arm)
"""The sheets of the arms, limb by limb."""

SEGMENTS: Final = {part: pair for limb in LIMBS for part, pair in (
    (limb.parts[0], (limb.root, limb.middle)), (limb.parts[1], (limb.middle, limb.tip)),
)}  # fmt: skip
"""The two joints of each long limb part."""

RADII: Final = {
    Part.CHEST: 0.20, Part.PELVIS: 0.20, Part.HEAD: 0.34,
    Part.LEFT_UPPER_ARM: 0.17, Part.LEFT_FOREARM: 0.135, Part.LEFT_HAND: 0.13,
    Part.RIGHT_UPPER_ARM: 0.17, Part.RIGHT_FOREARM: 0.135, Part.RIGHT_HAND: 0.13,
    Part.LEFT_THIGH: 0.22, Part.LEFT_SHIN: 0.15, Part.LEFT_FOOT: 0.13,
    Part.RIGHT_THIGH: 0.22, Part.RIGHT_SHIN: 0.15, Part.RIGHT_FOOT: 0.13,
}  # fmt: skip
"""Default half width of each part in torso lengths (clothed adults of the development photos)."""
