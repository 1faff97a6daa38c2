"""The driver's motion on the source's body: direction from the driver, length from the source.

All motion is read relative to one reference frame of the driver (the one whose pose is nearest to the photo's), within
the driver's own track: two readings of an estimator differ by a constant, which cancels. Re-enacting a clip from one
of its own frames is therefore the identity at that frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from drn_core.prior.geometry import fit_similarity
from drn_core.prior.transforms import FACE_WEIGHTS
from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX, JOINT_NAMES
from retarget.config import TransferConfig
from retarget.pipeline.proportions import (
    CHAINS,
    SPAN_BONES,
    bone_confidence,
    bone_vectors,
    measure_proportions,
    picture_scale,
    smooth_scale,
)
from retarget.records import Pose, PoseTrack
from retarget.robust import weighted_medians

__all__ = ["TransferredTrack", "nearest_frame", "transfer_track"]

Array = npt.NDArray[np.float64]

_FACE: Final = list(FACE_JOINTS)
_NUM_CHAIN: Final = len(CHAINS)
_SHOULDERS, _HIPS, _SPINE = _NUM_CHAIN, _NUM_CHAIN + 1, _NUM_CHAIN + 2
# Error of a joint's reading, in lengths of the spine.
_READING_ERROR: Final = 0.03
# The motion may leave the photo's width by this share before it is moved.
_FRAME_SLACK: Final = 0.02
# A neck may grow by this much.
_NECK_SLACK: Final = 1.15
_ANKLES: Final = (JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"])
_KNEES: Final = (JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"])

_ARM_CARRIERS: Final = {
    bone: carrier
    for bone, (joint, _) in enumerate(CHAINS)
    for carrier, (_, end) in enumerate(CHAINS)
    if end == joint and JOINT_NAMES[joint].endswith(("elbow", "wrist"))
}
"""Bones of forearms and hands, and the bone that each hangs from."""


@dataclass(frozen=True)
class TransferredTrack:
    """Output skeletons with the source's proportions.

    Attributes:
        keypoints: (T, 33, 2) pixels of the photo; every joint is set.
        depth: (T, 33) pixels of the photo.
        confidence: (T, 33), 0 where a joint is held because the driver doesn't show it.
        scale: (T,) size of the person against the photo.
        reference_index: the driver frame that is laid onto the photo.
        warnings: stable codes with their text.
    """

    keypoints: npt.NDArray[np.float32]
    depth: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    reference_index: int
    warnings: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.keypoints)

    def part(self, start: int, stop: int) -> TransferredTrack:
        """Return frames [start, stop) alone; the reference frame keeps its number in the whole."""
        frames = slice(start, stop)
        return replace(
            self,
            keypoints=self.keypoints[frames],
            depth=self.depth[frames],
            confidence=self.confidence[frames],
            scale=self.scale[frames],
        )


def _angles(vectors: Array) -> Array:
    return np.asarray(np.arctan2(vectors[..., 1], vectors[..., 0]))


def _wrap(angle: Array) -> Array:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def _rotate(vectors: Array, angle: Array) -> Array:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], -1)


def nearest_frame(source: Pose, track: PoseTrack) -> int:
    """Find the driver frame whose pose is nearest to the photo's.

    Poses are compared as bone vectors in units of their own size, so that place and size don't matter.

    Args:
        source: the photo's pose.
        track: the driver.

    Returns:
        A frame index.
    """
    photo, driver = bone_vectors(source.keypoints), bone_vectors(track.keypoints)
    weight = np.sqrt(np.clip(bone_confidence(source.confidence) * bone_confidence(track.confidence), 1e-4, 1.0))
    size = np.linalg.norm(photo[[_SHOULDERS, _SPINE]], axis=-1).max() + 1e-6
    sizes = np.percentile(np.linalg.norm(driver[:, [_SHOULDERS, _SPINE]], axis=-1).max(1), 75) + 1e-6
    face = source.keypoints[_FACE] - source.keypoints[_FACE].mean(0)
    faces = track.keypoints[:, _FACE] - track.keypoints[:, _FACE].mean(1, keepdims=True)
    error = (weight * ((driver / sizes - photo / size) ** 2).sum(-1)).sum(1) / weight.sum(1)
    error += 2.0 * ((faces / sizes - face / size) ** 2).sum(-1).mean(1)
    error = np.where(track.is_detected, error, error + 1e3)
    return int(error.argmin())


@dataclass(frozen=True)
class _Ratios:
    """How the driver's bone vectors become the source's: turn by `angle`, scale by `length` (one per bone)."""

    angle: Array
    length: Array


def _bone_ratios(
    source: Pose, track: PoseTrack, reference: int, relative_scale: Array, config: TransferConfig
) -> tuple[_Ratios, float]:
    """Per bone: what is left of direction and length bias, and the ratio of true lengths; and the body's ratio."""
    ones = np.ones(1)
    own = measure_proportions(source.keypoints[None], source.world[None], source.confidence[None], ones)
    other = measure_proportions(track.keypoints, track.world, track.confidence, relative_scale)
    trust = bone_confidence(source.confidence) * (bone_confidence(track.confidence).mean(0) + 0.05)
    ratio = own.bones / np.maximum(other.bones, 1e-3)
    body_ratio = float(weighted_medians(ratio[None], (trust * other.bones)[None])[0])
    limit = config.bone_ratio_limit
    ratio = np.where(bone_confidence(source.confidence) > 0.3, ratio, body_ratio)
    ratio = np.clip(ratio, body_ratio / limit, body_ratio * limit)
    photo, driver = bone_vectors(source.keypoints), bone_vectors(track.keypoints[reference])
    turn = _wrap(_angles(photo) - _angles(driver))
    photo_length, driver_length = np.linalg.norm(photo, axis=-1), np.linalg.norm(driver, axis=-1)
    stretch = np.log(np.maximum(photo_length, 1e-3) / np.maximum(driver_length * ratio, 1e-3))
    seen = np.minimum(bone_confidence(source.confidence), bone_confidence(track.confidence[reference]))
    # a joint read a little off turns a short bone by more
    wobble = _READING_ERROR * photo_length[_SPINE] / np.maximum(photo_length, 1e-3)
    same = np.exp(-((turn / np.hypot(np.radians(config.bias_angle_degrees), wobble)) ** 2)) * (seen > 0.1)
    tilt = _angle_between(bone_vectors(source.world), bone_vectors(track.world[reference]))
    same_tilt = same * np.exp(-((tilt / np.radians(config.bias_tilt_degrees)) ** 2))
    limit = np.log(config.bias_length_limit)
    length = ratio * np.exp(np.clip(stretch, -limit, limit) * same_tilt)
    # bones seen alike in photo and reference frame tell the bodies' ratio best
    return _Ratios(turn * same, length), float(
        weighted_medians(length[None], (trust * other.bones * (same_tilt + 0.05))[None])[0]
    )


def _angle_between(a: Array, b: Array) -> Array:
    """Angle in radians between vectors (N, 3)."""
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1) + 1e-9
    return np.asarray(np.arccos(np.clip((a * b).sum(-1) / norms, -1.0, 1.0)))


def _held_weight(confidence: Array, sigma_frames: float) -> Array:
    """1 where a bone follows the driver, 0 where it is held; changes over time are smooth."""
    ramp = np.clip((confidence - 0.25) / 0.35, 0.0, 1.0)
    smooth = np.stack([smooth_scale(column, sigma_frames) for column in ramp.T], 1)
    return np.asarray(smooth * smooth * (3 - 2 * smooth))


def _face_offsets(source: Pose, track: PoseTrack, reference: int, ratio: float, config: TransferConfig) -> Array:
    """Face joints (T, 11, 2) about the head's middle."""
    photo = np.asarray(source.keypoints[_FACE] - source.keypoints[_FACE].mean(0), np.float64)
    driver = np.asarray(track.keypoints[:, _FACE] - track.keypoints[:, _FACE].mean(1, keepdims=True), np.float64)
    start = driver[reference]
    absolute = ratio * driver
    relative = np.empty_like(driver)
    for frame, face in enumerate(driver):
        affine = fit_similarity(start, face, FACE_WEIGHTS, (0.7, 1.4))
        relative[frame] = photo @ affine[:, :2].T + ratio * (face - start @ affine[:, :2].T)
    size = np.linalg.norm(photo, axis=1).mean() + 1e-6
    difference = np.sqrt(((photo - ratio * start) ** 2).sum(-1).mean()) / size
    same = float(np.exp(-((difference / 0.5) ** 2)))
    return np.asarray(same * relative + (1 - same) * absolute)


def transfer_track(
    source: Pose,
    track: PoseTrack,
    config: TransferConfig | None = None,
    *,
    drawn: npt.NDArray[np.floating[Any]] | None = None,
) -> TransferredTrack:
    """Carry the driver's motion over to the source's body.

    Args:
        source: the photo's pose; confidence 0 for joints that can't be used.
        track: the driver's smoothed track.
        config: options.
        drawn: (33, 2) where the pixels of each joint are drawn from, for the limit of stretching; None takes the
            photo's own joints.

    Returns:
        One output skeleton per driver frame.
    """
    config = config or TransferConfig()
    reference = nearest_frame(source, track)
    rate = track.rate_hz
    raw_scale = picture_scale(track.keypoints, track.world, track.confidence)
    size = smooth_scale(raw_scale, config.scale_seconds * rate)
    relative_scale = size / size[reference]
    ratios, body_ratio = _bone_ratios(source, track, reference, relative_scale, config)
    driven = _rotate(bone_vectors(track.keypoints), ratios.angle) * ratios.length[:, None]
    follows = _held_weight(bone_confidence(track.confidence), 0.1 * rate)
    photo = bone_vectors(source.keypoints)
    vectors = _with_held(driven, follows, photo, relative_scale)
    vectors, stretched = _limit_stretch(
        vectors, photo if drawn is None else bone_vectors(drawn), relative_scale, config.stretch_limit
    )
    pelvis_seen = min(track.confidence[:, list(SPAN_BONES[1])].mean(), source.confidence[list(SPAN_BONES[1])].min())
    keypoints = _assemble(
        source, track, reference, vectors, body_ratio, relative_scale, config, hips_are_root=pelvis_seen > 0.5
    )
    confidence = np.asarray(track.confidence).copy()
    depth = track.depth * body_ratio
    warnings = (*_missing_parts(source, track), *_stretch_warnings(stretched, config.stretch_limit))
    return TransferredTrack(
        keypoints.astype(np.float32), depth.astype(np.float32), confidence.astype(np.float32),
        relative_scale.astype(np.float32), reference, warnings,
    )  # fmt: skip


def _with_held(driven: Array, follows: Array, photo: Array, relative_scale: Array) -> Array:
    """Bones (T, N, 2) as driven, and as in the photo where the driver doesn't show them.

    Forearms and hands are held at their joint: a hand that leaves the picture goes on hanging from its forearm. All
    other bones keep the photo's direction: legs go on standing under a body that bends.
    """
    vectors = np.empty_like(driven)
    for bone in range(driven.shape[1]):
        held = photo[bone] * relative_scale[:, None]
        carrier = _ARM_CARRIERS.get(bone)
        if carrier is not None:
            held = _rotate(held, _angles(vectors[:, carrier]) - _angles(photo[carrier]))
        share = follows[:, bone, None]
        vectors[:, bone] = share * driven[:, bone] + (1 - share) * held
    return vectors


def _limit_stretch(
    vectors: Array, drawn: Array, relative_scale: Array, limit: float
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Shorten limb bones that would draw their pixels out too far.

    Returns:
        The vectors, and (T, N) where the limit was met.
    """
    longest = limit * np.linalg.norm(drawn, axis=-1) * relative_scale[:, None]
    length = np.linalg.norm(vectors, axis=-1)
    factor = np.minimum(1.0, longest / np.maximum(length, 1e-6))
    factor[:, _NUM_CHAIN:] = 1.0
    return vectors * factor[..., None], factor < 0.999


_LONG_BONES: Final = {
    index: f"{JOINT_NAMES[parent].split('_')[0]} {part}"
    for index, (parent, child) in enumerate(CHAINS)
    for part, ends in {
        "upper arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"),
        "thigh": ("hip", "knee"), "shin": ("knee", "ankle"),
    }.items()
    if JOINT_NAMES[parent].endswith(ends[0]) and JOINT_NAMES[child].endswith(ends[1])
}  # fmt: skip


def _stretch_warnings(stretched: npt.NDArray[np.bool_], limit: float) -> tuple[tuple[str, str], ...]:
    return tuple(
        ("W311", f"{name}: drawn shorter than the driver asks in {count} frames (the photo shows too little of it; "
                 f"a part is stretched at most {limit:g} times)")
        for index, name in _LONG_BONES.items()
        if (count := int(stretched[:, index].sum())) > 0.05 * len(stretched)
    )  # fmt: skip


def _assemble(
    source: Pose, track: PoseTrack, reference: int, vectors: Array, ratio: float, relative_scale: Array,
    config: TransferConfig, *, hips_are_root: bool,
) -> Array:  # fmt: skip
    """Put the bones together, from the root out."""
    result = np.zeros((len(track), *source.keypoints.shape))
    root_joints = list(SPAN_BONES[1] if hips_are_root else SPAN_BONES[0])
    travel = track.keypoints[:, root_joints].mean(1) - track.keypoints[reference, root_joints].mean(0)
    root = source.keypoints[root_joints].mean(0) + ratio * travel
    pelvis = root if hips_are_root else root - vectors[:, _SPINE]
    neck = root + vectors[:, _SPINE] if hips_are_root else root
    for middle, bone, (left, right) in (
        (neck, vectors[:, _SHOULDERS], SPAN_BONES[0]),
        (pelvis, vectors[:, _HIPS], SPAN_BONES[1]),
    ):
        result[:, left], result[:, right] = middle - bone / 2, middle + bone / 2
    for index, (parent, child) in enumerate(CHAINS):
        result[:, child] = result[:, parent] + vectors[:, index]
    result[:, _FACE] = _head_middle(source, track, reference, neck, ratio, relative_scale)[:, None] + _face_offsets(
        source, track, reference, ratio, config
    )
    result += _ground_shift(source, track, result, reference)
    if config.align == "body":
        result[..., 0] += _kept_in_frame(source, track, result, root_joints)[:, None]
    return result


def _kept_in_frame(source: Pose, track: PoseTrack, keypoints: Array, root_joints: list[int]) -> Array:
    """Bring the motion into the photo's width, where the driver stays in its own picture.

    A photo is often narrower than the driver's stage. The whole motion is moved sideways where that is enough, and
    its travel is made shorter where it isn't.

    Returns:
        (T,) shift in x for all joints of a frame.
    """
    driver_width, width = track.size_hw[1], source.size_hw[1]
    is_inside = (track.keypoints[..., 0] > 0) & (track.keypoints[..., 0] < driver_width) & (track.confidence > 0.5)
    frames = track.is_detected & is_inside.any(1)
    if not frames.any():
        return np.zeros(len(track))
    root = keypoints[:, root_joints, 0].mean(1)
    start = float(source.keypoints[root_joints, 0].mean())
    left = np.where(is_inside, keypoints[..., 0] - root[:, None], 0.0).min(1)[frames]
    right = np.where(is_inside, keypoints[..., 0] - root[:, None], 0.0).max(1)[frames]
    travel = root - start
    low, high = float(np.percentile(root[frames] + left, 1)), float(np.percentile(root[frames] + right, 99))
    if low >= -_FRAME_SLACK * width and high <= (1 + _FRAME_SLACK) * width:
        return np.zeros(len(track))
    for share in np.linspace(1.0, 0.0, 21):
        x = start + share * travel[frames]
        low, high = float(np.percentile(x + left, 1)), float(np.percentile(x + right, 99))
        if high - low <= width - 1:
            break
    move = max(-low, 0.0) + min(width - 1 - high, 0.0) if high - low <= width - 1 else (width - 1 - low - high) / 2
    return np.asarray((share - 1.0) * travel + move)


def _head_middle(
    source: Pose, track: PoseTrack, reference: int, neck: Array, ratio: float, relative_scale: Array
) -> Array:
    """Middle of the face joints: the photo's own offset from the neck plus the driver's change of it.

    Where the driver's head comes forward, in perspective or from a bow in the reference frame, the sum would be a
    giraffe's neck: it grows only as far as the photo's own may be foreshortened.
    """
    own, driver = _from_shoulders(source.keypoints), _from_shoulders(track.keypoints)
    start = driver[reference]
    difference = np.linalg.norm(own - ratio * start) / (np.linalg.norm(own) + 1e-6)
    same = float(np.exp(-((difference / 0.35) ** 2)))
    offset = same * (own + ratio * (driver - start)) + (1 - same) * ratio * driver
    length = np.linalg.norm(offset, axis=-1)
    longest = _longest_neck(source) * relative_scale
    return np.asarray(neck + offset * np.minimum(1.0, longest / np.maximum(length, 1e-6))[:, None])


def _from_shoulders(points: npt.NDArray[np.floating[Any]]) -> Array:
    """Return the way (..., D) from the shoulders' middle to the head's, of joints (..., 33, D)."""
    return np.asarray(points[..., _FACE, :].mean(-2) - points[..., list(SPAN_BONES[0]), :].mean(-2))


def _longest_neck(source: Pose) -> float:
    """Return how far the head's middle may be from the shoulders', in pixels: as in the photo, or as far in space."""
    seen, in_space = (float(np.linalg.norm(_from_shoulders(points))) for points in (source.keypoints, source.world))
    scale = float(picture_scale(source.keypoints[None], source.world[None], source.confidence[None])[0])
    return _NECK_SLACK * max(seen, in_space * scale if np.isfinite(scale) else 0.0)


def _ground_shift(source: Pose, track: PoseTrack, keypoints: Array, reference: int) -> Array:
    """Vertical shift that puts the reference pose's lower foot where the photo's stands."""
    feet = list(_ANKLES)
    if min(source.confidence[feet].min(), track.confidence[reference, feet].min()) < 0.5:
        return np.zeros(2)
    return np.array([0.0, source.keypoints[feet, 1].max() - keypoints[reference, feet, 1].max()])


def _missing_parts(source: Pose, track: PoseTrack) -> tuple[tuple[str, str], ...]:
    """Say which parts the photo or the driver doesn't show."""
    warnings = []
    knees = list(_KNEES)
    photo_has_legs = source.confidence[knees].max() >= 0.3
    driver_has_legs = np.median(track.confidence[:, knees].max(1)) >= 0.3
    if photo_has_legs and not driver_has_legs:
        warnings.append(("W301", "the driver doesn't show the legs: they keep the photo's pose"))
    if driver_has_legs and not photo_has_legs:
        warnings.append(("W302", "the photo doesn't show the legs: the driver's steps move the upper body only"))
    return tuple(warnings)
