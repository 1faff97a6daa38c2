"""What the generator returns: pairs and clips of numpy arrays, and their mirror images.

Flow is backward and in pixels: target(x, y) shows what source(x + dx, y + dy) shows; pixel centres are integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.parts import PART_MIRROR
from drn_core.skeleton import MIRROR

__all__ = ["SyntheticClip", "SyntheticPair", "mirrored"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SyntheticPair:
    """One person in two poses.

    Attributes:
        source_image, target_image: (H, W, 3) uint8 RGB.
        source_mask, target_mask: (H, W) float32 coverage by the person, 0 to 1.
        source_parts, target_parts: (H, W) uint8, see `Part`.
        source_coords, target_coords: (H, W, 3) float32 surface coordinates: the point's position on the mean body
            at rest, metres, x to the person's left, y up, z forward; 0 off the person.
        source_keypoints, target_keypoints: (33, 2) float32 joints in pixels; they may lie outside the picture.
        source_observed, target_observed: (33, 2) float32 the joints as a detector would report them.
        source_confidence, target_confidence: (33,) float32 its confidence, 0 to 1.
        source_visible, target_visible: (33,) bool whether the joint is in the picture with nothing before it.
        source_depths, target_depths: (33,) float32 depth in pixels relative to the hips' middle, smaller is nearer.
        flow: (H, W, 2) float32 backward flow from target to source; 0 off the person.
        visibility: (H, W) float32: 1 where the target's surface can be seen in the source, else 0 (0 off the person).
        visibility_codes: (H, W) uint8: BACKGROUND, VISIBLE, OCCLUDED, OUTSIDE, see `correspondence`.
        background: (H, W, 3) uint8 the source's background without the person (and its shadow), noise included.
        target_background: (H, W, 3) uint8 likewise; the same picture where the camera stands still.
        is_same_camera: whether source and target are seen by one camera and share the background.
    """

    source_image: UInt8Array
    target_image: UInt8Array
    source_mask: FloatArray
    target_mask: FloatArray
    source_parts: UInt8Array
    target_parts: UInt8Array
    source_coords: FloatArray
    target_coords: FloatArray
    source_keypoints: FloatArray
    target_keypoints: FloatArray
    source_observed: FloatArray
    target_observed: FloatArray
    source_confidence: FloatArray
    target_confidence: FloatArray
    source_visible: npt.NDArray[np.bool_]
    target_visible: npt.NDArray[np.bool_]
    source_depths: FloatArray
    target_depths: FloatArray
    flow: FloatArray
    visibility: FloatArray
    visibility_codes: UInt8Array
    background: UInt8Array
    target_background: UInt8Array
    is_same_camera: bool


@dataclass(frozen=True)
class SyntheticClip:
    """One person moving before a camera that stands still, and a source picture of the same scene.

    Attributes:
        source_image, source_mask, source_parts, source_coords: the source picture, as in `SyntheticPair`.
        source_keypoints, source_observed, source_confidence, source_visible, source_depths: its joints.
        images: (T, H, W, 3) uint8 frames.
        masks, parts, coords: (T, ...) likewise of the frames.
        keypoints, observed, confidence, visible, depths: (T, 33, ...) likewise of the frames.
        flow: (T, H, W, 2) float32 backward flow from each frame to the source.
        visibility_codes: (T, H, W) uint8 of that flow.
        previous_flow: (T, H, W, 2) float32 backward flow from each frame to the one before; 0 for the first.
        previous_codes: (T, H, W) uint8 of that flow; BACKGROUND for the first frame.
        background: (H, W, 3) uint8 the scene without the person.
        rate_hz: frames per second.
    """

    source_image: UInt8Array
    source_mask: FloatArray
    source_parts: UInt8Array
    source_coords: FloatArray
    source_keypoints: FloatArray
    source_observed: FloatArray
    source_confidence: FloatArray
    source_visible: npt.NDArray[np.bool_]
    source_depths: FloatArray
    images: UInt8Array
    masks: FloatArray
    parts: UInt8Array
    coords: FloatArray
    keypoints: FloatArray
    observed: FloatArray
    confidence: FloatArray
    visible: npt.NDArray[np.bool_]
    depths: FloatArray
    flow: FloatArray
    visibility_codes: UInt8Array
    previous_flow: FloatArray
    previous_codes: UInt8Array
    background: UInt8Array
    rate_hz: float


_TO_MIRRORED_PART = np.array(PART_MIRROR, np.uint8)
_TO_MIRRORED_JOINT = np.array(MIRROR)


def _flipped(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(image[:, ::-1])


def _mirrored_array(name: str, array: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    kind = name.rpartition("_")[2]
    if kind in {"keypoints", "observed"}:
        points = np.array(array[_TO_MIRRORED_JOINT])
        points[:, 0] = width - 1 - points[:, 0]
        return points
    if kind in {"confidence", "visible", "depths"}:
        return np.asarray(array[_TO_MIRRORED_JOINT])
    flipped = _flipped(array)
    if kind == "parts":
        return np.asarray(_TO_MIRRORED_PART[flipped])
    if kind in {"coords", "flow"}:
        flipped[..., 0] = -flipped[..., 0]
    return flipped


def mirrored(pair: SyntheticPair) -> SyntheticPair:
    """The pair as a mirror would show it: left and right parts and joints change places.

    Mirroring twice gives the pair back.
    """
    width = pair.source_image.shape[1]
    fields: dict[str, Any] = {
        name: _mirrored_array(name, value, width) if isinstance(value, np.ndarray) else value
        for name, value in vars(pair).items()
    }
    return SyntheticPair(**fields)
