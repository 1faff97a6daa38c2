"""Regions, crops, boxes and poses in resized pictures: everything finds its way back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drn_core.skeleton import NUM_JOINTS
from retarget.pose.confidence import DRIVER_MARGIN, PHOTO_MARGIN, in_picture_weight
from retarget.pose.estimator import Detection, Region, box_iou, person_box, resize_pose
from retarget.pose.region_crop import RegionCrop
from retarget.records import Pose
from tests.helpers.evaluation import textured_picture


def pose_of(keypoints: np.ndarray, size_hw: tuple[int, int]) -> Pose:
    ones = np.ones(NUM_JOINTS, np.float32)
    return Pose(keypoints.astype(np.float32), ones, ones, np.zeros((NUM_JOINTS, 3), np.float32), size_hw)


@pytest.mark.parametrize(
    ("second", "expected"),
    [((0, 0, 2, 2), 1.0), ((1, 0, 3, 2), 1 / 3), ((2, 2, 4, 4), 0.0), ((5, 5, 6, 6), 0.0), ((0, 0, 1, 2), 0.5)],
)
def test_box_overlap_by_hand(second: tuple[float, float, float, float], expected: float) -> None:
    assert box_iou((0, 0, 2, 2), second) == pytest.approx(expected)


def test_an_empty_box_overlaps_nothing() -> None:
    assert box_iou((1, 1, 1, 1), (1, 1, 1, 1)) == 0


def test_a_region_follows_large_changes_and_not_small_ones() -> None:
    region = Region((100.0, 100.0), 200.0)
    near, far = region.toward(Region((101.0, 100.0), 200.0)), region.toward(Region((180.0, 100.0), 200.0))
    assert near.center_xy[0] - 100 < 0.05
    assert far.center_xy[0] - 100 > 78
    grown = region.toward(Region((100.0, 100.0), 400.0, rotation=1.0))
    assert 380 < grown.size_px < 400
    assert 0.95 < grown.rotation < 1.0


def test_a_steady_drift_is_followed_at_a_bounded_distance() -> None:
    region = Region((0.0, 0.0), 200.0)
    for step in range(200):
        region = region.toward(Region((float(step), 0.0), 200.0))
    assert 0 < 199 - region.center_xy[0] < 0.1 * 200


def test_the_box_leaves_out_what_is_not_seen() -> None:
    keypoints = np.full((NUM_JOINTS, 2), 50.0, np.float32)
    keypoints[:5, 0], keypoints[32] = 90, (400, 400)
    confidence = np.ones(NUM_JOINTS, np.float32)
    confidence[32] = 0.1
    assert person_box(keypoints, confidence, (100, 100), margin=0.1) == pytest.approx((46, 46, 94, 54))


@pytest.mark.parametrize("center", [(100.0, 80.0), (10.0, 5.0), (190.0, 150.0)])
@pytest.mark.parametrize("rotation", [0.0, 0.7])
def test_points_of_a_crop_return_to_the_picture(center: tuple[float, float], rotation: float) -> None:
    picture = textured_picture((160, 200))
    region = Region(center, 120.0, rotation)
    crop = RegionCrop.around(picture, region, region_side_px=60)
    assert crop is not None
    x, y, width, height = crop.shares_of(region)
    (back,) = crop.to_picture(np.array([[x, y, 0.25]]))
    np.testing.assert_allclose(back[:2], center, atol=1e-4)
    assert back[2] == pytest.approx(0.25 * crop.cut_wh[0])
    assert width * crop.cut_wh[0] == pytest.approx(height * crop.cut_wh[1]) == pytest.approx(120)


def test_a_crop_is_shrunk_but_never_grown() -> None:
    picture = textured_picture((400, 400))
    small = RegionCrop.around(picture, Region((200.0, 200.0), 300.0), region_side_px=100)
    whole = RegionCrop.around(picture, Region((200.0, 200.0), 100.0), region_side_px=300)
    assert small is not None
    assert whole is not None
    assert small.rgb.shape[0] == pytest.approx(105, abs=2)
    assert whole.rgb.shape[0] == whole.cut_wh[1]


def test_a_crop_outside_the_picture_is_none() -> None:
    assert RegionCrop.around(textured_picture((100, 100)), Region((400.0, 50.0), 60.0), region_side_px=60) is None


def test_a_mask_returns_to_its_place() -> None:
    crop = RegionCrop.around(textured_picture((100, 120)), Region((60.0, 50.0), 40.0), region_side_px=20)
    assert crop is not None
    whole = crop.mask_to_picture(np.ones((64, 64), np.float32))
    (left, top), (width, height) = crop.origin_xy, crop.cut_wh
    assert whole[top : top + height, left : left + width].min() == 1
    assert whole.sum() == pytest.approx(width * height)


def test_a_pose_survives_a_resized_picture_and_back() -> None:
    keypoints = np.random.default_rng(0).uniform(0, 100, (NUM_JOINTS, 2))
    pose = pose_of(keypoints, (100, 120))
    there = resize_pose(pose, (250, 300))
    np.testing.assert_allclose(there.keypoints, (pose.keypoints + 0.5) * 2.5 - 0.5, atol=1e-4)
    np.testing.assert_allclose(resize_pose(there, (100, 120)).keypoints, pose.keypoints, atol=1e-4)
    assert there.depth[0] == pytest.approx(2.5)
    assert resize_pose(pose, None) is pose


def test_a_mask_of_another_size_is_refused() -> None:
    pose = pose_of(np.zeros((NUM_JOINTS, 2)), (10, 12))
    with pytest.raises(ValueError, match=r"Detection\.mask: expected shape \(10, 12\), got \(3, 3\)"):
        Detection(pose, (0, 0, 1, 1), Region((0.0, 0.0), 1.0), np.zeros((3, 3), np.float32))


@pytest.mark.parametrize(
    ("x", "margin", "expected"),
    [
        (49.5, DRIVER_MARGIN, 1.0),
        (-0.5, DRIVER_MARGIN, 0.5),
        (-2.5, DRIVER_MARGIN, 0.0),
        (0.5, PHOTO_MARGIN, 1.0),
        (-8.0, PHOTO_MARGIN, 0.5),
        (-15.5, PHOTO_MARGIN, 0.0),
    ],
)
def test_trust_fades_at_the_edge_of_the_picture(x: float, margin: float, expected: float) -> None:
    weight = in_picture_weight(np.array([[x, 50.0]], np.float32), (100, 100), margin=margin)
    assert weight[0] == pytest.approx(expected, abs=1e-4)
    assert math.isfinite(float(weight[0]))
