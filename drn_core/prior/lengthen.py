"""Limbs that point at the camera, given their true length: drawn on by repeating their own middle, not by stretching.

A forearm raised towards the viewer shows a third of its length; a seated thigh little more. When the driver lays it
flat, stretching would draw its pixels out like rubber. The sheet is instead continued with its own middle, mirrored
back and forth, and what lies beyond (hand, lower leg) moves out with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body
from drn_core.prior.geometry import unit
from drn_core.prior.parts import LIMBS, SEGMENTS, Layer, Limb, Part

__all__ = ["Lengthening", "is_seen_end_on", "lengthened_body", "lengthened_sheets", "plan_lengthenings"]

UInt8 = npt.NDArray[np.uint8]

# A part is lengthened when it shows less than the first share of its true length, and then to the second share.
_FORESHORTENED: Final = 0.6
_RESTORED: Final = 0.9
# Less than this many half widths of a bone hold no middle to repeat; it is repeated up to the second factor, and from
# the first one on so often that it shows: ribs on a sleeve.
_LEAST_LENGTH: Final = 0.5
_OFTEN: Final = 2.0
_MOST_FACTOR: Final = 4.0
# Share of the part's capsule that must be seen.
_LEAST_SEEN: Final = 0.3
# The ends of a bone that stay as they are, as shares of its drawn length; the middle between them is repeated.
_END: Final = 0.35


@dataclass(frozen=True)
class Lengthening:
    """One part of a limb that is drawn longer than the photo shows it.

    Attributes:
        limb: the limb.
        part: its upper or lower part.
        start_xy: (2,) the bone's near end, pixels.
        direction: (2,) unit vector along the bone.
        length_px: what the photo shows.
        new_length_px: what is drawn.
    """

    limb: Limb
    part: Part
    start_xy: npt.NDArray[np.float64]
    direction: npt.NDArray[np.float64]
    length_px: float
    new_length_px: float

    @property
    def shift(self) -> npt.NDArray[np.float64]:
        """(2,) how far everything beyond the bone moves."""
        return self.direction * (self.new_length_px - self.length_px)

    @property
    def is_upper(self) -> bool:
        """Whether it is the limb's upper part."""
        return self.part == self.limb.parts[0]

    def moved(self, offset_xy: npt.NDArray[np.float64], scale: float) -> Lengthening:
        """The same in pixels of another size and origin: p -> scale p + offset."""
        return replace(
            self,
            start_xy=scale * self.start_xy + offset_xy,
            length_px=scale * self.length_px,
            new_length_px=scale * self.new_length_px,
        )


def plan_lengthenings(
    body: Body, true_lengths: Mapping[Part, float], seen: Mapping[Part, float], expected: Mapping[Part, float]
) -> list[Lengthening]:
    """Decide which parts are foreshortened badly enough to be lengthened.

    Args:
        body: the body in the photo.
        true_lengths: length of limb parts laid flat, pixels; parts that are missing are left alone.
        seen: pixels that each part shows.
        expected: pixels that it would show if nothing hid it.

    Returns:
        Upper parts before the lower parts of the same limb.
    """
    plan = []
    for limb in LIMBS:
        for part in limb.parts[:2]:
            a, b = SEGMENTS[part]
            bone = body.keypoints[b] - body.keypoints[a]
            length = float(np.linalg.norm(bone))
            new_length = _restored(length, true_lengths.get(part, 0.0), body.radii[part])
            is_usable = min(body.confidence[[a, b]]) >= 0.5 and seen[part] >= _LEAST_SEEN * expected[part]
            if is_usable and new_length > length:
                plan.append(Lengthening(limb, part, body.keypoints[a].copy(), unit(bone), length, new_length))
    return plan


def is_seen_end_on(length: float, true_length: float, half_width: float) -> bool:
    """Whether a part shows so little of its length that its twin's pixels are better than its own middle repeated.

    Args:
        length: what the photo shows.
        true_length: of the part laid flat, same unit.
        half_width: of the part, same unit.
    """
    if length >= _FORESHORTENED * true_length:
        return False
    return not _RESTORED * true_length <= _restored(length, true_length, half_width) < _OFTEN * length


def _restored(length: float, true_length: float, half_width: float) -> float:
    """Length that a part is drawn on to: its own where it is not foreshortened, or holds no middle to repeat."""
    if length >= _FORESHORTENED * true_length or length < _LEAST_LENGTH * half_width:
        return length
    return min(_RESTORED * true_length, _MOST_FACTOR * length)


def lengthened_body(body: Body, plan: list[Lengthening]) -> Body:
    """Return the body with the joints beyond lengthened bones moved out."""
    keypoints = body.keypoints.copy()
    for item in plan:
        beyond = item.limb.joints if item.is_upper else [j for j in item.limb.joints if j != item.limb.middle]
        keypoints[list(beyond)] += item.shift
    return replace(body, keypoints=keypoints)


def lengthened_sheets(textures: UInt8, plan: list[Lengthening]) -> None:
    """Draw the sheets of lengthened parts anew, in place.

    Args:
        textures: (9, H, W, 4) uint8 RGBA, on a canvas large enough.
        plan: from `plan_lengthenings`, in pixels of the textures.
    """
    for limb in LIMBS:
        items = {item.part: item for item in plan if item.limb is limb}
        upper, lower = items.get(limb.parts[0]), items.get(limb.parts[1])
        if upper is not None:
            _redraw(textures, limb.upper_layer, upper, np.zeros(2))
        if upper is not None or lower is not None:
            _redraw(textures, limb.lower_layer, lower, np.zeros(2) if upper is None else upper.shift)


def _redraw(textures: UInt8, layer: Layer, item: Lengthening | None, shift: npt.NDArray[np.float64]) -> None:
    """Lengthen one sheet along its bone, then move it by `shift`."""
    height, width = textures.shape[1:3]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x - np.float32(shift[0]), y - np.float32(shift[1])
    if item is not None:
        along = (x - item.start_xy[0]) * item.direction[0] + (y - item.start_xy[1]) * item.direction[1]
        back = _source_position(along, item.length_px, item.new_length_px) - along
        x, y = x + back * item.direction[0], y + back * item.direction[1]
    maps = x.astype(np.float32), y.astype(np.float32)
    colour = cv2.remap(textures[layer, ..., :3], *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(textures[layer, ..., 3], *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    textures[layer] = np.dstack([colour, alpha])


def _source_position(
    along: npt.NDArray[np.floating[Any]], length: float, new_length: float
) -> npt.NDArray[np.floating[Any]]:
    """Where along the drawn bone the pixels of the lengthened bone come from.

    Both ends are kept; between them the middle runs forth and back an odd number of times, so that it joins up.
    """
    low, high = _END * length, (1 - _END) * length
    middle, new_middle = high - low, new_length - (length - (high - low))
    runs = max(1, 2 * round((new_middle / middle - 1) / 2) + 1)
    phase = np.clip((along - low) / new_middle, 0.0, 1.0) * runs
    triangle = 1.0 - np.abs(np.mod(phase, 2.0) - 1.0)
    inside = low + middle * triangle
    return np.where(along <= low, along, np.where(along >= low + new_middle, along - (new_length - length), inside))
