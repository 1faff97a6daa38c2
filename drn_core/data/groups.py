"""A photo of a person and several frames of the same person: the unit in which training data is made and stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drn_core.data.records import TrainingBatch
from drn_core.model.crops import CropBox
from drn_core.model.records import DriverInput, DRNInput, SourceInput
from drn_core.pictures import picture_tensor
from drn_core.prior.cloth import extend_colours
from drn_core.prior.ordering import layer_depths, stable_orders
from drn_core.prior.person import PersonLayers, SourceImage, build_person
from drn_core.prior.render import pose_vertices
from drn_core.prior_input import PriorInputRenderer

__all__ = ["FramePicture", "MeshPrior", "PhotoPicture", "PriorProvider", "training_samples"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PhotoPicture:
    """The photo, already at the network's size.

    Attributes:
        image: (h, w, 3) uint8.
        mask: (h, w) float32 in [0, 1], the person.
        background: (h, w, 3) uint8, the plate without the person.
        keypoints: (33, 2) float32, as a detector reads them.
        confidence: (33,) float32.
        depth: (33,) float32, pixels, smaller is nearer.
    """

    image: UInt8Array
    mask: FloatArray
    background: UInt8Array
    keypoints: FloatArray
    confidence: FloatArray
    depth: FloatArray


@dataclass(frozen=True)
class FramePicture:
    """One frame of the same person before the same background.

    Attributes:
        image: (h, w, 3) uint8.
        mask: (h, w) float32 in [0, 1].
        keypoints: (33, 2) float32, in the photo's proportions.
        confidence: (33,) float32.
        depth: (33,) float32.
        flow: (h, w, 2) float32, true backward flow into the photo; None where unknown.
        visibility: (h, w) float32, 1 where the photo shows that surface; None where unknown.
    """

    image: UInt8Array
    mask: FloatArray
    keypoints: FloatArray
    confidence: FloatArray
    depth: FloatArray
    flow: FloatArray | None = None
    visibility: FloatArray | None = None


class PriorProvider(Protocol):
    """Gives the network's driver inputs of the frames of one photo."""

    def driver_inputs(self, photo: PhotoPicture, frames: list[FramePicture]) -> Iterator[DriverInput]:
        """Yield one input (a batch of one) for each frame."""


class MeshPrior:
    """The product's own prior: the layered skinned mesh.

    Args:
        build_height_px: the photo is enlarged to about this height for cutting it into layers, so that the mesh is
            as fine as that of a real photo.
    """

    def __init__(self, *, build_height_px: int = 384) -> None:
        self._build_height_px = build_height_px

    def driver_inputs(self, photo: PhotoPicture, frames: list[FramePicture]) -> Iterator[DriverInput]:
        """Yield one input (a batch of one) for each frame.

        Raises:
            ValueError: the mask is empty.
        """
        height, width = photo.mask.shape
        scale = max(1.0, self._build_height_px / height)
        person = _enlarged_person(photo, scale)
        box = CropBox(0, 0, width, height)
        source_box = CropBox(0, 0, round(width * scale), round(height * scale))
        renderer = PriorInputRenderer(person, source_box, (height, width), pixels_per_texel=1 / scale)
        orders = stable_orders(layer_depths(person.body, np.stack([frame.depth for frame in frames]) * scale))
        background = picture_tensor(photo.background)
        for frame, order in zip(frames, orders, strict=True):
            enlarged = _enlarged_points(frame.keypoints, scale)
            vertices = pose_vertices(person, enlarged, frame.confidence)
            yield renderer.driver_input(
                ((vertices + 0.5) / scale - 0.5).astype(np.float32),
                frame.keypoints,
                frame.confidence,
                frame.depth,
                order,
                background=background,
                box=box,
            )


def training_samples(photo: PhotoPicture, frames: list[FramePicture], prior: PriorProvider) -> list[TrainingBatch]:
    """Join photo, frames and prior to samples; photo and background are shared, not copied.

    Args:
        photo: the photo.
        frames: frames of the same person.
        prior: renders the prior.

    Returns:
        One sample for each frame.
    """
    source = SourceInput(
        image=picture_tensor(photo.image),
        keypoints=torch.from_numpy(photo.keypoints)[None],
        confidence=torch.from_numpy(photo.confidence)[None],
    )
    samples = []
    for frame, driver in zip(frames, prior.driver_inputs(photo, frames), strict=True):
        samples.append(
            TrainingBatch(
                inputs=DRNInput(source, driver),
                target=picture_tensor(frame.image),
                target_mask=_map_tensor(frame.mask),
                target_flow=None if frame.flow is None else torch.from_numpy(frame.flow).permute(2, 0, 1)[None],
                target_visibility=None if frame.visibility is None else _map_tensor(frame.visibility),
            )
        )
    return samples


def _enlarged_points(points: FloatArray, scale: float) -> npt.NDArray[np.float64]:
    return (points.astype(np.float64) + 0.5) * scale - 0.5


def _enlarged_person(photo: PhotoPicture, scale: float) -> PersonLayers:
    height, width = photo.mask.shape
    size = (round(width * scale), round(height * scale))
    foreground = extend_colours(photo.image, photo.mask > 0.95)
    return build_person(
        SourceImage(
            foreground=np.asarray(cv2.resize(foreground, size, interpolation=cv2.INTER_CUBIC), np.uint8),
            alpha=np.clip(cv2.resize(photo.mask, size, interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32),
            keypoints=_enlarged_points(photo.keypoints, scale).astype(np.float32),
            confidence=photo.confidence,
            depth=(photo.depth * scale).astype(np.float32),
        )
    )


def _map_tensor(values: FloatArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
