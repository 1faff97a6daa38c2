"""Pose tracks as JSON, in an open layout (version 1).

One object::

    {
      "format": "retarget-pose-track", "version": 1,
      "time_base": [1, 30000],              seconds per tick, as a fraction
      "size": {"width": 1280, "height": 720},
      "joints": ["nose", ...],              33 names, the order of all joint lists
      "pts": [0, 1001, ...],                presentation time of each frame, in ticks
      "is_detected": [true, ...],           false where the pose is filled in or held
      "keypoints": [[[x, y], ...], ...],    per frame and joint, pixels; pixel centres are integers
      "confidence": [[c, ...], ...],        per frame and joint, 0 to 1
      "depth": [[d, ...], ...],             pixels relative to the hips' middle, smaller is nearer
      "world": [[[x, y, z], ...], ...],     metres, hip-centred, x right, y down, z away
      "hands": null or per frame [left, right] of 21 [x, y, confidence] (null for a hand not seen),
      "face": null or per frame 468 [x, y, depth] (null where no face is seen),
      "warnings": [["W201", "text"], ...],
      "last_duration": null or ticks        for how long the last frame is shown
    }

"Left" and "right" are the person's own. Numbers are rounded to what a picture can show: pixels to 1/1000, metres to
1/100000. Unknown keys are ignored, so that later versions may add some.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import JOINT_NAMES, NUM_JOINTS
from retarget.errors import InputError
from retarget.records import FloatArray, PoseTrack
from retarget.video.output_path import check_writable, write_text_output

__all__ = ["read_track_json", "track_from_json", "track_to_json", "write_track_json"]

_FORMAT: Final = "retarget-pose-track"
_VERSION: Final = 1
_MAX_BYTES: Final = 2_000_000_000
_HAND_SHAPE: Final = (2, 21, 3)
_FACE_SHAPE: Final = (468, 3)


def track_to_json(track: PoseTrack) -> dict[str, Any]:
    """Return a track as JSON values."""
    height, width = track.size_hw
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "time_base": [track.time_base.numerator, track.time_base.denominator],
        "size": {"width": width, "height": height},
        "joints": list(JOINT_NAMES),
        "pts": track.pts.tolist(),
        "is_detected": track.is_detected.tolist(),
        "keypoints": _rounded(track.keypoints, 3),
        "confidence": _rounded(track.confidence, 4),
        "depth": _rounded(track.depth, 3),
        "world": _rounded(track.world, 5),
        "hands": None if track.hands is None else [_hands_to_json(hands) for hands in track.hands],
        "face": None if track.face is None else [_face_to_json(face) for face in track.face],
        "warnings": [list(warning) for warning in track.warnings],
        "last_duration": track.last_duration,
    }


def track_from_json(content: Any, *, where: str) -> PoseTrack:
    """Build a track from JSON values.

    Args:
        content: as `track_to_json` returns it.
        where: name of the file for messages.

    Raises:
        InputError: not a pose track, of another version, or its parts don't fit together.
    """
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise InputError(f"{where} is no pose track", hint="`retarget pose --output FILE.json` writes one")
    if content.get("version") != _VERSION:
        raise InputError(f"{where} has version {content.get('version')!r} of the layout, only {_VERSION} is known")
    if content.get("joints") != list(JOINT_NAMES):
        raise InputError(f"{where} has other joints than the {NUM_JOINTS} of this skeleton")
    try:
        return _track(content)
    except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise InputError(f"{where} is damaged: {error}") from error


def write_track_json(path: str | Path, track: PoseTrack, *, overwrite: bool = False) -> None:
    """Write a track; the file appears when it is complete.

    Raises:
        OutputError: the file exists and `overwrite` is not set, or can't be written.
    """
    path = Path(path)
    check_writable(path, overwrite=overwrite)
    write_text_output(path, [json.dumps(track_to_json(track), separators=(",", ":")), "\n"], overwrite=overwrite)


def read_track_json(path: str | Path) -> PoseTrack:
    """Read a track.

    Raises:
        InputError: the file can't be read, is no JSON, or no pose track.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} is too large for a pose track")
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    return track_from_json(content, where=str(path))


def _track(content: dict[str, Any]) -> PoseTrack:
    pts = np.array(content["pts"], np.int64)
    numerator, denominator = content["time_base"]
    size = content["size"]
    if len(pts) == 0 or (np.diff(pts) <= 0).any():
        raise ValueError("times have to increase")
    num_frames, hands, face = len(pts), content["hands"], content["face"]
    time_base = Fraction(int(numerator), int(denominator))
    last_duration = None if (ticks := content.get("last_duration")) is None else int(ticks)
    if time_base <= 0:
        raise ValueError("the time base has to be positive")
    if last_duration is not None and last_duration <= 0:
        raise ValueError("the last frame's duration has to be positive")
    return PoseTrack(
        keypoints=_array(content, "keypoints", (num_frames, NUM_JOINTS, 2)),
        confidence=_array(content, "confidence", (num_frames, NUM_JOINTS)),
        depth=_array(content, "depth", (num_frames, NUM_JOINTS)),
        world=_array(content, "world", (num_frames, NUM_JOINTS, 3)),
        is_detected=np.array(content["is_detected"], np.bool_),
        pts=pts,
        time_base=time_base,
        size_hw=(int(size["height"]), int(size["width"])),
        hands=None if hands is None else np.stack([_hands_from_json(pair) for pair in hands]),
        face=None if face is None else np.stack([_face_from_json(points) for points in face]),
        warnings=tuple((str(code), str(text)) for code, text in content["warnings"]),
        last_duration=last_duration,
    )


def _array(content: dict[str, Any], key: str, shape: tuple[int, ...]) -> FloatArray:
    array = np.array(content[key], np.float32)
    if array.shape != shape:
        raise ValueError(f"{key}: expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{key}: numbers have to be finite")
    return array


def _rounded(array: npt.NDArray[Any], digits: int) -> Any:
    return np.round(array.astype(np.float64), digits).tolist()


def _hands_to_json(hands: FloatArray) -> list[Any]:
    return [_rounded(hand, 3) if hand[:, 2].max() > 0 else None for hand in hands]


def _hands_from_json(pair: list[Any]) -> FloatArray:
    hands = np.zeros(_HAND_SHAPE, np.float32)
    for side, points in enumerate(pair):
        if points is not None:
            hands[side] = np.array(points, np.float32).reshape(_HAND_SHAPE[1:])
    return hands


def _face_to_json(face: FloatArray) -> Any:
    return None if np.isnan(face).any() else _rounded(face, 2)


def _face_from_json(points: list[Any] | None) -> FloatArray:
    if points is None:
        return np.full(_FACE_SHAPE, np.nan, np.float32)
    return np.array(points, np.float32).reshape(_FACE_SHAPE)
