"""The half of a face that a hand hides, from the half that it leaves to be seen.

Faces are nearly symmetric. The line that a face is mirrored about is found in the picture, near to where the joints
have it: an estimator reads a half hidden face amiss by as much as an eye is wide. Of the reflections near that line the
one is taken in which what is seen on both sides agrees best: eyes and nose, and the outline of the jaw.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.harmonic import continue_smoothly
from drn_core.prior.body import Body
from drn_core.prior.cloth import eroded, extend_colours
from drn_core.prior.geometry import perpendicular, unit
from drn_core.prior.head import read_yaw
from drn_core.prior.parts import Part
from drn_core.skeleton import JOINT_INDEX

__all__ = ["FaceMirror", "distance_to", "fill_mirrored", "find_face_mirror", "hidden_head", "strangers"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

_EARS: Final = (JOINT_INDEX["left_ear"], JOINT_INDEX["right_ear"])
# Half width of the head, in pixels, at which reflections are compared.
_COMPARED_RADIUS: Final = 32.0
# Lines are tried this far to either side (half widths of the head) and at these angles (degrees) from the joints' one.
_SHIFTS: Final = np.arange(-0.36, 0.361, 0.04)
_ANGLES: Final = np.arange(-12.0, 12.1, 3.0)
# A head that is turned a little shows one side wider than the other, by up to this.
_WIDTHS: Final = (0.8, 0.9, 1.0, 1.11, 1.25)
_FINE: Final = np.array([-0.5, 0.0, 0.5])
# Doubt of the joints' line, in the same units: a full deviation takes this off the likeness (a correlation).
_SHIFT_DOUBT, _ANGLE_DOUBT, _WIDTH_DOUBT, _DOUBT_COST = 0.25, 8.0, 0.25, 0.05
# The face, in half widths of the head: how far it reaches, where its middle is above the ears, how far reflections are
# compared and what spread counts.
_FACE, _FACE_MIDDLE, _COMPARED_REACH, _FACE_SPREAD = 0.8, 0.1, 1.3, 0.8
# A head turned farther than this (degrees) has no halves to compare.
_MOST_YAW = 30.0
# Less than this share of it hidden is left to be filled from around.
_LEAST_HIDDEN = 0.03
# What is hidden within this many half widths of the head is the head's.
_HEAD_CORE = 0.5
# What sticks out of a face this near to a hand is the hand's.
_STRANGER_REACH = 0.25
# Pixels by which copies go on beyond what is known, for soft edges; over which light is averaged, as a share of what is
# seen on both sides.
_RIM_PX, _LIGHT_REACH = 5.0, 0.06
# A face must be like its reflection by this correlation where it shows both sides, over this share of the head.
_LEAST_LIKENESS, _LEAST_OVERLAP = 0.5, 0.08
# Fine features count, not how light falls: colours are compared with their means over this many half widths.
_FEATURE: Final = 0.35


@dataclass(frozen=True)
class FaceMirror:
    """A reflection of the plane, in pixels of one picture.

    Attributes:
        affine: (2, 3), where the other half of the face shows what lies hidden at a point.
        likeness: correlation of the half of the face that is partly hidden with the other half.
    """

    affine: npt.NDArray[np.float64]
    likeness: float

    def reflected(self, points: npt.NDArray[np.floating[Any]]) -> Field:
        """Return where the other half shows points (..., 2) of the half that is partly hidden."""
        return np.asarray(points @ self.affine[:, :2].T + self.affine[:, 2], np.float32)

    def resized(self, scale: float, offset: float) -> FaceMirror:
        """The same in pixels p' = scale p + offset (the same offset in x and y)."""
        affine, moved = self.affine.copy(), np.full(2, offset)
        affine[:, 2] = scale * affine[:, 2] + moved - affine[:, :2] @ moved
        return FaceMirror(affine, self.likeness)


def _reflection(
    middle: npt.NDArray[np.float64], up: npt.NDArray[np.float64], width: float = 1.0
) -> npt.NDArray[np.float64]:
    """The reflection (2, 3) about the line through a point in a direction (unit vector), `width` times as wide."""
    matrix = np.outer(up, up) - width * np.outer(perpendicular(up), perpendicular(up))
    return np.column_stack([matrix, middle - matrix @ middle])


def _features(rgb: Field, person: Mask, radius: float) -> Field:
    """(H, W, 2): grey level against its surroundings within the person, and the silhouette."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    weight = person.astype(np.float32)
    sums, counts = (cv2.GaussianBlur(each, (0, 0), _FEATURE * radius) for each in (grey * weight, weight))
    local = np.where(person, grey - sums / np.maximum(counts, 1e-3), 0.0)
    outline = 255.0 * cv2.GaussianBlur(weight, (0, 0), 0.04 * radius)
    return np.dstack([cv2.GaussianBlur(local, (0, 0), 0.04 * radius), outline]).astype(np.float32)


def find_face_mirror(body: Body, rgb: UInt8, person: Mask, arms: Mask, away: Field, points: Field) -> FaceMirror | None:
    """Find the line that a face behind an arm is mirrored about.

    Args:
        body: the body; its face joints may be wrong by half an eye's width.
        rgb: (H, W, 3).
        person: (H, W) the person's pixels.
        arms: (H, W) those of the arms.
        away: (H, W) distance to the head, in its half widths.
        points: (H, W, 2) the pixels' centres.

    Returns:
        The reflection; None where nothing of the face is hidden, or it is too unlike itself (seen from the side), or
        hides too much of itself.
    """
    inside = (away < _FACE) & person
    if (arms & inside).sum() < _LEAST_HIDDEN * inside.sum() or abs(read_yaw(body)) > _MOST_YAW:
        return None
    comparison = _Comparison(body, rgb, person, arms, inside, points)
    rough = max((comparison.mirror(shift, angle) for shift, angle in product(_SHIFTS, _ANGLES)), key=_credit)
    near = product(rough.shift + _FINE * np.ptp(_SHIFTS[:2]), rough.angle + _FINE * np.ptp(_ANGLES[:2]), _WIDTHS)
    best = max((comparison.mirror(*line) for line in near), key=_credit)
    return best.mirror if best.mirror.likeness >= _LEAST_LIKENESS else None


@dataclass(frozen=True)
class _Line:
    """A line that was tried: its mirror, how far it is off the joints' line, and the ratio of the sides' widths."""

    mirror: FaceMirror
    shift: float
    angle: float
    width: float


def _credit(line: _Line) -> float:
    """Likeness less what the joints say against it."""
    doubts = line.shift / _SHIFT_DOUBT, line.angle / _ANGLE_DOUBT, float(np.log(line.width)) / _WIDTH_DOUBT
    return line.mirror.likeness - _DOUBT_COST * sum(doubt**2 for doubt in doubts)


class _Comparison:
    """A small picture of the face, compared with its reflections about lines near to that of the joints."""

    def __init__(self, body: Body, rgb: UInt8, person: Mask, arms: Mask, inside: Mask, points: Field) -> None:
        self._radius = radius = body.radii[Part.HEAD]
        ears = body.keypoints[list(_EARS)].mean(0)
        self._up = unit(ears - body.neck)
        self._across = perpendicular(self._up)
        self._middle = ears + _FACE_MIDDLE * radius * self._up
        self._scale = min(1.0, _COMPARED_RADIUS / radius)
        self._half = int(np.ceil(_COMPARED_REACH * radius * self._scale))
        self._side = 2 * self._half + 1
        to_picture = np.column_stack([np.eye(2) / self._scale, self._middle - self._half / self._scale])
        hidden = cv2.dilate(arms.astype(np.float32), np.ones((5, 5), np.uint8))
        small = _pulled(np.dstack([rgb, 255 * person.astype(np.uint8)]), to_picture, self._side)
        self._face = _features(small[..., :3], small[..., 3] > 127, radius * self._scale)
        known = (_pulled(1.0 - hidden, to_picture, self._side) > 0.99).astype(np.float32)
        self._grid = np.stack(np.meshgrid(*[np.arange(self._side, dtype=np.float32) - self._half] * 2), -1)
        spread = _FACE_SPREAD * radius * self._scale
        self._known = np.asarray(known * np.exp(-(self._grid**2).sum(2) / spread**2), np.float32)
        self._is_right = float((hidden * inside * ((points - self._middle) @ self._across)).sum()) > 0.0

    def mirror(self, shift: float, angle: float, width: float = 1.0) -> _Line:
        """Try a line, shifted by half widths and turned by degrees; its likeness is 0 where too little is seen."""
        axis = np.cos(np.radians(angle)) * self._up + np.sin(np.radians(angle)) * self._across
        shift_px = shift * self._radius
        line = _reflection(self._half + shift_px * self._scale * self._across, axis, width)
        beside = (self._grid @ perpendicular(axis) > shift_px * self._scale) == self._is_right
        weight = np.minimum(self._known, _pulled(self._known, line, self._side)) * beside
        likeness = 0.0
        if weight.sum() >= _LEAST_OVERLAP * self._known.sum():
            likeness = _correlation(self._face, _pulled(self._face, line, self._side), weight)
        affine = _reflection(self._middle + shift_px * self._across, axis, width)
        return _Line(FaceMirror(affine, likeness), shift, angle, width)


def _pulled(picture: Field | UInt8, affine: npt.NDArray[np.float64], side: int) -> Field:
    """The picture (side, side, ...) that shows at p what is at affine(p)."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, affine, (side, side), flags=flags), np.float32)


def _correlation(one: Field, other: Field, weight: Field) -> float:
    """Weighted correlation of two pictures (H, W, C): the mean of the channels'."""
    total, result = float(weight.sum()), 0.0
    for channel in range(one.shape[2]):
        a, b = (each[..., channel] - float((each[..., channel] * weight).sum()) / total for each in (one, other))
        power = float((weight * a * a).sum()) * float((weight * b * b).sum())
        result += float((weight * a * b).sum()) / (float(np.sqrt(power)) + 1e-3 * total)
    return result / one.shape[2]


def hidden_head(body: Body, away: Field, points: Field, own: Mask, mirror: FaceMirror | None) -> Mask:
    """What may be hidden of the head: its middle, and beyond that what the head's other side shows.

    Args:
        body: the body.
        away: (H, W) distance to the head, in its half widths.
        points: (H, W, 2) the pixels' centres.
        own: (H, W) what is seen of trunk and head.
        mirror: from `find_face_mirror`; None takes the line from the neck between the ears.

    Returns:
        (H, W).
    """
    if mirror is None:
        ears = body.keypoints[list(_EARS)].mean(0)
        mirror = FaceMirror(_reflection(ears, unit(ears - body.neck)), 0.0)
    seen = cv2.remap(own.astype(np.float32), mirror.reflected(points), None, cv2.INTER_LINEAR) > 0.1
    return np.asarray((away < _HEAD_CORE) | ((away < 1.0) & seen))


def strangers(body: Body, mirror: FaceMirror, own: Mask, person: Mask, arms: Mask, away: Field, points: Field) -> Mask:
    """What was taken for the face beside a hand, and is the hand: the face's other side has ended there.

    That is said of what lies below the ears; hair may be combed to one side.

    Args:
        body: the body.
        mirror: from `find_face_mirror`.
        own: (H, W) what is taken for trunk and head.
        person: (H, W) the person's pixels.
        arms: (H, W) those of the arms.
        away: (H, W) distance to the head, in its half widths.
        points: (H, W, 2) the pixels' centres.

    Returns:
        (H, W), a part of `own`.
    """
    ears = body.keypoints[list(_EARS)].mean(0)
    is_low = (points - ears.astype(np.float32)) @ (body.neck - ears).astype(np.float32) > 0.0
    other = cv2.remap(person.astype(np.float32), mirror.reflected(points), None, cv2.INTER_LINEAR)
    near = distance_to(arms) < _STRANGER_REACH * body.radii[Part.HEAD]
    candidate = own & is_low & near & (away < 1.0) & (other < 0.1)
    _, label = cv2.connectedComponents((candidate | arms).astype(np.uint8), connectivity=4)
    return np.asarray(candidate & np.isin(label, np.unique(label[arms])))


def distance_to(mask: Mask) -> Field:
    """Distance in pixels of every pixel (H, W) to a mask."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def fill_mirrored(
    colour: UInt8, alpha: Field, trusted: Mask, hole: Mask, mirror: FaceMirror
) -> tuple[UInt8, Field, Mask]:
    """Fill what is hidden of a face from its other side, in the light of this side.

    Args:
        colour: (H, W, 3).
        alpha: (H, W) in [0, 1], coverage of the sheet.
        trusted: (H, W) pixels of the head whose colour is its own.
        hole: (H, W) pixels to fill.
        mirror: the reflection, in these pixels.

    Returns:
        (H, W, 3), equal to `colour` outside of the hole; (H, W) the coverage, ending where the other side ends; (H, W)
        the part of the hole that was filled.
    """
    filled = np.zeros_like(hole)
    kept = eroded(trusted)
    ys, xs = np.nonzero(hole)
    if len(ys) == 0 or not kept.any():
        return colour, alpha, filled
    margin = 8 + (int(np.ptp(ys)) + int(np.ptp(xs))) // 8
    top, left = max(int(ys.min()) - margin, 0), max(int(xs.min()) - margin, 0)
    area = np.s_[top : int(ys.max()) + margin + 1, left : int(xs.max()) + margin + 1]
    grid = np.stack(np.meshgrid(np.arange(colour.shape[1])[area[1]], np.arange(colour.shape[0])[area[0]]), -1)
    where = mirror.reflected(grid)
    known = cv2.remap(kept.astype(np.float32), where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) > 0.99
    wanted = hole[area] & (distance_to(known) < _RIM_PX)
    both = kept[area] & known & ~hole[area]
    if not wanted.any() or not both.any():
        return colour, alpha, filled
    copied = cv2.remap(extend_colours(colour, kept), where, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    across = (grid - where) @ np.mean((grid - where)[wanted], axis=0)
    light = _other_light(colour[area].astype(np.float32) - copied, across.astype(np.float32), both)
    result, covered = colour.copy(), alpha.copy()
    result[area][wanted] = np.clip(np.round(copied + light), 0, 255).astype(np.uint8)[wanted]
    other = cv2.remap(alpha, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    covered[area][wanted] = np.minimum(covered[area], other)[wanted]
    filled[area] = wanted
    return result, covered, filled


def _other_light(difference: Field, across: Field, both: Mask) -> Field:
    """Continue the difference (H, W, 3) of a face to its mirror image from where both are seen.

    Light that comes from one side makes a difference that grows with the distance from the middle, where there is none.

    Args:
        difference: (H, W, 3).
        across: (H, W) distance from the middle, positive on one side, in any unit.
        both: (H, W) where the difference is known.
    """
    reach = float(np.abs(across[both]).max()) + 1e-6
    place = np.tanh(across / reach)[..., None] * both[..., None]
    sigma = max(_LIGHT_REACH * float(np.sqrt(both.sum())), 1.0)
    products = cv2.GaussianBlur(np.dstack([difference * place, place * place]), (0, 0), sigma)
    slope = products[..., :3] / (products[..., 3:] + 1e-3)
    return np.asarray(
        continue_smoothly(slope.astype(np.float32), both) * np.tanh(across / reach)[..., None], np.float32
    )
