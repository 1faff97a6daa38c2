"""Foreshortened parts drawn on to their true length."""

from __future__ import annotations

import numpy as np
import pytest

from drn_core.prior.lengthen import _source_position
from drn_core.prior.parts import Layer, Part
from drn_core.prior.person import SourceImage, build_person
from drn_core.skeleton import JOINT_INDEX
from tests.helpers.figure import figure, joints

ELBOW, WRIST, INDEX = (JOINT_INDEX[f"left_{name}"] for name in ("elbow", "wrist", "index"))


def _short_forearm() -> np.ndarray:
    points = joints()
    move = 0.6 * (points[WRIST] - points[ELBOW])
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
