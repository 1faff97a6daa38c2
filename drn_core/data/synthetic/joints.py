"""The 33 joints of the skeleton on a posed body, placed where a BlazePose-type estimator sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.body import Body, load_body_pack
from drn_core.data.synthetic.camera import Camera
from drn_core.data.synthetic.joint_offsets import JOINT_OFFSETS
from drn_core.data.synthetic.rig import PosedBones
from drn_core.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS

__all__ = ["JOINT_BONES", "JointView", "place_joints", "rest_joints", "view_joints"]

Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.float32]

# Where the face's joints lie on the mean body, metres; right ones are mirrored.
_FACE = {
    "nose": (0.0, 0.8593, 0.1764),
    "left_eye_inner": (0.0180, 0.8990, 0.1440), "left_eye": (0.0313, 0.8997, 0.1480),
    "left_eye_outer": (0.0470, 0.9000, 0.1390),
    "left_ear": (0.0850, 0.8930, 0.0480), "mouth_left": (0.0265, 0.8281, 0.1480),
    "right_eye_inner": (-0.0180, 0.8990, 0.1440), "right_eye": (-0.0313, 0.8997, 0.1480),
    "right_eye_outer": (-0.0470, 0.9000, 0.1390),
    "right_ear": (-0.0850, 0.8930, 0.0480), "mouth_right": (-0.0265, 0.8281, 0.1480),
}  # fmt: skip
_LIMBS = {
    "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist",
    "pinky": "finger5-1", "index": "finger2-1", "thumb": "finger1-2",
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "heel": "foot", "foot_index": "toe2-2",
}  # fmt: skip


def _bone_of(joint: str) -> str:
    side, _, limb = joint.partition("_")
    if limb in _LIMBS:
        return f"{_LIMBS[limb]}.{side[0].upper()}"
    return "head"


JOINT_BONES = tuple(_bone_of(name) for name in JOINT_INDEX)
"""The bone that carries each joint."""


# How far the surface may lie before a joint that nothing else hides, metres.
_COVER = {
    "shoulder": 0.15, "hip": 0.19, "elbow": 0.09, "wrist": 0.07, "knee": 0.12, "ankle": 0.10,
    "pinky": 0.05, "index": 0.05, "thumb": 0.05, "heel": 0.10, "foot_index": 0.08, "ear": 0.06,
}  # fmt: skip
FACE_COVER_METRES = 0.03
_COVER_OF = np.array(
    [next((cover for limb, cover in _COVER.items() if name.endswith(limb)), FACE_COVER_METRES) for name in JOINT_NAMES]
)


@dataclass(frozen=True)
class JointView:
    """Joints of a posed body in a picture.

    Attributes:
        keypoints: (33, 2) pixels; they may lie outside the picture.
        depths: (33,) pixels, relative to the hips' middle, smaller is nearer to the camera.
        visible: (33,) whether the joint is in the picture and nothing but its own flesh lies before it.
    """

    keypoints: FloatArray
    depths: FloatArray
    visible: npt.NDArray[np.bool_]


@lru_cache(maxsize=1)
def _nearest_vertices() -> npt.NDArray[np.int64]:
    """(33,) skin vertex of each joint of the face, -1 for the others."""
    pack = load_body_pack()
    skin = pack.vertices_of("skin")
    found = np.full(NUM_JOINTS, -1)
    for name, place in _FACE.items():
        distance = ((pack.mean[skin] - np.array(place)) ** 2).sum(axis=1)
        found[JOINT_INDEX[name]] = skin[np.argmin(distance)]
    return found


def rest_joints(body: Body) -> Array:
    """(33, 3) joints of a body at rest: bone heads, face vertices, plus the calibrated offsets."""
    names = load_body_pack().names
    anchors = body.heads[[names.index(bone) for bone in JOINT_BONES]].copy()
    vertices = _nearest_vertices()
    on_face = vertices >= 0
    anchors[on_face] = body.vertices[vertices[on_face]]
    for side in ("left", "right"):
        ankle, toe = anchors[JOINT_INDEX[f"{side}_ankle"]], anchors[JOINT_INDEX[f"{side}_foot_index"]]
        anchors[JOINT_INDEX[f"{side}_heel"]] = ankle + 0.3 * (ankle - toe) * np.array([1, 0, 1]) - [0, 0.05, 0]
    return anchors + JOINT_OFFSETS


def place_joints(body: Body, bones: PosedBones) -> Array:
    """Joints (33, 3) of a posed body in the world, metres."""
    index = [load_body_pack().names.index(bone) for bone in JOINT_BONES]
    rotated = np.einsum("nij,nj->ni", bones.rotations[index], rest_joints(body))
    placed: Array = rotated + bones.offsets[index]
    return placed


def view_joints(
    body: Body, bones: PosedBones, camera: Camera, inverse_depth: FloatArray, supersampling: int
) -> JointView:
    """Project the joints and look up what hides them.

    Args:
        body: shape.
        bones: the body's bones, posed.
        camera: of the picture.
        inverse_depth: z-buffer of the drawing, `supersampling` samples per pixel side.
        supersampling: see above.
    """
    places = place_joints(body, bones)
    pixels, depth = camera.project(places)
    hips = [JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]
    _, hip_depth = camera.project(places[hips].mean(axis=0))
    height, width = inverse_depth.shape
    samples = np.floor((pixels + 0.5) * supersampling).astype(int)
    inside = ((samples >= 0) & (samples < [width, height])).all(axis=1)
    column, row = np.clip(samples, 0, [width - 1, height - 1]).T
    nearest = inverse_depth[row, column]
    surface = np.where(nearest > 0, 1 / np.maximum(nearest, 1e-6), np.inf)
    return JointView(
        keypoints=pixels.astype(np.float32),
        depths=((depth - hip_depth) * camera.focal_px / hip_depth).astype(np.float32),
        visible=inside & (surface > depth - _COVER_OF),
    )
