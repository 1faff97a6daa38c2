"""Scores of one generated frame against the real one, inside the real person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.images import (
    BoolArray,
    Image,
    laplacian_energy,
    shift_tolerant_error,
    squared_error_map,
    ssim_map,
)
from drn_core.evaluation.joints import head_box, is_within_box, joint_errors, openpose_joints
from drn_core.evaluation.parts import PART_JOINTS, PART_NAMES, part_labels
from drn_core.evaluation.readings import Reading, torso_length
from drn_core.evaluation.temporal import measure_real_motion, warping_error

__all__ = [
    "FACE_MATCH_DISTANCE",
    "MIN_CONFIDENCE",
    "MIN_PERSON_PIXELS",
    "FramePair",
    "FrameScores",
    "core_scores",
    "detail_scores",
    "is_measurable",
]

Points = npt.NDArray[np.float32]
FrameScores = dict[str, float]
"""Named scores of one frame; a score that can't be taken from it is absent. "mse" ones are squared grey levels."""

MIN_PERSON_PIXELS = 400
MIN_CONFIDENCE = 0.6
FACE_MATCH_DISTANCE = 0.6
_PCK_TORSOS = 0.1
_STRICT_PCK_TORSOS = 0.05
_MIN_SSIM_SIDE = 16
_MIN_PART_PIXELS = 50


def is_measurable(reading: Reading) -> bool:
    """Tell whether a real frame shows a person large enough to measure on.

    Args:
        reading: of the real frame.
    """
    return reading.has_person and reading.mask is not None and int(reading.mask.sum()) >= MIN_PERSON_PIXELS


@dataclass(frozen=True)
class _Box:
    """Half-open bounds of the person in the picture."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, mask: BoolArray) -> _Box:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return cls(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)

    def grown(self, margin: int) -> _Box:
        return _Box(max(self.top - margin, 0), self.bottom + margin, max(self.left - margin, 0), self.right + margin)

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class FramePair:
    """A generated frame beside the real one, with what was read from each.

    Attributes:
        index: running number in the clip.
        real: (H, W, 3) uint8 RGB.
        generated: the same shape.
        real_reading: must be measurable, see `is_measurable`.
        generated_reading: its mask is not used.
    """

    index: int
    real: Image
    generated: Image
    real_reading: Reading
    generated_reading: Reading

    def __post_init__(self) -> None:
        if not is_measurable(self.real_reading):
            raise ValueError(f"frame {self.index}: the real frame shows no person to measure on")

    @property
    def mask(self) -> BoolArray:
        """(H, W) bool, True on the real person."""
        return cast(BoolArray, self.real_reading.mask)

    @property
    def keypoints(self) -> Points:
        """(33, 2), pixels: the real joints, unsure ones included."""
        return cast(Points, self.real_reading.keypoints)

    @cached_property
    def real_joints(self) -> Points:
        """(33, 2), pixels: the real joints, NaN where the estimator was not sure."""
        sure = cast(Points, self.real_reading.confidence) > MIN_CONFIDENCE
        return np.where(sure[:, None], self.keypoints, np.float32(np.nan))

    @property
    def torso_px(self) -> float:
        """Length of the real torso in pixels, unsure joints included."""
        return torso_length(self.keypoints)

    @cached_property
    def box(self) -> _Box:
        """Bounds of the real person."""
        return _Box.around(self.mask)

    @cached_property
    def squared_error(self) -> npt.NDArray[np.float32]:
        """(H, W) float32, squared grey levels."""
        return squared_error_map(self.real, self.generated)

    @cached_property
    def ssim(self) -> npt.NDArray[np.float64] | None:
        """SSIM map of the person's box, (h, w); None where the box is too small."""
        box = self.box
        if min(box.bottom - box.top, box.right - box.left) <= _MIN_SSIM_SIDE:
            return None
        return ssim_map(self.real[box.slices], self.generated[box.slices])

    @cached_property
    def joint_distances(self) -> npt.NDArray[np.float64] | None:
        """(33,) torso lengths between found and real joints, NaN where the real one is unsure; None: nobody found."""
        if self.generated_reading.keypoints is None:
            return None
        return joint_errors(self.generated_reading.keypoints, self.real_joints) / self.torso_px


def core_scores(pair: FramePair, previous: FramePair | None) -> FrameScores:
    """Take the scores of the protocol "reenact".

    Args:
        pair: the frame.
        previous: the frame measured before it, for flicker; None where there is none.

    Returns:
        "mse", "tmse", "ssim", "sharp", "pck", "akd", "miss", "face", "flick".
    """
    scores = {**_picture_scores(pair), **_joint_scores(pair), **_face_similarity(pair)}
    if previous is not None:
        box = pair.box.slices
        change = _error(pair, box) - _error(previous, box)
        scores["flick"] = float(np.abs(change[pair.mask[box]]).mean())
    return scores


def detail_scores(pair: FramePair, previous: FramePair | None) -> FrameScores:
    """Take the scores that the protocol "video" has beyond "reenact".

    Args:
        pair: the frame.
        previous: the frame measured before it, for the warping error; None where there is none.

    Returns:
        "pck_05", "pckh", "pck_PART", "face_found", "face_match", "mse_PART", "ssim_PART", "warp", "warp_real".
    """
    scores = {**_strict_joint_scores(pair), **_face_checks(pair), **_part_scores(pair)}
    if previous is not None:
        motion = measure_real_motion(previous.real, pair.real)
        for name, before, now in (
            ("warp", previous.generated, pair.generated),
            ("warp_real", previous.real, pair.real),
        ):
            error = warping_error(before, now, motion, pair.mask)
            if error is not None:
                scores[name] = error
    return scores


def _error(pair: FramePair, box: tuple[slice, slice]) -> npt.NDArray[np.int16]:
    return np.subtract(pair.generated[box], pair.real[box], dtype=np.int16)


def _picture_scores(pair: FramePair) -> FrameScores:
    mask, box = pair.mask, pair.box
    wide = box.grown(8).slices
    radius = max(2.0, 0.015 * (box.bottom - box.top))
    error = shift_tolerant_error(pair.real[wide], pair.generated[wide], radius_px=radius)
    scores = {
        "mse": float(pair.squared_error[mask].mean()),
        "tmse": float(error[mask[wide]].mean()),
        "sharp": laplacian_energy(pair.generated, mask) / max(laplacian_energy(pair.real, mask), 1e-3),
    }
    if pair.ssim is not None:
        scores["ssim"] = float(pair.ssim[mask[box.slices]].mean())
    return scores


def _joint_scores(pair: FramePair) -> FrameScores:
    distances = pair.joint_distances
    scores = {"miss": 100.0 * (distances is None), "pck": 0.0}
    if distances is not None and not np.isnan(distances).all():
        scores["akd"] = float(100 * np.nanmean(distances))
        scores["pck"] = _share_within(distances, _PCK_TORSOS)
    return scores


def _share_within(distances: npt.NDArray[np.float64], limit: float) -> float:
    return float(100 * (distances[~np.isnan(distances)] < limit).mean())


def _face_similarity(pair: FramePair) -> FrameScores:
    distance = _face_distance(pair)
    if pair.real_reading.face is None:
        return {}
    return {"face": 0.0 if distance is None else 1.0 - distance}


def _face_distance(pair: FramePair) -> float | None:
    if pair.real_reading.face is None or pair.generated_reading.face is None:
        return None
    return float(np.linalg.norm(pair.real_reading.face - pair.generated_reading.face))


def _face_checks(pair: FramePair) -> FrameScores:
    if pair.real_reading.face is None:
        return {}
    distance = _face_distance(pair)
    return {
        "face_found": 100.0 * (distance is not None),
        "face_match": 100.0 * (distance is not None and distance < FACE_MATCH_DISTANCE),
    }


def _strict_joint_scores(pair: FramePair) -> FrameScores:
    target = pair.real_joints
    present = ~np.isnan(target[:, 0])
    distances = np.full(len(target), np.inf) if pair.joint_distances is None else pair.joint_distances
    scores = {}
    if present.any():
        scores["pck_05"] = float(100 * (distances[present] < _STRICT_PCK_TORSOS).mean())
    for part, joints in PART_JOINTS.items():
        own = np.array(joints)[present[list(joints)]]
        if own.size:
            scores[f"pck_{part}"] = float(100 * (distances[own] < _PCK_TORSOS).mean())
    share = _pckh(pair, target)
    return scores if share is None else {**scores, "pckh": share}


def _pckh(pair: FramePair, target: Points) -> float | None:
    real = openpose_joints(target)
    box, present = head_box(real), ~np.isnan(real[:, 0])
    if box is None or not present.any():
        return None
    if pair.generated_reading.keypoints is None:
        return 0.0
    return float(100 * is_within_box(openpose_joints(pair.generated_reading.keypoints), real, box)[present].mean())


def _part_scores(pair: FramePair) -> FrameScores:
    box = pair.box.slices
    labels = part_labels(pair.keypoints, pair.mask)[box]
    scores = {}
    for number, part in enumerate(PART_NAMES):
        where = labels == number
        if int(where.sum()) < _MIN_PART_PIXELS:
            continue
        scores[f"mse_{part}"] = float(pair.squared_error[box][where].mean())
        if pair.ssim is not None:
            scores[f"ssim_{part}"] = float(pair.ssim[where].mean())
    return scores
