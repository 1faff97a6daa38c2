"""Joint metrics by hand-computed tables; parts on a skeleton of known shape."""

from __future__ import annotations

import numpy as np
import pytest

from drn_core.evaluation.joints import (
    OPENPOSE_NAMES,
    head_box,
    is_within_box,
    joint_errors,
    openpose_joints,
)
from drn_core.evaluation.pair_scores import joint_scores
from drn_core.evaluation.parts import PART_NAMES, part_labels
from drn_core.skeleton import JOINT_INDEX
from tests.helpers.evaluation import SIZE_HW, person_mask, standing_keypoints

NAN = float("nan")


def target_table() -> np.ndarray:
    """18 joints: head box 20 x 40 (nose, neck, one eye), shoulders, hips, one wrist; the rest absent."""
    table = np.full((18, 2), NAN, np.float32)
    table[0], table[1], table[14] = (50, 20), (60, 50), (40, 10)
    table[2], table[5], table[8], table[11] = (30, 50), (70, 50), (40, 150), (60, 150)
    table[4] = (20, 100)
    return table


def test_head_box_spans_the_present_head_joints() -> None:
    assert head_box(target_table()) == (20.0, 40.0)


def test_head_box_needs_two_joints() -> None:
    table = target_table()
    table[[0, 14]] = NAN
    assert head_box(table) is None


@pytest.mark.parametrize(
    ("offset", "share", "expected"),
    [
        ((9.9, 19.9), 0.5, True),  # limits are 10 and 20
        ((10.0, 0.0), 0.5, False),  # strictly below
        ((0.0, 20.0), 0.5, False),
        ((3.9, 7.9), 0.2, True),
        ((4.1, 0.0), 0.2, False),
    ],
)
def test_pckh_follows_the_box_in_x_and_y(offset: tuple[float, float], share: float, expected: bool) -> None:
    target = np.array([[100.0, 100.0]], np.float32)
    assert is_within_box(target + np.float32(offset), target, (20.0, 40.0), share=share)[0] == expected


def test_joint_scores_by_hand() -> None:
    target = target_table()
    found = np.zeros((18, 2), np.float32)
    present = ~np.isnan(target[:, 0])
    found[present] = target[present]
    found[0] += (9, 0)  # within 0.5 of the box (10), not within 0.2 (4); 9 px of a torso of 100: within 0.1, not 0.05
    found[4] += (0, 25)  # outside in y (limit 20); 0.25 torso
    scores, weights = joint_scores(found, target)
    assert present.sum() == 8
    assert scores["pckh"] == pytest.approx(100 * 7 / 8)
    assert scores["pckh_02"] == pytest.approx(100 * 6 / 8)
    assert scores["pck"] == pytest.approx(100 * 7 / 8)
    assert scores["pck_05"] == pytest.approx(100 * 6 / 8)
    assert scores["pckh_nose"] == 100
    assert scores["pckh_right_wrist"] == 0
    assert "pckh_left_wrist" not in scores
    assert scores["miss"] == 0
    assert weights == {"pckh": 8, "pckh_02": 8, "pck": 8, "pck_05": 8}


def test_nobody_found_counts_every_joint_as_a_miss() -> None:
    scores, weights = joint_scores(None, target_table())
    assert (scores["pckh"], scores["pck"], scores["miss"], weights["pckh"]) == (0, 0, 100, 8)


def test_without_head_box_or_torso_nothing_is_counted() -> None:
    table = np.full((18, 2), NAN, np.float32)
    table[4] = (20, 100)
    scores, weights = joint_scores(table, table)
    assert scores == {"miss": 0}
    assert weights == {}


def test_openpose_joints_come_from_their_namesakes() -> None:
    keypoints = standing_keypoints()
    joints = openpose_joints(keypoints)
    for name, joint in zip(OPENPOSE_NAMES, joints, strict=True):
        if name != "neck":
            np.testing.assert_array_equal(joint, keypoints[JOINT_INDEX[name]])
    shoulders = keypoints[[JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]]]
    np.testing.assert_allclose(joints[1], shoulders.mean(axis=0))


def test_joint_errors_are_lengths_and_keep_absence() -> None:
    found = np.array([[3.0, 4.0], [NAN, NAN]], np.float32)
    errors = joint_errors(found, np.zeros((2, 2), np.float32))
    assert errors[0] == 5
    assert np.isnan(errors[1])


@pytest.mark.parametrize("scale", [1, 4])
def test_parts_lie_around_their_joints(scale: int) -> None:
    size_hw = (SIZE_HW[0] * scale, SIZE_HW[1] * scale)
    keypoints = standing_keypoints(size_hw)
    labels = part_labels(keypoints, np.ones(size_hw, np.bool_))
    for joint, part in (("nose", "head"), ("left_elbow", "arms"), ("right_index", "hands"), ("left_knee", "legs")):
        x, y = keypoints[JOINT_INDEX[joint]].round().astype(int)
        assert PART_NAMES[labels[y, x]] == part
    middle = keypoints[[11, 12, 23, 24]].mean(axis=0).round().astype(int)
    assert PART_NAMES[labels[middle[1], middle[0]]] == "torso"


def test_pixels_off_the_person_have_no_part() -> None:
    mask = person_mask()
    labels = part_labels(standing_keypoints(), mask)
    assert (labels[~mask] == -1).all()
    assert (labels[mask] >= 0).all()


def test_nobody_has_no_parts() -> None:
    assert (part_labels(standing_keypoints(), np.zeros(SIZE_HW, np.bool_)) == -1).all()
