"""Procedural motions: seeded, smooth functions of time that pose a body."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from drn_core.data.synthetic.planting import Foot, plant, standing_feet
from drn_core.data.synthetic.pose import Arm, BodyPose, blend_poses
from drn_core.data.synthetic.pose_families import draw_pose
from drn_core.data.synthetic.rig import PosedBones, Rig
from drn_core.data.synthetic.rotations import Matrix

__all__ = ["MOTIONS", "Motion", "draw_motion"]

MOTIONS: Final = ("dance", "wave", "walk", "squat", "gesture", "turn")


@dataclass(frozen=True)
class Motion:
    """A motion of unlimited length.

    Attributes:
        kind: one of MOTIONS.
        keys: poses the upper body passes through, one per beat.
        beat_seconds: time between keys.
        sway: how far the hips move sideways, metres.
        bounce: how far the hips sink, metres.
        step: how far a foot steps sideways, metres.
        heading: degrees the body faces away from the camera on average.
        turn_amount: degrees the body turns to either side.
        phase: share of a cycle at time 0.
    """

    kind: str
    keys: tuple[BodyPose, ...]
    beat_seconds: float
    sway: float
    bounce: float
    step: float
    heading: float
    turn_amount: float
    phase: float

    @property
    def is_planted(self) -> bool:
        """Whether the feet stand in given places, so that the floor stays where it is at rest."""
        return self.kind != "walk"

    def pose_at(self, time: float) -> BodyPose:
        """The pose at `time` seconds, legs as if standing."""
        beats = time / self.beat_seconds + self.phase * len(self.keys)
        index = math.floor(beats)
        share = beats - index
        # Ease in and out, with a short hold on the key.
        share = min(1.0, share / 0.8)
        share = share * share * share * (10 - 15 * share + 6 * share * share)
        start, end = self.keys[index % len(self.keys)], self.keys[(index + 1) % len(self.keys)]
        pose = blend_poses(start, end, share)
        swing = math.sin(math.pi * beats / 2)
        return replace(pose, heading=self.heading + self.turn_amount * swing)

    def bones_at(self, rig: Rig, time: float) -> PosedBones:
        """The posed bones of a body at `time` seconds; not on the floor where the motion is not planted."""
        pose = self.pose_at(time)
        if not self.is_planted:
            return rig.pose(pose)
        cycle = math.pi * (time / self.beat_seconds + self.phase * len(self.keys))
        side = math.sin(cycle)
        shift = np.array([self.sway * side, -0.012 - self.bounce * (0.5 - 0.5 * math.cos(2 * cycle)), 0.0])
        feet = standing_feet(rig, spread=1.15)
        stepped = (self._step(feet[0], 1.0, side), self._step(feet[1], -1.0, side))
        return plant(rig, replace(pose, hip_roll=pose.hip_roll - 30.0 * self.sway * side), shift, stepped)

    def _step(self, foot: Foot, sign: float, side: float) -> Foot:
        """Lift and set a foot aside while the weight is on the other one."""
        if self.step == 0:
            return foot
        free = max(0.0, -sign * side)
        ankle: Matrix = foot.ankle + np.array([sign * self.step * free, 0.35 * self.step * free, 0.0])
        return Foot(ankle, foot.heading, 25.0 * free * self.step / 0.15)


def _wave_keys(rng: np.random.Generator) -> tuple[BodyPose, ...]:
    base = draw_pose(rng, "stand")
    side = int(rng.integers(2))
    keys = []
    for elbow in (35.0, 75.0):
        hand = Arm(abduction=rng.uniform(75, 120), forward=rng.uniform(0, 20), elbow=elbow, twist=rng.uniform(75, 100))
        arms = (hand, base.arms[1]) if side == 0 else (base.arms[0], hand)
        keys.append(replace(base, arms=arms))
    return tuple(keys)


def _squat_keys(rng: np.random.Generator) -> tuple[BodyPose, ...]:
    base = draw_pose(rng, "stand")
    forward = rng.uniform(50, 90)
    arm = Arm(abduction=10, forward=forward, elbow=rng.uniform(0, 30), twist=0)
    return base, replace(base, arms=(arm, arm), spine=(rng.uniform(5, 15), 0.0, 0.0))


def _walk_keys(rng: np.random.Generator) -> tuple[BodyPose, ...]:
    first = draw_pose(rng, "walk")
    mirrored = replace(
        first, arms=first.arms[::-1], legs=first.legs[::-1], spine=(first.spine[0], -first.spine[1], -first.spine[2])
    )
    return first, mirrored


def draw_motion(rng: np.random.Generator, kind: str | None = None) -> Motion:
    """Draw a motion, of one kind or of any.

    Raises:
        ValueError: `kind` is not one of MOTIONS.
    """
    name = str(rng.choice(MOTIONS, p=[0.30, 0.12, 0.12, 0.08, 0.28, 0.10])) if kind is None else kind
    if name not in MOTIONS:
        raise ValueError(f"motion: expected one of {', '.join(MOTIONS)}, got {name!r}")
    count = int(rng.integers(4, 9))
    makers = {"wave": _wave_keys, "squat": _squat_keys, "walk": _walk_keys}
    if name in makers:
        keys = makers[name](rng)
    else:
        family = {"dance": "dance", "gesture": "gesture", "turn": "stand"}[name]
        keys = tuple(draw_pose(rng, family) for _ in range(count))
    is_dance = name == "dance"
    return Motion(
        kind=name,
        keys=keys,
        beat_seconds=rng.uniform(0.4, 0.75),
        sway=rng.uniform(0.03, 0.08) if is_dance else rng.uniform(0.0, 0.02),
        bounce=rng.uniform(0.2, 0.42) if name == "squat" else rng.uniform(0.01, 0.06) * is_dance,
        step=rng.uniform(0.08, 0.18) if is_dance and rng.random() < 0.7 else 0.0,
        heading=rng.normal(0, 22),
        turn_amount=rng.uniform(25, 90) if name == "turn" else rng.uniform(0, 12),
        phase=rng.random(),
    )
