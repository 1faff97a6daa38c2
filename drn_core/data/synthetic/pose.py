"""A pose as anatomical angles, and the joint rotations it stands for.

Angles are degrees; zero is a person standing upright with hanging arms (abduction 0) and straight legs. Side 0 is the
person's left, side 1 the right; angles mean the same on both, so that swapping the sides mirrors a pose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.rotations import Matrix, rotate_x, rotate_y, rotate_z

__all__ = ["JOINTS", "JOINT_AT", "PARENTS", "SIDES", "Arm", "BodyPose", "Leg", "blend_poses", "joint_rotations"]

JOINTS = (
    "root", "spine1", "spine2", "spine3", "neck", "head",
    "clavicle.L", "shoulder.L", "elbow.L", "wrist.L", "clavicle.R", "shoulder.R", "elbow.R", "wrist.R",
    "hip.L", "knee.L", "ankle.L", "toe.L", "hip.R", "knee.R", "ankle.R", "toe.R",
)  # fmt: skip
"""The joints a pose turns; finer bones follow them."""
JOINT_AT = {name: index for index, name in enumerate(JOINTS)}
PARENTS = (-1, 0, 1, 2, 3, 4, 3, 6, 7, 8, 3, 10, 11, 12, 0, 14, 15, 16, 0, 18, 19, 20)
SIDES = ("L", "R")

Angles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        abduction: sideways from hanging: 0 down, 90 straight out, 180 up.
        forward: swing of the whole arm forward.
        elbow: flexion; 0 straight.
        twist: inward (negative) or outward turn about the upper arm; it turns the plane of the elbow.
        wrist: flexion, deviation and roll of the hand.
        curl: flexion of the fingers at each of their joints.
    """

    abduction: float = 12.0
    forward: float = 0.0
    elbow: float = 15.0
    twist: float = -10.0
    wrist: tuple[float, float, float] = (0.0, 0.0, 0.0)
    curl: float = 18.0


@dataclass(frozen=True)
class Leg:
    """One leg: flexion forward, abduction sideways, knee flexion, outward turn, pitch of the foot (toes down)."""

    flexion: float = 0.0
    abduction: float = 3.0
    knee: float = 2.0
    turn: float = 8.0
    foot_pitch: float = 0.0


@dataclass(frozen=True)
class BodyPose:
    """A whole pose.

    Attributes:
        arms: left and right arm.
        legs: left and right leg.
        spine: pitch (forward), yaw (to the left), roll (to the right) of the whole spine.
        head: yaw, pitch, roll of neck and head together.
        hip_roll: tilt of the pelvis, left hip up; the spine compensates.
        heading: the whole body's yaw; 0 faces the camera.
        keeps_feet_level: feet stay parallel to the floor whatever the legs do.
        expression: strengths of facial actions by name, 0 to 1.
    """

    arms: tuple[Arm, Arm] = (Arm(), Arm())
    legs: tuple[Leg, Leg] = (Leg(), Leg())
    spine: tuple[float, float, float] = (0.0, 0.0, 0.0)
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)
    hip_roll: float = 0.0
    heading: float = 0.0
    keeps_feet_level: bool = True
    expression: dict[str, float] = field(default_factory=dict)


def _lerp(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _lerp_triple(
    start: tuple[float, float, float], end: tuple[float, float, float], share: float
) -> tuple[float, float, float]:
    return (_lerp(start[0], end[0], share), _lerp(start[1], end[1], share), _lerp(start[2], end[2], share))


def _blend_arm(start: Arm, end: Arm, share: float) -> Arm:
    return Arm(
        _lerp(start.abduction, end.abduction, share),
        _lerp(start.forward, end.forward, share),
        _lerp(start.elbow, end.elbow, share),
        _lerp(start.twist, end.twist, share),
        _lerp_triple(start.wrist, end.wrist, share),
        _lerp(start.curl, end.curl, share),
    )


def _blend_leg(start: Leg, end: Leg, share: float) -> Leg:
    return Leg(
        _lerp(start.flexion, end.flexion, share),
        _lerp(start.abduction, end.abduction, share),
        _lerp(start.knee, end.knee, share),
        _lerp(start.turn, end.turn, share),
        _lerp(start.foot_pitch, end.foot_pitch, share),
    )


def blend_poses(start: BodyPose, end: BodyPose, share: float) -> BodyPose:
    """Blend two poses angle by angle: `start` at share 0, `end` at share 1."""
    names = sorted(set(start.expression) | set(end.expression))
    return BodyPose(
        arms=(_blend_arm(start.arms[0], end.arms[0], share), _blend_arm(start.arms[1], end.arms[1], share)),
        legs=(_blend_leg(start.legs[0], end.legs[0], share), _blend_leg(start.legs[1], end.legs[1], share)),
        spine=_lerp_triple(start.spine, end.spine, share),
        head=_lerp_triple(start.head, end.head, share),
        hip_roll=_lerp(start.hip_roll, end.hip_roll, share),
        heading=_lerp(start.heading, end.heading, share),
        keeps_feet_level=start.keeps_feet_level and end.keeps_feet_level,
        expression={n: _lerp(start.expression.get(n, 0.0), end.expression.get(n, 0.0), share) for n in names},
    )


def _arm_rotations(arm: Arm, sign: float) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    raised = 0.25 * max(0.0, arm.abduction - 60.0) + 0.12 * max(0.0, arm.forward - 60.0)
    clavicle = rotate_z(math.radians(sign * raised))
    shoulder = (
        rotate_x(math.radians(-arm.forward))
        @ rotate_z(math.radians(-sign * (90.0 - arm.abduction)))
        @ rotate_x(math.radians(-arm.twist))
    )
    flexion, deviation, roll = (math.radians(value) for value in arm.wrist)
    hand = rotate_y(sign * flexion) @ rotate_z(sign * deviation) @ rotate_x(roll)
    return clavicle, clavicle.T @ shoulder, rotate_y(math.radians(-sign * arm.elbow)), hand


def _leg_rotations(leg: Leg, sign: float, is_level: bool) -> tuple[Matrix, Matrix, Matrix]:
    hip = (
        rotate_x(math.radians(-leg.flexion))
        @ rotate_z(math.radians(sign * leg.abduction))
        @ rotate_y(math.radians(sign * leg.turn))
    )
    level = 0.9 * (leg.flexion - leg.knee) if is_level else 0.0
    return hip, rotate_x(math.radians(leg.knee)), rotate_x(math.radians(level + leg.foot_pitch))


def joint_rotations(pose: BodyPose) -> Matrix:
    """Global rotation of every joint, relative to the canonical T-pose.

    Args:
        pose: the angles.

    Returns:
        (22, 3, 3), in the order of `JOINTS`.
    """
    local = {name: np.eye(3) for name in JOINTS}
    roll = rotate_z(math.radians(pose.hip_roll))
    local["root"] = rotate_y(math.radians(pose.heading)) @ roll
    pitch, yaw, side = pose.spine
    bend = (
        rotate_x(math.radians(pitch / 3))
        @ rotate_y(math.radians(yaw / 3))
        @ rotate_z(math.radians((side - 1.1 * pose.hip_roll) / 3))
    )
    local["spine1"] = local["spine2"] = local["spine3"] = bend
    turn, nod, tilt = pose.head
    for name, share in (("neck", 0.4), ("head", 0.6)):
        local[name] = (
            rotate_x(math.radians(nod * share))
            @ rotate_y(math.radians(turn * share))
            @ rotate_z(math.radians(tilt * share))
        )
    for side_name, sign, arm, leg in zip(SIDES, (1.0, -1.0), pose.arms, pose.legs, strict=True):
        arm_names = (f"{joint}.{side_name}" for joint in ("clavicle", "shoulder", "elbow", "wrist"))
        local |= dict(zip(arm_names, _arm_rotations(arm, sign), strict=True))
        hip, knee, ankle = _leg_rotations(leg, sign, pose.keeps_feet_level)
        local |= {f"hip.{side_name}": roll.T @ hip, f"knee.{side_name}": knee, f"ankle.{side_name}": ankle}
    rotations = np.empty((len(JOINTS), 3, 3))
    for index, (name, parent) in enumerate(zip(JOINTS, PARENTS, strict=True)):
        rotations[index] = local[name] if parent < 0 else rotations[parent] @ local[name]
    return rotations
