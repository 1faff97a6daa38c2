"""Legs that reach given places: two-bone inverse kinematics, so that standing feet stand still."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.pose import JOINT_AT, SIDES, BodyPose, joint_rotations
from drn_core.data.synthetic.rig import PosedBones, Rig
from drn_core.data.synthetic.rotations import Matrix, rotate_x, rotate_y

__all__ = ["Foot", "plant", "standing_feet"]

MAX_STRETCH = 0.997


@dataclass(frozen=True)
class Foot:
    """Where a foot is: ankle (3,) in the world, heading (yaw) and pitch (toes down) in degrees."""

    ankle: npt.NDArray[np.float64]
    heading: float = 0.0
    pitch: float = 0.0


def standing_feet(rig: Rig, *, spread: float = 1.0, turn: float = 8.0) -> tuple[Foot, Foot]:
    """Feet flat on the floor below the hips.

    Args:
        rig: the body.
        spread: distance of the feet as a multiple of the hips'.
        turn: degrees each foot points outwards.
    """
    feet = []
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        hip = rig.heads[rig.bone_at[f"upperleg01.{side}"]]
        ankle = rig.heads[rig.bone_at[f"foot.{side}"]].copy()
        ankle[0], ankle[2] = hip[0] * spread, hip[2]
        feet.append(Foot(ankle, sign * turn))
    return feet[0], feet[1]


def _frame(right: Matrix, down: Matrix) -> Matrix:
    """Rotation whose x axis is `right` and whose y axis is against `down`; both unit, at right angles."""
    return np.stack([right, -down, np.cross(right, -down)], axis=1)


def _bend(hip: Matrix, ankle: Matrix, lengths: tuple[float, float], forward: Matrix) -> tuple[Matrix, Matrix]:
    """Rotations of thigh and shin that bring the ankle to its place with the knee pointing `forward`."""
    thigh, shin = lengths
    reach = ankle - hip
    distance = min(float(np.linalg.norm(reach)), MAX_STRETCH * (thigh + shin))
    along = reach / np.linalg.norm(reach)
    across = forward - (forward @ along) * along
    across /= np.linalg.norm(across)
    cosine = (thigh**2 + distance**2 - shin**2) / (2 * thigh * distance)
    cosine = min(1.0, max(-1.0, cosine))
    knee = thigh * (cosine * along + math.sqrt(1 - cosine**2) * across)
    lower = distance * along - knee
    right = np.cross(-along, across)
    return _frame(right, knee / thigh), _frame(right, lower / np.linalg.norm(lower))


def plant(rig: Rig, pose: BodyPose, shift: npt.ArrayLike, feet: tuple[Foot, Foot]) -> PosedBones:
    """Pose a body with the feet in given places; the leg angles of `pose` are ignored.

    Args:
        rig: the body.
        pose: everything but the legs.
        shift: (3,) metres the root moves from where it rests.
        feet: left and right; one out of reach is approached as far as the leg goes.
    """
    rotations = joint_rotations(pose)
    trunk = rig.pose(pose, rotations).moved(shift)
    for side, foot in zip(SIDES, feet, strict=True):
        at = [rig.bone_at[f"{bone}.{side}"] for bone in ("upperleg01", "lowerleg01", "foot")]
        lengths = (
            float(np.linalg.norm(rig.heads[at[1]] - rig.heads[at[0]])),
            float(np.linalg.norm(rig.heads[at[2]] - rig.heads[at[1]])),
        )
        heading = rotate_y(math.radians(foot.heading + pose.heading))
        hip, knee = _bend(trunk.heads[at[0]], foot.ankle, lengths, heading @ np.array([0.0, 0.0, 1.0]))
        rotations[JOINT_AT[f"hip.{side}"]], rotations[JOINT_AT[f"knee.{side}"]] = hip, knee
        rotations[JOINT_AT[f"ankle.{side}"]] = heading @ rotate_x(math.radians(foot.pitch))
        rotations[JOINT_AT[f"toe.{side}"]] = heading @ rotate_x(math.radians(0.3 * foot.pitch))
    return rig.pose(pose, rotations).moved(shift)
