"""The records that pass between the stages: arrays with their units, validated on creation."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import NUM_JOINTS

__all__ = ["ClipInfo", "FloatArray", "Frame", "Pose", "PoseTrack", "UInt8Array"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


def _check_shape(name: str, array: npt.NDArray[np.generic], shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


@dataclass(frozen=True)
class Frame:
    """One decoded picture, upright, with square pixels.

    Attributes:
        rgb: (H, W, 3) uint8, sRGB / BT.709 display values.
        pts: presentation time in ticks of `time_base`.
        time_base: seconds per tick.
        index: running number in what is read (from 0, counted over decodable frames).
        is_concealed: the decoder reported damage in this frame, or it repeats its predecessor.
        duration: ticks that it is shown: until the next frame, or to the end of the clip; None where nothing tells.
    """

    rgb: UInt8Array
    pts: int
    time_base: Fraction
    index: int
    is_concealed: bool = False
    duration: int | None = None

    def __post_init__(self) -> None:
        _check_shape("Frame.rgb", self.rgb, (None, None, 3))
        if self.rgb.dtype != np.uint8:
            raise ValueError(f"Frame.rgb: expected uint8, got {self.rgb.dtype}")

    @property
    def time_seconds(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True)
class ClipInfo:
    """What a video file says of itself; sizes are those of the upright, square-pixel picture.

    Attributes:
        path: the file, as given.
        size_hw: (height, width) in pixels after rotation and pixel-aspect correction.
        time_base: seconds per tick of the video stream.
        average_rate: frames per second as a rational; None where the container does not say.
        duration_seconds: of the video stream; None where unknown.
        num_frames: as the container claims (may be wrong); None where unknown.
        codec: short codec name, e.g. "h264".
        has_audio: whether there is at least one audio stream.
        rotation_degrees: clockwise rotation applied to the decoded picture.
    """

    path: str
    size_hw: tuple[int, int]
    time_base: Fraction
    average_rate: Fraction | None
    duration_seconds: float | None
    num_frames: int | None
    codec: str
    has_audio: bool
    rotation_degrees: int = 0


@dataclass(frozen=True)
class Pose:
    """One skeleton.

    Attributes:
        keypoints: (33, 2) float32, (x, y) in pixels of the picture; pixel centres are integers.
        confidence: (33,) float32 in [0, 1].
        depth: (33,) float32, in pixels, relative to the hips' middle; smaller is nearer to the camera.
        world: (33, 3) float32, metres, hip-centred, x right, y down, z away from the camera.
        size_hw: (height, width) of the picture the keypoints live in.
        hands: (2, 21, 3) float32, left then right hand: x, y in pixels and confidence; None where not asked for.
        face: (468, 3) float32, face mesh: x, y in pixels and depth; None where not asked for.
    """

    keypoints: FloatArray
    confidence: FloatArray
    depth: FloatArray
    world: FloatArray
    size_hw: tuple[int, int]
    hands: FloatArray | None = None
    face: FloatArray | None = None

    def __post_init__(self) -> None:
        _check_shape("Pose.keypoints", self.keypoints, (NUM_JOINTS, 2))
        _check_shape("Pose.confidence", self.confidence, (NUM_JOINTS,))
        _check_shape("Pose.depth", self.depth, (NUM_JOINTS,))
        _check_shape("Pose.world", self.world, (NUM_JOINTS, 3))


@dataclass(frozen=True)
class PoseTrack:
    """The skeletons of one person over the T frames of a clip.

    Attributes:
        keypoints: (T, 33, 2) float32, (x, y) in pixels; pixel centres are integers.
        confidence: (T, 33) float32 in [0, 1].
        depth: (T, 33) float32, pixels relative to the hips' middle, smaller is nearer.
        world: (T, 33, 3) float32, metres, hip-centred.
        is_detected: (T,) bool; False where nobody was found and the pose is filled in or held.
        pts: (T,) int64, presentation times in ticks.
        time_base: seconds per tick.
        size_hw: (height, width) of the frames.
        hands: (T, 2, 21, 3) float32 or None, as in `Pose`; confidence 0 where unseen.
        face: (T, 468, 3) float32 or None, as in `Pose`; NaN where unseen.
        warnings: stable codes with their text, e.g. ("W201", "no person in frames 10-25").
        last_duration: for how many ticks the last frame is shown; None where that is not known.
    """

    keypoints: FloatArray
    confidence: FloatArray
    depth: FloatArray
    world: FloatArray
    is_detected: npt.NDArray[np.bool_]
    pts: npt.NDArray[np.int64]
    time_base: Fraction
    size_hw: tuple[int, int]
    hands: FloatArray | None = None
    face: FloatArray | None = None
    warnings: tuple[tuple[str, str], ...] = field(default=())
    last_duration: int | None = None

    def __post_init__(self) -> None:
        num_frames = len(self.keypoints)
        _check_shape("PoseTrack.keypoints", self.keypoints, (num_frames, NUM_JOINTS, 2))
        _check_shape("PoseTrack.confidence", self.confidence, (num_frames, NUM_JOINTS))
        _check_shape("PoseTrack.depth", self.depth, (num_frames, NUM_JOINTS))
        _check_shape("PoseTrack.world", self.world, (num_frames, NUM_JOINTS, 3))
        _check_shape("PoseTrack.is_detected", self.is_detected, (num_frames,))
        _check_shape("PoseTrack.pts", self.pts, (num_frames,))

    def __len__(self) -> int:
        """Return the number of frames T."""
        return len(self.keypoints)

    @property
    def times_seconds(self) -> npt.NDArray[np.float64]:
        """(T,) presentation times in seconds."""
        return self.pts.astype(np.float64) * float(self.time_base)

    @property
    def rate_hz(self) -> float:
        """Frames per second by the median step; 30 for a single frame."""
        steps = np.diff(self.times_seconds)
        return float(1.0 / max(np.median(steps), 1e-3)) if len(steps) else 30.0

    def pose_at(self, index: int) -> Pose:
        """Return the skeleton of frame `index`."""
        return Pose(
            keypoints=self.keypoints[index],
            confidence=self.confidence[index],
            depth=self.depth[index],
            world=self.world[index],
            size_hw=self.size_hw,
            hands=None if self.hands is None else self.hands[index],
            face=None if self.face is None else self.face[index],
        )
