"""Overlays: bones where the joints are, nothing else touched, nothing breaks on wild numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS
from retarget.pose.draw import draw_pose
from retarget.records import Pose
from tests.helpers.evaluation import standing_keypoints

SIZE_HW = (240, 180)
GREY = np.full((*SIZE_HW, 3), 100, np.uint8)


def pose(**changes) -> Pose:
    confidence = np.ones(NUM_JOINTS, np.float32)
    keypoints = standing_keypoints(SIZE_HW)
    base = Pose(keypoints, confidence, np.zeros(NUM_JOINTS, np.float32), np.zeros((NUM_JOINTS, 3), np.float32), SIZE_HW)
    return replace(base, **changes)


def test_a_bone_is_drawn_between_its_joints_in_the_colour_of_its_side() -> None:
    canvas, keypoints = draw_pose(GREY, pose()), standing_keypoints(SIZE_HW)
    for side, is_warm in (("left", True), ("right", False)):
        x, y = np.round((keypoints[JOINT_INDEX[f"{side}_hip"]] + keypoints[JOINT_INDEX[f"{side}_knee"]]) / 2).astype(
            int
        )
        red, _, blue = canvas[y, x].astype(int)
        assert bool(red > blue) is is_warm
    assert (GREY == 100).all()
    assert (canvas[:5] == 100).all()


def test_unseen_joints_are_left_out() -> None:
    unseen = pose(confidence=np.zeros(NUM_JOINTS, np.float32))
    np.testing.assert_array_equal(draw_pose(GREY, unseen), GREY)


def test_filled_in_poses_are_grey() -> None:
    canvas = draw_pose(np.zeros_like(GREY), pose(), is_detected=False)
    assert (np.ptp(canvas, axis=-1) == 0).all()
    assert canvas.max() > 100


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e12, -1e12])
def test_wild_numbers_break_nothing(value: float) -> None:
    keypoints = standing_keypoints(SIZE_HW)
    keypoints[::2] = value
    face = np.full((468, 3), value, np.float32)
    hands = np.full((2, 21, 3), value, np.float32)
    hands[..., 2] = 1
    assert draw_pose(GREY, pose(keypoints=keypoints, face=face, hands=hands)).shape == GREY.shape


def test_hands_and_face_are_drawn() -> None:
    hands, face = np.zeros((2, 21, 3), np.float32), np.zeros((468, 3), np.float32)
    hands[0, :, :2], hands[0, :, 2] = np.linspace((10, 200), (40, 230), 21), 1
    face[:, :2] = np.linspace((120, 10), (160, 30), 468)
    canvas = draw_pose(GREY, pose(hands=hands, face=face))
    assert (canvas[200:231, 10:41] != 100).any()
    assert (canvas[10:31, 120:161] != 100).any()
    assert (draw_pose(GREY, pose(hands=hands))[10:31, 120:161] == 100).all()
