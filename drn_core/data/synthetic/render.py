"""Drawing of a posed person: picture, mask, labels and the buffers that the ground truth is read from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.camera import Camera, Light, parallel_camera
from drn_core.data.synthetic.character import Character
from drn_core.data.synthetic.correspondence import gather_surface, trace_flow
from drn_core.data.synthetic.raster import (
    ALPHA_TESTED,
    bounds,
    project,
    project_parallel,
    rasterize,
    skin_points,
    vertex_normals,
)
from drn_core.data.synthetic.rig import PosedBones
from drn_core.data.synthetic.shading import ambient_occlusion, resolve, shade

__all__ = ["Drawing", "Renderer", "trace"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
OCCLUSION_RADIUS_METRES = 0.06


@dataclass(frozen=True)
class Drawing:
    """One drawn person.

    Attributes:
        image: (H, W, 3) uint8 RGB over the background.
        mask: (H, W) float32 coverage by the person, 0 to 1.
        parts: (H, W) uint8 part label at each pixel's centre.
        coords: (H, W, 3) float32 surface coordinates: position on the mean body at rest, metres; 0 off the person.
        screen: (n, 3) float32 projected vertices: x, y in pixels, inverse depth.
        face_at: (H, W) int32 face at each pixel's centre, -1 off the person.
        depth: (S * H, S * W) float32 inverse depth of the samples, 0 off the person.
    """

    image: UInt8Array
    mask: FloatArray
    parts: UInt8Array
    coords: FloatArray
    screen: FloatArray
    face_at: npt.NDArray[np.int32]
    depth: FloatArray


class Renderer:
    """Draws people at one picture size.

    Args:
        size_hw: height and width of the pictures.
        supersampling: samples per pixel side.
        shadow_size: side of the shadow map; None scales it with the picture.
    """

    def __init__(self, size_hw: tuple[int, int], supersampling: int = 2, shadow_size: int | None = None) -> None:
        self.size_hw = size_hw
        self.scale = supersampling
        self.shadow_size = shadow_size or min(2048, 384 * max(1, round(max(size_hw) / 256)))
        height, width = size_hw[0] * supersampling, size_hw[1] * supersampling
        self._samples = np.empty((height, width, 4), np.float32)
        self._sample_face = np.empty((height, width), np.int32)
        self._pixel_depth = np.empty(size_hw, np.float32)
        self._occlusion = np.empty(size_hw, np.float32)
        self._shadow = np.empty((self.shadow_size, self.shadow_size), np.float32)
        self._shadow_face = np.empty((self.shadow_size, self.shadow_size), np.int32)

    def pose_points(self, person: Character, bones: PosedBones, rest: FloatArray) -> FloatArray:
        """Skin rest points (n, 3) of a person."""
        points = np.empty_like(rest)
        skin_points(
            rest,
            person.weights,
            person.bones,
            bones.rotations.astype(np.float32),
            bones.offsets.astype(np.float32),
            points,
        )
        return points

    def draw(
        self,
        person: Character,
        points: FloatArray,
        camera: Camera,
        light: Light,
        background: FloatArray,
        *,
        is_lit: bool = True,
    ) -> Drawing:
        """Draw posed points (n, 3) of a person over a background (H, W, 3), 0 to 1."""
        height, width = self.size_hw
        screen = np.empty_like(points)
        project(points, camera.packed, screen)
        depth = np.empty(self._sample_face.shape, np.float32)
        face_at = np.empty(self.size_hw, np.int32)
        self._rasterize(person, screen, person.flags, self.scale, depth, self._sample_face)
        self._rasterize(person, screen, person.flags, 1, self._pixel_depth, face_at)
        shadow_camera = self._cast_shadow(person, points, light)
        normals = np.empty_like(points)
        vertex_normals(points, person.faces, normals)
        distance = float(np.linalg.norm(camera.eye - bounds(points).mean(axis=0)))
        ambient_occlusion(self._pixel_depth, camera.focal_px * OCCLUSION_RADIUS_METRES / distance, self._occlusion)
        shade(
            screen, points, normals, person.faces, person.face_texture, person.uv, person.atlas.materials,
            person.atlas.texels, person.atlas.table, float(self.scale), self._sample_face,
            cv2.blur(self._occlusion, (3, 3)), light.packed, self._shadow, shadow_camera, camera.eye, is_lit,
            self._samples,
        )  # fmt: skip
        image, mask = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32)
        resolve(self._samples, background, image, mask)
        parts, coords = np.empty((height, width), np.uint8), np.empty((height, width, 3), np.float32)
        gather_surface(screen, person.faces, face_at, person.parts, person.rest, parts, coords)
        return Drawing(image, mask, parts, coords, screen, face_at, depth)

    def _rasterize(
        self,
        person: Character,
        screen: FloatArray,
        flags: npt.NDArray[np.int32],
        scale: int,
        depth: FloatArray,
        face_at: npt.NDArray[np.int32],
    ) -> None:
        rasterize(
            screen, person.faces, flags, person.face_texture, person.uv, person.atlas.texels, person.atlas.table,
            float(scale), depth, face_at,
        )  # fmt: skip

    def _cast_shadow(self, person: Character, points: FloatArray, light: Light) -> npt.NDArray[np.float64]:
        camera = parallel_camera(light.direction, bounds(points).mean(axis=0), self.shadow_size)
        screen = np.empty_like(points)
        project_parallel(points, camera, screen)
        # Seen from the light, faces turned away still cast shadows.
        self._rasterize(person, screen, person.flags & ALPHA_TESTED, 1, self._shadow, self._shadow_face)
        return camera


def trace(target: Drawing, source: Drawing, person: Character, supersampling: int) -> tuple[FloatArray, UInt8Array]:
    """Backward flow (H, W, 2) from target to source and its visibility codes (H, W); see `correspondence`."""
    flow = np.empty((*target.face_at.shape, 2), np.float32)
    codes = np.empty(target.face_at.shape, np.uint8)
    trace_flow(
        target.screen, source.screen, person.faces, target.face_at, source.depth, float(supersampling), flow, codes
    )
    return flow, codes
