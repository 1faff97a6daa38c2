"""Readings of real clips, kept on disk: measuring a second method on the same clip pays only for its own frames."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import platformdirs

from drn_core.evaluation.readings import Reading
from drn_core.skeleton import NUM_JOINTS
from retarget.errors import InputError
from retarget.evaluation.observers import Observer
from retarget.records import UInt8Array

__all__ = ["READINGS_VERSION", "ClipReadings", "default_cache_folder"]

READINGS_VERSION = "mediapipe-pose-full-static+dlib-1"
"""Names the observers whose readings are kept; a change of observer must change it."""


def default_cache_folder() -> Path:
    """Return the folder for kept readings: `RETARGET_CACHE` or the platform's user cache folder."""
    root = os.environ.get("RETARGET_CACHE") or platformdirs.user_cache_dir("retarget")
    return Path(root) / "evaluation"


def _digest(path: Path) -> str:
    digest = hashlib.sha256(READINGS_VERSION.encode())
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    return digest.hexdigest()[:32]


class ClipReadings:
    """The readings of one clip's frames, loaded from and saved to one file of the cache.

    Args:
        clip: the video file; its content is the key.
        folder: where readings are kept; None keeps nothing.

    Raises:
        InputError: the file can't be read.
    """

    def __init__(self, clip: Path, folder: Path | None) -> None:
        self._path = None if folder is None else folder / f"{_digest(clip)}.npz"
        self._readings: dict[int, Reading] = {}
        self._with_face: set[int] = set()
        self._is_changed = False
        if self._path is not None and self._path.exists():
            self._load(self._path)

    def read(self, index: int, rgb: UInt8Array, observer: Observer, *, face: bool) -> Reading:
        """Return the reading of frame `index`, looking at the picture only where nothing is kept.

        Args:
            index: running number of the frame.
            rgb: (H, W, 3) uint8, the frame.
            observer: reads what is not kept.
            face: whether a face descriptor is needed.
        """
        if not self._is_kept(index, rgb, face=face):
            self._readings[index] = observer.read(rgb, face=face)
            self._is_changed = True
            if face:
                self._with_face.add(index)
        kept = self._readings[index]
        return kept if face else replace(kept, face=None)

    def _is_kept(self, index: int, rgb: UInt8Array, *, face: bool) -> bool:
        kept = self._readings.get(index)
        if kept is None or (face and index not in self._with_face):
            return False
        return kept.mask is None or kept.mask.shape == rgb.shape[:2]  # another reader may give another size

    def save(self) -> None:
        """Write the readings, if there are new ones: to a temporary name, then renamed."""
        if self._path is None or not self._is_changed:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self._path.parent, suffix=".part", delete=False) as stream:
            try:
                np.savez_compressed(stream, **self._as_arrays())  # type: ignore[arg-type]
                Path(stream.name).replace(self._path)
            except BaseException:
                Path(stream.name).unlink(missing_ok=True)
                raise
        self._is_changed = False

    def _as_arrays(self) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        arrays: dict[str, np.ndarray] = {  # type: ignore[type-arg]
            "indices": np.array(sorted(self._readings), np.int64),
            "with_face": np.array(sorted(self._with_face), np.int64),
        }
        for index, reading in self._readings.items():
            if reading.keypoints is not None and reading.confidence is not None:
                arrays[f"joints_{index}"] = np.column_stack([reading.keypoints, reading.confidence])
            if reading.mask is not None:
                arrays[f"mask_{index}"] = np.packbits(reading.mask)
                arrays["size"] = np.array(reading.mask.shape)
            if reading.face is not None:
                arrays[f"face_{index}"] = reading.face
        return arrays

    def _load(self, path: Path) -> None:
        with np.load(path) as kept:
            self._with_face = set(kept["with_face"].tolist())
            for index in kept["indices"].tolist():
                joints = kept[f"joints_{index}"] if f"joints_{index}" in kept else np.empty((0, 3), np.float32)
                mask = None
                if f"mask_{index}" in kept:
                    height, width = kept["size"].tolist()
                    mask = np.unpackbits(kept[f"mask_{index}"], count=height * width).reshape(height, width) > 0
                self._readings[index] = Reading(
                    keypoints=joints[:, :2] if len(joints) == NUM_JOINTS else None,
                    confidence=joints[:, 2] if len(joints) == NUM_JOINTS else None,
                    mask=mask,
                    face=kept.get(f"face_{index}"),
                )
