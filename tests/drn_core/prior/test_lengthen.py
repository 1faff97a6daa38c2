"""Foreshortened parts drawn on to their true length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drn_core.prior.body import middle_bones
from drn_core.prior.geometry import apply_affine
from drn_core.prior.lengthen import _source_position
from drn_core.prior.parts import LIMBS, Layer, Part
from drn_core.prior.person import SourceImage, build_person
from drn_core.prior.transforms import part_transforms
from drn_core.skeleton import JOINT_INDEX, MIRROR
from tests.helpers.figure import SHIRT, figure, joints

ELBOW, WRIST, INDEX = (JOINT_INDEX[f"left_{name}"] for name in ("elbow", "wrist", "index"))
FOREARMS = (Part.LEFT_FOREARM, Part.RIGHT_FOREARM)


def _short_forearm(lacking: float = 0.45) -> np.ndarray:
    points = joints()
    move = lacking * (points[WRIST] - points[ELBOW])
    for name in ("wrist", "pinky", "index", "thumb"):
        points[JOINT_INDEX[f"left_{name}"]] -= move
    return points


def _source(points: np.ndarray, length: float) -> SourceImage:
    drawn = figure(points)
    pose = drawn.pose
    return SourceImage(
        drawn.rgb, drawn.alpha, pose.keypoints, pose.confidence, pose.depth, true_lengths={Part.LEFT_FOREARM: length}
    )


def test_the_middle_is_repeated_and_the_ends_are_kept() -> None:
    along = np.linspace(-10, 90, 201)
    source = _source_position(along, 20.0, 60.0)
    assert source[along <= 7] == pytest.approx(along[along <= 7])
    assert source[along >= 53] == pytest.approx(along[along >= 53] - 40)
    between = source[(along > 7) & (along < 53)]
    assert between.min() >= 7 - 1e-6
    assert between.max() <= 13 + 1e-6
    assert np.abs(np.diff(source)).max() < 1.0  # continuous: no seam


def test_a_foreshortened_forearm_is_drawn_at_length_with_its_hand_at_the_end() -> None:
    points = _short_forearm()
    length = float(np.linalg.norm(joints()[WRIST] - joints()[ELBOW]))
    person = build_person(_source(points, length))
    assert person.lengthened == (Part.LEFT_FOREARM,)
    drawn = person.body.keypoints
    assert np.linalg.norm(drawn[WRIST] - drawn[ELBOW]) == pytest.approx(0.9 * length, rel=0.01)
    assert drawn[INDEX] - drawn[WRIST] == pytest.approx(points[INDEX] - points[WRIST], abs=0.01)
    for joint in (WRIST, INDEX):
        x, y = np.round(drawn[joint]).astype(int) - person.origin_xy
        assert person.textures[Layer.LEFT_LOWER_ARM, y, x, 3] > 128


def test_a_part_in_full_view_is_left_alone() -> None:
    length = float(np.linalg.norm(joints()[WRIST] - joints()[ELBOW]))
    assert build_person(_source(joints(), 1.2 * length)).lengthened == ()


def _end_on() -> np.ndarray:
    """The left forearm points at the camera: its joints all but coincide."""
    points = joints()
    for name, offset in (("wrist", (2, 4)), ("pinky", (4, 3)), ("index", (-1, 6)), ("thumb", (1, 1))):
        points[JOINT_INDEX[f"left_{name}"]] = points[ELBOW] + offset
    return points


def test_a_forearm_that_would_be_repeated_often_is_made_from_its_twin() -> None:
    length = float(np.linalg.norm(joints()[WRIST] - joints()[ELBOW]))
    person = build_person(_source(_short_forearm(lacking=0.6), length))
    assert (person.regrown, person.lengthened) == ((Part.LEFT_FOREARM,), ())


def test_a_thigh_seen_end_on_is_made_from_its_twin_with_the_leg() -> None:
    points = joints()
    leg = [JOINT_INDEX[f"left_{name}"] for name in ("knee", "ankle", "heel", "foot_index")]
    points[leg] -= (4, 60)  # a knee raised towards the viewer
    drawn = figure(points)
    thighs = dict.fromkeys((Part.LEFT_THIGH, Part.RIGHT_THIGH), 90.0)
    person = build_person(replace(drawn.source, true_lengths=thighs))
    assert (person.regrown, person.lengthened, person.rebuilt) == ((Part.LEFT_THIGH,), (), ())
    assert person.body.keypoints[leg] == pytest.approx(joints()[leg], abs=1.0)  # the figure is symmetric
    for joint in leg[:2]:
        x, y = np.round(person.body.keypoints[joint]).astype(int) - person.origin_xy
        assert person.textures[Layer.LEFT_LOWER_LEG, y, x, 3] > 128


def test_a_forearm_seen_end_on_is_made_from_its_twin() -> None:
    points = _end_on()
    length = float(np.linalg.norm(joints()[WRIST] - joints()[ELBOW]))
    person = build_person(replace(_source(points, length), true_lengths=dict.fromkeys(FOREARMS, length)))
    assert (person.regrown, person.lengthened, person.rebuilt) == ((Part.LEFT_FOREARM,), (), ())
    drawn = person.body.keypoints
    assert drawn[ELBOW] == pytest.approx(points[ELBOW], abs=0.01)
    assert drawn[WRIST] == pytest.approx(joints()[WRIST], abs=1.0)  # the figure is symmetric
    for joint in (WRIST, INDEX):
        x, y = np.round(drawn[joint]).astype(int) - person.origin_xy
        assert person.textures[Layer.LEFT_LOWER_ARM, y, x, 3] > 128
    sleeve = person.textures[Layer.LEFT_UPPER_ARM]
    near_elbow = np.hypot(*(np.indices(sleeve.shape[:2])[::-1] - (drawn[ELBOW] - person.origin_xy)[:, None, None])) < 14
    colours = sleeve[near_elbow & (sleeve[..., 3] > 200)][:, :3].astype(int)
    assert (np.abs(colours - SHIRT).max(1) < 100).mean() > 0.9  # no skin of the hand that lay there


def test_a_forearm_cut_off_by_the_frame_is_made_from_its_twin() -> None:
    drawn, left = figure(), 70  # the frame's left edge runs between the right elbow and wrist
    points = drawn.pose.keypoints - np.array([left, 0], np.float32)
    confidence = np.where(points[:, 0] < 0, 0.4, drawn.pose.confidence).astype(np.float32)
    rgb, alpha = (np.ascontiguousarray(image[:, left:]) for image in (drawn.rgb, drawn.alpha))
    person = build_person(SourceImage(rgb, alpha, points, confidence, drawn.pose.depth))
    assert person.regrown == (Part.RIGHT_FOREARM,)
    for joint in (MIRROR[WRIST], MIRROR[INDEX]):
        assert person.body.keypoints[joint] == pytest.approx(points[joint], abs=1.5)  # the figure is symmetric
        x, y = np.round(person.body.keypoints[joint]).astype(int) - person.origin_xy
        assert person.textures[Layer.RIGHT_LOWER_ARM, y, x, 3] > 128


def test_no_part_is_drawn_out_like_rubber() -> None:
    points = _end_on()  # and nothing is known of its length
    person = build_person(figure(points).source)
    assert person.regrown == ()
    target = joints()
    affines = part_transforms(person.body, target)
    for part in (Part.LEFT_FOREARM, Part.LEFT_HAND):
        assert np.linalg.svd(affines[part][:, :2])[1].max() <= 1.01
    for part in (Part.RIGHT_FOREARM, Part.RIGHT_HAND):
        assert affines[part][:, :2] == pytest.approx(np.eye(2), abs=0.01)
    wrist = middle_bones(person.body, person.body.keypoints, LIMBS[0])[2]
    gap = apply_affine(affines[Part.LEFT_FOREARM], wrist) - apply_affine(affines[Part.LEFT_HAND], wrist)
    assert np.linalg.norm(gap) < 6.0  # the hand hangs on the forearm, though both fall short
