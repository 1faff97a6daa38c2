"""The rig: how the bones of one body follow the joints of a pose.

Every bone takes the rotation of its joint times a fixed turn from the rest pose to the canonical T-pose, so that
one pose drives any body. Three corrections keep linear blend skinning from looking like a toy: the shoulder bone
takes a share of the arm's swing (sloping shoulders), the upper half of the upper arm takes only a share of its
twist, and the lower half of the forearm takes half of the hand's (no wrung-out cloth at shoulder and wrist).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.body import Body, BodyPack, load_body_pack
from drn_core.data.synthetic.pose import JOINT_AT, SIDES, BodyPose, joint_rotations
from drn_core.data.synthetic.rotations import Matrix, aligning, partial, rotate_z, twist_about

__all__ = ["PosedBones", "Rig", "joint_of_bone"]

SHOULDER_SWING_SHARE = 0.22
UPPER_ARM_TWIST_SHARE = 0.35
FOREARM_TWIST_SHARE = 0.5
X_AXIS = np.array([1.0, 0.0, 0.0])

_JOINT_OF_PREFIX = (
    ("upperleg", "hip"), ("lowerleg", "knee"), ("foot", "ankle"), ("toe", "toe"),
    ("clavicle", "clavicle"), ("shoulder01", "clavicle"), ("upperarm", "shoulder"), ("lowerarm", "elbow"),
    ("wrist", "wrist"), ("metacarpal", "wrist"), ("finger", "wrist"),
    ("spine05", "spine1"), ("spine04", "spine1"), ("spine03", "spine2"), ("spine02", "spine3"), ("spine01", "spine3"),
    ("neck", "neck"), ("head", "head"), ("eye", "head"),
)  # fmt: skip
_PAIRED = frozenset({"hip", "knee", "ankle", "toe", "clavicle", "shoulder", "elbow", "wrist"})


@dataclass(frozen=True)
class PosedBones:
    """Bones of a body in a pose.

    Attributes:
        rotations: (J, 3, 3) from rest to posed, world axes.
        offsets: (J, 3); a rest point p of bone j goes to rotations[j] @ p + offsets[j].
        heads: (J, 3) posed bone heads.
    """

    rotations: Matrix
    offsets: Matrix
    heads: Matrix

    def moved(self, shift: npt.ArrayLike) -> PosedBones:
        """The same bones shifted by (3,) metres."""
        step = np.asarray(shift, dtype=np.float64)
        return PosedBones(self.rotations, self.offsets + step, self.heads + step)


def _joint_name(bone: str) -> str:
    stem, _, side = bone.partition(".")
    for prefix, joint in _JOINT_OF_PREFIX:
        if stem.startswith(prefix):
            return f"{joint}.{side}" if joint in _PAIRED else joint
    return "root"


@lru_cache(maxsize=1)
def joint_of_bone() -> npt.NDArray[np.int64]:
    """(J,) index in `JOINTS` of the joint that each bone of the pack follows."""
    return np.array([JOINT_AT[_joint_name(name)] for name in load_body_pack().names])


class Rig:
    """Bones of one body, ready to be posed.

    Args:
        pack: the body model, for bone names and parents.
        body: the body whose bones these are.
    """

    def __init__(self, pack: BodyPack, body: Body) -> None:
        self.heads = body.heads
        self.names = pack.names
        self.bone_at = {name: index for index, name in enumerate(pack.names)}
        self._parents = [int(parent) for parent in pack.parents]
        self._joint = joint_of_bone()
        self._to_canonical = self._alignments()

    def _direction(self, start: str, end: str) -> Matrix:
        return np.asarray(self.heads[self.bone_at[end]] - self.heads[self.bone_at[start]])

    def _alignments(self) -> Matrix:
        turns = np.tile(np.eye(3), (len(self.names), 1, 1))
        down = np.array([0.0, -1.0, 0.0])
        for side, out in zip(SIDES, (X_AXIS, -X_AXIS), strict=True):
            segments = (
                ("shoulder", "upperarm01", "lowerarm01", out), ("elbow", "lowerarm01", "wrist", out),
                ("wrist", "wrist", "finger3-1", out),
                ("hip", "upperleg01", "lowerleg01", down), ("knee", "lowerleg01", "foot", down),
            )  # fmt: skip
            for joint, start, end, axis in segments:
                turn = aligning(self._direction(f"{start}.{side}", f"{end}.{side}"), axis)
                turns[self._joint == JOINT_AT[f"{joint}.{side}"]] = turn
        return turns

    def pose(self, pose: BodyPose, rotations: Matrix | None = None) -> PosedBones:
        """Pose the bones with the root where it rests.

        Args:
            pose: the angles; of it only the fingers count where `rotations` are given.
            rotations: (22, 3, 3) joint rotations to use in place of those of `pose`.
        """
        joints = joint_rotations(pose) if rotations is None else rotations
        bones = joints[self._joint] @ self._to_canonical
        for side, sign, arm in zip(SIDES, (1.0, -1.0), pose.arms, strict=True):
            self._spread_arm(bones, joints, side, sign)
            self._curl_fingers(bones, joints, side, sign, arm.curl)
        return self._place(bones)

    def _spread_arm(self, bones: Matrix, joints: Matrix, side: str, sign: float) -> None:
        at, axis = self.bone_at, sign * X_AXIS
        chest, clavicle = joints[JOINT_AT["spine3"]], joints[JOINT_AT[f"clavicle.{side}"]]
        shoulder, elbow = joints[JOINT_AT[f"shoulder.{side}"]], joints[JOINT_AT[f"elbow.{side}"]]
        rest = self._direction(f"upperarm01.{side}", f"lowerarm01.{side}")
        swing = aligning(rest, chest.T @ shoulder @ axis)
        bones[at[f"shoulder01.{side}"]] = clavicle @ partial(swing, SHOULDER_SWING_SHARE)
        upper = at[f"upperarm01.{side}"]
        local = clavicle.T @ shoulder
        twist = twist_about(local, axis)
        bones[upper] = shoulder @ partial(twist, UPPER_ARM_TWIST_SHARE - 1.0) @ self._to_canonical[upper]
        lower = at[f"lowerarm02.{side}"]
        hand_twist = twist_about(elbow.T @ joints[JOINT_AT[f"wrist.{side}"]], axis)
        bones[lower] = elbow @ partial(hand_twist, FOREARM_TWIST_SHARE) @ self._to_canonical[lower]

    def _curl_fingers(self, bones: Matrix, joints: Matrix, side: str, sign: float, curl: float) -> None:
        wrist = joints[JOINT_AT[f"wrist.{side}"]]
        for finger in range(1, 6):
            for phalanx in range(1, 4):
                bone = self.bone_at[f"finger{finger}-{phalanx}.{side}"]
                bend = 0.14 * curl * phalanx if finger == 1 else 0.9 * curl * phalanx
                bones[bone] = wrist @ rotate_z(math.radians(-sign * bend)) @ self._to_canonical[bone]

    def _place(self, bones: Matrix) -> PosedBones:
        heads = np.empty((len(self.names), 3))
        for bone, parent in enumerate(self._parents):
            if parent < 0:
                heads[bone] = self.heads[bone]
            else:
                heads[bone] = heads[parent] + bones[parent] @ (self.heads[bone] - self.heads[parent])
        offsets = heads - np.einsum("nij,nj->ni", bones, self.heads)
        return PosedBones(bones, offsets, heads)
