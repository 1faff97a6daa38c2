"""The source: all that is made once of one photo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from drn_core.prior.person import PersonLayers, SourceImage, build_person
from retarget.config import PoseConfig
from retarget.person.matte import Matte, refine_matte
from retarget.person.plate import build_plate
from retarget.pipeline.proportions import true_lengths
from retarget.pose.estimator import PoseEstimator
from retarget.pose.photo import estimate_photo
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["MAX_SIDE_PX", "SourceModel", "build_source", "fit_photo", "layer_person", "rebuilding_notes"]

MAX_SIDE_PX = 4096
"""Photos with a longer side are scaled down to this: no video codec in common use shows more."""

# Closed-form matting leaves a veil of a few percent on both sides of the truth.
_NEARLY_CLEAR, _NEARLY_OPAQUE = 0.02, 0.95


@dataclass(frozen=True)
class SourceModel:
    """The person of a photo, ready to be moved.

    Attributes:
        rgb: (H, W, 3) uint8, the photo at the output's size.
        pose: the photo's skeleton.
        matte: the person's alpha and colours.
        plate: (H, W, 3) uint8, the photo without the person.
        person: the layered person.
        num_others: how many other people the photo shows.
    """

    rgb: UInt8Array
    pose: Pose
    matte: Matte
    plate: UInt8Array
    person: PersonLayers
    num_others: int = 0

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) of the photo."""
        return self.rgb.shape[0], self.rgb.shape[1]


def fit_photo(
    rgb: UInt8Array, alpha: FloatArray | None, max_side_px: int | None = None
) -> tuple[UInt8Array, FloatArray | None]:
    """Scale a photo down so that its longer side is at most `max_side_px` (default: `MAX_SIDE_PX`).

    Args:
        rgb: (H, W, 3).
        alpha: (H, W) in [0, 1] or None.
        max_side_px: limit of the longer side.

    Returns:
        Photo and alpha, unchanged where they fit.
    """
    scale = min(max_side_px or MAX_SIDE_PX, MAX_SIDE_PX) / max(rgb.shape[:2])
    if scale >= 1.0:
        return rgb, alpha
    size = (max(round(rgb.shape[1] * scale), 2), max(round(rgb.shape[0] * scale), 2))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    if alpha is None:
        return small, None
    return small, np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)


def build_source(
    rgb: UInt8Array,
    *,
    photo_alpha: FloatArray | None = None,
    config: PoseConfig | None = None,
    estimator: PoseEstimator | None = None,
    where: str = "the photo",
) -> SourceModel:
    """Make the model of the person in a photo.

    Args:
        rgb: (H, W, 3) uint8, the photo, already at the output's size (`fit_photo`).
        photo_alpha: (H, W) in [0, 1], the photo's own transparency.
        config: which person, how many readings.
        estimator: reads skeletons; None opens MediaPipe's for this call.
        where: name of the photo for messages.

    Returns:
        The source model.

    Raises:
        PersonNotFoundError: nobody is found.
    """
    detection = estimate_photo(rgb, config, estimator=estimator, where=where)
    pose = detection.pose
    mask = detection.mask if detection.mask is not None else np.zeros(rgb.shape[:2], np.float32)
    matte = refine_matte(rgb, mask, keypoints=pose.keypoints, photo_alpha=photo_alpha)
    matte = _faithful(matte, rgb)
    with ThreadPoolExecutor(1) as pool:  # the plate and the layers don't need each other
        plate = pool.submit(build_plate, rgb, matte.alpha, keypoints=pose.keypoints, confidence=pose.confidence)
        person = layer_person(matte, pose)
        return SourceModel(rgb, pose, matte, plate.result(), person, detection.num_others)


def rebuilding_notes(person: PersonLayers) -> tuple[tuple[str, str], ...]:
    """Say which limbs are not shown as the photo has them, as warnings (code, text)."""
    hidden = [("W312", f"{limb.name}: hidden in the photo, rebuilt from its mirror twin") for limb in person.rebuilt]
    short = [
        ("W313", f"{part.name.lower().replace('_', ' ')}: points at the camera in the photo, continued to its length")
        for part in person.lengthened
    ]
    end_on = [
        (
            "W312",
            f"{part.name.lower().replace('_', ' ')}: seen end on or cut off in the photo, made from its mirror twin",
        )
        for part in person.regrown
    ]
    return (*hidden, *end_on, *short)


def layer_person(matte: Matte, pose: Pose) -> PersonLayers:
    """Cut the person into layers.

    Args:
        matte: the person's alpha and colours.
        pose: the photo's skeleton.

    Returns:
        The layered person.
    """
    return build_person(
        SourceImage(
            matte.foreground, matte.alpha, pose.keypoints, pose.confidence, pose.depth, true_lengths=true_lengths(pose)
        )
    )


def _faithful(matte: Matte, rgb: UInt8Array) -> Matte:
    """Take nearly opaque for opaque and show the photo's own pixels there: estimated colours are smoother."""
    alpha = np.clip((matte.alpha - _NEARLY_CLEAR) / (_NEARLY_OPAQUE - _NEARLY_CLEAR), 0.0, 1.0).astype(np.float32)
    foreground = np.where((alpha >= 1.0)[..., None], rgb, matte.foreground)
    return Matte(alpha, foreground)
