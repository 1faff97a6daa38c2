"""A drawn person: a front view with known joints, parts in flat colours, no detector needed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.person import SourceImage
from drn_core.skeleton import JOINT_INDEX, NUM_JOINTS
from retarget.records import Pose, PoseTrack

SIZE_HW = (480, 360)

SHIRT, TROUSERS, SKIN, ROOM = (200, 40, 40), (40, 40, 180), (230, 180, 150), (120, 160, 120)

_JOINTS = {
    "nose": (180, 70), "left_eye_inner": (185, 62), "left_eye": (190, 62), "left_eye_outer": (195, 62),
    "right_eye_inner": (175, 62), "right_eye": (170, 62), "right_eye_outer": (165, 62), "left_ear": (205, 66),
    "right_ear": (155, 66), "mouth_left": (190, 82), "mouth_right": (170, 82), "left_shoulder": (220, 120),
    "right_shoulder": (140, 120), "left_elbow": (262, 172), "right_elbow": (98, 172), "left_wrist": (298, 222),
    "right_wrist": (62, 222), "left_pinky": (312, 240), "right_pinky": (48, 240), "left_index": (308, 244),
    "right_index": (52, 244), "left_thumb": (300, 238), "right_thumb": (60, 238), "left_hip": (204, 240),
    "right_hip": (156, 240), "left_knee": (210, 330), "right_knee": (150, 330), "left_ankle": (212, 415),
    "right_ankle": (148, 415), "left_heel": (210, 425), "right_heel": (150, 425), "left_foot_index": (226, 436),
    "right_foot_index": (134, 436),
}  # fmt: skip


def joints() -> npt.NDArray[np.float32]:
    """(33, 2) joints of the figure, arms a little away from the trunk."""
    points = np.zeros((NUM_JOINTS, 2), np.float32)
    for name, point in _JOINTS.items():
        points[JOINT_INDEX[name]] = point
    return points


@dataclass(frozen=True)
class Figure:
    """A drawn photo.

    Attributes:
        rgb: (H, W, 3) uint8.
        alpha: (H, W) float32.
        pose: its skeleton.
    """

    rgb: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.float32]
    pose: Pose

    @property
    def source(self) -> SourceImage:
        """What the prior needs."""
        return SourceImage(self.rgb, self.alpha, self.pose.keypoints, self.pose.confidence, self.pose.depth)


def _draw(points: npt.NDArray[np.float32], canvas: npt.NDArray[np.uint8], plain: bool) -> None:
    def at(name: str) -> tuple[int, int]:
        x, y = points[JOINT_INDEX[name]]
        return round(float(x)), round(float(y))

    def colour(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
        return (255, 255, 255) if plain else rgb

    for side in ("left", "right"):
        cv2.line(canvas, at(f"{side}_hip"), at(f"{side}_knee"), colour(TROUSERS), 40)
        cv2.line(canvas, at(f"{side}_knee"), at(f"{side}_ankle"), colour(TROUSERS), 32)
        cv2.line(canvas, at(f"{side}_heel"), at(f"{side}_foot_index"), colour((30, 30, 30)), 18)
    trunk = [at("left_shoulder"), at("right_shoulder"), at("right_hip"), at("left_hip")]
    cv2.fillConvexPoly(canvas, np.array(trunk, np.int32), colour(SHIRT))
    cv2.line(canvas, at("left_hip"), at("right_hip"), colour(TROUSERS), 36)
    cv2.line(canvas, at("left_shoulder"), at("right_shoulder"), colour(SHIRT), 30)
    cv2.line(canvas, (180, 120), (180, 80), colour(SKIN), 24)
    cv2.ellipse(canvas, (180, 66), (28, 38), 0, 0, 360, colour(SKIN), -1)
    for side in ("left", "right"):
        cv2.line(canvas, at(f"{side}_shoulder"), at(f"{side}_elbow"), colour(SHIRT), 28)
        cv2.line(canvas, at(f"{side}_elbow"), at(f"{side}_wrist"), colour(SKIN), 22)
        cv2.line(canvas, at(f"{side}_wrist"), at(f"{side}_index"), colour(SKIN), 18)


def figure(points: npt.NDArray[np.float32] | None = None) -> Figure:
    """Draw the figure, with some texture in room and clothes so that shifts can be measured."""
    points = joints() if points is None else points
    random = np.random.default_rng(0)
    grain = cv2.GaussianBlur(random.normal(0, 60, (*SIZE_HW, 3)), (0, 0), 2.0)
    canvas = np.full((*SIZE_HW, 3), ROOM, np.uint8)
    mask = np.zeros((*SIZE_HW, 3), np.uint8)
    _draw(points, canvas, plain=False)
    _draw(points, mask, plain=True)
    rgb = np.clip(canvas + grain, 0, 255).astype(np.uint8)
    alpha = cv2.GaussianBlur(mask[..., 0].astype(np.float32) / 255, (0, 0), 0.7)
    ones = np.ones(NUM_JOINTS, np.float32)
    depth = np.zeros(NUM_JOINTS, np.float32)
    world = np.concatenate([(points - points[[23, 24]].mean(0)) / 200.0, depth[:, None]], 1)
    return Figure(rgb, alpha, Pose(points, ones, depth, world.astype(np.float32), SIZE_HW))


def track_of(poses: list[npt.NDArray[np.float32]], size_hw: tuple[int, int] = SIZE_HW) -> PoseTrack:
    """A track whose frames show the given joints."""
    keypoints = np.stack(poses).astype(np.float32)
    num_frames = len(keypoints)
    centred = (keypoints - keypoints[:, [23, 24]].mean(1, keepdims=True)) / 200.0
    world = np.concatenate([centred, np.zeros((num_frames, NUM_JOINTS, 1))], 2)
    return PoseTrack(
        keypoints=keypoints,
        confidence=np.ones((num_frames, NUM_JOINTS), np.float32),
        depth=np.zeros((num_frames, NUM_JOINTS), np.float32),
        world=world.astype(np.float32),
        is_detected=np.ones(num_frames, bool),
        pts=np.arange(num_frames, dtype=np.int64),
        time_base=Fraction(1, 25),
        size_hw=size_hw,
    )


def raise_left_arm(points: npt.NDArray[np.float32], degrees: float) -> npt.NDArray[np.float32]:
    """Turn the whole left arm about its shoulder; positive lifts it sideways."""
    names = ("elbow", "wrist", "pinky", "index", "thumb")
    turned = points.copy()
    root = points[JOINT_INDEX["left_shoulder"]]
    angle = -np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for name in names:
        joint = JOINT_INDEX[f"left_{name}"]
        turned[joint] = root + matrix @ (points[joint] - root)
    return turned
