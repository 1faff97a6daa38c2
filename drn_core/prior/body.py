"""The body in the photo: joints, sizes, and how far any point is from each of its parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.geometry import Array, perpendicular, polygon_distance, segment_distance, unit
from drn_core.prior.parts import LIMBS, RADII, SEGMENTS, Limb, Part
from drn_core.skeleton import JOINT_INDEX

__all__ = [
    "NO_HEM",
    "Body",
    "BodyFields",
    "elbow_cap",
    "hand_or_foot_bone",
    "lap_mask",
    "measure_body",
    "measure_fields",
    "middle_bones",
    "trunk_corners",
]

_LEFT_SHOULDER, _RIGHT_SHOULDER = JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]
_LEFT_HIP, _RIGHT_HIP = JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]
_LEFT_EAR, _RIGHT_EAR = JOINT_INDEX["left_ear"], JOINT_INDEX["right_ear"]

# Least half width of the trunk's quadrangle in torso lengths, for people seen from the side.
_PROFILE_CHEST, _PROFILE_PELVIS = 0.09, 0.08

# Keeps the crossing of a limb's two middles near the joint when they are nearly parallel.
_STRAIGHT = 0.25

# Radius of an elbow's round cap, in half widths of the arm's wider part.
_CAP = 1.05

NO_HEM = 0.0
"""Level of the hem of somebody without a skirt."""

# A part whose joints were not seen is nowhere near any pixel.
_FAR = 50.0


Bone = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Start and end (2,)."""


@dataclass(frozen=True)
class Body:
    """A skeleton with its sizes, in pixels of one picture.

    Attributes:
        keypoints: (33, 2) float64.
        confidence: (33,) in [0, 1]; below 0.15 a joint counts as not in the picture.
        depth: (33,) pixels, smaller is nearer.
        torso_length: the unit of all sizes, in pixels.
        radii: half width of each part in pixels.
        off_middle: how far the middle of a limb part lies from its bone, pixels to the side of `perpendicular`; parts
            that are missing lie about their bones. A sleeve hangs below the arm, and an estimator sees neither.
        hem: how far down a skirt hangs: 1 at the knees, 2 at the ankles; `NO_HEM` without one.
    """

    keypoints: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    depth: npt.NDArray[np.float64]
    torso_length: float
    radii: Mapping[Part, float]
    off_middle: Mapping[Part, float] = field(default_factory=dict)
    hem: float = NO_HEM

    @cached_property
    def neck(self) -> npt.NDArray[np.float64]:
        """Middle of the shoulders."""
        return np.asarray(self.keypoints[[_LEFT_SHOULDER, _RIGHT_SHOULDER]].mean(0))

    @cached_property
    def pelvis(self) -> npt.NDArray[np.float64]:
        """Middle of the hips."""
        return np.asarray(self.keypoints[[_LEFT_HIP, _RIGHT_HIP]].mean(0))

    @cached_property
    def bones(self) -> tuple[tuple[npt.NDArray[np.float64], Bone], ...]:
        """Of each of `LIMBS`: root, middle and tip (3, 2) as of `middle_bones`, and the bone of its hand or foot."""
        return tuple(
            (middle_bones(self, self.keypoints, limb), hand_or_foot_bone(self.keypoints, limb)) for limb in LIMBS
        )

    def has(self, joint: int) -> bool:
        """Whether the joint can be used at all."""
        return bool(self.confidence[joint] >= 0.15)

    @property
    def has_legs(self) -> bool:
        """Whether at least one knee is in the picture."""
        return bool(max(self.confidence[limb.middle] for limb in LIMBS if not limb.is_arm) >= 0.3)

    @property
    def has_hips(self) -> bool:
        """Whether both hips are well seen."""
        return bool(min(self.confidence[_LEFT_HIP], self.confidence[_RIGHT_HIP]) >= 0.4)

    @property
    def trunk_depth(self) -> float:
        """Depth of the trunk, from the shoulders alone where the hips are not seen."""
        joints = [_LEFT_SHOULDER, _RIGHT_SHOULDER] + ([_LEFT_HIP, _RIGHT_HIP] if self.has_hips else [])
        return float(self.depth[joints].mean())


def middle_bones(body: Body, keypoints: Array, limb: Limb, scale: float = 1.0) -> npt.NDArray[np.float64]:
    """Root, middle and tip (3, 2) of a limb moved to the middle of what is seen of it.

    The two parts turn about the point where their middles cross, or their outlines would part when a bent arm is
    straightened.

    Args:
        body: the body in the photo, of which the middles are known.
        keypoints: (33, 2) any pose of it.
        limb: the limb.
        scale: size of the pose over the size in the photo.
    """
    joints = np.asarray(keypoints[[limb.root, limb.middle, limb.tip]], np.float64)
    first, second = (scale * body.off_middle.get(part, 0.0) for part in limb.parts[:2])
    if not first and not second:
        return joints
    (x0, y0), (x1, y1), (x2, y2) = joints.tolist()
    upper, lower = math.hypot(x1 - x0, y1 - y0) + 1e-9, math.hypot(x2 - x1, y2 - y1) + 1e-9
    # to the side of each bone
    ax, ay, bx, by = (y0 - y1) / upper, (x1 - x0) / upper, (y1 - y2) / lower, (x2 - x1) / lower
    # least squares: for a straight limb the two lines have no crossing
    xx, xy, yy = ax * ax + bx * bx + _STRAIGHT, ax * ay + bx * by, ay * ay + by * by + _STRAIGHT
    x, y = ax * first + bx * second, ay * first + by * second
    determinant = xx * yy - xy * xy
    shift_x, shift_y = (yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant
    return np.array([
        [x0 + first * ax, y0 + first * ay],
        [x1 + shift_x, y1 + shift_y],
        [x2 + second * bx, y2 + second * by],
    ])  # fmt: skip


def elbow_cap(body: Body, limb: Limb) -> tuple[npt.NDArray[np.float64], float]:
    """Return centre (2,) and radius of the round end that both sheets of an arm have at the elbow, pixels."""
    return middle_bones(body, body.keypoints, limb)[1], _CAP * max(body.radii[part] for part in limb.parts[:2])


def hand_or_foot_bone(keypoints: Array, limb: Limb) -> Bone:
    """Return start and end (2,) of the hand's or foot's bone: wrist to knuckles, heel side to toes."""
    end = np.asarray(keypoints[list(limb.ends)].mean(0), np.float64)
    if limb.is_arm:
        return np.asarray(keypoints[limb.tip], np.float64), end
    heel = limb.tip + 2  # ankle 27/28 -> heel 29/30
    return np.asarray((keypoints[heel] + keypoints[limb.tip]) / 2, np.float64), end


def _torso_length(keypoints: Array, confidence: Array) -> float:
    shoulders = float(np.linalg.norm(keypoints[_LEFT_SHOULDER] - keypoints[_RIGHT_SHOULDER]))
    spine = keypoints[[_LEFT_SHOULDER, _RIGHT_SHOULDER]].mean(0) - keypoints[[_LEFT_HIP, _RIGHT_HIP]].mean(0)
    if min(confidence[_LEFT_HIP], confidence[_RIGHT_HIP]) < 0.4:
        return max(shoulders * 1.25, 1.0)
    return max(float(np.linalg.norm(spine)), shoulders, 1.0)


def _measured_radius(part: Part, keypoints: Array, to_edge: Array) -> float | None:
    """Half width of a part read off the mask: distance to the silhouette along the bone, median of 7 places."""
    height, width = to_edge.shape
    start, end = (keypoints[joint] for joint in SEGMENTS[part])
    samples = []
    for fraction in np.linspace(0.3, 0.9, 7):
        x, y = np.round(start + (end - start) * fraction).astype(int)
        if 0 <= x < width and 0 <= y < height:
            samples.append(to_edge[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].max())
    return float(np.median(samples)) if samples else None


def _radii(keypoints: Array, confidence: Array, mask: npt.NDArray[np.bool_], unit_px: float) -> dict[Part, float]:
    radii = {part: RADII[part] * unit_px for part in Part}
    to_edge = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    for left, right in zip(LIMBS[0::2], LIMBS[1::2], strict=True):
        for part, twin in zip(left.parts[:2], right.parts[:2], strict=True):
            seen = [p for p in (part, twin) if min(confidence[list(SEGMENTS[p])]) >= 0.5]
            widths = [w for p in seen if (w := _measured_radius(p, keypoints, to_edge)) is not None]
            if widths:  # the thinner side wins: an arm before the trunk reads as wide as the trunk
                low, high = 0.6 * radii[part], 1.45 * radii[part]
                radii[part] = radii[twin] = float(np.clip(1.15 * min(widths), low, high))
    return radii


def measure_body(keypoints: Array, confidence: Array, depth: Array, mask: npt.NDArray[np.bool_]) -> Body:
    """Measure the body of one picture.

    Args:
        keypoints: (33, 2) pixels.
        confidence: (33,).
        depth: (33,) pixels, smaller is nearer.
        mask: (H, W) the person's pixels.

    Returns:
        The body, in the same pixels.
    """
    unit_px = _torso_length(keypoints, confidence)
    return Body(
        keypoints=np.asarray(keypoints, np.float64),
        confidence=np.asarray(confidence, np.float64),
        depth=np.asarray(depth, np.float64),
        torso_length=unit_px,
        radii=_radii(keypoints, confidence, mask, unit_px),
    )


@dataclass(frozen=True)
class BodyFields:
    """Distances of points to the parts, in half widths of each part (below 1: inside it).

    Every array has the shape (...,) of the points measured.

    Attributes:
        torso: to the trunk's quadrangle; 0 inside.
        along_trunk: 0 at the neck, 1 at the pelvis, linear in between and beyond.
        parts: to head and limb parts.
        roots: to the short bone in the trunk that a limb hangs on (clavicle, hip), by upper part.
        stubs: to the first part of a limb, as far as the trunk's cloth follows it, by upper part.
    """

    torso: npt.NDArray[np.float32]
    along_trunk: npt.NDArray[np.float32]
    parts: Mapping[Part, npt.NDArray[np.float32]]
    roots: Mapping[Part, npt.NDArray[np.float32]]
    stubs: Mapping[Part, npt.NDArray[np.float32]]

    def nearest(self, limb: Limb) -> npt.NDArray[np.float32]:
        """Distance to the nearest part of a limb."""
        return np.asarray(np.minimum.reduce([self.parts[part] for part in limb.parts]))

    def lower(self, limb: Limb) -> npt.NDArray[np.float32]:
        """Distance to a limb's lower and end part."""
        return np.asarray(np.minimum(self.parts[limb.parts[1]], self.parts[limb.parts[2]]))


def _convex_distance(points: Array, corners: Array) -> npt.NDArray[np.float32]:
    """Distance of points (..., 2) to a convex polygon (N, 2), 0 inside."""
    hull = cv2.convexHull(np.asarray(corners, np.float32))[:, 0]
    edges = [segment_distance(points, hull[i - 1], hull[i]) for i in range(len(hull))]
    sides = []
    for i in range(len(hull)):
        edge, offset = hull[i] - hull[i - 1], points - hull[i - 1]
        sides.append(edge[0] * offset[..., 1] - edge[1] * offset[..., 0])
    stack = np.stack(sides)
    inside = (stack >= 0).all(0) | (stack <= 0).all(0)
    return np.where(inside, np.float32(0), np.minimum.reduce(edges)).astype(np.float32)


def trunk_corners(body: Body) -> npt.NDArray[np.float64]:
    """Corners (4, 2) of the trunk without the arms' share of the shoulders; never thinner than a trunk in profile."""
    s, neck, pelvis = body.keypoints, body.neck, body.pelvis
    along = unit(pelvis - neck)
    across = perpendicular(along)
    drop = (pelvis - neck) * 0.12
    corners = []
    for middle, joints, share, least in (
        (neck, (_LEFT_SHOULDER, _RIGHT_SHOULDER), 0.6, _PROFILE_CHEST),
        (pelvis, (_RIGHT_HIP, _LEFT_HIP), 0.8, _PROFILE_PELVIS),
    ):
        half = (s[joints[0]] - s[joints[1]]) / 2 * share
        missing = least * body.torso_length - abs(float(half @ across))
        if missing > 0:
            half = half + across * np.copysign(missing, float(half @ across))
        offset = drop if middle is neck else 0.0
        corners += [middle + half + offset, middle - half + offset]
    return np.stack(corners)


def _limb_fields(body: Body, points: Array, limb: Limb) -> dict[Part, npt.NDArray[np.float32]]:
    s, (upper, lower, end) = body.keypoints, limb.parts
    joints = middle_bones(body, s, limb)
    start, tip = hand_or_foot_bone(s, limb)
    if limb.is_arm:  # the palm begins past the wrist and the fingers end past the knuckles
        start, tip = start + (tip - start) * 0.3, start + (tip - start) * 1.5
    bones = {
        upper: (joints[0], joints[1], limb.middle),
        lower: (joints[1], joints[2], limb.tip),
        end: (start, tip, limb.tip),
    }
    return {
        part: segment_distance(points, a, b) / np.float32(body.radii[part])
        if body.has(needed)
        else np.full(points.shape[:-1], _FAR, np.float32)
        for part, (a, b, needed) in bones.items()
    }


def measure_fields(body: Body, points: Array) -> BodyFields:
    """Measure the distance of points to every part.

    Args:
        body: the body.
        points: (..., 2) float32, same pixels as the body.

    Returns:
        Fields of shape (...,).
    """
    s, neck, pelvis = body.keypoints, body.neck, body.pelvis
    spine = pelvis - neck
    head_middle = s[[_LEFT_EAR, _RIGHT_EAR]].mean(0)
    head_up = unit(head_middle - neck) * float(np.linalg.norm(head_middle - neck))
    parts = {
        Part.HEAD: segment_distance(points, head_middle - 0.15 * head_up, head_middle + 0.35 * head_up)
        / np.float32(body.radii[Part.HEAD])
    }
    roots: dict[Part, npt.NDArray[np.float32]] = {}
    stubs: dict[Part, npt.NDArray[np.float32]] = {}
    for limb in LIMBS:
        parts |= _limb_fields(body, points, limb)
        root, middle, radius = s[limb.root], s[limb.middle], np.float32(body.radii[limb.parts[0]])
        if limb.is_arm:
            inner, outer, first = neck + 0.12 * spine, root + (neck - root) * 0.15, 0.12
        else:
            inner, outer, first = pelvis, root + (pelvis - root) * 0.1, 0.15
        roots[limb.parts[0]] = segment_distance(points, outer, inner) / radius
        stub = segment_distance(points, root + (middle - root) * first, root + (middle - root) * 0.6) / radius
        stubs[limb.parts[0]] = stub if body.has(limb.middle) else np.full_like(stub, _FAR)
    return BodyFields(
        torso=_convex_distance(points, trunk_corners(body)) / np.float32(body.radii[Part.CHEST]),
        along_trunk=np.asarray(((points - neck) @ spine) / (float(spine @ spine) + 1e-6), np.float32),
        parts=parts,
        roots=roots,
        stubs=stubs,
    )


def lap_mask(body: Body, size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) of the lap of a person whose legs are cut by the frame: between hips and knees."""
    joints = [_LEFT_HIP, _RIGHT_HIP, *(limb.middle for limb in LIMBS if not limb.is_arm)]
    return polygon_distance(size_hw, body.keypoints[joints]) < 1.0
