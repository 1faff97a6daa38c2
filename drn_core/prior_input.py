"""The geometric prior at the network's size, for training and inference alike."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drn_core.model.crops import CropBox, crop_maps, flow_between_crops, points_to_crop
from drn_core.model.records import DriverInput
from drn_core.prior.geometry import Array
from drn_core.prior.person import PersonLayers
from drn_core.prior.render import PriorFrame, PriorRenderer
from drn_core.prior.skinning import LayerMesh

__all__ = ["PriorInputRenderer", "scale_person"]


class PriorInputRenderer:
    """Renders the prior of one photo directly at the network's size.

    The layers' textures are reduced once to about the size they appear at, so that sampling them does not alias; a
    native rendering need not exist before the network has corrected it.

    Args:
        person: the layered person, in pixels of the photo.
        source_box: the person's box in the photo, as given to `crop_source`.
        size_hw: the network's size.
        pixels_per_texel: crop pixels that one pixel of the photo covers in the output crop, about.
    """

    def __init__(
        self, person: PersonLayers, source_box: CropBox, size_hw: tuple[int, int], *, pixels_per_texel: float
    ) -> None:
        reduced = scale_person(person, min(pixels_per_texel, 1.0))
        full_hw, reduced_hw = person.textures.shape[1:3], reduced.textures.shape[1:3]
        self._texel_px = (full_hw[1] / reduced_hw[1], full_hw[0] / reduced_hw[0])
        self._origin_xy = person.origin_xy
        self._source_box = source_box
        self._size_hw = size_hw
        self._renderer = PriorRenderer(reduced, size_hw)

    def driver_input(
        self,
        target_xy: npt.NDArray[np.float32],
        keypoints: Array,
        confidence: Array,
        depth: Array,
        order: npt.NDArray[Any],
        *,
        background: Tensor,
        box: CropBox,
    ) -> DriverInput:
        """Make the network's input for one frame.

        Args:
            target_xy: (V, 2), the posed vertices in frame pixels.
            keypoints: (33, 2), transferred driver pose in frame pixels.
            confidence: (33,) in [0, 1].
            depth: (33,) frame pixels, smaller is nearer.
            order: (9,) layer ids, back to front.
            background: (1, 3, H, W) in [0, 1], the plate of the whole frame.
            box: the person's box in the frame.

        Returns:
            A batch of one.
        """
        scale_x, scale_y = box.scale_to(self._size_hw)
        corner = np.array([box.x0, box.y0], np.float32)
        crop_xy = (target_xy - corner + 0.5) / np.array([scale_x, scale_y], np.float32) - 0.5
        frame = self._renderer.rasterize(crop_xy.astype(np.float32), np.asarray(depth) / scale_y, order)
        plate = crop_maps(background, box, self._size_hw).clamp(0, 1)
        plate_bytes = (plate[0].permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous()
        image = self._renderer.paint(frame, plate_bytes).permute(2, 0, 1)[None].float() / 255
        points = torch.from_numpy(np.asarray(keypoints, np.float32))[None]
        return DriverInput(
            keypoints=points_to_crop(points, box, self._size_hw),
            confidence=torch.from_numpy(np.asarray(confidence, np.float32))[None],
            depth=torch.from_numpy(np.asarray(depth, np.float32))[None] / scale_y,
            prior_image=image,
            prior_flow=self._flow(frame),
            prior_visibility=self._placed(frame, frame.raster.visibility[0], 0.0),
            background=plate_bytes.permute(2, 0, 1)[None].float() / 255,
            parts=self._placed(frame, frame.raster.part[0, :1].long() + 1, 0)[:, 0],
        )

    def _placed(self, frame: PriorFrame, window_maps: Tensor, empty: float) -> Tensor:
        """Put maps (C, h, w) of the frame's window into (1, C, H, W)."""
        y0, x0, y1, x1 = frame.window
        maps = window_maps.new_full((1, window_maps.shape[0], *self._size_hw), empty)
        maps[0, :, y0:y1, x0:x1] = window_maps
        return maps

    def _flow(self, frame: PriorFrame) -> Tensor:
        """Turn the front peel's flow, window -> reduced texture, into crop -> source crop; 0 where nothing is."""
        y0, x0, y1, x1 = frame.window
        is_shown = frame.raster.layer[0, :1] >= 0
        ys = torch.arange(y1 - y0, dtype=torch.float32)[:, None].expand(y1 - y0, x1 - x0)
        xs = torch.arange(x1 - x0, dtype=torch.float32)[None, :].expand(y1 - y0, x1 - x0)
        texel = frame.raster.flow[0, 0].permute(1, 2, 0) + torch.stack((xs, ys), dim=-1)
        in_photo = (texel + 0.5) * texel.new_tensor(self._texel_px) - 0.5 + texel.new_tensor(self._origin_xy)
        whole = texel.new_zeros((1, *self._size_hw, 2))
        whole[0, y0:y1, x0:x1] = in_photo
        flow = flow_between_crops(whole, self._source_box, self._size_hw)
        return flow * self._placed(frame, is_shown.float(), 0.0)


def scale_person(person: PersonLayers, scale: float) -> PersonLayers:
    """Reduce a layered person: smaller textures, the same mesh over them.

    Args:
        person: the layered person.
        scale: in (0, 1].

    Returns:
        A person for rendering with `PriorRenderer.rasterize`: its mesh is in pixels of the reduced textures, whose
        origin is (0, 0); its body and head stay in photo pixels.
    """
    origin = np.array(person.origin_xy, np.float32)
    layers, height, width, _ = person.textures.shape
    size_hw = (max(round(height * scale), 1), max(round(width * scale), 1))
    textures = person.textures
    if size_hw != (height, width):
        textures = np.stack([_reduced(person.textures[layer], size_hw) for layer in range(layers)])
    mesh = person.mesh
    factor = np.array([size_hw[1] / width, size_hw[0] / height], np.float32)
    reduced_mesh = LayerMesh(
        source_xy=((mesh.source_xy - origin + 0.5) * factor - 0.5).astype(np.float32),
        weights=mesh.weights,
        triangles=mesh.triangles,
        triangle_layer=mesh.triangle_layer,
        triangle_part=mesh.triangle_part,
    )
    return PersonLayers(textures, (0, 0), reduced_mesh, person.body, person.head, size_hw)


def _reduced(texture: npt.NDArray[np.uint8], size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    # Colours go on outside of the silhouette (see `composite_layers`), so straight colours may be averaged.
    return np.asarray(cv2.resize(texture, size_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)
