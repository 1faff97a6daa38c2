"""What every pose estimator offers: candidates in a picture, and one skeleton read inside one region."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_INDEX
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["Box", "Detection", "PoseEstimator", "Region", "box_iou", "person_box", "resize_pose", "size_of"]

Box = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels."""

_HIPS: Final = (JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"])
_SHOULDERS: Final = (JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"])
_REGION_REACH: Final = 2.7
_STEADY_CHANGE: Final = 0.04
"""Change of a region, in its own size, that is followed half way."""


@dataclass(frozen=True)
class Region:
    """A rotated square in which one person is expected.

    Attributes:
        center_xy: its middle, in pixels of the picture.
        size_px: length of its side.
        rotation: clockwise turn of the person against upright, in radians.
        score: how sure the detector was, in [0, 1]; 1 for a region predicted from a skeleton.
    """

    center_xy: tuple[float, float]
    size_px: float
    rotation: float = 0.0
    score: float = 1.0

    @classmethod
    def of_skeleton(cls, keypoints: FloatArray) -> Region:
        """Return where a person with these joints (33, 2) is to be looked for.

        BlazePose turns regions about the hips, and draws a circle round the body: on nine clips 2.5 to 2.8 times as
        wide as the farthest joint is away.
        """
        hips, shoulders = (keypoints[list(joints)].mean(axis=0).astype(np.float64) for joints in (_HIPS, _SHOULDERS))
        up = shoulders - hips
        reach = float(np.hypot(*(keypoints - hips).T).max())
        return cls((float(hips[0]), float(hips[1])), _REGION_REACH * reach, math.atan2(up[0], -up[1]))

    def jittered(self, shift_xy: tuple[float, float], scale: float, turn: float) -> Region:
        """Return the region shifted by fractions of its size, scaled, and turned by radians."""
        return Region(
            center_xy=(
                self.center_xy[0] + shift_xy[0] * self.size_px,
                self.center_xy[1] + shift_xy[1] * self.size_px,
            ),
            size_px=self.size_px * scale,
            rotation=self.rotation + turn,
            score=self.score,
        )

    def shifted(self, by_xy: npt.NDArray[np.float64]) -> Region:
        """Return the region moved by (x, y) pixels."""
        x, y = self.center_xy
        return replace(self, center_xy=(x + float(by_xy[0]), y + float(by_xy[1])))

    def toward(self, target: Region) -> Region:
        """Return the region moved towards another: hardly for a small difference, nearly all the way for a large one.

        A region that follows the person's every wobble moves what the model sees, and with it what the model reads;
        a still person's joints jitter up to twice as much for it (measured on seven clips).
        """
        gap = math.hypot(self.center_xy[0] - target.center_xy[0], self.center_xy[1] - target.center_xy[1])
        growth = math.log(target.size_px / self.size_px)
        change = math.hypot(gap / self.size_px, growth / 2, (target.rotation - self.rotation) / 2)
        share = change**2 / (change**2 + _STEADY_CHANGE**2)
        return Region(
            center_xy=(
                self.center_xy[0] + share * (target.center_xy[0] - self.center_xy[0]),
                self.center_xy[1] + share * (target.center_xy[1] - self.center_xy[1]),
            ),
            size_px=self.size_px * math.exp(share * growth),
            rotation=self.rotation + share * (target.rotation - self.rotation),
            score=target.score,
        )

    @property
    def box(self) -> Box:
        """The upright square of the same middle and size."""
        half = self.size_px / 2
        x, y = self.center_xy
        return (x - half, y - half, x + half, y + half)


@dataclass(frozen=True)
class Detection:
    """One person found in one picture.

    Attributes:
        pose: the skeleton.
        box: around the joints inside the picture, with a margin for head, hands and feet.
        region: where the same person is to be looked for in the next picture.
        mask: (H, W) float32 in [0, 1], 1 = this person; None where it was not asked for.
        num_others: how many other people were found in the picture; 0 where nobody looked.
    """

    pose: Pose
    box: Box
    region: Region
    mask: FloatArray | None = None
    num_others: int = 0

    def __post_init__(self) -> None:
        if self.mask is not None and self.mask.shape != self.pose.size_hw:
            raise ValueError(f"Detection.mask: expected shape {self.pose.size_hw}, got {self.mask.shape}")

    @property
    def area_px(self) -> float:
        """Area of the box in square pixels."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)


class PoseEstimator(Protocol):
    """Finds people in a picture and reads their skeletons; keeps no memory of earlier pictures."""

    @property
    def version(self) -> str:
        """Name and version of the model and of its settings; part of cache keys."""

    def find_regions(self, rgb: UInt8Array) -> list[Region]:
        """Return where people may be, best first; (H, W, 3) uint8 sRGB in."""

    def estimate(self, rgb: UInt8Array, region: Region, *, with_mask: bool = False) -> Detection | None:
        """Read the skeleton of the person in `region`; None where nobody is recognised there."""

    def close(self) -> None:
        """Free the models."""


def box_iou(first: Box, second: Box) -> float:
    """Return the area shared by two boxes divided by the area of both together."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)) - shared
    return shared / both if both > 0 else 0.0


def size_of(rgb: UInt8Array) -> tuple[int, int]:
    """Return (height, width) of a picture."""
    return rgb.shape[0], rgb.shape[1]


def resize_pose(pose: Pose, size_hw: tuple[int, int] | None) -> Pose:
    """Return the pose in a resized copy of its picture; None leaves it as it is."""
    if size_hw is None or size_hw == pose.size_hw:
        return pose
    ratio = np.array(size_hw[::-1], np.float32) / np.array(pose.size_hw[::-1], np.float32)

    def resize(points: FloatArray, last_scale: float) -> FloatArray:
        moved = (points[..., :2] + np.float32(0.5)) * ratio - np.float32(0.5)
        return np.concatenate([moved, points[..., 2:] * np.float32(last_scale)], axis=-1)

    return replace(
        pose,
        keypoints=resize(pose.keypoints, 1.0),
        depth=pose.depth * ratio[0],
        size_hw=size_hw,
        hands=None if pose.hands is None else resize(pose.hands, 1.0),
        face=None if pose.face is None else resize(pose.face, float(ratio[0])),
    )


def person_box(keypoints: FloatArray, confidence: FloatArray, size_hw: tuple[int, int], *, margin: float = 0.1) -> Box:
    """Return the box of the trusted joints, grown by a share of its longer side and cut at the picture's edge.

    Args:
        keypoints: (33, 2), pixels.
        confidence: (33,); joints under 0.3 are left out where at least four others remain.
        size_hw: size of the picture.
        margin: growth per side, as a share of the longer side.
    """
    trusted = keypoints[confidence >= 0.3]
    points = trusted if len(trusted) >= 4 else keypoints
    low, high = points.min(axis=0), points.max(axis=0)
    grow = margin * float(np.max(high - low))
    height, width = size_hw
    return (
        float(np.clip(low[0] - grow, 0, width)),
        float(np.clip(low[1] - grow, 0, height)),
        float(np.clip(high[0] + grow, 0, width)),
        float(np.clip(high[1] + grow, 0, height)),
    )
