"""Metrics over time: error along the real clip's motion, jitter of the joints."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.images import BoolArray, Image

__all__ = ["RealMotion", "joint_jitter", "measure_real_motion", "warping_error"]

RealMotion = tuple[npt.NDArray[np.float32], BoolArray]
"""Backward flow (H, W, 2) in pixels from a frame into its predecessor, and (H, W) bool where it can be trusted."""


def _dis_flow(start: npt.NDArray[np.uint8], end: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(estimator.calc(start, end, None), np.float32)  # type: ignore[call-overload]


def _sample(image: npt.NDArray[np.generic], flow: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width = flow.shape[:2]
    xs = flow[..., 0] + np.arange(width, dtype=np.float32)
    ys = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(image, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def measure_real_motion(previous: Image, current: Image) -> RealMotion:
    """Measure the motion of the real clip between two frames.

    Args:
        previous: (H, W, 3) uint8 RGB.
        current: the same shape, the later frame.

    Returns:
        Backward flow (H, W, 2) from `current` into `previous`, in pixels, and where it can be trusted: forward and
        backward flow agree within 1 px + 5 % of the motion.
    """
    before, now = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (previous, current))
    backward, forward = _dis_flow(now, before), _dis_flow(before, now)
    there_and_back = backward + _sample(forward, backward)
    size = np.sqrt((backward**2).sum(axis=2))
    return backward, np.sqrt((there_and_back**2).sum(axis=2)) < 1.0 + 0.05 * size


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
    return float(np.abs(current - _sample(previous, flow))[where].mean())


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
