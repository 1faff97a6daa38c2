"""Readings of real clips, kept in the cache: a second method on the same clip pays only for its own frames."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.readings import Reading
from drn_core.skeleton import NUM_JOINTS
from retarget.cache import Cache, Payload
from retarget.digests import cache_key, file_digest
from retarget.errors import InputError
from retarget.evaluation.frames import iterate_frames
from retarget.evaluation.observers import Observer

__all__ = ["ClipReadings", "read_clip"]

_KIND = "evaluation-readings"
_REVISION = 2
_FACE_SIZE = 128


@dataclass
class ClipReadings:
    """The readings of a clip's frames; masks are kept compressed, some kilobytes each.

    Attributes:
        size_hw: (height, width) of the frames.
    """

    size_hw: tuple[int, int] = (0, 0)
    _places: dict[int, int] = field(default_factory=dict)
    _joints: list[npt.NDArray[np.float32]] = field(default_factory=list)
    _masks: list[bytes] = field(default_factory=list)
    _faces: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(self, index: int, reading: Reading) -> None:
        """Keep the reading of one frame.

        Args:
            index: running number of the frame.
            reading: of it.
        """
        self._places[index] = len(self._joints)
        joints = np.full((NUM_JOINTS, 3), np.nan, np.float32)
        if reading.keypoints is not None and reading.confidence is not None:
            joints = np.column_stack([reading.keypoints, reading.confidence])
        self._joints.append(joints)
        self._masks.append(b"" if reading.mask is None else zlib.compress(np.packbits(reading.mask).tobytes(), 1))
        self._faces.append(np.full(_FACE_SIZE, np.nan) if reading.face is None else reading.face)
        if reading.mask is not None:
            self.size_hw = (reading.mask.shape[0], reading.mask.shape[1])

    def of(self, index: int) -> Reading:
        """Return the reading of one frame.

        Args:
            index: running number of the frame.

        Raises:
            KeyError: the frame was not read.
        """
        place = self._places[index]
        joints, mask, face = self._joints[place], self._masks[place], self._faces[place]
        if np.isnan(joints).any():
            return Reading(None, None)
        height, width = self.size_hw
        bits = np.frombuffer(zlib.decompress(mask), np.uint8) if mask else None
        return Reading(
            keypoints=joints[:, :2],
            confidence=joints[:, 2],
            mask=None if bits is None else np.unpackbits(bits, count=height * width).reshape(height, width) > 0,
            face=None if np.isnan(face).any() else face,
        )

    def to_payload(self) -> Payload:
        """Return what the cache stores."""
        return Payload(
            {
                "indices": np.array(list(self._places), np.int64),
                "joints": np.array(self._joints, np.float32),
                "faces": np.array(self._faces, np.float64),
                "masks": np.frombuffer(b"".join(self._masks), np.uint8),
                "mask_sizes": np.array([len(mask) for mask in self._masks], np.int64),
            },
            {"size_hw": list(self.size_hw)},
        )

    @classmethod
    def from_payload(cls, payload: Payload) -> ClipReadings:
        """Read what the cache stored.

        Args:
            payload: as `to_payload` returns it.

        Raises:
            KeyError: something is missing.
        """
        arrays = payload.arrays
        ends = np.cumsum(arrays["mask_sizes"])
        masks = arrays["masks"].tobytes()
        height, width = payload.facts["size_hw"]
        return cls(
            size_hw=(int(height), int(width)),
            _places={int(index): place for place, index in enumerate(arrays["indices"])},
            _joints=list(arrays["joints"]),
            _masks=[masks[end - size : end] for end, size in zip(ends, arrays["mask_sizes"], strict=True)],
            _faces=list(arrays["faces"]),
        )


def _observers_version() -> str:
    versions = []
    for package in ("mediapipe", "dlib-bin"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    return ", ".join(versions)


def read_clip(
    clip: Path, observer: Observer, *, decoding: str, step: int, face: bool, cache: Cache | None
) -> ClipReadings:
    """Read every `step`-th frame of a real clip, or take the readings from the cache.

    Args:
        clip: the video file; its content is the key.
        observer: reads what is not kept.
        decoding: "display" or "plain", see `retarget.evaluation.frames`.
        step: every how many frames one is read.
        face: also look for faces.
        cache: where readings are kept; None keeps none.

    Raises:
        InputError: the clip can't be read.
    """

    def compute() -> ClipReadings:
        readings = ClipReadings()
        for number, rgb in enumerate(iterate_frames(clip, decoding)):
            if number % step == 0:
                readings.add(number, observer.read(rgb, face=face))
        return readings

    if cache is None:
        return compute()
    try:
        key = cache_key(_REVISION, _observers_version(), file_digest(clip), decoding, step, face)
    except OSError as error:
        raise InputError(f"{clip}: can't be read: {error.strerror}") from error
    return cache.get_or_compute(
        _KIND, key, compute, encode=ClipReadings.to_payload, decode=ClipReadings.from_payload
    ).value
