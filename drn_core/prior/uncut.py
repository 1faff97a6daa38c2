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

if TYPE_CHECKING:
    from drn_core.prior.render import PriorFrame

__all__ = ["CutOut", "UncutPerson"]

UInt8 = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]

# Motion in pixels of a 512-pixel-high person up to which a sheet counts as unmoved, and from which as moved.
_STILL, _MOVED = 0.75, 2.5
# Around what has moved the sheets are shown as far as this, in the same pixels: the rim of an arm stays on nothing.
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
        unit_px: size of a pixel of a 512-pixel-high person.
    """

    def __init__(self, cut_out: CutOut, own: PriorFrame, made_anew: npt.NDArray[np.int64], unit_px: float) -> None:
        self._alpha, self._foreground = cut_out.alpha, np.ascontiguousarray(cut_out.foreground)
        unit = max(unit_px, 0.5)
        self._limits = _STILL * unit, _MOVED * unit
        reach = 2 + round(_RIM * unit / _STRIDE)  # two more: blur and enlargement spread what is left
        self._kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        height, width = cut_out.alpha.shape
        self._grid_hw = -(-height // _STRIDE), -(-width // _STRIDE)
        self._layer, self._flow = self._sampled(own)
        self._is_in_no_sheet = (self._layer < 0) & (cut_out.alpha[::_STRIDE, ::_STRIDE] > 0.5)
        self._made_anew, self._anew_xy = made_anew, own.target_xy[made_anew]
        ys, xs = np.nonzero(cut_out.alpha > 0.0)
        self._box = int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1

    def restored(self, painted: UInt8, frame: PriorFrame, background: UInt8 | None) -> UInt8:
        """Put the photo's person back where it has not moved.

        Args:
            painted: (h, w, 3) the painted window, or (h, w, 4) with straight alpha.
            frame: what is painted.
            background: (h, w, 3) behind it; None for a window with alpha.

        Returns:
            (h, w, 3) or (h, w, 4), a new array where anything was put back.
        """
        window = frame.window
        y0, x0 = max(self._box[0], window[0]), max(self._box[1], window[1])
        y1, x1 = min(self._box[2], window[2]), min(self._box[3], window[3])
        share = self._share(frame) if y1 > y0 and x1 > x0 else None
        if share is None:
            return painted
        place, part = np.s_[y0:y1, x0:x1], np.s_[y0 - window[0] : y1 - window[0], x0 - window[1] : x1 - window[1]]
        size = self._grid_hw[1] * _STRIDE, self._grid_hw[0] * _STRIDE
        weight = np.ascontiguousarray(cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)[place])
        alpha, colour = np.ascontiguousarray(self._alpha[place]), np.ascontiguousarray(self._foreground[place])
        if background is None:
            own = np.dstack([colour, np.round(alpha * 255).astype(np.uint8)])
        else:
            own = cv2.blendLinear(colour, np.ascontiguousarray(background[part]), alpha, 1.0 - alpha)
        result = painted.copy()
        result[part] = cv2.blendLinear(own, np.ascontiguousarray(painted[part]), weight, 1.0 - weight)
        return result

    def _share(self, frame: PriorFrame) -> Float | None:
        """How far each place (on every `_STRIDE`-th pixel) is as in the photo, in [0, 1]; None where none is."""
        layer, flow = self._sampled(frame)
        still = self._stillness(flow[0] - self._flow[0], flow[1] - self._flow[1])
        still[layer != self._layer] = 0.0
        if not still[layer >= 0].any():
            return None
        moved = frame.target_xy[self._made_anew] - self._anew_xy
        still[self._is_in_no_sheet] *= self._stillness(*moved.T).min(initial=1.0)
        return np.asarray(cv2.blur(cv2.erode(still, self._kernel), (3, 3)), np.float32)

    def _stillness(self, dx: Float, dy: Float) -> Float:
        """1 for what has not moved, 0 for what has."""
        low, high = self._limits
        return np.asarray(np.clip((high - np.hypot(dx, dy)) / (high - low), 0.0, 1.0), np.float32)

    def _sampled(self, posed: PriorFrame) -> tuple[npt.NDArray[np.int8], Float]:
        """Front-most layer (h, w) and its flow (2, h, w) on every `_STRIDE`-th pixel of the frame."""
        y0, x0 = posed.window[:2]
        layer = np.full(self._grid_hw, -1, np.int8)
        flow = np.zeros((2, *self._grid_hw), np.float32)
        front = np.s_[-y0 % _STRIDE :: _STRIDE, -x0 % _STRIDE :: _STRIDE]
        seen = posed.raster.layer[0, 0].numpy()[front]
        place = np.s_[-(-y0 // _STRIDE) :, -(-x0 // _STRIDE) :]
        rows, columns = seen.shape
        layer[place][:rows, :columns] = seen
        offset = np.array([x0, y0], np.float32)[:, None, None]
        moved = posed.raster.flow[0, 0].numpy()[(slice(None), *front)] - offset
        flow[(slice(None), *place)][:, :rows, :columns] = np.where(seen >= 0, moved, 0.0)
        return layer, flow
