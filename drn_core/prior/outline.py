"""Outlines of arms: where sleeve and skin end on either side of the bones, traced in the picture.

Before the trunk an arm has no silhouette, and what looks alike (a shirt's print, the other hand) is not the arm.
But an arm is a ribbon about two bones whose width changes slowly. Rays leave the bones on either side, fanned
about the outside of a bent elbow; on each of them lies the outline, at the silhouette where there is one, else at an
edge of the picture, else where the limb's own width says. The best line through all rays is found by dynamic
programming.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body
from drn_core.prior.geometry import perpendicular, unit
from drn_core.prior.parts import RADII, Limb

__all__ = ["ArmOutline", "colour_space", "trace_arm"]

Mask = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

# Distance between rays along a bone, in pixels of the working copy.
_STEP: Final = 2.0
# Half widths of arms as shares of `RADII`, which hold wide sleeves.
_USUAL: Final = 0.85
# A ray looks this far, in default half widths of the part.
_REACH: Final = 2.0
# Step or ridge of colour, in units of Lab, that counts as a full edge.
_FULL_EDGE: Final = 18.0
# Costs against a full edge of 1: being off the expected width by one tolerance, and per pixel that the outline jogs.
_WIDTH_COST, _JOG_COST, _TOLERANCE = 0.3, 0.15, 0.3
# Colours this far from the arm's own, in units of Lab, begin not to be the arm; at twice as far they surely aren't. As
# many of them as this share of a half width cost a full edge.
_FOREIGN, _MOST_FOREIGN = 18.0, 0.4
# Lightness says less than colour: limbs are shaded.
_SHADING: Final = (0.3, 1.0, 1.0)
# How much the usual half width is trusted against the limb's own.
_ROUGH: Final = 0.3
# The most pixels that the outline may jog from ray to ray.
_MOST_JOG: Final = 3
# Where the outline runs into the fold of the elbow, both parts touch: worth a little.
_AT_FOLD: Final = 0.3
_FORBIDDEN: Final = 1e3
# Limits of a measured half width, in default half widths.
_THIN, _WIDE = 0.3, 1.6


@dataclass(frozen=True)
class _Rays:
    """Rays from the bones on one side of an arm, from shoulder to wrist.

    Attributes:
        origin: (N, 2).
        direction: (N, 2) unit vectors.
        limit: (N,) where the ray meets the other bone's rays, at the inside of the elbow; infinite elsewhere.
        is_upper: (N,) whether the ray belongs to the upper arm.
        is_fan: (N,) whether it leaves the elbow itself.
    """

    origin: Points
    direction: Points
    limit: npt.NDArray[np.float64]
    is_upper: Mask
    is_fan: Mask


@dataclass(frozen=True)
class ArmOutline:
    """Traced outline of one arm from shoulder to wrist.

    Attributes:
        upper: (H, W) pixels of the upper arm.
        lower: (H, W) pixels of the forearm, without the hand.
        half_widths: of upper arm and forearm, pixels.
        off_middle: how far the middle of upper arm and forearm lies from the bones, pixels to `perpendicular`'s side.
    """

    upper: Mask
    lower: Mask
    half_widths: tuple[float, float]
    off_middle: tuple[float, float]


def colour_space(rgb: UInt8) -> Field:
    """Colours (H, W, 3) in which distance is what the eye sees, a little smoothed."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.8), np.float32)


def _rays(body: Body, limb: Limb, side: int) -> _Rays:
    shoulder, elbow, wrist = (body.keypoints[joint] for joint in (limb.root, limb.middle, limb.tip))
    upper, lower = unit(elbow - shoulder), unit(wrist - elbow)
    length_upper, length_lower = float(np.linalg.norm(elbow - shoulder)), float(np.linalg.norm(wrist - elbow))
    turn = float(np.arctan2(upper[0] * lower[1] - upper[1] * lower[0], upper @ lower))
    away, away_lower = side * perpendicular(upper), side * perpendicular(lower)
    is_outside = float(away @ lower) < 0
    along_upper, along_lower = np.arange(0, length_upper, _STEP), np.arange(0, length_lower, _STEP)
    num_fan = max(int(abs(turn) * body.radii[limb.parts[1]] / _STEP), 1) if is_outside else 0
    angles = turn * (np.arange(num_fan) + 0.5) / max(num_fan, 1)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    fan = cos * away + sin * perpendicular(away)
    fold = float(np.tan((np.pi - abs(turn)) / 2))
    counts = (len(along_upper), num_fan, len(along_lower))
    limit = np.concatenate([(length_upper - along_upper) * fold, np.full(num_fan, np.inf), along_lower * fold])
    return _Rays(
        origin=np.concatenate([
            shoulder + along_upper[:, None] * upper, np.tile(elbow, (num_fan, 1)), elbow + along_lower[:, None] * lower
        ]),
        direction=np.concatenate([np.tile(away, (counts[0], 1)), fan, np.tile(away_lower, (counts[2], 1))]),
        limit=np.full(sum(counts), np.inf) if is_outside else limit,
        is_upper=np.arange(sum(counts)) < counts[0] + num_fan // 2,
        is_fan=np.repeat([False, True, False], counts),
    )  # fmt: skip


def _samples(image: npt.NDArray[Any], rays: _Rays, num: int, interpolation: int) -> npt.NDArray[Any]:
    """Values (N, num, ...) of an image at every pixel along the rays."""
    points = (rays.origin[:, None] + np.arange(num)[None, :, None] * rays.direction[:, None]).astype(np.float32)
    return np.asarray(cv2.remap(image, points[..., 0], points[..., 1], interpolation, borderMode=cv2.BORDER_REPLICATE))


def _edges(colours: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How much of an edge (N, num) runs across each ray there, in [0, 1]: a step of colour or a dark fold."""
    along = cv2.blur(colours, (1, 3))
    num = along.shape[1]
    padded = np.pad(along, ((0, 0), (4, 4), (0, 0)), mode="edge")
    inner = np.mean([padded[:, i : i + num] for i in (1, 2, 3)], 0)
    outer = np.mean([padded[:, i : i + num] for i in (5, 6, 7)], 0)
    step = np.linalg.norm(inner - outer, axis=2)
    ridge = np.linalg.norm(along - (inner + outer) / 2, axis=2)
    strength = np.maximum(step, 1.6 * ridge) / _FULL_EDGE
    return np.asarray(cv2.blur(np.clip(strength, 0.0, 1.0).astype(np.float32), (1, 3)))


def _foreign(colours: npt.NDArray[np.float32], near: float) -> npt.NDArray[np.float64]:
    """How many pixels (N, num) between the bone and there have another colour than the arm has at the bone."""
    usual = np.median(colours[:, : max(int(near), 1)], 1, keepdims=True).astype(np.float32)
    usual = cv2.blur(usual, (1, 5), borderType=cv2.BORDER_REPLICATE)
    distance = np.linalg.norm((colours - usual.reshape(-1, 1, 3)) * np.array(_SHADING, np.float32), axis=2)
    return np.asarray(np.cumsum(np.clip(distance / _FOREIGN - 1.0, 0.0, 1.0), 1))


class _Side:
    """One side of an arm: its rays, and what the picture says along them."""

    def __init__(self, rays: _Rays, lab: Field, person: Mask, default: tuple[float, float]) -> None:
        self.rays = rays
        self.default = np.where(rays.is_upper, *default)
        self.num = int(np.ceil(_REACH * self.default.max())) + 1
        inside = _samples(person.astype(np.uint8), rays, self.num, cv2.INTER_NEAREST) > 0
        leaves = ~inside.all(1)
        exit_at = np.where(leaves, (~inside).argmax(1), self.num)
        self.at_silhouette = leaves & (exit_at <= rays.limit + 0.5) & (exit_at <= _REACH * self.default)
        self.end = np.minimum(np.minimum(exit_at, rays.limit), _REACH * self.default)
        colours = _samples(lab, rays, self.num, cv2.INTER_LINEAR)
        self.edges = _edges(colours)
        self.foreign = _foreign(colours, 0.5 * min(default)) / (_MOST_FOREIGN * self.default[:, None])
        self.is_folded = ~self.at_silhouette & (rays.limit < _REACH * self.default)

    def trace(self, expected: tuple[float, float], trust: float) -> npt.NDArray[np.float64]:
        """The outline's distance (N,) on every ray, given the half widths that are expected of upper and lower part."""
        place = np.arange(self.num)[None]
        width = np.where(self.rays.is_upper, *expected)[:, None]
        off = (place - width) / (_TOLERANCE * width)
        cost = trust * _WIDTH_COST * np.minimum(off**2, 9.0) - self.edges + self.foreign
        cost[place > self.end[:, None] + 0.5] = _FORBIDDEN
        last = np.clip(np.round(self.end), 0, self.num - 1).astype(np.int64)
        for where, reward in ((self.at_silhouette, 1.0), (self.is_folded, _AT_FOLD)):
            rows = np.flatnonzero(where)
            cost[rows, last[rows]] = np.minimum(cost[rows, last[rows]], -reward)
        path = cv2.GaussianBlur(_cheapest_path(cost)[:, None], (1, 5), 0, borderType=cv2.BORDER_REPLICATE)[:, 0]
        return np.asarray(np.where(self.at_silhouette & (path > last - 1.5), last + 1.0, np.minimum(path, self.end)))

    def widths(self, reach: npt.NDArray[np.float64]) -> tuple[float, float]:
        """Median distance of the outline from the bone of the upper arm and from that of the forearm."""
        medians = []
        for is_upper in (True, False):
            part = self.rays.is_upper == is_upper
            chosen = part & ~self.rays.is_fan & (self.rays.limit > self.default)
            usual = float(self.default[part].mean())
            median = float(np.median(reach[chosen])) if chosen.sum() >= 3 else usual
            medians.append(float(np.clip(median, _THIN * usual, _WIDE * usual)))
        return medians[0], medians[1]


def _cheapest_path(cost: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Column (N,) per row of the path of least cost that jogs at most a few columns per row."""
    jogs = np.arange(-_MOST_JOG, _MOST_JOG + 1)
    num_rows, num_columns = cost.shape
    came_from = np.zeros(cost.shape, np.int8)
    best = cost[0]
    penalty = _JOG_COST * np.abs(jogs)[:, None]
    padded = np.full(num_columns + 2 * _MOST_JOG, _FORBIDDEN * num_rows)
    shifted = np.lib.stride_tricks.sliding_window_view(padded, num_columns)
    columns = np.arange(num_columns)
    for row in range(1, num_rows):
        padded[_MOST_JOG:-_MOST_JOG] = best
        choices = shifted + penalty
        choice = choices.argmin(0)
        came_from[row] = jogs[choice]
        best = cost[row] + choices[choice, columns]
    path = np.zeros(num_rows, np.int64)
    path[-1] = best.argmin()
    for row in range(num_rows - 1, 0, -1):
        path[row - 1] = path[row] + came_from[row, path[row]]
    return path.astype(np.float64)


def _fill(size_hw: tuple[int, int], rays: _Rays, reach: npt.NDArray[np.float64], is_upper: bool) -> Mask:
    """Pixels (H, W) between bone and outline."""
    mask = np.zeros(size_hw, np.uint8)
    chosen = np.flatnonzero(rays.is_upper == is_upper)
    if len(chosen) > 1:
        outline = rays.origin[chosen] + reach[chosen, None] * rays.direction[chosen]
        polygon = np.concatenate([rays.origin[chosen], outline[::-1]])
        cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    return np.asarray(mask > 0)


def trace_arm(body: Body, limb: Limb, person: Mask, lab: Field) -> ArmOutline:
    """Trace both sides of an arm from shoulder to wrist.

    Args:
        body: the body in the picture; shoulder, elbow and wrist are seen.
        limb: the arm.
        person: (H, W) the person's pixels.
        lab: (H, W, 3) from `colour_space`.

    Returns:
        The outline; its two parts lie within `person` and do not overlap.
    """
    size_hw = (person.shape[0], person.shape[1])
    unit_px = _USUAL * body.torso_length
    default = (RADII[limb.parts[0]] * unit_px, RADII[limb.parts[1]] * unit_px)
    sides = [_Side(_rays(body, limb, side), lab, person, default) for side in (1, -1)]
    reaches = []
    for side in sides:  # with the usual half width, trusted little, then with the side's own: bones run off the middle
        rough = side.widths(side.trace(default, _ROUGH))
        reaches.append(side.trace(rough, 1.0))
    one, other = (np.array(side.widths(reach)) for side, reach in zip(sides, reaches, strict=True))
    half_widths, off_middle = (one + other) / 2, (one - other) / 2
    upper, lower = (
        np.logical_or.reduce([_fill(size_hw, s.rays, r, is_upper) for s, r in zip(sides, reaches, strict=True)])
        for is_upper in (True, False)
    )
    return ArmOutline(
        np.asarray(upper & ~lower & person),
        np.asarray(lower & person),
        (float(half_widths[0]), float(half_widths[1])),
        (float(off_middle[0]), float(off_middle[1])),
    )
