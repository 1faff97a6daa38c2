"""Turning the head: what is fitted, what is drawn, and that nothing folds, tears or moves without cause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drn_core.prior.head import head_affine, head_turn, measure_head
from drn_core.prior.parts import Layer, Part
from drn_core.prior.person import PersonLayers, build_person
from drn_core.prior.render import pose_vertices, skin_vertices
from drn_core.prior.transforms import part_transforms
from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX
from tests.helpers.figure import figure, joints

FACE = list(FACE_JOINTS)
SURE = np.ones(33, np.float32)
NOSE, LEFT_EAR, RIGHT_EAR = (JOINT_INDEX[name] for name in ("nose", "left_ear", "right_ear"))
# A face as an estimator reads it: nose, left eye, right eye (inner, middle, outer), ears, mouth. The person's left is
# on the right of the picture. Half distance of the ears: 20 px.
FRONTAL = np.array([
    [180, 70], [186, 60], [190, 60], [194, 61], [174, 60], [170, 60], [166, 61],
    [200, 66], [160, 66], [188, 82], [172, 82],
], np.float64)  # fmt: skip


def with_face(face: np.ndarray) -> np.ndarray:
    points = joints().astype(np.float64)
    points[FACE] = face
    return points


@pytest.fixture(scope="module")
def person() -> PersonLayers:
    drawn = figure()
    pose = replace(drawn.pose, keypoints=with_face(FRONTAL).astype(np.float32))
    return build_person(replace(drawn, pose=pose).source)


def turned(person: PersonLayers, turn: tuple[float, float]) -> np.ndarray:
    """The joints of a head turned as the relief says."""
    return with_face(FRONTAL + person.head.joints[:, None] * np.array(turn))


def torso_triangles(person: PersonLayers) -> np.ndarray:
    return person.mesh.triangles[person.mesh.triangle_layer == Layer.TORSO]


def doubled_areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = vertices[triangles].astype(np.float64).transpose(1, 0, 2)
    first, second = b - a, c - a
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


class TestRelief:
    def test_unit_is_half_the_distance_of_the_ears(self, person: PersonLayers) -> None:
        assert person.head.unit_px == pytest.approx(20.0, rel=0.06)

    def test_the_nose_stands_out_most_and_the_ears_least(self, person: PersonLayers) -> None:
        relief = dict(zip(FACE, person.head.joints, strict=True))
        assert max(relief, key=relief.__getitem__) == NOSE
        assert set(sorted(relief, key=relief.__getitem__)[:2]) == {LEFT_EAR, RIGHT_EAR}

    def test_a_frontal_face_has_equal_sides(self, person: PersonLayers) -> None:
        relief = dict(zip(FACE, person.head.joints, strict=True))
        assert relief[LEFT_EAR] == pytest.approx(relief[RIGHT_EAR], rel=0.02)

    def test_only_the_torsos_sheet_near_the_head_has_any(self, person: PersonLayers) -> None:
        mesh, relief = person.mesh, person.head.vertices
        moved = np.flatnonzero(relief)
        assert set(np.unique(mesh.triangle_layer[np.isin(mesh.triangles, moved).any(1)])) == {int(Layer.TORSO)}
        assert mesh.weights[moved, Part.HEAD].min() >= 0.2
        shoulders = person.body.keypoints[[JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]], 1].min()
        assert mesh.source_xy[moved, 1].max() < shoulders

    def test_a_head_in_profile_is_not_turned(self, person: PersonLayers) -> None:
        profile = FRONTAL.copy()
        profile[:, 0] = [212, 196, 197, 198, 194, 195, 196, 180, 179, 199, 198]
        body = replace(person.body, keypoints=with_face(profile))
        assert measure_head(body, person.mesh).limit == pytest.approx(0.0, abs=0.02)

    def test_a_head_from_behind_is_not_turned(self, person: PersonLayers) -> None:
        behind = FRONTAL * [-1, 1] + [360, 0]
        assert measure_head(replace(person.body, keypoints=with_face(behind)), person.mesh).limit == 0.0

    def test_a_face_that_is_not_seen_is_not_turned(self, person: PersonLayers) -> None:
        confidence = person.body.confidence.copy()
        confidence[FACE] = 0.2
        head = measure_head(replace(person.body, confidence=confidence), person.mesh)
        assert head.limit == 0.0
        assert (head_turn(head, person.body, turned(person, (0.3, 0.0)), SURE) == 0.0).all()


class TestTurn:
    def test_no_difference_is_no_turn(self, person: PersonLayers) -> None:
        assert head_turn(person.head, person.body, with_face(FRONTAL), SURE) == pytest.approx([0.0, 0.0], abs=1e-9)
        plain = skin_vertices(person, part_transforms(person.body, with_face(FRONTAL)))
        assert pose_vertices(person, with_face(FRONTAL), SURE) == pytest.approx(plain, abs=1e-4)

    @pytest.mark.parametrize("turn", [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.3), (0.2, -0.2)])
    def test_a_turn_is_recovered(self, person: PersonLayers, turn: tuple[float, float]) -> None:
        found = head_turn(person.head, person.body, turned(person, turn), SURE)
        assert found == pytest.approx(turn, abs=0.18)
        assert np.linalg.norm(found) < np.linalg.norm(turn)  # doubt pulls towards the photo's own view

    def test_more_is_shown_of_a_large_turn(self, person: PersonLayers) -> None:
        found = head_turn(person.head, person.body, turned(person, (0.5, 0.0)), SURE)
        assert 0.27 < found[0] < 0.5

    def test_little_is_shown_of_a_turn_within_the_error_of_reading(self, person: PersonLayers) -> None:
        found = head_turn(person.head, person.body, turned(person, (0.05, 0.0)), SURE)
        assert 0.0 < found[0] < 0.02

    def test_left_and_right_are_alike(self, person: PersonLayers) -> None:
        right = head_turn(person.head, person.body, turned(person, (0.2, 0.0)), SURE)
        left = head_turn(person.head, person.body, turned(person, (-0.2, 0.0)), SURE)
        assert right == pytest.approx(left * [-1, 1], abs=0.02)

    def test_roll_scale_and_shift_are_no_turn(self, person: PersonLayers) -> None:
        angle = np.radians(20)
        matrix = 1.1 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = with_face((FRONTAL - FRONTAL.mean(0)) @ matrix.T + [150.0, 90.0])
        assert head_turn(person.head, person.body, moved, SURE) == pytest.approx([0.0, 0.0], abs=1e-9)

    def test_a_turn_is_read_in_the_heads_own_frame(self, person: PersonLayers) -> None:
        upright = turned(person, (0.2, 0.0))
        rolled = with_face((upright[FACE] - 100) @ (np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)).T + 100)
        expected = head_turn(person.head, person.body, upright, SURE)
        assert head_turn(person.head, person.body, rolled, SURE) == pytest.approx(expected, abs=1e-6)

    def test_a_driver_seen_from_behind_turns_nothing(self, person: PersonLayers) -> None:
        behind = FRONTAL * [-1, 1] + [360, 0]
        assert (head_turn(person.head, person.body, with_face(behind), SURE) == 0.0).all()

    def test_turns_are_limited_softly(self, person: PersonLayers) -> None:
        sizes = [
            float(np.linalg.norm(head_turn(person.head, person.body, turned(person, (wanted, 0.0)), SURE)))
            for wanted in (0.3, 0.6, 1.0, 3.0)
        ]
        assert sizes == sorted(sizes)
        assert sizes[-1] <= person.head.limit <= 0.53

    def test_a_driver_whose_face_is_not_seen_turns_nothing(self, person: PersonLayers) -> None:
        assert (head_turn(person.head, person.body, turned(person, (0.3, 0.0)), np.zeros(33)) == 0.0).all()


class TestPlace:
    def test_a_plain_motion_is_the_similarity(self, person: PersonLayers) -> None:
        angle = np.radians(50)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = with_face((FRONTAL - 100) @ matrix.T + [150.0, 90.0])
        affine = head_affine(person.head, person.body, moved, np.zeros(2), 1.0)
        assert affine[:, :2] == pytest.approx(matrix, abs=1e-6)
        assert affine == pytest.approx(part_transforms(person.body, moved)[Part.HEAD], abs=1e-9)

    def test_a_profile_driven_by_its_mirror_image_stays_the_right_way_up(self, person: PersonLayers) -> None:
        face = FRONTAL.copy()
        face[:, 0] = [222, 204, 205, 206, 202, 203, 204, 172, 171, 207, 206]
        body = replace(person.body, keypoints=with_face(face))
        head = measure_head(body, person.mesh)
        affine = head_affine(head, body, with_face(face * [-1, 1] + [360, 0]), np.zeros(2), 1.0)
        assert affine[1, 1] > 0.7
        assert abs(affine[1, 0]) < 0.5


class TestDrawing:
    def test_a_point_shifts_by_its_relief(self, person: PersonLayers) -> None:
        still = np.tile(np.column_stack([np.eye(2), np.zeros(2)]), (len(Part), 1, 1))
        moved = skin_vertices(person, still, np.array([0.5, -0.25]))
        shift = person.head.vertices[:, None] * np.array([0.5, -0.25])
        assert moved - person.mesh.source_xy == pytest.approx(shift, abs=1e-3)

    def test_a_turned_face_leaves_the_neck_and_the_outline_in_place(self, person: PersonLayers) -> None:
        plain = pose_vertices(person, with_face(FRONTAL), SURE)
        shift = np.linalg.norm(pose_vertices(person, turned(person, (0.3, 0.0)), SURE) - plain, axis=1)
        far = person.mesh.weights[:, Part.HEAD] < 0.05
        assert shift[far].max() < 1.0
        assert shift[person.head.vertices > 12].min() > 2.0

    @pytest.mark.parametrize("angle", range(0, 360, 30))
    def test_no_triangle_folds_over_at_the_limit(self, person: PersonLayers, angle: int) -> None:
        turn = person.head.limit * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        still = np.tile(np.column_stack([np.eye(2), np.zeros(2)]), (len(Part), 1, 1))
        triangles = torso_triangles(person)
        before = doubled_areas(person.mesh.source_xy, triangles)
        after = doubled_areas(skin_vertices(person, still, turn), triangles)
        assert (after / before).min() >= 0.24

    @pytest.mark.parametrize("turn", [(0.8, 0.0), (-0.8, 0.0), (0.0, 0.6), (0.0, -0.6)])
    def test_posed_heads_do_not_fold_over(self, person: PersonLayers, turn: tuple[float, float]) -> None:
        triangles = torso_triangles(person)
        on_head = (person.mesh.weights[triangles][..., Part.HEAD] > 0.5).all(1)
        areas = doubled_areas(pose_vertices(person, turned(person, turn), SURE), triangles[on_head])
        before = doubled_areas(person.mesh.source_xy, triangles[on_head])
        assert (areas / before).min() > 0.1
