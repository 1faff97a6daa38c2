"""The trained network at work on one photo: corrects the prior's mesh, then finishes the rendered frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drn_core.model.build import set_compute_dtype
from drn_core.model.crops import CropBox, crop_source, person_crop_box
from drn_core.model.drn import DRN
from drn_core.model.native import blend_region, displace_points
from drn_core.model.records import DRNOutput, to_device
from drn_core.pictures import picture_tensor
from drn_core.prior.person import PersonLayers
from drn_core.prior_input import PriorInputRenderer

__all__ = ["Correction", "PersonRefiner", "SkeletonFrame"]

FloatArray = npt.NDArray[np.floating[Any]]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SkeletonFrame:
    """The transferred pose of one frame.

    Attributes:
        keypoints: (33, 2), frame pixels.
        confidence: (33,) in [0, 1].
        depth: (33,), frame pixels, smaller is nearer.
        order: (9,) layer ids, back to front.
    """

    keypoints: FloatArray
    confidence: FloatArray
    depth: FloatArray
    order: npt.NDArray[Any]


@dataclass(frozen=True)
class Correction:
    """What the network makes of one frame.

    Attributes:
        target_xy: (V, 2) float32, where the mesh's vertices go instead.
        output: the network's result in the crop, for finishing and for explaining the frame.
        box: the crop's place in the frame.
    """

    target_xy: npt.NDArray[np.float32]
    output: DRNOutput
    box: CropBox


class PersonRefiner:
    """Corrects the prior of one person. Not safe for use by several threads at once.

    Use, frame by frame: `correct` with the posed vertices, render the prior at native size with the vertices it gives
    back, `finish` the rendered picture. Networks without a prior (the paper's) leave the vertices and replace the crop.

    Args:
        model: a trained network; its weights are converted to `dtype`, so give it a network of its own.
        size_hw: size of the crops.
        person: the layered person.
        photo: (H, W, 3) uint8, the photo the person was cut from.
        keypoints: (33, 2), the photo's skeleton in pixels.
        confidence: (33,).
        scale: size of the person in the output over size in the photo, about.
        dtype: of the arithmetic: torch.bfloat16 where the machine is fast at it.
        device: where the network runs.
    """

    def __init__(
        self,
        model: DRN,
        size_hw: tuple[int, int],
        person: PersonLayers,
        photo: UInt8Array,
        keypoints: FloatArray,
        confidence: FloatArray,
        *,
        scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._model = set_compute_dtype(model.eval().to(self._device), dtype)
        self._size_hw = size_hw
        points = torch.from_numpy(np.asarray(keypoints, np.float32))
        sure = torch.from_numpy(np.asarray(confidence, np.float32))
        box = person_crop_box(points, sure, (photo.shape[0], photo.shape[1]), size_hw)
        source = crop_source(picture_tensor(photo), points[None], sure[None], box, size_hw)
        self._renderer = PriorInputRenderer(
            person, box, size_hw, pixels_per_texel=size_hw[0] / (box.size_hw[0] * max(scale, 1e-3))
        )
        with torch.inference_mode():
            self._features = self._model.encode_source(to_device(source, self._device))
        self._plate: tuple[UInt8Array, Tensor] | None = None

    def correct(
        self, target_xy: npt.NDArray[np.float32], frame: SkeletonFrame, plate: UInt8Array, box: CropBox
    ) -> Correction:
        """Run the network on one frame.

        Args:
            target_xy: (V, 2), the posed vertices of the person's mesh, frame pixels.
            frame: the pose.
            plate: (H, W, 3) uint8, what is behind the person; the same array is converted only once.
            box: the crop, see `person_crop_box` and `track_crop_boxes`.

        Returns:
            Where the vertices go, and what `finish` needs.
        """
        driver = self._renderer.driver_input(
            target_xy,
            frame.keypoints,
            frame.confidence,
            frame.depth,
            frame.order,
            background=self._plate_tensor(plate),
            box=box,
        )
        with torch.inference_mode():
            output: DRNOutput = self._model.predict(self._features, to_device(driver, self._device))
            moved = target_xy
            if output.pose.residual_flow is not None:
                flow = output.pose.residual_flow.cpu()
                moved = displace_points(torch.from_numpy(target_xy)[None], flow, box)[0].numpy()
        return Correction(moved, output, box)

    def finish(self, image: UInt8Array, correction: Correction) -> UInt8Array:
        """Bring content and corrections into the rendered frame.

        Args:
            image: (H, W, 3) uint8, the prior rendered with the corrected vertices.
            correction: of this frame.

        Returns:
            (H, W, 3) uint8; the input itself where the network has nothing to add.
        """
        output, frame_hw = correction.output, (image.shape[0], image.shape[1])
        if output.pose.visibility is not None and output.pose.content is None and output.detail is None:
            return image
        inside = correction.box.clipped(frame_hw)
        rows, columns = slice(inside.y0, inside.y1), slice(inside.x0, inside.x1)
        with torch.inference_mode():
            region = picture_tensor(image[rows, columns]).to(self._device)
            blended = blend_region(output, region, correction.box, frame_hw)
            result = image.copy()
            result[rows, columns] = (blended[0].permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()
        return result

    def _plate_tensor(self, plate: UInt8Array) -> Tensor:
        if self._plate is None or self._plate[0] is not plate:
            self._plate = plate, picture_tensor(plate)
        return self._plate[1]
