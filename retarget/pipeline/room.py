"""The photo's own room behind the person: the truth where the person stands as in the photo, the fill elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.person import PersonLayers
from drn_core.prior.render import PriorFrame, pose_vertices
from drn_core.prior.stillness import Stillness
from retarget.pipeline.source import SourceModel
from retarget.records import FloatArray, UInt8Array

__all__ = ["SourceRoom"]

# Alpha up to which the photo shows pure background, and from which it shows none.
_CLEAR, _OPAQUE = 0.02, 0.9
# Window in which the motion of what is nearest is judged away from the person, in windows of that beside it.
_FAR = 9
# The motion field is judged on every n-th pixel.
_STRIDE = 4


class SourceRoom:
    """The background of the photo, per frame.

    The plate is filled in a band around the person, or a rim of the old silhouette would stay behind. Where the person
    has not moved there is no rim to hide, and the photo's own pixels are right: a still trunk keeps its true edge, and
    the photo's own pose gives the photo back.

    Args:
        source: photo, matte and plate.
    """

    def __init__(self, source: SourceModel) -> None:
        self._filled = source.plate
        self._truth = _unmixed(source)
        ys, xs = np.nonzero((self._truth != self._filled).any(-1))
        self._box = (int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1) if len(ys) else (0, 0, 0, 0)
        self._redrawn = source.person.redrawn_layers  # their flow doesn't point into the photo
        self._origin_xy = np.array(source.person.origin_xy, np.float32)
        self._stillness = Stillness.of(source.person.body)
        self._reach = max(3, 2 * round(6 * self._stillness.unit_px / _STRIDE * 2) + 1)
        self._nearest = _NearestVertices(source.person, (source.plate.shape[0], source.plate.shape[1]))

    def at(self, time_seconds: float, person: PriorFrame) -> UInt8Array:
        """Return the (H, W, 3) background behind a posed person."""
        y0, x0, y1, x1 = self._box
        if y1 <= y0:
            return self._filled
        weight = self._unmoved(person)
        if weight is None:
            return self._filled
        picture = self._filled.copy()
        part = np.s_[y0:y1, x0:x1]
        share = weight[part]
        picture[part] = cv2.blendLinear(self._filled[part], self._truth[part], 1.0 - share, share)
        return picture

    def close(self) -> None:
        """Nothing to free."""

    def _unmoved(self, person: PriorFrame) -> FloatArray | None:
        """(H, W) share of unmoved person among the person's pixels nearest to each pixel; None where all has moved."""
        y0, x0 = person.window[:2]
        layer = person.raster.layer[0, 0, ::_STRIDE, ::_STRIDE].numpy()
        is_seen = ((layer >= 0) & ~np.isin(layer, self._redrawn)).astype(np.float32)
        flow = person.raster.flow[0, 0, :, ::_STRIDE, ::_STRIDE].numpy()
        offset = self._origin_xy - np.array([x0, y0], np.float32)
        motion = np.hypot(flow[0] + offset[0], flow[1] + offset[1])
        ramp = self._stillness.share(motion) * is_seen
        if not ramp.any():
            return None
        height, width = self._filled.shape[:2]
        still = np.zeros((-(-height // _STRIDE), -(-width // _STRIDE)), np.float32)
        seen = np.zeros_like(still)
        part = np.s_[y0 // _STRIDE :, x0 // _STRIDE :]
        rows, columns = min(ramp.shape[0], still[part].shape[0]), min(ramp.shape[1], still[part].shape[1])
        still[part][:rows, :columns], seen[part][:rows, :columns] = ramp[:rows, :columns], is_seen[:rows, :columns]
        near, far = ((side, side) for side in (self._reach, _FAR * self._reach))
        near_seen, far_seen = cv2.blur(seen, near), cv2.blur(seen, far)
        # shadows and held things lie further off; they stay as long as the limbs nearest to them do
        share = np.where(
            near_seen > 1e-3,
            cv2.blur(still, near) / np.maximum(near_seen, 1e-3),
            cv2.blur(still, far) / np.maximum(far_seen, 1e-3),
        )
        share = np.where(np.maximum(near_seen, far_seen) > 1e-3, share, still.sum() / seen.sum())
        moved = np.hypot(*(person.target_xy - self._nearest.rest_xy).T)
        share = np.minimum(share, self._nearest.least(self._stillness.share(moved), self._reach))
        return np.asarray(cv2.resize(share * share, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


class _NearestVertices:
    """Which part of the person was nearest to each place of the room in the photo: with it, its shadow and its rim go.

    Attributes:
        rest_xy: (V, 2) the mesh in the photo's own pose.
    """

    def __init__(self, person: PersonLayers, size_hw: tuple[int, int]) -> None:
        joints = person.body.keypoints if person.photo_joints is None else person.photo_joints
        self.rest_xy = pose_vertices(person, joints)
        height, width = (-(-side // _STRIDE) for side in size_hw)
        columns, rows = np.clip(np.rint(self.rest_xy / _STRIDE).astype(int), 0, (width - 1, height - 1)).T
        cells = rows * width + columns
        self._order = np.argsort(cells, kind="stable")
        self._cells, self._starts = np.unique(cells[self._order], return_index=True)
        is_free = np.ones(height * width, np.uint8)
        is_free[self._cells] = 0
        _, label = cv2.distanceTransformWithLabels(
            is_free.reshape(height, width), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        of_label = np.zeros(int(label.max()) + 1, np.int64)
        of_label[label.ravel()[self._cells]] = np.arange(len(self._cells))
        self._of_place = of_label[label]

    def least(self, values: FloatArray, reach: int) -> FloatArray:
        """Return (h, w) the least of the values (V,) of the nearest vertices, on every `_STRIDE`-th pixel."""
        of_cell = np.minimum.reduceat(values[self._order].astype(np.float32), self._starts)
        return np.asarray(cv2.blur(of_cell[self._of_place], (reach, reach)), np.float32)


def _unmixed(source: SourceModel) -> UInt8Array:
    """The photo's background: itself outside the person, freed of the person's colour on the edge, filled inside.

    With it, matte over background gives the photo back.
    """
    alpha = source.matte.alpha[..., None]
    photo = source.rgb.astype(np.float32)
    behind = (photo - alpha * source.matte.foreground) / np.maximum(1.0 - alpha, 1.0 - _OPAQUE)
    result = np.where(alpha > _OPAQUE, source.plate, np.clip(behind + 0.5, 0, 255))
    is_shown = (alpha <= _CLEAR) | ~_drawn(source)[..., None]
    return np.where(is_shown, source.rgb, result).astype(np.uint8)


def _drawn(source: SourceModel) -> npt.NDArray[np.bool_]:
    """(H, W) pixels that the photo's sheets draw; what the photo shows of a limb that is made anew is in none."""
    person = source.person
    alpha = np.zeros(person.textures.shape[1:3], np.uint8)
    for layer in person.layers:
        if layer not in person.hidden_layers:
            alpha = np.maximum(alpha, person.textures[layer, ..., 3])
    x, y = person.origin_xy
    height, width = source.size_hw
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    placed = cv2.warpAffine(alpha, matrix, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray((placed > 127) | (source.matte.alpha < 0.5))
