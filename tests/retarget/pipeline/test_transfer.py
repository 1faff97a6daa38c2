"""Motion transfer: identity at the reference frame, lengths of the source, limits, missing parts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX, NUM_JOINTS
from retarget.config import TransferConfig
from retarget.pipeline.proportions import measure_proportions, picture_scale
from retarget.pipeline.transfer import nearest_frame, transfer_track
from retarget.records import Pose
from tests.helpers.figure import SIZE_HW, figure, joints, raise_left_arm, track_of

ELBOW, WRIST, SHOULDER = (JOINT_INDEX[f"left_{name}"] for name in ("elbow", "wrist", "shoulder"))


def _pose(points: np.ndarray, size_hw: tuple[int, int] = SIZE_HW, confidence: np.ndarray | None = None) -> Pose:
    base = figure().pose
    centred = (points - points[[23, 24]].mean(0)) / 200.0
    world = np.concatenate([centred, np.zeros((NUM_JOINTS, 1))], 1).astype(np.float32)
    return Pose(
        points.astype(np.float32), base.confidence if confidence is None else confidence, base.depth, world, size_hw
    )


def _swing() -> list[np.ndarray]:
    return [raise_left_arm(joints(), degrees) for degrees in range(0, 100, 10)]


def test_the_nearest_frame_is_found_in_spite_of_place_and_size() -> None:
    track = track_of(_swing())
    photo = _pose(1.7 * raise_left_arm(joints(), 60) + 40, (900, 900))
    assert nearest_frame(photo, track) == 6


def test_reenacting_a_clip_from_its_own_frame_is_the_identity_there_and_follows_elsewhere() -> None:
    track = track_of(_swing())
    result = transfer_track(_pose(_swing()[3]), track)
    assert result.reference_index == 3
    assert result.keypoints == pytest.approx(track.keypoints, abs=0.5)
    assert result.keypoints[3] == pytest.approx(track.keypoints[3], abs=0.01)


def test_a_constant_bias_of_the_photos_reading_stays_constant() -> None:
    """Photo and video readings differ by a few pixels; that difference must not become motion."""
    random = np.random.default_rng(1)
    photo = joints() + random.uniform(-2, 2, (NUM_JOINTS, 2)).astype(np.float32)
    still = track_of([joints()] * 5)
    result = transfer_track(_pose(photo), still)
    assert result.keypoints[2] == pytest.approx(photo, abs=1.5)
    assert np.ptp(result.keypoints, axis=0).max() < 1e-3


def test_a_taller_driver_does_not_stretch_the_person() -> None:
    tall = [2.0 * points for points in _swing()]
    result = transfer_track(_pose(joints()), track_of(tall, (960, 720)))
    assert result.keypoints == pytest.approx(np.stack(_swing()), abs=1.0)


def test_each_bone_keeps_the_sources_length() -> None:
    long_armed = joints()
    for side in ("left", "right"):
        root = long_armed[JOINT_INDEX[f"{side}_shoulder"]]
        for name in ("elbow", "wrist", "pinky", "index", "thumb"):
            joint = JOINT_INDEX[f"{side}_{name}"]
            long_armed[joint] = root + 1.2 * (long_armed[joint] - root)
    result = transfer_track(_pose(long_armed), track_of(_swing()))
    upper = np.linalg.norm(result.keypoints[:, ELBOW] - result.keypoints[:, SHOULDER], axis=1)
    own = np.linalg.norm(long_armed[ELBOW] - long_armed[SHOULDER])
    assert upper == pytest.approx(np.full(10, own), rel=0.04)


def test_a_part_is_stretched_only_up_to_the_limit() -> None:
    drawn = joints()
    drawn[WRIST] = drawn[ELBOW] + 0.3 * (drawn[WRIST] - drawn[ELBOW])
    result = transfer_track(_pose(joints()), track_of(_swing()), TransferConfig(stretch_limit=1.5), drawn=drawn)
    longest = np.linalg.norm(result.keypoints[:, WRIST] - result.keypoints[:, ELBOW], axis=1).max()
    assert longest == pytest.approx(1.5 * np.linalg.norm(drawn[WRIST] - drawn[ELBOW]), rel=0.01)
    assert [code for code, text in result.warnings if "left forearm" in text] == ["W311"]


def test_a_walk_wider_than_the_photo_stays_inside() -> None:
    walk = [joints() + np.array([x, 0], np.float32) for x in range(0, 1500, 100)]
    result = transfer_track(_pose(joints()), track_of(walk, (480, 2000)))
    assert result.keypoints[..., 0].min() > -5
    assert result.keypoints[..., 0].max() < SIZE_HW[1] + 5
    assert (np.diff(result.keypoints[:, SHOULDER, 0]) >= 0).all()


def test_a_driver_without_legs_leaves_them_standing_and_says_so() -> None:
    track = track_of(_swing())
    confidence = track.confidence.copy()
    confidence[:, 25:] = 0.0
    legs_garbage = track.keypoints.copy()
    legs_garbage[:, 25:] += 300
    result = transfer_track(_pose(joints()), dataclasses.replace(track, confidence=confidence, keypoints=legs_garbage))
    assert [code for code, _ in result.warnings] == ["W301"]
    assert result.keypoints[:, 25:] == pytest.approx(np.broadcast_to(joints()[25:], (10, 8, 2)), abs=1.0)


def test_a_hand_that_the_driver_does_not_show_hangs_from_its_forearm() -> None:
    track = track_of(_swing())
    hand = [JOINT_INDEX[f"left_{name}"] for name in ("pinky", "index", "thumb")]
    confidence, keypoints = track.confidence.copy(), track.keypoints.copy()
    confidence[:, hand] = 0.0
    keypoints[:, hand] += 300
    unseen = dataclasses.replace(track, confidence=confidence, keypoints=keypoints)
    result = transfer_track(_pose(joints()), unseen)
    assert result.keypoints[:, hand] == pytest.approx(np.stack(_swing())[:, hand], abs=1.0)


def test_a_head_that_comes_forward_does_not_draw_out_the_neck() -> None:
    face, shoulders = list(FACE_JOINTS), [11, 12]

    def neck_length(points: np.ndarray) -> float:
        return float(np.linalg.norm(points[face].mean(0) - points[shoulders].mean(0)))

    forward = [points.copy() for points in _swing()]
    for points in forward:
        points[face, 1] -= 0.6 * neck_length(joints())
    result = transfer_track(_pose(joints()), track_of(forward))
    assert max(neck_length(points) for points in result.keypoints) <= 1.16 * neck_length(joints())


def test_a_photo_without_legs_says_so() -> None:
    confidence = np.ones(NUM_JOINTS, np.float32)
    confidence[25:] = 0.0
    result = transfer_track(_pose(joints(), confidence=confidence), track_of(_swing()))
    assert "W302" in [code for code, _ in result.warnings]


def test_scale_is_pixels_per_metre() -> None:
    track = track_of(_swing())
    scale = picture_scale(track.keypoints, track.world, track.confidence)
    assert scale == pytest.approx(np.full(10, 200.0), rel=1e-3)


def test_proportions_take_the_longer_side() -> None:
    points = joints()
    points[WRIST] = points[ELBOW] + 0.5 * (points[WRIST] - points[ELBOW])
    track = track_of([points])
    right = np.linalg.norm(points[JOINT_INDEX["right_wrist"]] - points[JOINT_INDEX["right_elbow"]])
    proportions = measure_proportions(track.keypoints, track.world, track.confidence, np.ones(1))
    assert proportions.bones[1] == pytest.approx(right, rel=0.01)
