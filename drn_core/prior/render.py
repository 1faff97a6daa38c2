"""Pose and paint the layered person: skeleton in; picture, flow, visibility and part map out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drn_core import ops
from drn_core.prior.geometry import Array
from drn_core.prior.head import head_affine, head_turn
from drn_core.prior.ordering import part_depths
from drn_core.prior.person import PersonLayers
from drn_core.prior.stillness import Stillness
from drn_core.prior.transforms import part_transforms
from drn_core.prior.uncut import CutOut, UncutPerson

# At a bent joint before the trunk three sheets lie on each other; deeper ones are covered.
_NUM_PEELS = 3

__all__ = ["PriorFrame", "PriorRenderer", "pose_vertices", "skin_vertices"]


@dataclass(frozen=True)
class PriorFrame:
    """What the prior says of one output frame, within a window of it.

    Attributes:
        window: (y0, x0, y1, x1), half-open: the part of the frame that the person may touch.
        raster: peels of the layered mesh in the window; flow points into the layers' textures.
        target_xy: (V, 2) float32, the posed vertices in frame pixels.
    """

    window: tuple[int, int, int, int]
    raster: ops.PriorRaster
    target_xy: npt.NDArray[np.float32]


def pose_vertices(
    person: PersonLayers, keypoints: Array, confidence: Array | None = None, scale: float = 1.0
) -> npt.NDArray[np.float32]:
    """Turn the head and move the mesh to where the joints say.

    Args:
        person: the layered person.
        keypoints: (33, 2) output keypoints with the source's proportions.
        confidence: (33,) of the output's joints; None is sure of all.
        scale: size in the output over size in the photo.

    Returns:
        (V, 2) float32, output pixels.
    """
    sure = np.ones(len(keypoints)) if confidence is None else confidence
    turn = head_turn(person.head, person.body, keypoints, sure)
    head = head_affine(person.head, person.body, keypoints, turn, scale)
    affines = part_transforms(person.body, keypoints, scale, head=head)
    return skin_vertices(person, affines, turn)


def skin_vertices(person: PersonLayers, affines: Array, turn: Array | None = None) -> npt.NDArray[np.float32]:
    """Move the mesh by its parts' maps (linear blend skinning).

    Args:
        person: the layered person.
        affines: (15, 2, 3) map of each part.
        turn: (2,) of the head, from `head_turn`; None leaves it as it is.

    Returns:
        (V, 2) float32, output pixels.
    """
    mesh = person.mesh
    blended = mesh.weights @ affines.reshape(len(affines), 6).astype(np.float32)
    x, y = mesh.source_xy.T
    if turn is not None:
        x, y = x + person.head.vertices * np.float32(turn[0]), y + person.head.vertices * np.float32(turn[1])
    return np.stack([
        blended[:, 0] * x + blended[:, 1] * y + blended[:, 2],
        blended[:, 3] * x + blended[:, 4] * y + blended[:, 5],
    ], 1)  # fmt: skip


class PriorRenderer:
    """Renders one person in any pose.

    Args:
        person: the layered person.
        size_hw: size of the output frame.
        backend: backend of the warping core.
        cut_out: the person in the photo, shown where the sheets lie as they do there; None shows the sheets alone.
    """

    def __init__(
        self,
        person: PersonLayers,
        size_hw: tuple[int, int],
        backend: ops.BackendChoice = "auto",
        *,
        cut_out: CutOut | None = None,
    ) -> None:
        self._person = person
        self._size_hw = size_hw
        self._backend = backend
        mesh = person.mesh
        self._textures = torch.from_numpy(person.textures)
        self._alpha = self._textures[..., 3].contiguous()
        self._source_xy = torch.from_numpy(mesh.source_xy - np.array(person.origin_xy, np.float32))
        self._triangles = torch.from_numpy(mesh.triangles)
        self._triangle_layer = torch.from_numpy(mesh.triangle_layer)
        self._triangle_part = torch.from_numpy(mesh.triangle_part)
        self._uncut = None if cut_out is None else self._in_own_pose(cut_out)

    def _in_own_pose(self, cut_out: CutOut) -> UncutPerson:
        """Compare the photo's person with the sheets in its own pose, in the order that motions begin with."""
        person, body = self._person, self._person.body
        order = person.drawing_orders(body.depth[None], reference=0)[0]
        joints = body.keypoints if person.photo_joints is None else person.photo_joints
        frame = self.pose(joints, body.depth, order)
        anew = np.unique(person.mesh.triangles[np.isin(person.mesh.triangle_layer, person.hidden_layers)]).astype(
            np.int64
        )
        return UncutPerson(cut_out, frame, anew, Stillness.of(body))

    @property
    def person(self) -> PersonLayers:
        """The person this renders."""
        return self._person

    def pose(
        self, keypoints: Array, depth: Array, order: Array, scale: float = 1.0, confidence: Array | None = None
    ) -> PriorFrame:
        """Pose the person and rasterise it.

        Args:
            keypoints: (33, 2) output keypoints with the source's proportions.
            depth: (33,) depth of the joints, pixels.
            order: (9,) layer ids, back to front.
            scale: size in the output over size in the photo.
            confidence: (33,) of the joints; None is sure of all.

        Returns:
            The prior in its window.
        """
        target_xy = pose_vertices(self._person, keypoints, confidence, scale)
        return self.rasterize(target_xy, depth, order)

    def rasterize(self, target_xy: npt.NDArray[np.float32], depth: Array, order: Array) -> PriorFrame:
        """Rasterise the mesh with its vertices at given places.

        Args:
            target_xy: (V, 2) output pixels.
            depth: (33,) depth of the joints, pixels.
            order: (9,) layer ids, back to front.

        Returns:
            The prior in its window.
        """
        window = self.window_of(target_xy)
        offset = np.array([window[1], window[0]], np.float32)
        vertex_depth = self._person.mesh.weights @ part_depths(depth)
        raster = ops.rasterize_prior(
            torch.from_numpy(target_xy - offset)[None],
            torch.from_numpy(vertex_depth)[None],
            self._source_xy,
            self._triangles,
            self._triangle_layer,
            self._triangle_part,
            torch.from_numpy(np.asarray(order, np.int64))[None],
            self._alpha,
            size_hw=(window[2] - window[0], window[3] - window[1]),
            num_peels=_NUM_PEELS,
            backend=self._backend,
        )
        return PriorFrame(window, raster, target_xy)

    def paint(self, frame: PriorFrame, background: Tensor, residual_flow: Tensor | None = None) -> Tensor:
        """Paint a posed person over a background.

        Args:
            frame: the posed person.
            background: (H, W, 3) uint8, the whole frame.
            residual_flow: (1, 2, h, w) added to the flow in the window; None adds nothing.

        Returns:
            (H, W, 3) uint8, a new tensor.
        """
        y0, x0, y1, x1 = frame.window
        painted = self.paint_window(frame, background[y0:y1, x0:x1], residual_flow)
        return _set_in(background.numpy().copy(), frame.window, painted)

    def paint_window(self, frame: PriorFrame, background: Tensor, residual_flow: Tensor | None = None) -> Tensor:
        """Paint a posed person over what is behind their window.

        Args:
            frame: the posed person.
            background: (h, w, 3) uint8, the window's part of the frame.
            residual_flow: as in `paint`.

        Returns:
            (h, w, 3) uint8, a new tensor.
        """
        painted: Tensor = ops.composite_layers(
            self._textures, frame.raster, background[None], residual_flow=residual_flow, backend=self._backend
        )[0]
        if residual_flow is None:
            self._restore(painted, frame, background)
        return painted

    def cut_out(self, frame: PriorFrame, residual_flow: Tensor | None = None) -> Tensor:
        """Paint a posed person without a background.

        Args:
            frame: the posed person.
            residual_flow: as in `paint`.

        Returns:
            (H, W, 4) uint8 RGBA, straight alpha.
        """
        painted = ops.composite_layers(
            self._textures, frame.raster, None, residual_flow=residual_flow, backend=self._backend
        )[0]
        if residual_flow is None:
            self._restore(painted, frame, None)
        return _set_in(np.zeros((*self._size_hw, 4), np.uint8), frame.window, painted)

    def _restore(self, painted: Tensor, frame: PriorFrame, background: Tensor | None) -> None:
        """Show the photo's own person, in place, where nothing has moved."""
        if self._uncut is not None:
            self._uncut.restore(painted.numpy(), frame, None if background is None else background.numpy())

    def window_of(self, target_xy: npt.NDArray[np.float32]) -> tuple[int, int, int, int]:
        """Return the part (y0, x0, y1, x1), half-open, of the frame that posed vertices (V, 2) reach."""
        height, width = self._size_hw
        low = np.floor(target_xy.min(0)).astype(int) - 1
        high = np.ceil(target_xy.max(0)).astype(int) + 2
        y0, y1 = np.clip([low[1], high[1]], 0, height)
        x0, x1 = np.clip([low[0], high[0]], 0, width)
        if y1 <= y0 or x1 <= x0:  # wholly outside: one pixel keeps every shape valid
            return 0, 0, 1, 1
        return int(y0), int(x0), int(y1), int(x1)


def _set_in(image: npt.NDArray[np.uint8], window: tuple[int, int, int, int], part: Tensor) -> Tensor:
    """Write a part into an image, by numpy: a copy of torch's wakes threads that then spin for milliseconds."""
    y0, x0, y1, x1 = window
    image[y0:y1, x0:x1] = part.numpy()
    return torch.from_numpy(image)
