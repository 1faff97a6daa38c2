"""Synthetic people: rendered pairs and clips with exact flow, visibility, parts, surface coordinates and joints.

`SyntheticPeople(config, seed).pair(index)` is the entry; `python -m drn_core.data.synthetic` draws a contact sheet.
Everything is procedural but the body shapes, which come from `drn_core/assets/body.npz`.
"""

from __future__ import annotations

from drn_core.data.synthetic.config import SyntheticConfig
from drn_core.data.synthetic.correspondence import BACKGROUND, OCCLUDED, OUTSIDE, VISIBLE
from drn_core.data.synthetic.parts import NUM_PARTS, PART_MIRROR, Part
from drn_core.data.synthetic.people import SyntheticPeople
from drn_core.data.synthetic.records import SyntheticClip, SyntheticPair, mirrored

__all__ = [
    "BACKGROUND",
    "NUM_PARTS",
    "OCCLUDED",
    "OUTSIDE",
    "PART_MIRROR",
    "VISIBLE",
    "Part",
    "SyntheticClip",
    "SyntheticConfig",
    "SyntheticPair",
    "SyntheticPeople",
    "mirrored",
]
