"""Surface motion of a driver: its person, made into layers from one frame, is compared with every other frame.

What was found is kept in the cache: it depends on the driver and on the frame that the layers are made from, not on
who follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Final

import cv2
import numpy as np

from drn_core.prior.geometry import fit_similarity
from drn_core.prior.ordering import layer_depths, stable_orders
from drn_core.prior.person import PersonLayers, SourceImage, build_person
from drn_core.prior.surface import PosedSurface, SurfaceMotion, SurfaceTrack, SurfaceTracker
from retarget.cache import Cache
from retarget.digests import array_digest, cache_key, check_unchanged, code_digest, input_digest
from retarget.pipeline.conveyor import consume_behind
from retarget.pipeline.driver_range import DriverRange
from retarget.pipeline.surface_store import pack_surface, unpack_surface
from retarget.pipeline.transfer import TransferredTrack
from retarget.pose.photo import estimate_again
from retarget.pose.shrinking import resized_part
from retarget.records import FloatArray, Frame, PoseTrack, UInt8Array

__all__ = ["read_surface_motion"]

_TRACKED_HEIGHT_PX: Final = 400
"""Height of the driver's person in the pictures that are compared."""
_MOST_ENLARGED: Final = 1.5
"""Lower frames are enlarged by at most this: flow is read on pictures of half size, where 250 px are too few (SSIM
+.014, joints +.7 % on three clips of small people; 2 gains no more)."""
_LEAST_HEIGHT: Final = 64
"""Least height of these pictures."""
_DECODED_HEIGHT: Final = 1080
"""Higher frames are shrunk while they are decoded; lower ones later, where the person is, which costs a third."""
_SIGMA_SECONDS: Final = 0.035
_PHOTO_READS: Final = 2
_SURE: Final = 0.5
_CODE: Final = (
    "retarget/pipeline/surface*.py", "retarget/pose/*.py", "retarget/video/*.py", "drn_core/prior/*.py",
    "drn_core/fill/*.py", "drn_core/skeleton.py", "kernels/*.py", "kernels/cpu/*.py",
)  # fmt: skip


def read_surface_motion(
    driver: DriverRange,
    track: PoseTrack,
    transferred: TransferredTrack,
    follower: PersonLayers,
    progress: Callable[[int], None] | None = None,
) -> SurfaceMotion | None:
    """Read how the driver's surface moves beyond its skeleton, or take up from the cache what is known of it.

    Args:
        driver: where the frames are.
        track: their smoothed skeletons.
        transferred: the same motion on the source's body.
        follower: the source's layers.
        progress: called with the number of frames compared so far.

    Returns:
        The motion; None where the driver's person can't be cut out of the reference frame.

    Raises:
        InputError: the driver can't be read.
        InputChangedError: it was replaced while it was read.
    """
    reference = transferred.reference_index
    surface = _known_surface(driver, track, reference, transferred.scale, progress)
    if surface is None:
        return None
    scale = _compared_scale(track, reference)
    sure = track.confidence[reference] * (track.confidence[reference] > _SURE) + 1e-3
    fit = fit_similarity(
        track.keypoints[reference].astype(float), transferred.keypoints[reference].astype(float), sure, (0.02, 50.0)
    )
    size_ratio = float(np.hypot(fit[0, 0], fit[1, 0])) / scale
    return surface.onto(follower, track.keypoints[reference] * scale, size_ratio)


def _known_surface(
    driver: DriverRange,
    track: PoseTrack,
    reference: int,
    relative_size: FloatArray,
    progress: Callable[[int], None] | None,
) -> SurfaceTrack | None:
    """Take up what is kept of the driver, or track its surface and keep that."""
    digest = input_digest(driver.path)

    def track_unchanged() -> SurfaceTrack | None:
        surface = _track_surface(driver, track, reference, relative_size, progress)
        check_unchanged(driver.path, digest)
        return surface

    arrays = track.keypoints, track.depth, track.confidence, track.is_detected, track.pts, relative_size
    key = cache_key(
        code_digest(*_CODE), version("mediapipe"), cv2.__version__, digest, driver.start_seconds, driver.end_seconds,
        track.size_hw, track.time_base, reference, array_digest(*arrays),
    )  # fmt: skip
    kept = Cache().get_or_compute(
        "surface-track",
        key,
        track_unchanged,
        encode=pack_surface,
        decode=lambda payload: unpack_surface(payload, len(track)),
    )
    if kept.origin == "stored" and progress is not None:
        progress(len(track))
    return kept.value


def _track_surface(
    driver: DriverRange,
    track: PoseTrack,
    reference: int,
    relative_size: FloatArray,
    progress: Callable[[int], None] | None,
) -> SurfaceTrack | None:
    """Compare the person of the reference frame with all frames; None where it can't be cut out of it."""
    scale = _compared_scale(track, reference)
    size_hw = (round(track.size_hw[0] * scale), round(track.size_hw[1] * scale))
    max_height = max(_DECODED_HEIGHT, size_hw[0])
    frame = driver.frame_at(int(track.pts[reference]), max_height)
    if frame is None:
        return None
    layers = _driver_layers(resized_part(frame.rgb, (0, 0, *size_hw), size_hw), track, reference, scale)
    if layers is None:
        return None
    comparison = _Comparison(layers, track, relative_size, scale, size_hw)
    readings = comparison.run(driver.frames(max_height), progress)
    return comparison.tracker.track(readings, _SIGMA_SECONDS * track.rate_hz)


def _compared_scale(track: PoseTrack, reference: int) -> float:
    """Scale of the picture at which the driver's person has the height that is compared."""
    sure = track.confidence[reference] > _SURE
    height = track.size_hw[0]
    y = np.clip(track.keypoints[reference, sure, 1], 0, height) if sure.any() else np.array([0.0])
    person = max(1.15 * float(np.ptp(y)), 0.1 * height)
    return max(min(_TRACKED_HEIGHT_PX / person, _MOST_ENLARGED), min(_LEAST_HEIGHT / height, 1.0))


def _driver_layers(picture: UInt8Array, track: PoseTrack, reference: int, scale: float) -> PersonLayers | None:
    pose = track.pose_at(reference)
    keypoints = pose.keypoints * scale
    person = estimate_again(picture, keypoints, num_reads=_PHOTO_READS)
    mask = None if person is None else person.mask
    if mask is None or not (mask > _SURE).any():
        return None
    alpha = np.clip((mask - 0.3) / 0.4, 0.0, 1.0).astype(np.float32)
    return build_person(SourceImage(picture, alpha, keypoints, pose.confidence, pose.depth * scale))


class _Comparison:
    """All frames of a driver against its layers: decoded and posed in one thread, compared in another."""

    def __init__(
        self,
        layers: PersonLayers,
        track: PoseTrack,
        relative_size: FloatArray,
        scale: float,
        size_hw: tuple[int, int],
    ) -> None:
        self.tracker = SurfaceTracker(layers, size_hw)
        self._size_hw = size_hw
        self._keypoints, self._depth = track.keypoints * scale, track.depth * scale
        self._relative_size, self._confidence = relative_size, track.confidence
        self._is_detected = track.is_detected
        self._orders = stable_orders(layer_depths(layers.body, self._depth))

    def run(self, frames: Iterator[Frame], progress: Callable[[int], None] | None) -> FloatArray:
        """Return the readings, (T, K, 3)."""
        readings = np.zeros((len(self._keypoints), len(self.tracker.controls), 3), np.float32)

        def compare(item: tuple[int, PosedSurface, UInt8Array]) -> None:
            index, posed, shown = item
            before = readings[index - 1] if index and self._is_detected[index - 1] else None
            readings[index] = self.tracker.measure(posed, shown, before)
            if progress is not None:
                progress(index + 1)

        consume_behind(self._posed(frames), compare)
        return readings

    def _posed(self, frames: Iterator[Frame]) -> Iterator[tuple[int, PosedSurface, UInt8Array]]:
        """Pose the layers for each frame that shows somebody; what the frame shows around them, in grey."""
        for frame in frames:
            index = frame.index
            if index >= len(self._keypoints):
                return
            if self._is_detected[index]:
                posed = self.tracker.pose(
                    self._keypoints[index],
                    self._depth[index],
                    self._orders[index],
                    float(self._relative_size[index]),
                    self._confidence[index],
                )
                yield index, posed, resized_part(frame.rgb, posed.area, self._size_hw, is_grey=True)
