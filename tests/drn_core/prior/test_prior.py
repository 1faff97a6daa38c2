"""The layered person: its sheets, weights and transforms, and that posing it does what a skeleton says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drn_core.prior.geometry import apply_affine, bone_affine, fit_similarity, segment_distance, smoothstep
from drn_core.prior.ordering import keep_hidden, keep_shown, layer_depths, stable_orders
from drn_core.prior.parts import LIMBS, Layer, Part
from drn_core.prior.person import PersonLayers, SourceImage, build_person
from drn_core.prior.render import PriorRenderer, skin_vertices
from drn_core.prior.transforms import part_transforms
from drn_core.skeleton import JOINT_INDEX
from tests.helpers.figure import ROOM, SIZE_HW, SKIN, Figure, figure, joints, raise_left_arm


def _without_left_arm(drawn: Figure) -> SourceImage:
    """The figure with its left arm behind its back, where an estimator guesses it."""
    keypoints, confidence, alpha = drawn.pose.keypoints.copy(), drawn.pose.confidence.copy(), drawn.alpha.copy()
    arm = [JOINT_INDEX[f"left_{name}"] for name in ("elbow", "wrist", "pinky", "index", "thumb")]
    offsets = [[-10, 60], [-20, 100], [-20, 110], [-22, 110], [-20, 108]]
    keypoints[arm] = keypoints[JOINT_INDEX["left_shoulder"]] + offsets
    confidence[arm] = 0.1
    alpha[:, 226:] = 0.0
    return SourceImage(drawn.rgb, alpha, keypoints, confidence, drawn.pose.depth)


@pytest.fixture(scope="module")
def hidden(drawn: Figure) -> PersonLayers:
    return build_person(_without_left_arm(drawn))


def _order(person: PersonLayers) -> np.ndarray:
    return stable_orders(layer_depths(person.body, np.zeros((1, 33), np.float32)))[0]


def _render(person: PersonLayers, keypoints: np.ndarray, background: np.ndarray) -> np.ndarray:
    renderer = PriorRenderer(person, SIZE_HW)
    frame = renderer.pose(keypoints, np.zeros(33, np.float32), _order(person))
    return renderer.paint(frame, torch.from_numpy(background)).numpy()


class TestGeometry:
    def test_segment_distance_by_hand(self) -> None:
        points = np.array([[5.0, 3.0], [-4.0, 3.0], [13.0, 4.0]])
        distances = segment_distance(points, np.array([0.0, 0.0]), np.array([10.0, 0.0]))
        assert distances == pytest.approx([3.0, 5.0, 5.0])

    def test_smoothstep_ends_and_middle(self) -> None:
        assert smoothstep(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 1.0, 3.0) == pytest.approx([0, 0, 0.5, 1, 1])

    def test_similarity_is_recovered(self) -> None:
        source = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
        matrix = 1.5 * np.array([[0.0, -1.0], [1.0, 0.0]])
        affine = fit_similarity(source, source @ matrix.T + [3.0, 7.0], np.ones(3), (0.1, 10.0))
        assert affine == pytest.approx(np.column_stack([matrix, [3.0, 7.0]]))

    def test_similarity_scale_is_clipped(self) -> None:
        source = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
        affine = fit_similarity(source, 3 * source, np.ones(3), (0.5, 1.2))
        assert affine[:, :2] == pytest.approx(1.2 * np.eye(2))

    def test_bone_keeps_its_width_when_foreshortened(self) -> None:
        affine = bone_affine((np.zeros(2), np.array([10.0, 0.0])), (np.zeros(2), np.array([0.0, 5.0])), width_scale=1.0)
        assert apply_affine(affine, np.array([10.0, 3.0])) == pytest.approx([-3.0, 5.0], abs=1e-3)

    def test_a_bone_is_drawn_out_to_its_limit_and_falls_short(self) -> None:
        bone, longer = (np.zeros(2), np.array([10.0, 0.0])), (np.array([1.0, 1.0]), np.array([1.0, 51.0]))
        affine = bone_affine(bone, longer, width_scale=2.0, most_stretch=1.5)
        assert apply_affine(affine, np.array([[0.0, 0.0], [10.0, 0.0]])) == pytest.approx(
            np.array([[1.0, 1.0], [1.0, 31.0]])
        )

    def test_mirrored_bone_flips_across(self) -> None:
        bone = (np.zeros(2), np.array([10.0, 0.0]))
        affine = bone_affine(bone, bone, width_scale=1.0, is_mirrored=True)
        assert apply_affine(affine, np.array([4.0, 3.0])) == pytest.approx([4.0, -3.0], abs=1e-3)


class TestElbow:
    @pytest.mark.parametrize("degrees", [90, 120, 150])
    def test_a_straight_arm_bends_about_a_round_end(self, person: PersonLayers, degrees: int) -> None:
        points = joints()
        elbow = points[JOINT_INDEX["left_elbow"]]
        angle = -np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        forearm = [JOINT_INDEX[f"left_{name}"] for name in ("wrist", "pinky", "index", "thumb")]
        points[forearm] = elbow + (points[forearm] - elbow) @ turn.T
        renderer = PriorRenderer(person, SIZE_HW)
        cut_out = renderer.cut_out(renderer.pose(points, np.zeros(33, np.float32), _order(person))).numpy()
        y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
        disc = np.hypot(x - elbow[0], y - elbow[1]) < 12  # the sleeve's half width is 14, the forearm's 11
        assert (cut_out[..., 3][disc] > 200).all()


class TestLayers:
    def test_every_limb_has_its_sheets(self, person: PersonLayers) -> None:
        assert set(person.layers) == set(Layer)

    def test_weights_are_shares(self, person: PersonLayers) -> None:
        weights = person.mesh.weights
        assert weights.min() >= 0
        assert weights.sum(1) == pytest.approx(np.ones(len(weights)), abs=1e-5)

    def test_a_sheet_is_moved_by_its_own_limb_only(self, person: PersonLayers) -> None:
        mesh = person.mesh
        for limb in LIMBS:
            vertices = np.unique(mesh.triangles[mesh.triangle_layer == limb.lower_layer])
            others = [part for part in Part if part not in limb.parts]
            assert mesh.weights[vertices][:, others].max() == 0

    def test_sheets_hold_the_limbs_own_colour(self, person: PersonLayers, drawn: Figure) -> None:
        x, y = drawn.pose.keypoints[[JOINT_INDEX["left_elbow"], JOINT_INDEX["left_wrist"]]].mean(0)
        x, y = int(x) - person.origin_xy[0], int(y) - person.origin_xy[1]
        texel = person.textures[Layer.LEFT_LOWER_ARM, y, x]
        assert texel[3] == 255
        assert np.abs(texel[:3].astype(int) - SKIN).max() < 90

    def test_an_empty_matte_is_refused(self, drawn: Figure) -> None:
        empty = SourceImage(
            drawn.rgb, np.zeros(SIZE_HW, np.float32), drawn.pose.keypoints, drawn.pose.confidence, drawn.pose.depth
        )
        with pytest.raises(ValueError, match="matte is empty"):
            build_person(empty)

    def test_a_hidden_arm_is_rebuilt_from_its_twin(self, hidden: PersonLayers) -> None:
        assert [limb.name for limb in hidden.rebuilt] == ["left arm"]
        assert hidden.textures[Layer.LEFT_LOWER_ARM, ..., 3].max() == 255

    def test_a_rebuilt_arm_is_not_seen_in_the_photos_own_pose(self, hidden: PersonLayers, drawn: Figure) -> None:
        assert hidden.photo_joints is not None
        room = np.broadcast_to(np.array(ROOM, np.uint8), (*SIZE_HW, 3)).copy()
        depths = keep_hidden(layer_depths(hidden.body, np.zeros((1, 33), np.float32)), hidden.hidden_layers, 0)
        renderer = PriorRenderer(hidden, SIZE_HW)
        frame = renderer.pose(hidden.photo_joints, np.zeros(33, np.float32), stable_orders(depths)[0])
        shown = renderer.paint(frame, torch.from_numpy(room)).numpy().astype(float)
        beside = _without_left_arm(drawn).alpha < 0.02
        sticks_out = np.abs(shown[beside] - ROOM).max(1) > 8
        assert sticks_out.sum() <= 0.002 * (~beside).sum()


class TestPosing:
    def test_the_photos_pose_gives_identity_transforms(self, person: PersonLayers) -> None:
        affines = part_transforms(person.body, joints())
        identity = np.column_stack([np.eye(2), np.zeros(2)])
        assert affines == pytest.approx(np.broadcast_to(identity, affines.shape), abs=0.05)

    def test_the_photos_pose_gives_the_photo(self, person: PersonLayers, drawn: Figure) -> None:
        image = _render(person, joints(), drawn.rgb)
        error = (image.astype(float) - drawn.rgb) ** 2
        assert 10 * np.log10(255**2 / error.mean()) > 38

    def test_a_shift_of_the_skeleton_is_a_shift_of_the_person(self, person: PersonLayers) -> None:
        moved = skin_vertices(person, part_transforms(person.body, joints() + np.array([7.0, -3.0])))
        assert moved - person.mesh.source_xy == pytest.approx(np.broadcast_to([7.0, -3.0], moved.shape), abs=0.1)

    def test_somebody_seen_from_the_other_side_is_mirrored_with_all_limbs(self, person: PersonLayers) -> None:
        turned = joints() * np.array([-1.0, 1.0]) + np.array([360.0, 0.0])
        moved = skin_vertices(person, part_transforms(person.body, turned))
        is_body = person.mesh.weights[:, Part.HEAD] == 0
        mirrored = person.mesh.source_xy * np.array([-1.0, 1.0]) + np.array([360.0, 0.0])
        assert moved[is_body] == pytest.approx(mirrored[is_body], abs=0.5)

    def test_a_raised_arm_lands_where_the_skeleton_says(self, person: PersonLayers) -> None:
        raised = raise_left_arm(joints(), 90)
        background = np.full((*SIZE_HW, 3), ROOM, np.uint8)
        image = _render(person, raised, background)
        x, y = raised[[JOINT_INDEX["left_elbow"], JOINT_INDEX["left_wrist"]]].mean(0).astype(int)
        assert np.abs(image[y, x].astype(int) - SKIN).max() < 90
        old_x, old_y = joints()[[JOINT_INDEX["left_elbow"], JOINT_INDEX["left_wrist"]]].mean(0).astype(int)
        assert (image[old_y, old_x] == ROOM).all()

    def test_a_raised_arm_leaves_the_trunk_whole(self, person: PersonLayers) -> None:
        background = np.zeros((*SIZE_HW, 3), np.uint8)
        image = _render(person, raise_left_arm(joints(), 100), background)
        trunk = image[150:230, 165:195].reshape(-1, 3).astype(int)
        assert (trunk.sum(1) > 60).all()

    def test_a_person_outside_the_frame_draws_nothing(self, person: PersonLayers, drawn: Figure) -> None:
        image = _render(person, joints() + 5000, drawn.rgb)
        assert (image == drawn.rgb).all()


class TestOrdering:
    def test_a_near_hand_covers_and_a_far_one_is_covered(self, person: PersonLayers) -> None:
        depth = np.zeros((2, 33), np.float32)
        left_arm = [JOINT_INDEX[f"left_{name}"] for name in ("elbow", "wrist", "pinky", "index", "thumb")]
        depth[0, left_arm], depth[1, left_arm] = -80, 80
        orders = stable_orders(layer_depths(person.body, depth))
        for row, is_front in zip(orders, (True, False), strict=True):
            place = {layer: index for index, layer in enumerate(row)}
            assert (place[Layer.LEFT_LOWER_ARM] > place[Layer.TORSO]) == is_front

    def test_small_wobble_does_not_change_the_order(self) -> None:
        depths = np.array([[0.0, 0.05], [0.0, -0.05], [0.0, 0.05], [0.0, -0.2], [0.0, -0.05]], np.float32)
        assert stable_orders(depths).tolist() == [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]

    def test_a_hidden_arm_begins_behind(self) -> None:
        depths = np.full((3, len(Layer)), -0.25, np.float32)
        depths[:, Layer.TORSO] = 0
        depths[2, Layer.LEFT_UPPER_ARM] = -0.9
        kept = keep_hidden(depths, (Layer.LEFT_UPPER_ARM,), reference=0)
        assert kept[0, Layer.LEFT_UPPER_ARM] > 0
        assert kept[2, Layer.LEFT_UPPER_ARM] < 0
        assert kept[0, Layer.RIGHT_UPPER_ARM] == depths[0, Layer.RIGHT_UPPER_ARM]

    def test_an_arm_that_is_seen_before_the_trunk_begins_there(self) -> None:
        depths = np.zeros((2, len(Layer)), np.float32)
        depths[:, Layer.LEFT_UPPER_ARM], depths[:, Layer.RIGHT_UPPER_ARM] = (0.05, 0.4), 0.5
        kept = keep_shown(depths, (Layer.LEFT_UPPER_ARM, Layer.RIGHT_UPPER_ARM), reference=0)
        assert kept[0, Layer.LEFT_UPPER_ARM] < 0
        assert kept[1, Layer.LEFT_UPPER_ARM] > 0  # the driver moved it behind
        assert kept[0, Layer.RIGHT_UPPER_ARM] == depths[0, Layer.RIGHT_UPPER_ARM]  # clearly behind


class TestPhotosOwnPose:
    def test_a_leg_does_not_cover_the_leg_beside_it(self) -> None:
        points = joints()
        for side, x in (("left", 192), ("right", 168)):
            for name in ("knee", "ankle", "heel"):
                points[JOINT_INDEX[f"{side}_{name}"], 0] = x
        drawn = figure(points)
        rgb = drawn.rgb.copy()
        rgb[260:410, 180:230] = np.where(drawn.alpha[260:410, 180:230, None] > 0.5, np.uint8(210), ROOM)
        person = build_person(SourceImage(rgb, drawn.alpha, points, drawn.pose.confidence, drawn.pose.depth))
        shown = _render(person, points, np.full((*SIZE_HW, 3), ROOM, np.uint8))
        for beside in (np.s_[270:400, 168:177], np.s_[270:400, 184:193]):
            assert np.abs(shown[beside].astype(int) - rgb[beside]).max() < 12

    def test_a_hidden_leg_does_not_carry_the_trunk(self, drawn: Figure) -> None:
        keypoints, confidence, alpha = drawn.pose.keypoints.copy(), drawn.pose.confidence.copy(), drawn.alpha.copy()
        leg = [JOINT_INDEX[f"left_{name}"] for name in ("knee", "ankle", "heel", "foot_index")]
        keypoints[leg] = keypoints[[JOINT_INDEX[f"right_{n}"] for n in ("knee", "ankle", "heel", "foot_index")]]
        confidence[leg] = 0.1
        alpha[262:, 184:] = 0.0
        person = build_person(SourceImage(drawn.rgb, alpha, keypoints, confidence, drawn.pose.depth))
        assert [limb.name for limb in person.rebuilt] == ["left leg"]
        trunk = np.unique(person.mesh.triangles[person.mesh.triangle_layer == Layer.TORSO])
        assert person.mesh.weights[trunk, Part.LEFT_THIGH].max() < 1e-3
        assert person.mesh.weights[trunk, Part.RIGHT_THIGH].max() > 0.2
