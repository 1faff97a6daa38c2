"""The picture's motion at the joints: known shifts are measured, hidden joints follow the trunk, keys tie frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS
from retarget.pose.estimator import Detection, Region, person_box
from retarget.pose.image_motion import ImageMotion
from retarget.pose.joint_flow import FlowField, joint_flow, trunk_flow
from retarget.records import Pose
from retarget.smoothing.trunk import TRUNK_CORNERS
from tests.helpers.evaluation import standing_keypoints, textured_picture

SIZE_HW = (360, 270)
BODY = standing_keypoints(SIZE_HW)
TEXTURE = textured_picture(SIZE_HW, seed=4)
ONE = np.zeros(1, np.int64)
LEFT_HIP, LEFT_WRIST, LEFT_HEEL = (JOINT_INDEX[name] for name in ("left_hip", "left_wrist", "left_heel"))


def person(keypoints: np.ndarray = BODY) -> Detection:
    confidence = np.ones(NUM_JOINTS, np.float32)
    zeros = np.zeros(NUM_JOINTS, np.float32)
    pose = Pose(keypoints.astype(np.float32), confidence, zeros, np.zeros((NUM_JOINTS, 3), np.float32), SIZE_HW)
    mask = np.ones(SIZE_HW, np.float32)
    return Detection(pose, person_box(keypoints, confidence, SIZE_HW), Region((135.0, 200.0), 350.0), mask)


def moved(dx: float, dy: float, picture: np.ndarray = TEXTURE) -> np.ndarray:
    shift = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    return cv2.warpAffine(picture, shift, SIZE_HW[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def links_of(pictures: list[np.ndarray], people: list[Detection | None] | None = None, cuts: tuple[int, ...] = ()):
    motion = ImageMotion()
    people = people or [person()] * len(pictures)
    pairs = zip(pictures, people, strict=True)
    return [motion.add(index, *pair, is_cut=index in cuts) for index, pair in enumerate(pairs)]


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (2.0, -1.0), (0.5, 3.5)])
def test_a_shift_is_measured_to_a_quarter_of_a_pixel(dx: float, dy: float) -> None:
    (link,) = links_of([TEXTURE, moved(dx, dy)])[1]
    assert (link.first, link.second) == (0, 1)
    np.testing.assert_allclose(link.shift[[*TRUNK_CORNERS, LEFT_HEEL]], np.tile([dx, dy], (5, 1)), atol=0.25)
    assert link.quality[TRUNK_CORNERS].min() > 0.8


def test_arms_are_not_measured() -> None:
    (link,) = links_of([TEXTURE, moved(2, 0)])[1]
    assert link.quality[LEFT_WRIST] == 0
    assert (link.shift[LEFT_WRIST] == 0).all()


def test_frames_are_tied_to_a_key_frame_until_the_trunk_is_elsewhere() -> None:
    pictures = [moved(2.0 * index, 0) for index in range(5)]
    links = links_of(pictures)
    assert [[(link.first, link.second) for link in batch] for batch in links] == [
        [], [(0, 1)], [(1, 2), (0, 2)], [(2, 3), (0, 3)], [(3, 4), (0, 4)],
    ]  # fmt: skip
    np.testing.assert_allclose(links[4][1].shift[TRUNK_CORNERS], np.tile([8.0, 0.0], (4, 1)), atol=0.3)
    far = BODY + np.array([60, 0], np.float32)
    people = [person(), person(), person(far), person(far), person(far)]
    pairs = [(link.first, link.second) for batch in links_of([TEXTURE] * 5, people) for link in batch]
    assert pairs == [(0, 1), (1, 2), (2, 3), (3, 4), (2, 4)]


def test_nothing_is_tied_across_a_cut_or_a_gap() -> None:
    people = [person(), person(), None, person(), person()]
    assert [len(batch) for batch in links_of([TEXTURE] * 5, people)] == [0, 1, 0, 0, 1]
    assert [len(batch) for batch in links_of([TEXTURE] * 4, cuts=(2,))] == [0, 1, 0, 1]


def test_a_hip_behind_something_that_moves_follows_the_trunk() -> None:
    first, second = TEXTURE.copy(), moved(1.5, 0)
    patch = textured_picture((70, 70), seed=9)
    x, y = BODY[LEFT_HIP].astype(int)
    first[y - 35 : y + 35, x - 35 : x + 35] = patch
    second[y - 35 : y + 35, x - 25 : x + 45] = patch
    (link,) = links_of([first, second])[1]
    np.testing.assert_allclose(link.shift[LEFT_HIP], (1.5, 0), atol=0.6)
    assert link.quality[LEFT_HIP] <= 0.5


def test_plain_cloth_says_nothing() -> None:
    plain = [np.full((*SIZE_HW, 3), 90, np.uint8)] * 2
    (link,) = links_of(plain)[1]
    assert link.quality.max() < 0.02


def field_of(flow: np.ndarray, gradient: np.ndarray | float = 5.0) -> FlowField:
    size_hw = flow.shape[:2]
    random = np.random.default_rng(1).choice([-1.0, 1.0], (*size_hw, 2))
    return FlowField(flow.astype(np.float32), -flow.astype(np.float32), (random * gradient).astype(np.float32))


def test_the_trunk_model_recovers_shift_turn_and_growth() -> None:
    y, x = np.mgrid[:80, :60].astype(np.float32)
    turn, growth = 0.02, 0.03
    flow = np.stack([1.0 + growth * x - turn * y, -2.0 + growth * y + turn * x], axis=-1)
    flow[:20, :20] = 15  # a hand
    found = trunk_flow(field_of(flow), np.ones((80, 60), bool))
    np.testing.assert_allclose(found.model, (1.0, -2.0, growth, turn), atol=2e-3)
    np.testing.assert_allclose(found.at(np.array([10.0, 50.0])), flow[50, 10], atol=0.1)
    assert found.spread < 0.05
    assert found.texture == pytest.approx(5, abs=0.5)


def test_pixels_without_detail_have_no_vote() -> None:
    flow, gradient = np.zeros((60, 60, 2)), np.zeros((60, 60, 1))
    flow[:, :20], gradient[:, :20] = (2, 1), 8
    everywhere = np.ones((60, 60), bool)
    found = joint_flow(field_of(flow, gradient), everywhere[None], ONE, np.array([[25.0, 30.0]]), np.array([14.0]))
    np.testing.assert_array_equal(found.shift, [[2, 1]])
    np.testing.assert_allclose(trunk_flow(field_of(flow, gradient), everywhere).model, (2, 1, 0, 0), atol=1e-3)


def test_too_few_pixels_say_nothing() -> None:
    field, nothing = field_of(np.ones((40, 40, 2))), np.zeros((40, 40), bool)
    assert trunk_flow(field, nothing).spread == np.inf
    found = joint_flow(field, nothing[None], ONE.repeat(2), np.array([[20.0, 20.0], [-90.0, 5.0]]), np.full(2, 5.0))
    assert (found.shift == 0).all()
    assert np.isinf(found.spread).all()
    assert np.isinf(found.error).all()


def test_the_median_is_of_the_disc_alone() -> None:
    flow = np.zeros((40, 40, 2))
    flow[14:27, 14:27] = (3, 4)
    found = joint_flow(field_of(flow), np.ones((1, 40, 40), bool), ONE, np.array([[20.0, 20.0]]), np.array([5.0]))
    np.testing.assert_array_equal(found.shift, [[3, 4]])
    assert found.spread == 0
