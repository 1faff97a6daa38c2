"""Scores of one generated image against its real target: SSIM in the lineage's way, PSNR, parts, joints, faces."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.frames import FACE_MATCH_DISTANCE, MIN_CONFIDENCE
from drn_core.evaluation.images import Image, decibels, gaussian_ssim_map, squared_error_map, ssim_map
from drn_core.evaluation.joints import OPENPOSE_NAMES, head_box, is_within_box, joint_errors, openpose_joints
from drn_core.evaluation.parts import PART_NAMES, part_labels
from drn_core.evaluation.readings import Reading

__all__ = [
    "blur_score",
    "face_scores",
    "joint_scores",
    "lineage_ssim",
    "pad_to_square",
    "picture_scores",
    "target_joints",
]

Scores = dict[str, float]
Points = npt.NDArray[np.float32]

_GAUSSIAN_BORDER = 5
_UNIFORM_BORDER = 3
_MIN_PART_PIXELS = 50
_PCKH_SHARES = {"pckh": 0.5, "pckh_02": 0.2}
_PCK_TORSOS = {"pck": 0.1, "pck_05": 0.05}
_SHOULDERS, _HIPS = [2, 5], [8, 11]


def pad_to_square(image: Image) -> Image:
    """Pad an image with white on its shorter sides, as DeepFashion's 176-pixel images are padded to 256.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (S, S, 3) uint8 with S the longer side; an odd pixel goes to the bottom or right.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padded = cv2.copyMakeBorder(
        image, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
    return np.asarray(padded, np.uint8)


def lineage_ssim(target: Image, generated: Image) -> float:
    """Compute SSIM as the evaluation scripts since Def-GAN and PATN do.

    Args:
        target: (H, W, 3) uint8 RGB.
        generated: the same shape.

    Returns:
        Mean SSIM of the images padded with white to a square: Gaussian window of sigma 1.5, population covariance,
        data range of the generated image, borders of 5 pixels left out. 1 for two images of one and the same colour.

    Source: tool/getMetrics_fashion.py published with PATN (Zhu et al. 2019), scikit-image's compare_ssim.
    """
    target, generated = pad_to_square(target), pad_to_square(generated)
    data_range = float(generated.max()) - float(generated.min())
    if data_range == 0:
        return 1.0 if np.array_equal(target, generated) else 0.0
    index = gaussian_ssim_map(target, generated, data_range=data_range)
    inner = slice(_GAUSSIAN_BORDER, -_GAUSSIAN_BORDER)
    return float(index[inner, inner].mean())


def picture_scores(target: Image, generated: Image, target_reading: Reading | None) -> Scores:
    """Compare a generated image with its target.

    Args:
        target: (H, W, 3) uint8 RGB.
        generated: the same shape.
        target_reading: joints and mask of the target, for the parts; None where not asked for.

    Returns:
        "ssim", "ssim_plain", "psnr", and "ssim_PART" for parts of at least 50 pixels.
    """
    index = ssim_map(target, generated)
    inner = slice(_UNIFORM_BORDER, -_UNIFORM_BORDER)
    scores = {
        "ssim": lineage_ssim(target, generated),
        "ssim_plain": float(index[inner, inner].mean()),
        "psnr": decibels(float(squared_error_map(target, generated).mean())),
    }
    if target_reading is None or target_reading.keypoints is None or target_reading.mask is None:
        return scores
    labels = part_labels(target_reading.keypoints, target_reading.mask)
    for number, part in enumerate(PART_NAMES):
        where = labels == number
        if int(where.sum()) >= _MIN_PART_PIXELS:
            scores[f"ssim_{part}"] = float(index[where].mean())
    return scores


def blur_score(image: Image) -> float:
    """Judge the sharpness of one image without a reference.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        0 for a sharp image to 1 for a blurred one.

    Source: Crete et al. 2007, as scikit-image has it.
    """
    from skimage.measure import blur_effect

    return float(blur_effect(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)))


def target_joints(reading: Reading) -> Points | None:
    """Take the joints a generated image must have from a reading of its target.

    Args:
        reading: of the target.

    Returns:
        (18, 2) pixels in OpenPose's order, NaN where the estimator was not sure; None where nobody was found.
    """
    if reading.keypoints is None or reading.confidence is None:
        return None
    sure = (reading.confidence > MIN_CONFIDENCE)[:, None]
    return openpose_joints(np.where(sure, reading.keypoints, np.float32(np.nan)))


def joint_scores(found: Points | None, target: Points) -> tuple[Scores, Scores]:
    """Count the joints found near enough to where they should be.

    Args:
        found: (18, 2), pixels; None where nobody was found: all joints are misses.
        target: (18, 2), pixels; NaN where absent: such joints do not count.

    Returns:
        Scores and their weights, the number of target joints behind them: "pckh", "pckh_02", "pckh_JOINT", "pck",
        "pck_05", "miss". Without a head box (fewer than two head joints) or torso the respective ones are absent.
    """
    found_or_nan = np.full_like(target, np.nan) if found is None else found
    present = ~np.isnan(target).any(axis=1)
    count = float(present.sum())
    scores: Scores = {"miss": 100.0 * (found is None)}
    weights: Scores = {}
    box = head_box(target)
    if box is not None:
        for name, share in _PCKH_SHARES.items():
            hits = is_within_box(found_or_nan, target, box, share=share)
            scores[name], weights[name] = float(100 * hits[present].mean()), count
            if name == "pckh":
                scores |= {f"pckh_{OPENPOSE_NAMES[j]}": 100.0 * bool(hits[j]) for j in np.flatnonzero(present)}
    torso = float(np.linalg.norm(target[_SHOULDERS].mean(axis=0) - target[_HIPS].mean(axis=0)))
    if torso > 0:  # False for NaN, where a shoulder or hip is absent
        near = joint_errors(found_or_nan, target) / torso
        for name, limit in _PCK_TORSOS.items():
            scores[name], weights[name] = float(100 * (near[present] < limit).mean()), count
    return scores, weights


def face_scores(target: Reading, generated: Reading) -> Scores:
    """Compare the faces, where the target shows one.

    Args:
        target: reading of the target.
        generated: reading of the generated image.

    Returns:
        "face_found" and "face_match" in percent, "face_distance" where both have a face; empty without a target face.
    """
    if target.face is None:
        return {}
    if generated.face is None:
        return {"face_found": 0.0, "face_match": 0.0}
    distance = float(np.linalg.norm(target.face - generated.face))
    return {"face_found": 100.0, "face_match": 100.0 * (distance < FACE_MATCH_DISTANCE), "face_distance": distance}
