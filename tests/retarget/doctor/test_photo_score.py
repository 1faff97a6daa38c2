"""The verdict on photos: hand-made poses, each wrong in one way."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from drn_core.skeleton import JOINT_INDEX, JOINT_NAMES
from retarget.doctor.photo import score_photo
from retarget.records import FloatArray, Pose, UInt8Array

SIZE_HW = (800, 600)

# A person who faces the camera, arms a little out; x to the right, so the person's left is at larger x.
STANDING = {
    "nose": (300, 110), "left_eye_inner": (307, 100), "left_eye": (312, 100), "left_eye_outer": (317, 100),
    "right_eye_inner": (293, 100), "right_eye": (288, 100), "right_eye_outer": (283, 100),
    "left_ear": (330, 105), "right_ear": (270, 105), "mouth_left": (310, 125), "mouth_right": (290, 125),
    "left_shoulder": (360, 200), "right_shoulder": (240, 200), "left_elbow": (410, 290), "right_elbow": (190, 290),
    "left_wrist": (440, 380), "right_wrist": (160, 380), "left_pinky": (446, 400), "right_pinky": (154, 400),
    "left_index": (444, 405), "right_index": (156, 405), "left_thumb": (436, 395), "right_thumb": (164, 395),
    "left_hip": (335, 400), "right_hip": (265, 400), "left_knee": (340, 540), "right_knee": (260, 540),
    "left_ankle": (342, 680), "right_ankle": (258, 680), "left_heel": (342, 700), "right_heel": (258, 700),
    "left_foot_index": (350, 710), "right_foot_index": (250, 710),
}  # fmt: skip


def pose_of(moved: dict[str, tuple[float, float]] | None = None, scale: float = 1.0) -> Pose:
    places = {**STANDING, **(moved or {})}
    keypoints = np.array([places[name] for name in JOINT_NAMES], np.float32) * scale
    pelvis = keypoints[[JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]].mean(0)
    world = np.zeros((len(JOINT_NAMES), 3), np.float32)
    world[:, :2] = (keypoints - pelvis) / (350 * scale)
    ones = np.ones(len(JOINT_NAMES), np.float32)
    return Pose(keypoints, ones, np.zeros_like(ones), world, SIZE_HW)


def unsure(pose: Pose, *names: str) -> Pose:
    confidence = pose.confidence.copy()
    confidence[[JOINT_INDEX[name] for name in names]] = 0.1
    return replace(pose, confidence=confidence)


def turned(pose: Pose, degrees: float) -> Pose:
    angle = np.radians(degrees)
    x, y, z = pose.world.T
    turn = np.stack([x * np.cos(angle) - z * np.sin(angle), y, x * np.sin(angle) + z * np.cos(angle)], 1)
    return replace(pose, world=turn.astype(np.float32))


@pytest.fixture(scope="module")
def photo() -> UInt8Array:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (*SIZE_HW, 3), np.uint8)


def codes(photo: UInt8Array, pose: Pose, alpha: FloatArray | None = None, num_others: int = 0) -> list[str]:
    return [finding.code for finding in score_photo(photo, pose, alpha, num_others=num_others).findings]


def test_nothing_is_found_in_a_good_photo(photo: UInt8Array) -> None:
    score = score_photo(photo, pose_of())
    assert (score.score, score.verdict, score.findings) == (1.0, "good", ())


@pytest.mark.parametrize(
    ("pose", "code", "text"),
    [
        (pose_of({"left_wrist": (230, 300), "right_wrist": (370, 300)}), "W111", "arms are crossed"),
        (pose_of({"left_wrist": (310, 330), "right_wrist": (290, 330)}), "W111", "hands touch"),
        (pose_of({"left_wrist": (310, 300)}), "W111", "the left hand lies before the trunk"),
        (unsure(pose_of(), "right_wrist"), "W112", "the right arm can't be seen"),
        (unsure(pose_of(), "left_knee", "left_ankle", "right_elbow"), "W112", "the left leg and right arm"),
        (pose_of({"left_ankle": (240, 680), "right_ankle": (360, 680)}), "W113", "legs are crossed"),
        (pose_of({"left_ankle": (342, 850), "right_ankle": (258, 850)}), "W114", "both feet"),
        (pose_of({f"{s}_{j}": (300, 900) for s in ("left", "right") for j in ("knee", "ankle")}), "W114", "the legs"),
        (pose_of({"nose": (300, -10)}), "W114", "part of the head"),
        (turned(pose_of(), 60), "W115", "turned by 60 degrees"),
        (turned(pose_of(), 180), "W115", "from behind"),
        (pose_of({"nose": (328, 110)}), "W116", "the head is turned"),
        (pose_of({"left_ear": (302, 105), "right_ear": (298, 105)}), "W116", "from the side"),
        (pose_of(scale=0.3), "W117", "pixels tall"),
    ],
)
def test_each_fault_is_told_by_its_code(photo: UInt8Array, pose: Pose, code: str, text: str) -> None:
    score = score_photo(photo, pose)
    told = {finding.code: finding.text for finding in score.findings}
    assert code in told
    assert text in told[code]
    assert score.score < 1.0


def test_the_seated_are_told_by_their_thighs(photo: UInt8Array) -> None:
    pose = pose_of()
    world = pose.world.copy()
    for side in ("left", "right"):
        hip = world[JOINT_INDEX[f"{side}_hip"]]
        world[JOINT_INDEX[f"{side}_knee"]] = hip + np.array([0.05, 0.05, -0.4])
        world[JOINT_INDEX[f"{side}_ankle"]] = hip + np.array([0.05, 0.45, -0.4])
    assert codes(photo, replace(pose, world=world)) == ["W118"]


def test_blur_counts_inside_the_person_only(photo: UInt8Array) -> None:
    alpha = np.zeros(SIZE_HW, np.float32)
    alpha[80:720, 150:450] = 1.0
    coarse = cv2.resize(photo[:12, :9], SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC)
    blurred = np.where(alpha[..., None] > 0, coarse, photo).astype(np.uint8)
    assert codes(blurred, pose_of(), alpha) == ["W119"]
    sharp = np.where(alpha[..., None] > 0, photo, coarse).astype(np.uint8)
    assert codes(sharp, pose_of(), alpha) == []


def test_others_are_counted(photo: UInt8Array) -> None:
    (finding,) = score_photo(photo, pose_of(), num_others=2).findings
    assert finding.code == "W120"
    assert "2 other people" in finding.text


def test_the_worst_comes_first_and_faults_add_up(photo: UInt8Array) -> None:
    pose = unsure(turned(pose_of({"left_ankle": (342, 850)}), 180), "right_wrist")
    score = score_photo(photo, pose)
    weights = [finding.weight for finding in score.findings]
    assert weights == sorted(weights, reverse=True)
    assert score.score == pytest.approx(np.prod([1 - weight for weight in weights]))
    assert score.verdict in ("usable", "poor")
    assert score.to_json()["findings"][0]["code"] == score.warnings[0][0]
