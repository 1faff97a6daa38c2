"""The person as the photo has it, uncut: shown wherever the sheets lie as in the photo.

Sheets that are cut, filled and put together again are not the photo to the last pixel: soft edges are composed twice,
rims beside arms are filled, foreshortened limbs were drawn on, hidden ones made anew. None of it need be seen where
nothing has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.stillness import Stillness

if TYPE_CHECKING:
    from drn_core.prior.render import PriorFrame

__all__ = ["CutOut", "UncutPerson"]

UInt8 = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]

# Around what has moved the sheets are shown as far as this, in pixels of a 512-pixel-high person: the rim of an arm
# stays on nothing.
_RIM = 6.0
# Motion is judged on every n-th pixel.
_STRIDE = 4


@dataclass(frozen=True)
class CutOut:
    """The person in the photo.

    Attributes:
        foreground: (H, W, 3) uint8, the person's colour.
        alpha: (H, W) float32 in [0, 1].
    """

    foreground: UInt8
    alpha: Float


class UncutPerson:
    """Puts the photo's person back where the posed sheets show what they show in the photo's own pose.

    Args:
        cut_out: the person in the photo.
        own: the sheets in the photo's own pose.
        made_anew: (N,) the vertices of limbs that the photo hides; what it shows of them is in no sheet.
        stillness: the scale that motion is judged on.
    """

    def __init__(
        self, cut_out: CutOut, own: PriorFrame, made_anew: npt.NDArray[np.int64], stillness: Stillness
    ) -> None:
        self._alpha, self._foreground = cut_out.alpha, np.ascontiguousarray(cut_out.foreground)
        self._stillness = stillness
        reach = 2 + round(_RIM * stillness.unit_px / _STRIDE)  # two more: blur and enlargement spread what is left
        self._kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        ys, xs = np.nonzero(cut_out.alpha > 0.0)
        top, left, bottom, right = int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1
        # the first cell and the number of cells of the person's part of the frame
        self._cell = top // _STRIDE, left // _STRIDE
        self._grid_hw = -(-bottom // _STRIDE) - self._cell[0], -(-right // _STRIDE) - self._cell[1]
        self._layer, self._flow = self._sampled(own)
        alpha = cut_out.alpha[self._cell[0] * _STRIDE :: _STRIDE, self._cell[1] * _STRIDE :: _STRIDE]
        self._is_in_no_sheet = (self._layer < 0) & (alpha[: self._grid_hw[0], : self._grid_hw[1]] > 0.5)
        self._made_anew, self._anew_xy = made_anew, own.target_xy[made_anew]

    def restore(self, painted: UInt8, frame: PriorFrame, background: UInt8 | None) -> None:
        """Put the photo's person back, in place, where it has not moved.

        Args:
            painted: (h, w, 3) the painted window, or (h, w, 4) with straight alpha; changed.
            frame: what is painted.
            background: (h, w, 3) behind it; None for a window with alpha.
        """
        share = self._share(frame)
        rows, columns = np.flatnonzero(share.any(1)), np.flatnonzero(share.any(0))
        if len(rows) == 0:
            return
        # a cell around, where the share falls to nothing
        r0, r1 = max(rows[0] - 1, 0), rows[-1] + 2
        c0, c1 = max(columns[0] - 1, 0), columns[-1] + 2
        weight = cv2.resize(share[r0:r1, c0:c1], None, fx=_STRIDE, fy=_STRIDE, interpolation=cv2.INTER_LINEAR)
        y0, x0 = (r0 + self._cell[0]) * _STRIDE, (c0 + self._cell[1]) * _STRIDE
        top, left, bottom, right = frame.window
        y1, x1 = min(y0 + weight.shape[0], bottom), min(x0 + weight.shape[1], right)
        start_y, start_x = max(y0, top), max(x0, left)
        weight = np.ascontiguousarray(weight[start_y - y0 : y1 - y0, start_x - x0 : x1 - x0])
        place, part = np.s_[start_y:y1, start_x:x1], np.s_[start_y - top : y1 - top, start_x - left : x1 - left]
        alpha, colour = np.ascontiguousarray(self._alpha[place]), np.ascontiguousarray(self._foreground[place])
        if background is None:
            own = np.dstack([colour, np.round(alpha * 255).astype(np.uint8)])
        else:
            own = cv2.blendLinear(colour, np.ascontiguousarray(background[part]), alpha, 1.0 - alpha)
        painted[part] = cv2.blendLinear(own, np.ascontiguousarray(painted[part]), weight, 1.0 - weight)

    def _share(self, frame: PriorFrame) -> Float:
        """How far each place of the person (on every `_STRIDE`-th pixel) is as in the photo, in [0, 1]."""
        layer, flow = self._sampled(frame)
        still = self._unmoved(flow[0] - self._flow[0], flow[1] - self._flow[1])
        still[layer != self._layer] = 0.0
        if not still[layer >= 0].any():  # room beside a person who has moved
            return np.zeros_like(still)
        moved = frame.target_xy[self._made_anew] - self._anew_xy
        still[self._is_in_no_sheet] *= self._unmoved(*moved.T).min(initial=1.0)
        return np.asarray(cv2.blur(cv2.erode(still, self._kernel), (3, 3)), np.float32)

    def _unmoved(self, dx: Float, dy: Float) -> Float:
        return np.asarray(self._stillness.share(np.sqrt(dx * dx + dy * dy)), np.float32)

    def _sampled(self, posed: PriorFrame) -> tuple[npt.NDArray[np.int8], Float]:
        """Front-most layer (h, w) and its flow (2, h, w) on every `_STRIDE`-th pixel of the person's part."""
        layer, flow = np.full(self._grid_hw, -1, np.int8), np.zeros((2, *self._grid_hw), np.float32)
        into, outof = [], []
        for first, cells, low, high in zip(self._cell, self._grid_hw, posed.window[:2], posed.window[2:], strict=True):
            start, stop = max(first, -(-low // _STRIDE)), min(first + cells, -(-high // _STRIDE))
            into.append(slice(start - first, max(stop, start) - first))
            outof.append(slice(start * _STRIDE - low, max(stop, start) * _STRIDE - low, _STRIDE))
        seen = posed.raster.layer[0, 0].numpy()[tuple(outof)]
        layer[tuple(into)] = seen
        offset = np.array(posed.window[1::-1], np.float32)[:, None, None]
        moved = posed.raster.flow[0, 0].numpy()[(slice(None), *outof)] - offset
        flow[(slice(None), *into)] = np.where(seen >= 0, moved, 0.0)
        return layer, flow
