"""The skeleton and mask of the person in one photo: the median of several jittered readings."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

import cv2
import numpy as np

from retarget.config import PoseConfig
from retarget.pose.confidence import PHOTO_MARGIN, in_picture_weight
from retarget.pose.estimator import Detection, PoseEstimator, Region, person_box, resize_pose, size_of
from retarget.pose.people import PersonChoice, choose_person, find_from_afar, find_people
from retarget.records import FloatArray, Pose, PoseTrack, UInt8Array

__all__ = ["estimate_again", "estimate_photo", "track_of_pose"]

_REGION_REFINEMENTS: Final = 3
"""A region found by the detector is redrawn from the skeleton inside it, as happens over the frames of a video."""
_SHIFT: Final = 0.03
_SCALE: Final = 0.08
_TURN_RADIANS: Final = 0.10
_SEED: Final = 20
_MAX_SIDE_PX: Final = 1600
"""Larger photos are read in a shrunk copy: the model sees 256 px of the person either way."""


def estimate_photo(
    rgb: UInt8Array,
    config: PoseConfig | None = None,
    *,
    estimator: PoseEstimator | None = None,
    where: str = "the photo",
) -> Detection:
    """Read the person of a photo.

    One reading depends by several pixels on how the region happens to lie; the median over slightly shifted, scaled
    and turned regions does not. The mask is the mean over the same readings, which also softens its edge where the
    readings disagree.

    Args:
        rgb: (H, W, 3) uint8 sRGB, upright.
        config: person to choose, number of readings, hands and face.
        estimator: reads regions and skeletons; None opens MediaPipe's for this call.
        where: name of the photo for the message of an error.

    Returns:
        The person, with mask. Confidence is visibility, faded out over 15 % of the picture's size outside of it:
        a wrist that is just cut off still tells where its forearm points.

    Raises:
        PersonNotFoundError: nobody was found, or not the person asked for.
        UsageError: `config.person` is not understood.
    """
    config = config or PoseConfig()
    if estimator is None:
        from retarget.pose.mediapipe_estimator import MediaPipeEstimator

        with MediaPipeEstimator(config) as own_estimator:
            return estimate_photo(rgb, config, estimator=own_estimator, where=where)
    longest = max(rgb.shape[:2])
    if longest > _MAX_SIDE_PX:
        scale = _MAX_SIDE_PX / longest
        small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        choice = PersonChoice.parse(config.person).scaled(scale)
        return _enlarged(_estimate(small, choice, config, estimator, where), size_of(rgb))
    return _estimate(rgb, PersonChoice.parse(config.person), config, estimator, where)


def _estimate(
    rgb: UInt8Array, choice: PersonChoice, config: PoseConfig, estimator: PoseEstimator, where: str
) -> Detection:
    people = find_people(rgb, estimator, effort="normal" if choice.rule == "largest" else "thorough")
    people = people or find_from_afar(rgb, estimator)
    person = choose_person(people, choice, where=where)
    for _ in range(_REGION_REFINEMENTS):
        person = estimator.estimate(rgb, person.region) or person
    readings = _jittered_readings(rgb, person.region, config.photo_reads, estimator)
    return replace(_median(readings or [person], region=person.region), num_others=len(people) - 1)


def estimate_again(
    rgb: UInt8Array, keypoints: FloatArray, *, num_reads: int, estimator: PoseEstimator | None = None
) -> Detection | None:
    """Read a person whose skeleton is known, with mask; nobody is looked for.

    Args:
        rgb: (H, W, 3) uint8 sRGB, upright.
        keypoints: (33, 2) the skeleton, pixels.
        num_reads: number of readings, as for `estimate_photo`.
        estimator: reads skeletons; None opens MediaPipe's for this call.

    Returns:
        The person; None where nobody is recognised.
    """
    if estimator is None:
        from retarget.pose.mediapipe_estimator import MediaPipeEstimator

        with MediaPipeEstimator() as own_estimator:
            return estimate_again(rgb, keypoints, num_reads=num_reads, estimator=own_estimator)
    first = estimator.estimate(rgb, Region.of_skeleton(keypoints), with_mask=True)
    if first is None:
        return None
    readings = _jittered_readings(rgb, first.region, num_reads, estimator)
    return _median(readings or [first], region=first.region)


def track_of_pose(pose: Pose) -> PoseTrack:
    """Return a track of one frame, at time 0."""
    return PoseTrack(
        keypoints=pose.keypoints[None],
        confidence=pose.confidence[None],
        depth=pose.depth[None],
        world=pose.world[None],
        is_detected=np.ones(1, np.bool_),
        pts=np.zeros(1, np.int64),
        time_base=Fraction(1),
        size_hw=pose.size_hw,
        hands=None if pose.hands is None else pose.hands[None],
        face=None if pose.face is None else pose.face[None],
    )


def _jittered_readings(rgb: UInt8Array, region: Region, count: int, estimator: PoseEstimator) -> list[Detection]:
    random = np.random.default_rng(_SEED)
    readings = []
    for index in range(count):
        shift = random.uniform(-_SHIFT, _SHIFT, 2)
        scale = 1.0 + random.uniform(-_SCALE, _SCALE)
        turn = random.uniform(-_TURN_RADIANS, _TURN_RADIANS)
        jittered = region if index == 0 else region.jittered((float(shift[0]), float(shift[1])), scale, turn)
        reading = estimator.estimate(rgb, jittered, with_mask=True)
        if reading is not None:
            readings.append(reading)
    return readings


def _median(readings: list[Detection], *, region: Region) -> Detection:
    poses = [reading.pose for reading in readings]
    size_hw = poses[0].size_hw
    keypoints = _median_of([pose.keypoints for pose in poses])
    confidence = _median_of([pose.confidence for pose in poses])
    masks = [reading.mask for reading in readings if reading.mask is not None]
    pose = Pose(
        keypoints=keypoints,
        confidence=confidence * in_picture_weight(keypoints, size_hw, margin=PHOTO_MARGIN),
        depth=_median_of([pose.depth for pose in poses]),
        world=_median_of([pose.world for pose in poses]),
        size_hw=size_hw,
        hands=_hands(poses),
        face=_face(poses),
    )
    return Detection(
        pose=pose,
        box=person_box(keypoints, confidence, size_hw),
        region=region,
        mask=np.mean(masks, axis=0, dtype=np.float32) if masks else None,
    )


def _enlarged(person: Detection, size_hw: tuple[int, int]) -> Detection:
    """Bring a person read in a shrunk copy to the size of the whole picture."""
    pose = resize_pose(person.pose, size_hw)
    across, down = size_hw[1] / person.pose.size_hw[1], size_hw[0] / person.pose.size_hw[0]
    left, top, right, bottom = person.box
    x, y = person.region.center_xy
    center_xy = ((x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5)
    return Detection(
        pose=pose,
        box=(left * across, top * down, right * across, bottom * down),
        region=replace(person.region, center_xy=center_xy, size_px=person.region.size_px * across),
        mask=None if person.mask is None else cv2.resize(person.mask, size_hw[::-1], interpolation=cv2.INTER_LINEAR),
    )


def _median_of(arrays: list[FloatArray]) -> FloatArray:
    return np.asarray(np.median(np.stack(arrays), axis=0), np.float32)


def _hands(poses: list[Pose]) -> FloatArray | None:
    hands = [pose.hands for pose in poses if pose.hands is not None]
    if not hands:
        return None
    stacked = np.stack(hands)
    seen = stacked[..., :1, 2] > 0
    stacked[..., :2] = np.where(seen[..., None], stacked[..., :2], np.nan)
    points = np.zeros_like(hands[0])
    is_seen_at_all = seen.any(axis=(0, 2))
    points[is_seen_at_all, :, :2] = np.nanmedian(stacked[:, is_seen_at_all, :, :2], axis=0)
    points[..., 2] = stacked[..., 2].mean(axis=0)
    return points


def _face(poses: list[Pose]) -> FloatArray | None:
    faces = [pose.face for pose in poses if pose.face is not None]
    seen = [face for face in faces if not np.isnan(face).any()]
    if seen:
        return _median_of(seen)
    return faces[0] if faces else None
