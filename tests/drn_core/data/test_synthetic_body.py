"""The body pack is whole, and the rig and the garment cuts do what they say."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from drn_core.data.synthetic.body import draw_body, load_body_pack
from drn_core.data.synthetic.character import build_character, draw_design
from drn_core.data.synthetic.joints import place_joints
from drn_core.data.synthetic.piece import Surface, cut_surface
from drn_core.data.synthetic.planting import plant, standing_feet
from drn_core.data.synthetic.pose import JOINT_AT, Arm, BodyPose, joint_rotations
from drn_core.data.synthetic.pose_families import draw_clear_pose, trunk_intrusion
from drn_core.data.synthetic.rig import Rig
from drn_core.data.synthetic.textures import Material, pack_textures
from drn_core.skeleton import JOINT_INDEX


@pytest.fixture(scope="module")
def rig() -> Rig:
    pack = load_body_pack()
    return Rig(pack, draw_body(pack, np.random.default_rng(0)))


def test_the_pack_is_small_and_whole() -> None:
    pack = load_body_pack()
    with resources.as_file(resources.files("drn_core.assets") / "body.npz") as path:
        assert path.stat().st_size < 5e6
    np.testing.assert_allclose(pack.weights.sum(axis=1), 1, atol=1e-5)
    assert (np.diff(pack.weights, axis=1) <= 1e-6).all()
    assert pack.bones.max() < len(pack.names)
    assert all(parent < bone for bone, parent in enumerate(pack.parents))
    for triangles in pack.triangles.values():
        assert triangles.max() < len(pack.mean)
    assert 0 <= pack.uv.min() <= pack.uv.max() <= 1


def test_bodies_are_adult_sized_and_upright() -> None:
    pack = load_body_pack()
    rng = np.random.default_rng(1)
    heights = [float(np.ptp(draw_body(pack, rng).vertices[pack.vertices_of("skin"), 1])) for _ in range(40)]
    assert 1.4 < min(heights) < max(heights) < 2.1
    assert np.std(heights) > 0.04


def test_neutral_pose_hangs_the_arms(rig: Rig) -> None:
    bones = rig.pose(BodyPose(arms=(Arm(abduction=0, elbow=0, twist=0), Arm(abduction=0, elbow=0, twist=0))))
    for side in "LR":
        shoulder, wrist = bones.heads[rig.bone_at[f"upperarm01.{side}"]], bones.heads[rig.bone_at[f"wrist.{side}"]]
        assert (wrist - shoulder)[1] / np.linalg.norm(wrist - shoulder) < -0.99


def test_t_pose_is_the_canonical_one() -> None:
    rotations = joint_rotations(BodyPose(arms=(Arm(90, 0, 0, 0), Arm(90, 0, 0, 0))))
    shoulder = rotations[JOINT_AT["shoulder.L"]]
    np.testing.assert_allclose(shoulder @ [1, 0, 0], [1, 0, 0], atol=1e-9)


def test_bones_keep_their_length(rig: Rig) -> None:
    pose = draw_clear_pose(np.random.default_rng(3), rig, "dance")
    heads = rig.pose(pose).heads
    for start, end in (("upperarm01.L", "lowerarm01.L"), ("upperleg01.R", "lowerleg01.R"), ("spine05", "spine04")):
        a, b = rig.bone_at[start], rig.bone_at[end]
        rest = np.linalg.norm(rig.heads[b] - rig.heads[a])
        # Twist of the upper arm is spread over two bones, which shortens it a little.
        assert np.linalg.norm(heads[b] - heads[a]) == pytest.approx(rest, rel=0.03)


def test_planted_ankles_are_in_place(rig: Rig) -> None:
    feet = standing_feet(rig, spread=1.3)
    bones = plant(rig, BodyPose(heading=20), (0.05, -0.15, 0.02), feet)
    for side, foot in zip("LR", feet, strict=True):
        np.testing.assert_allclose(bones.heads[rig.bone_at[f"foot.{side}"]], foot.ankle, atol=1e-3)


def test_arms_inside_the_trunk_are_noticed(rig: Rig) -> None:
    crossed = Arm(abduction=-30, forward=0, elbow=20, twist=0)
    assert trunk_intrusion(rig, rig.pose(BodyPose(arms=(crossed, crossed)))) > 0.02
    assert trunk_intrusion(rig, rig.pose(BodyPose())) < 0.02


def test_joints_are_symmetric_at_rest(rig: Rig) -> None:
    pack = load_body_pack()
    body = draw_body(pack, np.random.default_rng(0))
    arm = Arm(twist=0, wrist=(0, 0, 0))
    points = place_joints(body, rig.pose(BodyPose(arms=(arm, arm))))
    left, right = points[JOINT_INDEX["left_hip"]], points[JOINT_INDEX["right_hip"]]
    np.testing.assert_allclose(left * [-1, 1, 1], right, atol=0.01)


def _square() -> Surface:
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    weights = np.zeros((4, 6), np.float32)
    weights[:, 0] = 1
    bones = np.zeros((4, 6), np.int32)
    bones[2:, 0] = 1
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Surface(points, points, weights, bones, faces, {"x": points[:, 0]})


def test_a_surface_is_cut_exactly_at_the_line() -> None:
    square = _square()
    level = (square.points[:, 1] - 0.25).astype(np.float32)
    cut = cut_surface(square, level, 6)
    a, b, c = (cut.points[cut.faces[:, k]] for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()
    assert area == pytest.approx(0.75, abs=1e-6)
    assert cut.points[:, 1].min() == pytest.approx(0.25, abs=1e-6)
    np.testing.assert_allclose(cut.weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(cut.fields["x"], cut.points[:, 0], atol=1e-6)
    # Counter-clockwise stays counter-clockwise.
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


def test_no_bare_trunk_is_left() -> None:
    """Skin of hips and upper legs is hidden by every outfit: it is not even in the mesh."""
    for seed in range(12):
        design = draw_design(np.random.default_rng(seed))
        person = build_character(design, 128)
        skin = person.faces[person.face_texture == 0]
        middle = person.rest[skin].mean(axis=1)
        # On the mean body the legs part at a height of 0.08 m.
        bare = (np.abs(middle[:, 0]) < 0.10) & (np.abs(middle[:, 1] - 0.10) < 0.08)
        assert bare.sum() == 0, seed


@pytest.mark.parametrize("shape", [(48, 48, 3), (64, 32, 3), (16, 16, 3)])
def test_textures_must_be_square_powers_of_two(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="power of two"):
        pack_textures([np.zeros(shape, np.uint8)], [Material()])
