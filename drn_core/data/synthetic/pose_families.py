"""Families of poses with correlated ranges of their angles, and the test that no arm runs through the trunk."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from drn_core.data.synthetic.pose import Arm, BodyPose, Leg
from drn_core.data.synthetic.rig import PosedBones, Rig

__all__ = ["FAMILIES", "draw_clear_pose", "draw_pose", "trunk_intrusion"]

FAMILIES: Final = {
    "stand": 0.18, "contrapposto": 0.10, "hand_on_hip": 0.08, "hands_on_hips": 0.06, "walk": 0.14, "wave": 0.08,
    "folded": 0.04, "hand_to_face": 0.06, "dance": 0.11, "run": 0.03, "sit": 0.02, "reach": 0.05, "gesture": 0.05,
}  # fmt: skip
"""Shares of the families when none is named."""
MAX_TRIES = 6
MAX_INTRUSION_METRES = 0.02


def _relaxed_arm(rng: np.random.Generator) -> Arm:
    return Arm(
        abduction=rng.uniform(8, 22), forward=rng.uniform(-8, 12), elbow=rng.uniform(5, 28), twist=rng.uniform(-35, 10),
        wrist=tuple(rng.normal(0, 6, 3)), curl=rng.uniform(8, 32),
    )  # fmt: skip


def _relaxed_leg(rng: np.random.Generator) -> Leg:
    return Leg(rng.uniform(-3, 5), rng.uniform(1, 6), rng.uniform(0, 6), rng.uniform(0, 16))


def _contrapposto(rng: np.random.Generator, pose: BodyPose, bearing: int) -> BodyPose:
    """Weight on the `bearing` leg, the other relaxed, the pelvis tilted."""
    legs = [pose.legs[0], pose.legs[1]]
    legs[bearing] = replace(legs[bearing], abduction=rng.uniform(-4, 2), knee=0.0)
    legs[1 - bearing] = Leg(rng.uniform(2, 14), rng.uniform(3, 11), rng.uniform(8, 26), rng.uniform(5, 22))
    return replace(pose, legs=(legs[0], legs[1]), hip_roll=rng.uniform(2, 6) * (1 if bearing == 0 else -1))


def _on_hip(rng: np.random.Generator) -> Arm:
    return Arm(
        abduction=rng.uniform(40, 52), forward=rng.uniform(-28, -8), elbow=rng.uniform(88, 108),
        twist=rng.uniform(-75, -52), wrist=(rng.uniform(-10, 10), rng.uniform(10, 30), 0.0), curl=20.0,
    )  # fmt: skip


def _walking(rng: np.random.Generator, pose: BodyPose, leading: int) -> BodyPose:
    stride = rng.uniform(10, 26)
    legs, arms = [pose.legs[0], pose.legs[1]], [pose.arms[0], pose.arms[1]]
    legs[leading] = Leg(stride + rng.uniform(-3, 4), rng.uniform(0, 3), rng.uniform(2, 14), rng.uniform(0, 8))
    legs[1 - leading] = Leg(-0.7 * stride, rng.uniform(0, 3), rng.uniform(8, 30), rng.uniform(0, 8), rng.uniform(5, 18))
    arms[leading] = replace(arms[leading], forward=-stride * rng.uniform(0.4, 1.2), elbow=rng.uniform(5, 25))
    arms[1 - leading] = replace(arms[1 - leading], forward=stride * rng.uniform(0.5, 1.4), elbow=rng.uniform(12, 45))
    turn = (-1 if leading == 0 else 1) * rng.uniform(2, 8)
    return replace(
        pose, arms=(arms[0], arms[1]), legs=(legs[0], legs[1]), spine=(rng.uniform(0, 5), turn, rng.normal(0, 2)),
        keeps_feet_level=False,
    )  # fmt: skip


def _running(rng: np.random.Generator, pose: BodyPose, leading: int) -> BodyPose:
    stride = rng.uniform(25, 48)
    legs, arms = [pose.legs[0], pose.legs[1]], [pose.arms[0], pose.arms[1]]
    legs[leading] = Leg(stride + 15, 1, rng.uniform(40, 80), 2)
    legs[1 - leading] = Leg(-0.5 * stride, 1, rng.uniform(20, 65), 2, 25)
    for arm, sign in ((leading, -1), (1 - leading, 1)):
        arms[arm] = Arm(14, sign * rng.uniform(25, 50), rng.uniform(70, 100), 0, curl=50)
    return replace(
        pose, arms=(arms[0], arms[1]), legs=(legs[0], legs[1]), spine=(rng.uniform(5, 16), rng.normal(0, 7), 0.0),
        keeps_feet_level=False,
    )  # fmt: skip


def _dancing(rng: np.random.Generator, pose: BodyPose) -> BodyPose:
    def arm() -> Arm:
        return Arm(
            abduction=rng.uniform(25, 125), forward=rng.uniform(-15, 65), elbow=rng.uniform(10, 95),
            twist=rng.uniform(-60, 80), wrist=tuple(rng.normal(0, 12, 3)), curl=rng.uniform(5, 40),
        )  # fmt: skip

    def leg() -> Leg:
        return Leg(rng.uniform(-12, 30), rng.uniform(0, 20), rng.uniform(0, 42), rng.uniform(0, 22))

    spine = (rng.normal(0, 6), rng.normal(0, 12), rng.normal(0, 7))
    return replace(pose, arms=(arm(), arm()), legs=(leg(), leg()), spine=spine, hip_roll=rng.normal(0, 4))


def _gesturing(rng: np.random.Generator, pose: BodyPose) -> BodyPose:
    """Hands before the chest, as in talking or signing."""

    def arm() -> Arm:
        return Arm(
            abduction=rng.uniform(12, 45), forward=rng.uniform(15, 60), elbow=rng.uniform(55, 125),
            twist=rng.uniform(-50, 35), wrist=tuple(rng.normal(0, 18, 3)), curl=rng.uniform(0, 60),
        )  # fmt: skip

    arms = (arm(), arm() if rng.random() < 0.75 else pose.arms[1])
    return replace(pose, arms=arms if rng.random() < 0.5 else arms[::-1])


def _sitting(rng: np.random.Generator, pose: BodyPose) -> BodyPose:
    flexion = rng.uniform(75, 90)
    legs = tuple(
        Leg(flexion + rng.normal(0, 4), rng.uniform(2, 10), flexion + rng.normal(0, 8), rng.uniform(-5, 10))
        for _ in range(2)
    )
    arms = tuple(
        replace(arm, forward=rng.uniform(10, 35), elbow=rng.uniform(20, 70), twist=rng.uniform(-50, 0))
        for arm in pose.arms
    )
    return replace(pose, arms=(arms[0], arms[1]), legs=(legs[0], legs[1]))


def _one_arm(rng: np.random.Generator, family: str) -> Arm:
    if family == "hand_on_hip":
        return _on_hip(rng)
    if family == "wave":
        return Arm(rng.uniform(60, 145), rng.uniform(0, 40), rng.uniform(20, 95), rng.uniform(60, 110))
    if family == "hand_to_face":
        return Arm(rng.uniform(15, 40), rng.uniform(45, 75), rng.uniform(115, 136), rng.uniform(-35, 0))
    return Arm(rng.uniform(12, 60), rng.uniform(40, 105), rng.uniform(0, 50), rng.uniform(-30, 30))


def _folded(rng: np.random.Generator) -> tuple[Arm, Arm]:
    upper = Arm(rng.uniform(8, 14), rng.uniform(24, 34), rng.uniform(88, 100), rng.uniform(-62, -48))
    lower = Arm(rng.uniform(8, 14), rng.uniform(12, 22), rng.uniform(80, 96), rng.uniform(-58, -44))
    return (upper, lower) if rng.random() < 0.5 else (lower, upper)


def draw_expression(rng: np.random.Generator) -> dict[str, float]:
    """Draw strengths of facial actions: mostly calm or smiling, sometimes talking or blinking."""
    expression = {"smile": float(max(0.0, rng.normal(0.2, 0.35))), "brow_up": float(max(0.0, rng.normal(0, 0.3)))}
    expression["blink"] = float(rng.uniform(0.05, 0.28))
    if rng.random() < 0.25:
        expression["jaw_open"] = float(rng.uniform(0.05, 0.35))
    if rng.random() < 0.08:
        expression["blink"] = float(rng.uniform(0.5, 1.0))
    if rng.random() < 0.15:
        expression[str(rng.choice(["brow_down", "pucker", "frown"]))] = float(rng.uniform(0.2, 0.7))
    return {name: min(value, 1.0) for name, value in expression.items()}


def draw_pose(rng: np.random.Generator, family: str | None = None) -> BodyPose:
    """Draw a pose facing the camera, of one family or of any.

    Raises:
        ValueError: `family` is not one of FAMILIES.
    """
    names = list(FAMILIES)
    shares = np.array(list(FAMILIES.values()))
    name = str(rng.choice(names, p=shares / shares.sum())) if family is None else family
    if name not in FAMILIES:
        raise ValueError(f"pose family: expected one of {', '.join(names)}, got {name!r}")
    side = int(rng.integers(2))
    pose = BodyPose(
        arms=(_relaxed_arm(rng), _relaxed_arm(rng)),
        legs=(_relaxed_leg(rng), _relaxed_leg(rng)),
        spine=(rng.normal(0, 3), rng.normal(0, 4), rng.normal(0, 3)),
        head=(rng.normal(0, 14), rng.normal(2, 7), rng.normal(0, 4)),
        expression=draw_expression(rng),
    )
    leaning = {"contrapposto", "hand_on_hip", "hands_on_hips", "hand_to_face", "folded"}
    if name in leaning or (name in {"stand", "wave", "reach", "gesture"} and rng.random() < 0.35):
        pose = _contrapposto(rng, pose, side)
    if name in {"hand_on_hip", "wave", "hand_to_face", "reach"}:
        arm = _one_arm(rng, name)
        pose = replace(pose, arms=(arm, pose.arms[1]) if side == 0 else (pose.arms[0], arm))
    if name == "hands_on_hips":
        pose = replace(pose, arms=(_on_hip(rng), _on_hip(rng)))
    if name == "folded":
        pose = replace(pose, arms=_folded(rng))
    bodily = {"walk": _walking, "run": _running}
    if name in bodily:
        return bodily[name](rng, pose, side)
    whole = {"dance": _dancing, "gesture": _gesturing, "sit": _sitting}
    return whole[name](rng, pose) if name in whole else pose


def trunk_intrusion(rig: Rig, bones: PosedBones) -> float:
    """How deep elbows, forearms and hands are inside the trunk, in metres; 0 or less where clear.

    The trunk is taken as an elliptic cylinder about the spine, as wide as hips and chest without the arms.
    """
    at = rig.bone_at
    chest = bones.rotations[at["spine02"]]
    hip, neck = bones.heads[at["spine04"]], bones.heads[at["neck01"]]
    width = 0.82 * float(abs(rig.heads[at["upperarm01.L"]][0]))
    half = np.array([width, 0.62 * width])
    deepest = -1.0
    for side in "LR":
        elbow, wrist = bones.heads[at[f"lowerarm01.{side}"]], bones.heads[at[f"wrist.{side}"]]
        finger = bones.heads[at[f"finger3-1.{side}"]]
        for point in (elbow, 0.5 * (elbow + wrist), wrist, finger):
            local = chest.T @ (point - hip)
            height = local[1] / max(float(np.linalg.norm(neck - hip)), 1e-6)
            if -0.2 < height < 0.85:
                inside = 1.0 - float(np.hypot(*(local[[0, 2]] - [0.0, 0.02]) / half))
                deepest = max(deepest, inside * float(half[1]))
    return deepest


def draw_clear_pose(rng: np.random.Generator, rig: Rig, family: str | None = None) -> BodyPose:
    """Draw a pose whose arms stay out of the trunk; after a few tries the arms are moved apart instead."""
    pose = draw_pose(rng, family)
    for _ in range(MAX_TRIES):
        if trunk_intrusion(rig, rig.pose(pose)) < MAX_INTRUSION_METRES:
            return pose
        pose = draw_pose(rng, family)
    arms = tuple(replace(arm, abduction=arm.abduction + 15.0, twist=0.5 * arm.twist) for arm in pose.arms)
    return replace(pose, arms=(arms[0], arms[1]))
