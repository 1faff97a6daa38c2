"""Observers: find the person, the mask and the face in single pictures, real or generated alike."""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.readings import Reading
from retarget.pose.mediapipe_solution import SinglePicturePose
from retarget.records import UInt8Array

__all__ = ["FaceObserver", "Observer", "PersonObserver"]


class Observer(Protocol):
    """Reads joints and mask, and a face where asked for."""

    def read(self, rgb: UInt8Array, *, face: bool) -> Reading:
        """Read one picture.

        Args:
            rgb: (H, W, 3) uint8.
            face: also look for a face.
        """


class FaceObserver:
    """Describes the largest face of a picture by dlib's 128 numbers (same person: distance below about 0.6)."""

    def __init__(self) -> None:
        import dlib

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "pkg_resources is deprecated")
            import face_recognition_models as weights

        self._detect = dlib.get_frontal_face_detector()
        self._find_landmarks = dlib.shape_predictor(weights.pose_predictor_five_point_model_location())
        self._network = dlib.face_recognition_model_v1(weights.face_recognition_model_location())

    def describe(self, rgb: UInt8Array) -> npt.NDArray[np.float64] | None:
        """Describe the largest face.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (128,) float64, or None where no frontal face is found.
        """
        picture = np.ascontiguousarray(rgb)
        boxes = self._detect(picture, 1)
        if not boxes:
            return None
        largest = max(boxes, key=lambda box: box.area())
        return np.array(self._network.compute_face_descriptor(picture, self._find_landmarks(picture, largest)))


class PersonObserver:
    """MediaPipe's pose solution for joints and mask, dlib for faces."""

    def __init__(self) -> None:
        self._pose = SinglePicturePose()
        self._face: FaceObserver | None = None

    def read(self, rgb: UInt8Array, *, face: bool) -> Reading:
        """Read joints and mask, and the face descriptor where asked for.

        Args:
            rgb: (H, W, 3) uint8.
            face: also look for a face.
        """
        descriptor = self._describe(rgb) if face else None
        found = self._pose.read(rgb)
        if found is None:
            return Reading(None, None, None, descriptor)
        keypoints, confidence, mask = found
        return Reading(keypoints, confidence, mask > 0.5, descriptor)

    def _describe(self, rgb: UInt8Array) -> npt.NDArray[np.float64] | None:
        if self._face is None:
            self._face = FaceObserver()
        return self._face.describe(rgb)
