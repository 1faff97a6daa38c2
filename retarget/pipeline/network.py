"""Drawing with the network: it corrects the prior's mesh, and paints only where the photo shows nothing."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drn_core.model.crops import CropBox, crop_source
from drn_core.model.native import blend_native, displace_points
from drn_core.model.records import DRNOutput, SourceFeatures
from drn_core.prior.render import PriorFrame, PriorRenderer
from drn_core.prior_input import PriorInputRenderer
from retarget.pipeline.models import LoadedModel
from retarget.pipeline.source import SourceModel
from retarget.records import FloatArray, UInt8Array

__all__ = ["NetworkRenderer"]

# Room around the person in the network's crop, as a share of the person's height.
_MARGIN = 0.06

Record = TypeVar("Record")


class NetworkRenderer:
    """Draws one person with a network.

    Args:
        source: the person's model.
        model: the network.
        renderer: draws the prior at native size.
    """

    def __init__(self, source: SourceModel, model: LoadedModel, renderer: PriorRenderer) -> None:
        self._source = source
        self._model = model
        self._renderer = renderer
        box = _box_around(source.person.mesh.source_xy, model.size_hw)
        self._features = self._encode(box)
        self._input = PriorInputRenderer(
            source.person, box, model.size_hw, pixels_per_texel=model.size_hw[0] / box.size_hw[0]
        )

    @torch.inference_mode()
    def _encode(self, box: CropBox) -> SourceFeatures:
        source = self._source
        cropped = crop_source(
            _tensor(source.rgb),
            torch.from_numpy(source.pose.keypoints)[None],
            torch.from_numpy(source.pose.confidence)[None],
            box,
            self._model.size_hw,
        )
        return self._model.network.encode_source(_moved(cropped, self._model.device))

    @torch.inference_mode()
    def draw(
        self,
        frame: PriorFrame,
        keypoints: FloatArray,
        confidence: FloatArray,
        depth: FloatArray,
        order: npt.NDArray[Any],
        background: UInt8Array,
    ) -> tuple[UInt8Array, PriorFrame, DRNOutput]:
        """Draw one frame.

        Args:
            frame: the posed person, as geometry has it.
            keypoints: (33, 2) transferred pose in frame pixels.
            confidence: (33,).
            depth: (33,) frame pixels.
            order: (9,) layer ids, back to front.
            background: (H, W, 3) uint8 behind the person.

        Returns:
            The picture (H, W, 3) uint8, the corrected pose of the mesh, and the network's output in its crop.
        """
        box = _box_around(frame.target_xy, self._model.size_hw)
        driver = self._input.driver_input(
            frame.target_xy, keypoints, confidence, depth, order, background=_tensor(background), box=box
        )
        output = self._model.network.predict(self._features, _moved(driver, self._model.device))
        output = _moved(output, torch.device("cpu"))
        moved = frame
        if output.pose.residual_flow is not None:
            vertices = displace_points(torch.from_numpy(frame.target_xy)[None], output.pose.residual_flow, box)
            moved = self._renderer.rasterize(vertices[0].numpy(), depth, order)
        picture = self._renderer.paint(moved, torch.from_numpy(background))
        native = blend_native(output, picture.permute(2, 0, 1)[None].float() / 255, box)
        result = (native[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        return np.asarray(result, np.uint8), moved, output


def _box_around(points: FloatArray, size_hw: tuple[int, int]) -> CropBox:
    """A box of the crop's proportions around points (V, 2), with a margin."""
    low, high = points.min(0), points.max(0)
    middle, (width, height) = (low + high) / 2, (high - low) * (1 + 2 * _MARGIN)
    scale = max(float(height) / size_hw[0], float(width) / size_hw[1], 1e-2)
    half = np.array([size_hw[1], size_hw[0]]) * scale / 2
    x0, y0 = np.floor(middle - half).astype(int)
    side_hw = (max(round(size_hw[0] * scale), 2), max(round(size_hw[1] * scale), 2))
    return CropBox(int(x0), int(y0), int(x0) + side_hw[1], int(y0) + side_hw[0])


def _tensor(rgb: UInt8Array) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255


def _moved(record: Record, device: torch.device) -> Record:
    """Move all tensors of a record, and of records inside it, to a device; to the CPU as float32."""

    def move(value: Any) -> Any:
        if isinstance(value, Tensor):
            value = value.to(device)
            return value.float() if device.type == "cpu" and value.is_floating_point() else value
        if isinstance(value, tuple):
            return tuple(move(item) for item in value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _moved(value, device)
        return value

    changes = {item.name: move(getattr(record, item.name)) for item in dataclasses.fields(record)}  # type: ignore[arg-type]
    return dataclasses.replace(record, **changes)  # type: ignore[type-var]
