"""The baseline for comparisons: a layered part-affine warp of the photo, the usual first thing one would build.

Each body part of the photo moves by one affine map from its bone (torso and head from their points), parts are drawn
far to near over an inpainted background, joints come from the video frame by frame and are taken as they are: no
smoothing, no transfer of proportions. So it is for self-reenactment, where photo and driver show one body.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import cv2
import mediapipe
import numpy as np
import numpy.typing as npt

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX, NUM_JOINTS

Array = npt.NDArray[np.float32]
TORSO = tuple(JOINT_INDEX[name] for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip"))
LIMBS = tuple(
    (JOINT_INDEX[f"{side}_{start}"], JOINT_INDEX[f"{side}_{end}"], radius)
    for side in ("left", "right")
    for start, end, radius in (
        ("shoulder", "elbow", 0.16), ("elbow", "wrist", 0.13), ("wrist", "index", 0.13),
        ("hip", "knee", 0.22), ("knee", "ankle", 0.17), ("ankle", "foot_index", 0.15),
    )
)  # fmt: skip
"""Start joint, end joint, half width in torso lengths."""


@dataclass(frozen=True)
class Part:
    """A piece of the photo.

    Attributes:
        joints: the joints that move it; two for a limb.
        corner: (2,) float32, (x, y) of the layer's first pixel in the photo.
        layer: (h, w, 4) float32, colour premultiplied by its soft alpha, cut to what is not empty.
    """

    joints: tuple[int, ...]
    corner: Array
    layer: Array


def decode(path: str) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield (H, W, 3) uint8 RGB frames."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def landmarks(found: Any, size_hw: tuple[int, int]) -> Array | None:
    """Return (33, 3) float32: x, y in pixels and depth; None where nobody was found."""
    if not found.pose_landmarks:
        return None
    height, width = size_hw
    return np.array([(m.x * width, m.y * height, m.z * width) for m in found.pose_landmarks.landmark], np.float32)


def torso_length(joints: Array) -> float:
    """Measure shoulders' middle to hips' middle, in pixels."""
    return float(np.linalg.norm((joints[11, :2] + joints[12, :2] - joints[23, :2] - joints[24, :2]) / 2)) + 1e-3


def distances_to_parts(joints: Array, size_hw: tuple[int, int]) -> Array:
    """Return (2 + limbs, H, W): distance to torso, head and limbs, in units of each part's half width.

    The torso's is never below 0.8, so that an arm before it is cut out of it.
    """
    height, width = size_hw
    torso = torso_length(joints)
    inside = cv2.fillConvexPoly(np.ones(size_hw, np.uint8), joints[TORSO, :2].round().astype(np.int32), 0)
    middle = joints[list(FACE_JOINTS), :2].mean(axis=0)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    planes = [
        0.8 + cv2.distanceTransform(inside, cv2.DIST_L2, 5) / (0.25 * torso),
        np.hypot(xs - middle[0], ys - middle[1]) / (0.4 * torso),
    ]
    for start, end, radius in LIMBS:
        origin, along = joints[start, :2], joints[end, :2] - joints[start, :2]
        t = ((xs - origin[0]) * along[0] + (ys - origin[1]) * along[1]) / max(float(along @ along), 1e-6)
        t = np.clip(t, 0, 1)
        planes.append(np.hypot(xs - origin[0] - t * along[0], ys - origin[1] - t * along[1]) / (radius * torso))
    return np.stack(planes)


def fill_from_own(photo: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_], wanted: npt.NDArray[np.bool_]) -> Array:
    """Paint what is wanted but not known from the known pixels alone; returns (H, W, 3) float32."""
    left, top, width, height = cv2.boundingRect(wanted.astype(np.uint8))
    box = np.s_[top : top + height, left : left + width]
    picture = photo.copy()
    if known.any():
        picture[box] = cv2.inpaint(photo[box], (~known[box]).astype(np.uint8) * 255, 3, cv2.INPAINT_TELEA)
    return picture.astype(np.float32)


def cut_parts(photo: npt.NDArray[np.uint8], joints: Array, person: Array) -> list[Part]:
    """Cut the person into torso, head and limbs, each pixel going to the nearest, with some overlap at the joints."""
    size_hw = (photo.shape[0], photo.shape[1])
    distances = distances_to_parts(joints, size_hw)
    nearest = distances.argmin(axis=0)
    colour = photo.astype(np.float32)
    parts = []
    for number, part_joints in enumerate([TORSO, tuple(FACE_JOINTS), *((start, end) for start, end, _ in LIMBS)]):
        own, picture = nearest == number, colour
        if number:
            own |= (distances[number] < 1) & (distances[number] < 1.3 * distances.min(axis=0))
        else:  # the torso goes on beneath the arms that cover it
            hidden = (distances[0] < 1.4) & ~own & (person > 0.5)
            own |= hidden
            picture = fill_from_own(photo, own & ~hidden, own)
        alpha = cv2.GaussianBlur(own.astype(np.float32), (0, 0), 1.0) * person
        left, top, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
        if width:
            box = np.s_[top : top + height, left : left + width]
            layer = np.dstack([picture[box] * alpha[box][..., None], alpha[box]])
            parts.append(Part(part_joints, np.array([left, top], np.float32), layer))
    return parts


def similarity(before: Array, after: Array) -> Array:
    """Fit rotation, scale and shift that take points (N, 2) to points (N, 2); return (2, 3)."""
    p, q = before - before.mean(axis=0), after - after.mean(axis=0)
    norm = max(float((p * p).sum()), 1e-6)
    a, b = float((p * q).sum()) / norm, float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / norm
    linear = np.array([[a, -b], [b, a]], np.float32)
    return np.column_stack([linear, after.mean(axis=0) - linear @ before.mean(axis=0)])


def limb_affine(before: Array, after: Array, scale: float) -> Array:
    """Map a bone onto a bone: stretched along it, scaled by `scale` across it; return (2, 3)."""
    along, goal = before[1] - before[0], after[1] - after[0]
    length, goal_length = max(float(np.linalg.norm(along)), 1e-3), max(float(np.linalg.norm(goal)), 1e-3)
    u, v = along / length, goal / goal_length
    stretch = float(np.clip(goal_length / length, 0.2, 2.0))
    frame = np.column_stack([stretch * v, scale * np.array([-v[1], v[0]])])
    linear = (frame @ np.array([[u[0], u[1]], [-u[1], u[0]]])).astype(np.float32)
    return np.column_stack([linear, after[0] - linear @ before[0]])


def part_affine(part: Part, before: Array, after: Array, scale: float) -> Array:
    """Return the (2, 3) map that takes a part from the photo's pose to the frame's."""
    p, q = before[list(part.joints), :2], after[list(part.joints), :2]
    if len(part.joints) == 2:
        return limb_affine(p, q, scale)
    if part.joints == TORSO:
        homogeneous = np.column_stack([p, np.ones(len(p))])
        return np.asarray(np.linalg.lstsq(homogeneous, q, rcond=None)[0].T, np.float32)
    return similarity(p, q)


def draw(part: Part, affine: Array, canvas: Array) -> None:
    """Draw a part over the canvas, touching only the box it moves to."""
    height, width = part.layer.shape[:2]
    affine = np.column_stack([affine[:, :2], affine[:, :2] @ part.corner + affine[:, 2]])
    corners = np.array([[-2, -2, 1], [width + 1, -2, 1], [-2, height + 1, 1], [width + 1, height + 1, 1]]) @ affine.T
    limits = np.array(canvas.shape[1::-1])
    low, high = np.floor(corners.min(axis=0)).clip(0, limits), np.ceil(corners.max(axis=0)).clip(0, limits)
    (left, top), (right, bottom) = low.astype(int), high.astype(int)
    if right <= left or bottom <= top:
        return
    affine[:, 2] -= low
    moved = cv2.warpAffine(part.layer, affine, (right - left, bottom - top), flags=cv2.INTER_CUBIC)
    beneath = canvas[top:bottom, left:right]
    beneath *= 1 - moved[..., 3:]
    beneath += moved[..., :3]


def render(parts: list[Part], plate: Array, before: Array, after: Array) -> npt.NDArray[np.uint8]:
    """Draw the parts, far to near, over the plate; returns (H, W, 3) uint8."""
    scale = torso_length(after) / torso_length(before)
    torso_depth = float(after[TORSO, 2].mean())

    def nearness(part: Part) -> float:
        if part.joints == TORSO:
            return 0.0
        bias = 0.1 * torso_length(after)  # limbs lie on the torso rather than in it
        return torso_depth + bias - float(after[list(part.joints), 2].mean())

    canvas = plate.copy()
    for part in sorted(parts, key=nearness):
        draw(part, part_affine(part, before, after, scale), canvas)
    return canvas.clip(0, 255).astype(np.uint8)


def main() -> None:
    """Read the photo once, then render frame by frame."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("source", "driver", "output"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    photo = cv2.cvtColor(cv2.imread(args.source), cv2.COLOR_BGR2RGB)
    size_hw = (photo.shape[0], photo.shape[1])
    pose = mediapipe.solutions.pose
    with pose.Pose(static_image_mode=True, enable_segmentation=True) as estimator:
        found = estimator.process(photo)
    before = landmarks(found, size_hw)
    if before is None or before.shape != (NUM_JOINTS, 3):
        raise SystemExit(f"{args.source}: no person found")
    mask = found.segmentation_mask
    person = cv2.GaussianBlur((mask > 0.5).astype(np.float32), (0, 0), 1.0)
    wide = cv2.dilate((mask > 0.2).astype(np.uint8), np.ones((9, 9), np.uint8))
    plate = cv2.inpaint(photo, wide * 255, 5, cv2.INPAINT_TELEA).astype(np.float32)
    parts = cut_parts(photo, before, person)
    with (
        av.open(args.driver) as driver,
        av.open(args.output, "w") as container,
        pose.Pose(static_image_mode=False) as estimator,
    ):
        stream = container.add_stream("libx264", rate=driver.streams.video[0].average_rate or 25)
        stream.width, stream.height = photo.shape[1] // 2 * 2, photo.shape[0] // 2 * 2
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "14"}
        after = before
        for rgb in decode(args.driver):
            seen = landmarks(estimator.process(rgb), size_hw)
            after = after if seen is None else seen
            picture = render(parts, plate, before, after)[: stream.height, : stream.width]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
