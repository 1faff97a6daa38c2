"""Metrics over time: error along the real clip's motion, jitter of the joints."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.images import BoolArray, Image

__all__ = ["RealMotion", "joint_jitter", "measure_real_motion", "warping_error"]

Flow = npt.NDArray[np.float32]
RealMotion = tuple[npt.NDArray[np.float32], BoolArray]
"""Backward flow (H, W, 2) in pixels from a frame into its predecessor, and (H, W) bool where it can be trusted."""

_MIN_FLOW_SIDE = 16


def _dis_flow(start: npt.NDArray[np.uint8], end: npt.NDArray[np.uint8]) -> Flow:
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(estimator.calc(start, end, None), np.float32)  # type: ignore[call-overload]


def _sample(image: npt.NDArray[Any], flow: Flow, top_left: tuple[int, int] = (0, 0)) -> npt.NDArray[Any]:
    """Sample an image where the flow of a region, whose first pixel is at `top_left` (y, x), points to."""
    height, width = flow.shape[:2]
    xs = flow[..., 0] + np.arange(top_left[1], top_left[1] + width, dtype=np.float32)
    ys = flow[..., 1] + np.arange(top_left[0], top_left[0] + height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(image, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _half_grey(image: Image) -> npt.NDArray[np.uint8]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    half = (max(_MIN_FLOW_SIDE, grey.shape[1] // 2), max(_MIN_FLOW_SIDE, grey.shape[0] // 2))
    return np.asarray(cv2.resize(grey, half, interpolation=cv2.INTER_AREA), np.uint8)


def measure_real_motion(previous: Image, current: Image) -> RealMotion:
    """Measure the motion of the real clip between two frames, on pictures of half the size.

    Args:
        previous: (H, W, 3) uint8 RGB.
        current: the same shape, the later frame.

    Returns:
        Backward flow (H, W, 2) from `current` into `previous`, in pixels, and where it can be trusted: forward and
        backward flow agree within 1 px + 5 % of the motion.
    """
    before, now = _half_grey(previous), _half_grey(current)
    backward, forward = _dis_flow(now, before), _dis_flow(before, now)
    height, width = current.shape[:2]
    scale = np.array([width / now.shape[1], height / now.shape[0]], np.float32)
    mismatch = (backward + _sample(forward, backward)) * scale
    backward = backward * scale
    limit = 1.0 + 0.05 * cv2.magnitude(backward[..., 0], backward[..., 1])
    trusted = cv2.magnitude(mismatch[..., 0], mismatch[..., 1]) < limit
    return (
        np.asarray(cv2.resize(backward, (width, height), interpolation=cv2.INTER_LINEAR), np.float32),
        cv2.resize(trusted.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0,
    )


def warping_error(previous: Image, current: Image, motion: RealMotion, mask: BoolArray) -> float | None:
    """Compare a frame with its predecessor warped along the real clip's motion.

    Args:
        previous: (H, W, 3) uint8 RGB, of the clip to judge.
        current: the same shape, the later frame.
        motion: of the real clip, as `measure_real_motion` returns it.
        mask: (H, W) bool, where to compare.

    Returns:
        Mean absolute difference in grey levels; None where the motion can be trusted nowhere in the mask.

    Source: Lai et al. 2018, "Learning blind video temporal consistency", with the mean absolute for the squared error.
    """
    flow, trusted = motion
    where = mask & trusted
    if not where.any():
        return None
    left, top, width, height = cv2.boundingRect(where.view(np.uint8))
    box = np.s_[top : top + height, left : left + width]
    warped = np.asarray(_sample(previous, flow[box], (top, left)), np.uint8)
    return float(cv2.absdiff(np.ascontiguousarray(current[box]), warped)[where[box]].mean())


def joint_jitter(errors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Measure how the joints' errors tremble from frame to frame.

    Taken of the error, not of the joints, so that the motion that should be there does not count.

    Args:
        errors: (T, K, 2), found minus real joints, in any unit; NaN where a joint was not found.

    Returns:
        (T - 2,) mean length over the joints of the errors' second difference, in the same unit; NaN where no joint
        was found in three successive frames. Empty for fewer than three frames.
    """
    second = np.linalg.norm(np.diff(errors, n=2, axis=0), axis=-1)
    found = ~np.isnan(second)
    totals, counts = np.where(found, second, 0.0).sum(axis=1), found.sum(axis=1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
