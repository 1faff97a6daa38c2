"""MediaPipe's own pose solution on single pictures: the reading that published figures rest on, kept for judging.

The pipeline reads poses in its own way (`retarget.pose.mediapipe_estimator`); results are judged by the plain solution,
which anybody can run, one picture at a time, so that a bad frame can't lean on its neighbours.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from retarget.pose.mediapipe_loading import load_mediapipe
from retarget.quiet import quiet_stderr
from retarget.records import FloatArray, UInt8Array

__all__ = ["SinglePicturePose"]


class SinglePicturePose:
    """The solution with the "full" model in single-picture mode; not safe to share between threads."""

    def __init__(self) -> None:
        with quiet_stderr():
            self._solution: Any = load_mediapipe().solutions.pose.Pose(
                static_image_mode=True, model_complexity=1, enable_segmentation=True
            )
            self._solution.process(np.zeros((64, 64, 3), np.uint8))  # its threads greet until then
        self._has_greeted = False

    def read(self, rgb: UInt8Array) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Read the most prominent person.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            Keypoints (33, 2) in pixels as the solution scales them (x from 0 to W), confidence (33,) in [0, 1], and
            mask (H, W) in [0, 1]; None where nobody is found.
        """
        picture = np.ascontiguousarray(rgb)
        # The library prints to stderr once more when it first sees a person.
        with contextlib.nullcontext() if self._has_greeted else quiet_stderr():
            found = self._solution.process(picture)
        if not found.pose_landmarks:
            return None
        self._has_greeted = True
        height, width = rgb.shape[:2]
        marks = found.pose_landmarks.landmark
        keypoints = np.array([(mark.x * width, mark.y * height) for mark in marks], np.float32)
        confidence = np.array([mark.visibility for mark in marks], np.float32)
        return keypoints, confidence, np.asarray(found.segmentation_mask, np.float32)
