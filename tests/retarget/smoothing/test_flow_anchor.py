"""Flow anchoring: a still trunk stays still, and what moves fast or was seen wrongly is left to the landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS
from retarget.smoothing.flow_anchor import anchor_to_flow
from retarget.smoothing.links import MotionLink, MotionLinks
from tests.helpers.evaluation import standing_keypoints

NUM_FRAMES = 60
LEFT_HIP, LEFT_WRIST, NOSE, LEFT_HEEL = (JOINT_INDEX[name] for name in ("left_hip", "left_wrist", "nose", "left_heel"))
BODY = standing_keypoints((480, 320))
TORSO_PX = 140.0


def swinging(joint: int, pixels: float) -> np.ndarray:
    """(T, 33, 2): a body that stands, except that the estimator lets one joint swing."""
    track = np.repeat(BODY[None], NUM_FRAMES, axis=0)
    track[:, joint, 0] += pixels * np.sin(np.arange(NUM_FRAMES) / 5)
    return track


def links_of(motion: np.ndarray, *, quality: float = 1.0, key_every: int = 20) -> MotionLinks:
    """Links that report a known motion (T, 33, 2): between neighbours and to key frames."""
    links = []
    for frame in range(1, len(motion)):
        for first in {frame - 1, (frame - 1) // key_every * key_every}:
            shift = (motion[frame] - motion[first]).astype(np.float32)
            links.append(MotionLink(first, frame, shift, np.full(NUM_JOINTS, quality, np.float32)))
    return MotionLinks.of(links)


def anchored(landmarks: np.ndarray, links: MotionLinks, *, confidence: np.ndarray | float = 1.0) -> np.ndarray:
    seen = np.broadcast_to(np.float32(confidence), landmarks.shape[:2]).copy()
    return anchor_to_flow(landmarks, seen, links, torso_px=TORSO_PX)


STILL = np.zeros((NUM_FRAMES, NUM_JOINTS, 2), np.float32)


def test_a_still_hip_stays_still() -> None:
    landmarks = swinging(LEFT_HIP, 3.0)
    out = anchored(landmarks, links_of(STILL))
    assert np.ptp(landmarks[:, LEFT_HIP, 0]) > 5.9
    assert np.ptp(out[:, LEFT_HIP, 0]) < 1.2
    assert out[:, LEFT_HIP, 0].mean() == pytest.approx(BODY[LEFT_HIP, 0], abs=1.0)


def test_hips_of_a_half_body_stay_still_under_a_swing_of_twenty_pixels() -> None:
    confidence = np.ones((NUM_FRAMES, NUM_JOINTS), np.float32)
    confidence[:, JOINT_INDEX["left_knee"] :] = 0.05
    out = anchored(swinging(LEFT_HIP, 20.0), links_of(STILL), confidence=confidence)
    assert np.ptp(out[:, LEFT_HIP, 0]) < 2.0


def test_without_flow_nothing_changes() -> None:
    landmarks = swinging(LEFT_HIP, 6.0)
    np.testing.assert_array_equal(anchored(landmarks, MotionLinks.of([])), landmarks)
    np.testing.assert_allclose(anchored(landmarks, links_of(STILL, quality=0.0)), landmarks, atol=1e-3)


def test_arms_keep_their_landmarks() -> None:
    landmarks = swinging(LEFT_WRIST, 30.0)
    np.testing.assert_array_equal(anchored(landmarks, links_of(STILL))[:, LEFT_WRIST], landmarks[:, LEFT_WRIST])


def test_flow_of_a_fast_trunk_is_not_believed() -> None:
    motion = STILL.copy()
    motion[:, :, 0] = 12.0 * np.arange(NUM_FRAMES)[:, None]  # 9 % of the trunk a frame
    landmarks = BODY + motion
    np.testing.assert_allclose(anchored(landmarks, links_of(STILL))[:, LEFT_HIP], landmarks[:, LEFT_HIP], atol=0.5)


def test_slow_motion_is_followed_without_lag() -> None:
    motion = STILL.copy()
    motion[:, :, 1] = 8.0 * np.sin(np.arange(NUM_FRAMES) / 8)[:, None]
    noise = np.random.default_rng(3).normal(0, 2.0, motion.shape)
    out = anchored((BODY + motion + noise).astype(np.float32), links_of(motion))
    error = (out - BODY - motion)[:, LEFT_HIP]
    assert np.abs(error - error.mean(axis=0)).max() < 1.3  # 2 pixels of noise went in


def test_a_hand_that_passes_over_the_hip_does_not_take_it_along() -> None:
    links = links_of(STILL)
    is_passing = (links.second >= 30) & (links.second < 33) & (links.second - links.first == 1)
    links.shift[is_passing, LEFT_HIP] = (4.0, 0.0)
    out = anchored(swinging(LEFT_HIP, 3.0), links)
    assert np.ptp(out[:, LEFT_HIP, 0]) < 2.5


def test_flow_that_contradicts_a_head_is_not_believed() -> None:
    landmarks, links = swinging(NOSE, 0.0), links_of(STILL)
    links.shift[:, NOSE, 0] = np.where((links.first >= 20) & (links.second < 40), 9.0, 0.0)
    np.testing.assert_allclose(anchored(landmarks, links), landmarks, atol=0.5)


def test_a_planted_foot_is_steadied() -> None:
    out = anchored(swinging(LEFT_HEEL, 2.0), links_of(STILL))
    assert np.ptp(out[:, LEFT_HEEL, 0]) < 2.0


def test_a_stepping_foot_keeps_its_landmarks_where_flow_fails() -> None:
    landmarks = swinging(LEFT_HEEL, 0.0)
    landmarks[30:, LEFT_HEEL, 0] += 80
    out = anchored(landmarks, links_of(STILL))
    np.testing.assert_allclose(out[:, LEFT_HEEL], landmarks[:, LEFT_HEEL], atol=0.5)


@pytest.mark.parametrize("num_frames", [1, 2])
def test_the_shortest_clips_pass(num_frames: int) -> None:
    landmarks = swinging(LEFT_HIP, 1.0)[:num_frames]
    assert anchored(landmarks, MotionLinks.of([])).shape == landmarks.shape


def test_links_of_a_range_are_counted_from_its_start() -> None:
    links = links_of(STILL[:10], key_every=5).within(slice(4, 8))
    pairs = set(zip(links.first.tolist(), links.second.tolist(), strict=True))
    assert pairs == {(0, 1), (1, 2), (2, 3), (1, 3)}
