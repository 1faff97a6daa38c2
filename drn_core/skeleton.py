"""Topology of the body skeleton: joint names, bones and mirror pairs (no numbers of any pose).

The 33 joints are those of the BlazePose topology, so that a BlazePose-type estimator maps one to one.
"Left" and "right" are the person's own.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["BONES", "FACE_JOINTS", "JOINT_INDEX", "JOINT_NAMES", "MIRROR", "NUM_JOINTS"]

JOINT_NAMES: Final = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
NUM_JOINTS: Final = len(JOINT_NAMES)
JOINT_INDEX: Final = MappingProxyType({name: index for index, name in enumerate(JOINT_NAMES)})
FACE_JOINTS: Final = tuple(range(11))

BONES: Final = (
    (11, 12), (11, 23), (12, 24), (23, 24),
    (11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19),
    (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20),
    (23, 25), (25, 27), (27, 29), (27, 31), (29, 31),
    (24, 26), (26, 28), (28, 30), (28, 32), (30, 32),
    (0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10),
)  # fmt: skip
"""Bones as pairs of joint indices."""


def _mirror_of(name: str) -> str:
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")


MIRROR: Final = tuple(JOINT_INDEX[_mirror_of(name)] for name in JOINT_NAMES)
"""MIRROR[j] is the joint that j becomes when the picture is flipped left to right."""
