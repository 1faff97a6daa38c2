"""What a video says of a body's surface beyond its joints: cloth that swings, limbs that bend, joints read amiss.

The person of the video is made into layers from one of its frames, posed by the skeleton of each frame and compared
with what that frame shows. The dense flow between the two, gathered over the surface where it can be trusted, is the
**surface motion**. It lives in the body's own coordinates, so that another person's layers can follow it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from drn_core.prior.geometry import Array
from drn_core.prior.parts import ARM_LAYERS, Part
from drn_core.prior.person import PersonLayers
from drn_core.prior.render import PriorFrame, PriorRenderer, pose_vertices, skin_vertices
from drn_core.prior.skinning import LayerMesh
from drn_core.prior.transforms import part_transforms
from drn_core.skeleton import FACE_JOINTS

__all__ = ["PosedSurface", "SurfaceMotion", "SurfaceTrack", "SurfaceTracker", "TrackedPoints", "vertex_layers"]

Float = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

_POINTS_AT_ONCE = 64  # whose readings are smoothed together
# All lengths in heights of the tracked person; all other figures from development clips.
_SPACING = 0.025  # of the points that the motion is kept at
_SIGMA = 0.02  # readings are averaged over this distance
_REACH = 0.08  # surface farther than this from the tracked one follows it less and less
_LONGEST = 0.04  # longer flows fade out: they are errors of matching more often than of the skeleton
# A reading counts less as the picture brought back by the flow differs from the posed one (grey levels, of 255), and as
# the flow there and back misses its start (pixels).
_GREY_ERROR, _ROUND_TRIP_ERROR = 25.0, 1.5
_PATCH = np.stack(np.meshgrid(np.arange(-2, 3), np.arange(-2, 3)), -1).reshape(-1, 2).astype(np.float32)
_WINDOW_MARGIN = 24
# Flow is refined down to pictures of half size: at a quarter, where the fastest preset ends, it is half a pixel off,
# which costs .03 of SSIM.
_FINEST_FLOW = 1
# The motion of a head is fitted to what is this near to its face (one deviation, half widths), and goes on as far
# as this.
_FACE_NEAR, _HEAD_REACH = 0.8, 1.5
_LEAST_SHARE = 0.01
# Share of a head's motion, beyond its best affine part, that is followed.
_BENT = 0.5
# Flow is found better where pictures already agree, and what the averages of one look cut down the next makes up for.
# Each frame's look starts from this share of where the frame before led (all of it holds on to errors), but for arms,
# which are elsewhere a frame later: .8 % more joints right on six clips. A frame without one before is looked at twice.
_KEPT = 0.7
# Weight of "no motion" among the readings, in readings: what is hardly seen stays with its skeleton.
_STILL = 0.02


def vertex_layers(mesh: LayerMesh) -> npt.NDArray[np.int32]:
    """Return the layer of each vertex, (V,)."""
    layers = np.zeros(len(mesh.source_xy), np.int32)
    layers[mesh.triangles.ravel()] = np.repeat(mesh.triangle_layer, 3)
    return layers


@dataclass(frozen=True)
class SurfaceMotion:
    """Motion of a tracked surface beyond its skeleton, and how another person's mesh follows it.

    Attributes:
        displacement: (T, K, 2) float16, of the tracked person's control points, in their pixels.
        followers: (V, K) weights of the control points for each vertex of the mesh that follows, in its own pixels;
            rows sum to at most the ratio of the two persons' sizes.
    """

    displacement: npt.NDArray[np.float16]
    followers: csr_matrix

    def at(self, index: int) -> Float:
        """Return how far each vertex of the following mesh moves in a frame, (V, 2) pixels."""
        return np.asarray(self.followers @ self.displacement[index].astype(np.float32), np.float32)

    def part(self, start: int, stop: int) -> SurfaceMotion:
        """Return the motion of frames [start, stop) alone."""
        return replace(self, displacement=self.displacement[start:stop])


@dataclass(frozen=True)
class TrackedPoints:
    """The points of a tracked person's surface that its motion is kept at.

    Attributes:
        xy: (K, 2) float32, where they lie in the picture that the person's layers were made of.
        layers: (K,) int32, the layer of each.
        person_height_px: height of the person in that picture.
    """

    xy: Float
    layers: npt.NDArray[np.int32]
    person_height_px: float

    def followers(self, mesh: LayerMesh, laid_over: Float) -> csr_matrix:
        """Return the weights (V, K) of the points for the vertices (V, 2) of a mesh laid over them, layer by layer."""
        spacing, reach = _SPACING * self.person_height_px, _REACH * self.person_height_px
        sigma = 0.6 * spacing
        rows, columns, values = [], [], []
        layers = vertex_layers(mesh)
        for layer in np.unique(layers):
            own, other = np.flatnonzero(layers == layer), np.flatnonzero(self.layers == layer)
            if len(other) == 0:
                continue
            count = min(6, len(other))
            distance, nearest = (
                np.reshape(each, (len(own), count)) for each in cKDTree(self.xy[other]).query(laid_over[own], count)
            )
            near = distance[:, :1]
            weight = np.exp((near**2 - distance**2) / (2 * sigma**2))
            weight *= np.exp(-((np.maximum(near - spacing, 0.0) / reach) ** 2)) / weight.sum(1, keepdims=True)
            rows.append(np.repeat(own, count))
            columns.append(other[nearest].ravel())
            values.append(weight.ravel())
        shape = (len(mesh.source_xy), len(self.xy))
        if not rows:
            return csr_matrix(shape, dtype=np.float32)
        entries = (np.concatenate(values).astype(np.float32), (np.concatenate(rows), np.concatenate(columns)))
        return csr_matrix(entries, shape=shape)


@dataclass(frozen=True)
class SurfaceTrack:
    """Motion of a tracked person's surface beyond its skeleton, in a clip; whoever may follow it.

    Attributes:
        points: where it is known.
        displacement: (T, K, 2) float16, of these points, in pixels of the tracked person.
    """

    points: TrackedPoints
    displacement: npt.NDArray[np.float16]

    def onto(self, follower: PersonLayers, keypoints: Array, size_ratio: float) -> SurfaceMotion:
        """Lay the motion onto another person.

        Args:
            follower: the layers that follow.
            keypoints: (33, 2) skeleton of the frame that the tracked layers were made of.
            size_ratio: size of the follower in the output over that of the tracked person in its frames.

        Returns:
            The motion.
        """
        laid_over = skin_vertices(follower, part_transforms(follower.body, keypoints, 1.0 / size_ratio))
        followers = self.points.followers(follower.mesh, laid_over) * np.float32(size_ratio)
        return SurfaceMotion(self.displacement, csr_matrix(followers))


@dataclass(frozen=True)
class PosedSurface:
    """A tracked person's layers in the pose of one frame.

    Attributes:
        target_xy: (V, 2) float32, the posed vertices.
        area: (y0, x0, y1, x1), half-open: the part of the frame that they are compared with.
        scale: size of the person in the frame over its size in the layers.
        depth: (33,) depth of the joints, pixels.
        order: (9,) layer ids, back to front.
    """

    target_xy: Float
    area: tuple[int, int, int, int]
    scale: float
    depth: Array
    order: Array


class SurfaceTracker:
    """Compares one person's layers, posed by skeletons, with the frames that the skeletons were read from.

    Args:
        person: the layers, made of one of the frames.
        size_hw: size of the frames.
    """

    def __init__(self, person: PersonLayers, size_hw: tuple[int, int]) -> None:
        self._person, self._size_hw = person, size_hw
        self._renderer = PriorRenderer(person, size_hw)
        self._layers = vertex_layers(person.mesh)
        self._height_px = float(np.ptp(person.mesh.source_xy[:, 1]))
        self.controls = _control_points(person.mesh, self._layers, _SPACING * self._height_px)
        self._gather = _gathering(person.mesh, self._layers, self.controls, _SIGMA * self._height_px)
        own_layers = self._layers[self.controls]
        self._kept = np.where(np.isin(own_layers, ARM_LAYERS), 0.0, _KEPT).astype(np.float32)
        self._points = TrackedPoints(person.mesh.source_xy[self.controls], own_layers, self._height_px)
        self._own_followers = self._points.followers(person.mesh, person.mesh.source_xy)

    def pose(self, keypoints: Array, depth: Array, order: Array, scale: float = 1.0,
             confidence: Array | None = None) -> PosedSurface:  # fmt: skip
        """Pose the layers as one frame's skeleton says.

        Args:
            keypoints: (33, 2) the skeleton.
            depth: (33,) depth of the joints, pixels.
            order: (9,) layer ids, back to front.
            scale: size of the person in the frame over its size in the layers.
            confidence: (33,) of the joints; None is sure of all.

        Returns:
            The posed layers, and where in the frame they have to be looked for.
        """
        target_xy = pose_vertices(self._person, keypoints, confidence, scale)
        y0, x0, y1, x1 = self._renderer.window_of(target_xy)
        height, width = self._size_hw
        area = (
            max(y0 - _WINDOW_MARGIN, 0),
            max(x0 - _WINDOW_MARGIN, 0),
            min(y1 + _WINDOW_MARGIN, height),
            min(x1 + _WINDOW_MARGIN, width),
        )
        return PosedSurface(target_xy, area, scale, depth, order)

    def measure(self, posed: PosedSurface, shown: UInt8, before: Float | None = None) -> Float:
        """Compare the posed layers with what the frame shows.

        Args:
            posed: the layers in the frame's pose.
            shown: (h, w) uint8, the frame's grey levels in `posed.area`.
            before: (K, 3) what was read of the frame before; None where there is none.

        Returns:
            (K, 3): at each control point the sums of dx, dy (pixels, weighted) and of the weights.
        """
        if before is None:
            start = _displacement(self._look(posed, np.zeros((len(self.controls), 2), np.float32), shown))
        else:
            start = self._kept[:, None] * _displacement(before)
        return self._look(posed, start, shown)

    def _look(self, posed: PosedSurface, start: Float, shown: UInt8) -> Float:
        """Read, as in `measure`, from a displacement (K, 2) of the control points on."""
        reach = _WINDOW_MARGIN - 2
        moved = np.clip(self._own_followers @ start, -reach, reach)
        target_xy = (posed.target_xy + moved).astype(np.float32)
        frame = self._renderer.rasterize(target_xy, posed.depth, posed.order)
        pixel = np.round(target_xy).astype(np.int64) - posed.area[1::-1]
        seen = np.flatnonzero(self._is_seen(frame))
        readings = np.zeros((len(target_xy), 3), np.float32)
        limit = _LONGEST * self._height_px * posed.scale
        readings[seen] = self._read(self._drawn(frame, posed.area, shown), shown, pixel[seen], limit)
        readings[:, :2] += readings[:, 2:] * moved
        return np.asarray(self._gather @ readings, np.float32)

    @staticmethod
    def _read(drawn: UInt8, shown: UInt8, pixels: npt.NDArray[np.int64], limit: float) -> Float:
        """Flow from the drawn to the shown picture at pixels (N, 2), times its weight, and the weight: (N, 3)."""
        matcher = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        matcher.setFinestScale(_FINEST_FLOW)
        flow = matcher.calc(drawn, shown, None)[pixels[:, 1], pixels[:, 0]]
        back = matcher.calc(shown, drawn, None)
        ends = (pixels + flow).astype(np.float32)
        round_trip = (
            flow + cv2.remap(back, ends[:, None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
        )
        found = _patches(shown, ends)
        wanted = _patches(drawn, pixels.astype(np.float32))
        error = np.abs(found - wanted).mean(1)
        weight = np.exp(-((np.hypot(*round_trip.T) / _ROUND_TRIP_ERROR) ** 2) - (error / _GREY_ERROR) ** 2)
        weight *= 1.0 - np.clip((np.hypot(*flow.T) - limit) / limit, 0.0, 1.0)
        return np.column_stack([flow * weight[:, None], weight]).astype(np.float32)

    def _drawn(self, frame: PriorFrame, area: tuple[int, int, int, int], shown: UInt8) -> UInt8:
        """The posed layers over what the frame shows, (h, w) grey levels."""
        (y0, x0, y1, x1), (top, left) = frame.window, area[:2]
        window = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        behind = cv2.cvtColor(shown[window], cv2.COLOR_GRAY2RGB)
        painted = self._renderer.paint_window(frame, torch.from_numpy(behind)).numpy()
        drawn = shown.copy()
        drawn[window] = cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY)
        return drawn

    def _is_seen(self, frame: PriorFrame) -> npt.NDArray[np.bool_]:
        """Which vertices lie on top, (V,)."""
        top = frame.raster.layer[0, 0].numpy()
        pixel = np.round(frame.target_xy).astype(int) - (frame.window[1], frame.window[0])
        inside = ((pixel >= 0) & (pixel < top.shape[::-1])).all(1)
        x, y = np.where(inside[:, None], pixel, 0).T
        return np.asarray(inside & (top[y, x] == self._layers))

    def track(self, readings: Float, sigma_frames: float) -> SurfaceTrack:
        """Turn the readings of a whole clip into motion.

        Args:
            readings: (T, K, 3) from `measure`; zeros where a frame could not be compared.
            sigma_frames: temporal smoothing.

        Returns:
            The motion, for anybody to follow.
        """
        displacement = np.empty((*readings.shape[:2], 2), np.float16)
        for start in range(0, readings.shape[1], _POINTS_AT_ONCE):  # a long clip's readings are large
            part = np.s_[:, start : start + _POINTS_AT_ONCE]
            displacement[part] = _displacement(_smoothed(readings[part], sigma_frames))
        self._calm_head(displacement, readings, sigma_frames)
        return SurfaceTrack(self._points, displacement)

    def _calm_head(self, displacement: npt.NDArray[np.float16], readings: Float, sigma_frames: float) -> None:
        """Let the head move as a whole: smoothly, and in what is not the same all over by half.

        A quadratic motion holds shift, tilt, turn and nod. What is finer are errors of matching more often than a face
        that talks, and half of what the joints' own turn leaves to be bent would bend the face more than it places it:
        on ten clips likeness gains .01 and the head's surroundings lose 0.4 dB.

        Args:
            displacement: (T, K, 2), changed in place where the head moves a control point.
            readings: (T, K, 3), what it was made from.
            sigma_frames: temporal smoothing.
        """
        share = self._person.mesh.weights[self.controls, Part.HEAD]
        own = np.flatnonzero(share > _LEAST_SHARE)
        middle = self._person.body.keypoints[list(FACE_JOINTS)].mean(0)
        offset = (self._person.mesh.source_xy[self.controls[own]] - middle) / self._person.body.radii[Part.HEAD]
        x, y = np.clip(offset, -_HEAD_REACH, _HEAD_REACH).T
        basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)
        trust = np.where(share[own] > 0.5, share[own] * np.exp(-(x * x + y * y) / (2 * _FACE_NEAR**2)), 0.0)
        if np.count_nonzero(trust) < basis.shape[1]:
            return
        smooth = _smoothed(readings[:, own], sigma_frames)
        bent, straight = (_fitted(basis[:, :count], trust, smooth) for count in (6, 3))
        each = _displacement(smooth)
        displacement[:, own] = each + share[own, None] * (straight + _BENT * (bent - straight) - each)


def _smoothed(readings: Float, sigma_frames: float) -> Float:
    """Readings (T, K, 3) averaged over time."""
    if sigma_frames <= 0:
        return readings
    return np.asarray(gaussian_filter1d(readings, sigma_frames, axis=0, mode="constant"), np.float32)


def _displacement(readings: Float) -> Float:
    """Where readings (..., K, 3) lead: (..., K, 2) pixels."""
    return np.asarray(readings[..., :2] / (readings[..., 2:] + np.float32(_STILL)), np.float32)


def _fitted(basis: Array, trust: Array, readings: Float) -> npt.NDArray[np.float64]:
    """Displacements (T, K, 2) of the motion in a basis (K, N) that fits readings (T, K, 3) best, weighted by trust."""
    weight = trust * (readings[..., 2] + _STILL)
    normal = np.einsum("tk,ki,kj->tij", weight, basis, basis, optimize=True)
    moments = np.einsum("k,ki,tkc->tic", trust, basis, readings[..., :2], optimize=True)
    return np.asarray(basis @ np.linalg.solve(normal + 1e-4 * np.eye(basis.shape[1]), moments))


def _patches(grey: UInt8, centres: Float) -> Float:
    """Sample the surroundings of points (N, 2): (N, 25) grey levels."""
    places = centres[:, None] + _PATCH
    return np.asarray(cv2.remap(grey, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _control_points(mesh: LayerMesh, layers: npt.NDArray[np.int32], spacing_px: float) -> npt.NDArray[np.int64]:
    """Choose vertices, one per layer and cell of a grid: the one nearest to the cell's middle."""
    cell = np.floor(mesh.source_xy / spacing_px)
    off_centre = np.linalg.norm(mesh.source_xy / spacing_px - cell - 0.5, axis=1)
    order = np.argsort(off_centre, kind="stable")
    keys = np.column_stack([layers, cell])[order]
    _, first = np.unique(keys, axis=0, return_index=True)
    return np.sort(order[first])


def _gathering(
    mesh: LayerMesh, layers: npt.NDArray[np.int32], controls: npt.NDArray[np.int64], sigma_px: float
) -> csr_matrix:
    """Gaussian weights (K, V) that gather readings of vertices at the control points of the same layer."""
    tree = cKDTree(mesh.source_xy)
    near = tree.query_ball_point(mesh.source_xy[controls], 3 * sigma_px)
    rows = np.repeat(np.arange(len(controls)), [len(each) for each in near])
    columns = np.concatenate([np.asarray(each, np.int64) for each in near])
    same = layers[controls[rows]] == layers[columns]
    rows, columns = rows[same], columns[same]
    squared = ((mesh.source_xy[controls[rows]] - mesh.source_xy[columns]) ** 2).sum(1)
    weights = np.exp(-squared / (2 * sigma_px**2)).astype(np.float32)
    return csr_matrix((weights, (rows, columns)), shape=(len(controls), len(mesh.source_xy)))
