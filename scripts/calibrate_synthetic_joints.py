"""Fit where MediaPipe sees the joints of rendered people, and write the offsets for the generator.

Renders people in many poses, detects them, and solves for one offset per joint in the rest frame of the bone that
carries it, so that anatomical point + offset projects to the detection. Left and right share one offset::

    python -m scripts.calibrate_synthetic_joints --people 60 --write
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.backgrounds import draw_background
from drn_core.data.synthetic.camera import Camera, draw_light
from drn_core.data.synthetic.character import build_character, draw_design
from drn_core.data.synthetic.framing import frame_person
from drn_core.data.synthetic.joint_offsets import JOINT_OFFSETS
from drn_core.data.synthetic.joints import JOINT_BONES, place_joints, view_joints
from drn_core.data.synthetic.pose_families import draw_clear_pose
from drn_core.data.synthetic.render import Renderer
from drn_core.data.synthetic.rig import PosedBones
from drn_core.skeleton import JOINT_NAMES, MIRROR, NUM_JOINTS

Array = npt.NDArray[np.float64]
SIZE_HW = (640, 640)
FAMILIES = ("stand", "contrapposto", "walk", "wave", "dance", "reach")
MIN_CONFIDENCE = 0.8
RIDGE_METRES = 0.05
NUM_ROUNDS = 4
OUTPUT = Path("drn_core/data/synthetic/joint_offsets.py")


@dataclass(frozen=True)
class Sighting:
    """One detected picture: per joint the projection, its Jacobian with respect to the offset, the detection."""

    projected: Array  # (33, 2)
    jacobian: Array  # (33, 2, 3)
    detected: Array  # (33, 2)
    usable: npt.NDArray[np.bool_]  # (33,)
    trunk_px: float


def _jacobian(camera: Camera, bones: PosedBones, points: Array, carriers: list[int]) -> Array:
    """Change of the pixel position with the offset at rest: camera's derivative times the bone's rotation."""
    local = (points - camera.eye) @ camera.rotation.T
    derivative = np.zeros((NUM_JOINTS, 2, 3))
    derivative[:, 0, 0] = derivative[:, 1, 1] = camera.focal_px / local[:, 2]
    derivative[:, :, 2] = -camera.focal_px * local[:, :2] / local[:, 2:] ** 2
    return np.asarray(derivative @ camera.rotation @ bones.rotations[carriers])


def sight(index: int, seed: int, detector: Any) -> Sighting | None:
    """Render and detect one person; None where nobody is found."""
    rng = np.random.default_rng([seed, index])
    person = build_character(draw_design(rng), 512)
    family = FAMILIES[index % len(FAMILIES)]
    pose = replace(draw_clear_pose(rng, person.rig, family), heading=rng.uniform(-60, 60))
    bones = person.rig.pose(pose)
    renderer = Renderer(SIZE_HW)
    points = renderer.pose_points(person, bones, person.with_expression(pose.expression))
    camera = frame_person(rng, [points], "full", SIZE_HW)
    drawing = renderer.draw(person, points, camera, draw_light(rng), draw_background(rng, SIZE_HW))
    found = detector.process(drawing.image).pose_landmarks
    if found is None:
        return None
    marks = np.array([[mark.x, mark.y, mark.visibility] for mark in found.landmark])
    detected = marks[:, :2] * SIZE_HW[::-1] - 0.5
    carriers = [person.rig.bone_at[name] for name in JOINT_BONES]
    places = place_joints(person.body, bones)
    joints = view_joints(person.body, bones, camera, drawing.depth, renderer.scale)
    pixels, _ = camera.project(places)
    trunk = float(np.linalg.norm(pixels[[11, 12]].mean(axis=0) - pixels[[23, 24]].mean(axis=0)))
    return Sighting(
        projected=pixels,
        jacobian=_jacobian(camera, bones, places, carriers),
        detected=detected,
        usable=joints.visible & (marks[:, 2] > MIN_CONFIDENCE),
        trunk_px=trunk,
    )


def fit(sightings: list[Sighting]) -> Array:
    """Corrections (33, 3) of the offsets, metres: robust least squares, one fit for both sides."""
    corrections = np.zeros((NUM_JOINTS, 3))
    flip = np.diag([-1.0, 1.0, 1.0])
    for joint in range(NUM_JOINTS):
        twin = MIRROR[joint]
        rows, values = [], []
        for seen in sightings:
            for index, turn in {(joint, 0), (twin, int(twin != joint))}:
                if seen.usable[index]:
                    jacobian = seen.jacobian[index] @ flip if turn else seen.jacobian[index]
                    rows.append(jacobian / seen.trunk_px)
                    values.append((seen.detected - seen.projected)[index] / seen.trunk_px)
        matrix, target = np.concatenate(rows), np.concatenate(values)
        weight = np.ones(len(target))
        for _ in range(NUM_ROUNDS):
            scaled = matrix * weight[:, None]
            ridge = RIDGE_METRES * len(target) / 20 * np.eye(3)
            corrections[joint] = np.linalg.solve(scaled.T @ matrix + ridge, scaled.T @ target)
            residual = target - matrix @ corrections[joint]
            weight = 1 / np.maximum(1.0, np.abs(residual) / 0.03)
    corrections[0, 0] = 0.0
    return corrections


def report(sightings: list[Sighting], title: str, corrections: Array) -> None:
    """Print the median error of each joint, in hundredths of the trunk's length."""
    print(title)
    for joint in range(NUM_JOINTS):
        errors = []
        for seen in sightings:
            if seen.usable[joint]:
                moved = seen.projected[joint] + seen.jacobian[joint] @ corrections[joint]
                errors.append(np.linalg.norm(seen.detected[joint] - moved) / seen.trunk_px)
        if errors:
            spread = f"{100 * np.median(errors):5.1f} ({len(errors)})"
            print(f"  {JOINT_NAMES[joint]:18s} {spread}  {np.round(corrections[joint], 4)}")


def write(offsets: Array) -> None:
    """Write the generator's table."""
    rows = "\n".join(
        f"    [{x:.4f}, {y:.4f}, {z:.4f}],  # {name}"
        for (x, y, z), name in zip(offsets + 0.0, JOINT_NAMES, strict=True)
    )
    text = OUTPUT.read_text(encoding="utf-8")
    head, _, rest = text.partition("JOINT_OFFSETS: Final[npt.NDArray[np.float64]] = ")
    tail = rest[rest.index('"""(33, 3)') :]
    array = f"JOINT_OFFSETS: Final[npt.NDArray[np.float64]] = np.array([\n{rows}\n])  # fmt: skip\n"
    OUTPUT.write_text(head + array + tail, encoding="utf-8")


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"rewrite {OUTPUT}")
    options = parser.parse_args()
    import mediapipe

    with mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as detector:
        found = [sight(index, options.seed, detector) for index in range(options.people)]
    sightings = [seen for seen in found if seen is not None]
    print(f"found {len(sightings)} of {len(found)} people")
    corrections = fit(sightings)
    report(sightings, "before", np.zeros((NUM_JOINTS, 3)))
    report(sightings, "after", corrections)
    if options.write:
        write(JOINT_OFFSETS + corrections)


if __name__ == "__main__":
    main()
