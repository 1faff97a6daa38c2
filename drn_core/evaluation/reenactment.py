"""Self-reenactment scores of one clip: frame by frame against the real frame, then pooled over the clip.

The nine core figures follow one rule each, stated in `CORE_METRICS`. Frames near the source frame are left out
(a copy of the photo would score there for nothing), and squared errors are pooled before the logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.images import (
    BoolArray,
    Image,
    decibels,
    laplacian_energy,
    shift_tolerant_error,
    squared_error_map,
    ssim_map,
)
from drn_core.evaluation.readings import Reading, torso_length

__all__ = ["CORE_METRICS", "MIN_PERSON_PIXELS", "ClipScorer", "pool_frames", "score_frame"]

CORE_METRICS = ("psnr", "ssim", "tpsnr", "pck", "akd", "miss", "face", "sharp", "flick")
MIN_PERSON_PIXELS = 400
_PCK_TORSOS = 0.1
_MIN_CONFIDENCE = 0.6
_POOLED_AS_DECIBELS = {"psnr": "mse", "tpsnr": "tmse"}

FrameScores = dict[str, float]


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


def _picture_scores(real: Image, generated: Image, mask: BoolArray) -> FrameScores:
    box = _Box.around(mask)
    height, width = box.bottom - box.top, box.right - box.left
    scores = {"mse": float(squared_error_map(real, generated)[mask].mean())}
    if min(height, width) > 16:
        index = ssim_map(real[box.slices], generated[box.slices])
        scores["ssim"] = float(index[mask[box.slices]].mean())
    wide = box.grown(8).slices
    error = shift_tolerant_error(real[wide], generated[wide], radius_px=max(2.0, 0.015 * height))
    scores["tmse"] = float(error[mask[wide]].mean())
    scores["sharp"] = laplacian_energy(generated, mask) / max(laplacian_energy(real, mask), 1e-3)
    return scores


def _joint_scores(real: Reading, generated: Reading) -> FrameScores:
    if real.keypoints is None or real.confidence is None:
        raise ValueError("score_frame: the real frame shows no person")
    visible = real.confidence > _MIN_CONFIDENCE
    scores = {"miss": 0.0 if generated.has_person else 100.0, "pck": 0.0}
    if generated.keypoints is not None and visible.any():
        distance = np.linalg.norm(generated.keypoints[visible] - real.keypoints[visible], axis=1)
        in_torsos = distance / torso_length(real.keypoints)
        scores["akd"] = float(100 * in_torsos.mean())
        scores["pck"] = float(100 * (in_torsos < _PCK_TORSOS).mean())
    return scores


def _face_scores(real: Reading, generated: Reading) -> FrameScores:
    if real.face is None:
        return {}
    if generated.face is None:
        return {"face": 0.0}
    return {"face": float(1.0 - np.linalg.norm(real.face - generated.face))}


def score_frame(real: Image, generated: Image, real_reading: Reading, generated_reading: Reading) -> FrameScores:
    """Score one generated frame against the real one, inside the real person.

    Args:
        real: (H, W, 3) uint8 RGB.
        generated: the same shape.
        real_reading: of the real frame, with a person and a mask.
        generated_reading: of the generated frame; its mask is not used.

    Returns:
        Named scores: "mse" and "tmse" in squared grey levels; "ssim", "pck" (%), "akd" (% of torso), "miss" (%),
        "face" and "sharp". A score that can't be taken from this frame is absent.

    Raises:
        ValueError: shapes or types do not fit, or the real reading holds no person.
    """
    if real_reading.mask is None:
        raise ValueError("score_frame: the reading of the real frame has no mask")
    return {
        **_picture_scores(real, generated, real_reading.mask),
        **_joint_scores(real_reading, generated_reading),
        **_face_scores(real_reading, generated_reading),
    }


class ClipScorer:
    """Scores frames in order and remembers the last one, for flicker.

    Args:
        source_index: frame the photo was taken from; frames within `margin` of it are left out. None keeps all.
        margin: frames left out on either side of the source frame.
    """

    def __init__(self, *, source_index: int | None = None, margin: int = 5) -> None:
        self.frames: list[FrameScores] = []
        self.indices: list[int] = []
        self._source_index = source_index
        self._margin = margin
        self._previous_error: npt.NDArray[np.int16] | None = None

    def wants(self, index: int) -> bool:
        """Tell whether frame `index` counts, that is, lies far enough from the source frame."""
        return self._source_index is None or abs(index - self._source_index) > self._margin

    def skip(self) -> None:
        """Note that a frame was left out: flicker is not taken across it."""
        self._previous_error = None

    def add(self, index: int, real: Image, generated: Image, real_reading: Reading, generated_reading: Reading) -> None:
        """Score the next frame, or skip it where the real frame shows no person.

        Args:
            index: running number of the frame in the clip.
            real: (H, W, 3) uint8 RGB.
            generated: the same shape.
            real_reading: of the real frame.
            generated_reading: of the generated frame.
        """
        mask = real_reading.mask
        if not real_reading.has_person or mask is None or int(mask.sum()) < MIN_PERSON_PIXELS:
            self.skip()
            return
        scores = score_frame(real, generated, real_reading, generated_reading)
        error = generated.astype(np.int16) - real.astype(np.int16)
        if self._previous_error is not None:
            scores["flick"] = float(np.abs(error - self._previous_error)[mask].mean())
        self._previous_error = error
        self.frames.append(scores)
        self.indices.append(index)


def pool_frames(frames: Sequence[FrameScores]) -> dict[str, float]:
    """Pool the frames of one clip.

    Args:
        frames: as `score_frame` returns them, "flick" included where taken.

    Returns:
        The figures of `CORE_METRICS` that could be taken: decibels of the mean squared error, means of all others.
    """
    pooled = {}
    for name in CORE_METRICS:
        values = [scores[key] for scores in frames if (key := _POOLED_AS_DECIBELS.get(name, name)) in scores]
        if values:
            mean = float(np.mean(values))
            pooled[name] = decibels(mean) if name in _POOLED_AS_DECIBELS else mean
    return pooled
