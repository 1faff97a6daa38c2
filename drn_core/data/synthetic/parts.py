"""Part labels of the rendered people."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["NUM_PARTS", "PART_MIRROR", "Part"]


class Part(IntEnum):
    """What a pixel shows. Left and right are the person's own."""

    BACKGROUND = 0
    HAIR = 1
    FACE = 2
    EYE = 3
    TORSO_SKIN = 4
    LEFT_ARM_SKIN = 5
    RIGHT_ARM_SKIN = 6
    LEFT_HAND = 7
    RIGHT_HAND = 8
    LEFT_LEG_SKIN = 9
    RIGHT_LEG_SKIN = 10
    TOP = 11
    LEFT_SLEEVE = 12
    RIGHT_SLEEVE = 13
    LEFT_TROUSER = 14
    RIGHT_TROUSER = 15
    SKIRT = 16
    LEFT_SHOE = 17
    RIGHT_SHOE = 18


NUM_PARTS: Final = len(Part)


def _mirrored(part: Part) -> int:
    side, _, rest = part.name.partition("_")
    if side == "LEFT":
        return int(Part[f"RIGHT_{rest}"])
    if side == "RIGHT":
        return int(Part[f"LEFT_{rest}"])
    return int(part)


PART_MIRROR: Final = tuple(_mirrored(part) for part in Part)
"""PART_MIRROR[p] is the label that p becomes when the picture is flipped left to right."""
