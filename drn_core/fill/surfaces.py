"""Plain surfaces (walls, floors, backdrops) round a hole: which there are, and how they go on behind it.

A surface is a connected region without edges; shading and soft shadows don't break it. Its lit look is a quadratic in
the place, fitted robustly to its brighter part, less the light that falls off along the picture's edges, plus what the
lit pixels deviate from it, continued smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.fill.harmonic import continue_smoothly

__all__ = ["Surface", "View", "find_leftovers", "find_surfaces", "share_around"]

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

_SIDE_PX = 360  # working size of the longer side
_MARGIN = 1.2  # what is looked at round the hole, in units
_EDGE = 8.0  # grey levels per working pixel from which a slope is an edge
_DETAIL = 8.0  # grey levels of finer detail from which a surface is no longer plain
_MIN_AREA = 0.15  # of a surface, in squares of the unit
_MIN_POCKET = 0.003
_POCKET_BORDER = 0.5  # part of a pocket's border that the hole makes up
_POCKET_TINT, _POCKET_UNREST = 0.09, 0.2  # how it may differ from the surface, in logarithms of light
_POCKET_DARKEST, _POCKET_BRIGHTEST = -0.8, 0.06
_MAX_LEFTOVER = 0.06  # area of what goes with the person, in squares of the unit
_LEFTOVER_ENCLOSED = 0.8  # part of its border that surface and hole make up
_RIM_PX = 6.0  # a surface of interest comes as near to the hole as this
_WIDTHS = (0.2, 0.12, 0.08, 0.05, 0.035, 0.03, 0.03)  # of what counts as lit, in logarithms of light
_MAX_TINT = 0.25  # how unequally the channels may differ from the fit, in logarithms of light
_CALM_TINT = 0.06
_CALM_SLOPE = 2.5  # grey levels per working pixel
_TEXTURE_PX = 4.0  # what is coarser is no texture
_BRIGHTER = 40.0  # per cent of a surface that the fit starts without: the darkest
# A fall of light is told by the upper quartile of rows or columns, where this much of them is surface, and of what the
# hole leaves of them.
_LEAST_LINE, _WHOLE_LINE, _BRIGHT_OF_LINE = 0.2, 0.6, 75.0
_EVEN = 0.01  # logarithm of the light that an even line may lack
_STIFFNESS = np.diag([0.0, 1e-4, 1e-4, 3e-3, 3e-3, 3e-3])
_SAMPLES = 8000
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_DARKEST = 8.0  # grey levels below which logarithms tell nothing


@dataclass(frozen=True)
class View:
    """The neighbourhood of a hole at working size.

    Attributes:
        box: (top, bottom, left, right) of the neighbourhood in the picture.
        scale: working pixels per pixel.
        unit: the caller's unit of length in working pixels.
        hole: (h, w), what touches the hole.
        colour: (h, w, 3) float32 smoothed colours, free of the hole's.
        slope: (h, w) grey levels per working pixel.
        detail: (h, w) mean grey levels of what is finer than a working pixel.
        distance: (h, w) working pixels to the hole.
    """

    box: tuple[int, int, int, int]
    scale: float
    unit: float
    hole: BoolArray
    colour: FloatArray
    slope: FloatArray
    detail: FloatArray
    distance: FloatArray

    @classmethod
    def around(cls, rgb: ByteArray, hole: BoolArray, unit: float, unusable: BoolArray | None = None) -> View:
        """Look at the neighbourhood of a hole.

        Args:
            rgb: (H, W, 3) uint8.
            hole: (H, W), not empty.
            unit: length in pixels that the neighbourhood is measured in.
            unusable: (H, W) what is not to be looked at either.
        """
        box = _neighbourhood(hole, round(_MARGIN * unit))
        part = np.s_[box[0] : box[1], box[2] : box[3]]
        picture = rgb[part]
        scale = min(1.0, _SIDE_PX / max(picture.shape[:2]))
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        back = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        detail = cv2.resize(cv2.absdiff(picture, back), size, interpolation=cv2.INTER_AREA).astype(np.float32)
        closed = hole[part] if unusable is None else hole[part] | unusable[part]
        gone = cv2.resize(closed.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        colour = _smoothed(small, ~gone)
        across = [cv2.Sobel(colour, cv2.CV_32F, *order) / 8.0 for order in ((1, 0), (0, 1))]
        slope = np.sqrt(across[0] ** 2 + across[1] ** 2).max(axis=-1)
        distance = cv2.distanceTransform((~gone).astype(np.uint8), cv2.DIST_L2, 5)
        return cls(box, scale, unit * scale, gone, colour, slope, detail.mean(axis=-1), distance)

    @property
    def brightness(self) -> FloatArray:
        """(h, w) logarithm of the light."""
        return np.asarray(np.log(np.maximum(self.colour @ _LUMA, _DARKEST)), np.float32)


@dataclass(frozen=True)
class Surface:
    """One plain surface beside the hole.

    Attributes:
        region: (h, w) where it is seen, in the light and in soft shadow.
        calm: (h, w) where nothing else is seen for certain.
        colour: (h, w, 3) float32, its fitted lit look everywhere, in grey levels.
        deviation: (h, w) logarithm of the light seen over that of the fit; zero outside the region.
        unrest: spread of the deviation where it is lit.
        texture: spread of the light about its local mean; about 0.003 for a painted wall, 0.015 for wood.
    """

    region: BoolArray
    calm: BoolArray
    colour: FloatArray
    deviation: FloatArray
    unrest: float
    texture: float

    def behind(self, seen: FloatArray, lit: BoolArray) -> FloatArray:
        """Return its (h, w, 3) lit look, true to what is seen of it where `lit` and continued from there."""
        return self.colour + continue_smoothly(seen - self.colour, lit)


def find_surfaces(view: View) -> list[Surface]:
    """Find the plain surfaces that touch the hole.

    Args:
        view: the hole's neighbourhood.

    Returns:
        The surfaces, largest first.
    """
    smooth = ~view.hole & (view.slope < _EDGE) & (view.detail < _DETAIL)
    plain = cv2.erode(smooth.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(plain, connectivity=4)
    terms = _quadratic(view.hole.shape)
    surfaces: list[Surface] = []
    rim = smooth & (labels == 0) & (view.distance <= _RIM_PX)
    regions = [_grown_into(labels == label, rim) for label in _at_the_hole(labels, stats, view)]
    for region in regions:
        if region.sum() >= _MIN_AREA * view.unit**2 and not _is_pocket(region, view):
            surfaces.append(_fitted(view, region, terms))
    for region in regions:
        if not any(surface.region[region].all() for surface in surfaces):
            surfaces = _with_pocket(surfaces, region, view)
    return surfaces


def find_leftovers(view: View, surfaces: list[Surface]) -> BoolArray:
    """Find what sticks to the hole before a plain surface and is too small to stand there by itself.

    Args:
        view: the hole's neighbourhood.
        surfaces: the plain surfaces in it.

    Returns:
        (h, w), True on the leftovers.
    """
    other = ~view.hole
    for surface in surfaces:
        other &= ~surface.region
    _, labels, stats, _ = cv2.connectedComponentsWithStats(other.astype(np.uint8), connectivity=8)
    found = np.zeros_like(other)
    for label in np.unique(labels[(view.distance <= 2.0) & other]):
        if stats[label, cv2.CC_STAT_AREA] <= _MAX_LEFTOVER * view.unit**2:
            part = labels == label
            shares = [share_around(surface.calm | view.hole, part, 4, gap_px=2) for surface in surfaces]  # gap: blur
            if max(shares, default=0.0) > _LEFTOVER_ENCLOSED:
                found |= part
    return found


def _at_the_hole(labels: IntArray, stats: IntArray, view: View) -> list[int]:
    """Return the labels of the regions that come near the hole and are no specks, largest first."""
    near = np.unique(labels[(view.distance <= _RIM_PX) & (labels > 0)])
    near = near[stats[near, cv2.CC_STAT_AREA] >= _MIN_POCKET * view.unit**2]
    return [int(label) for label in near[np.argsort(-stats[near, cv2.CC_STAT_AREA], kind="stable")]]


def _grown_into(region: BoolArray, rim: BoolArray) -> BoolArray:
    """Return the region with what lies between it and the hole."""
    near = cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.asarray(region | (near & rim))


def share_around(mask: BoolArray, part: BoolArray, width_px: int, *, gap_px: int = 0) -> float:
    """Return how much of the ring around a part of the picture lies in a mask.

    Args:
        mask: (H, W); what lies beyond the picture is in no mask.
        part: (H, W).
        width_px: how far the ring reaches from the part.
        gap_px: what lies nearer than this is left out.

    Returns:
        The share, 0 to 1.
    """
    padded = np.pad(part, width_px)
    near, far = (
        cv2.dilate(padded.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
        for reach in (gap_px, width_px)
    )
    return float(np.pad(mask, width_px)[far & ~near].mean())


def _is_pocket(region: BoolArray, view: View) -> bool:
    """Whether a region lies in a bay of the hole: between legs, in the crook of an arm."""
    return share_around(view.distance <= 2.0, region, 3) > _POCKET_BORDER


def _with_pocket(surfaces: list[Surface], region: BoolArray, view: View) -> list[Surface]:
    """Add a pocket to the surface that it looks like a piece of, if there is one."""
    if not _is_pocket(region, view):
        return surfaces
    for index, surface in enumerate(surfaces):
        ratio = np.log(np.maximum(view.colour, 1.0) / np.maximum(surface.colour, 1.0))
        light = ratio.mean(axis=-1)
        is_alike = float(np.ptp(ratio[region].mean(axis=0))) < _POCKET_TINT
        is_alike &= float(light[region].std()) < _POCKET_UNREST
        if is_alike and _POCKET_DARKEST < float(light[region].mean()) < _POCKET_BRIGHTEST:
            calm = region & (np.ptp(ratio, axis=-1) < _POCKET_TINT) & (view.slope < _CALM_SLOPE)
            deviation = np.where(region, light, surface.deviation)
            whole = replace(surface, region=surface.region | region, calm=surface.calm | calm, deviation=deviation)
            return [*surfaces[:index], whole, *surfaces[index + 1 :]]
    return surfaces


def _neighbourhood(hole: BoolArray, margin: int) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return (
        max(0, int(rows[0]) - margin),
        min(hole.shape[0], int(rows[-1]) + 1 + margin),
        max(0, int(columns[0]) - margin),
        min(hole.shape[1], int(columns[-1]) + 1 + margin),
    )


def _smoothed(small: ByteArray, known: BoolArray) -> FloatArray:
    """Smooth the known pixels without letting the others in; those get what is nearest."""
    weight = known.astype(np.float32)
    blurred = cv2.GaussianBlur(small * weight[..., None], (0, 0), 1.0)
    colour = np.asarray(blurred / np.maximum(cv2.GaussianBlur(weight, (0, 0), 1.0), 1e-3)[..., None])
    return continue_smoothly(np.asarray(colour, np.float32), known)


def _quadratic(shape: tuple[int, ...]) -> FloatArray:
    """Return (h, w, 6) the terms of a quadratic in the place."""
    half = max(shape) / 2.0
    y, x = (np.mgrid[: shape[0], : shape[1]] - np.array(shape)[:, None, None] / 2.0) / half
    terms: FloatArray = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)
    return terms


def _fitted(view: View, region: BoolArray, terms: FloatArray) -> Surface:
    """Fit the lit look of a surface: darker parts count the less the darker they are, brighter ones nearly fully."""
    step = max(1, int(region.sum()) // _SAMPLES)
    samples, light = terms[region][::step].astype(np.float64), view.brightness[region][::step]
    weight = (light >= np.percentile(light, _BRIGHTER)).astype(np.float64)
    for width in _WIDTHS:
        normal = samples.T * weight
        coefficients = np.linalg.solve(normal @ samples + _STIFFNESS * len(light), normal @ light)
        off = light - samples @ coefficients
        weight = np.where(off < 0, 1.0 / (1.0 + (off / width) ** 2) ** 2, 1.0 / (1.0 + (off / (2.0 * width)) ** 2))
    lit = np.abs(off[off > -0.05])
    unrest = 1.48 * float(np.median(lit)) if len(lit) else np.inf
    normal = samples.T * weight
    fitted = np.linalg.solve(
        normal @ samples + _STIFFNESS * len(light), normal @ view.colour[region][::step].astype(np.float64)
    )
    look = terms @ coefficients.astype(np.float32)
    fall = _fall_of_light(np.where(region, view.brightness - look, np.float32(np.nan)), view.hole)
    colour = terms @ fitted.astype(np.float32) * np.exp(fall)[..., None]
    tint = np.ptp(np.log(np.maximum(view.colour, 1.0) / np.maximum(colour, 1.0)), axis=-1)
    region = region & (tint < _MAX_TINT)
    deviation = np.where(region, view.brightness - look - fall, 0.0)
    calm = region & (tint < _CALM_TINT) & (view.slope < _CALM_SLOPE)
    return Surface(region, calm, colour, deviation.astype(np.float32), unrest, _texture(view.brightness, region))


def _fall_of_light(deviation: FloatArray, hole: BoolArray) -> FloatArray:
    """Return (h, w) the light that whole rows or columns at the edges lack: a vignette, a backdrop's end, no shadow.

    Args:
        deviation: (h, w) logarithm of the light seen over that of the fit; NaN outside the surface.
        hole: (h, w).
    """
    fall = np.zeros_like(deviation)
    for lines, closed, is_row in ((deviation, hole, True), (deviation.T, hole.T, False)):
        profile = np.zeros(len(lines), np.float32)
        known = np.isfinite(lines).mean(axis=1)
        whole = (known > _LEAST_LINE) & (known > _WHOLE_LINE * (1.0 - closed.mean(axis=1)))
        if whole.any():
            profile[whole] = np.minimum(np.nanpercentile(lines[whole], _BRIGHT_OF_LINE, axis=1), 0.0)
        inner = np.flatnonzero(profile > -_EVEN)
        if len(inner):
            profile[inner[0] : inner[-1] + 1] = 0.0
        fall = np.minimum(fall, profile[:, None] if is_row else profile)
    return fall


def _texture(brightness: FloatArray, region: BoolArray) -> float:
    """Spread of a region's light about its local mean."""
    if not region.any():
        return np.inf
    weight = cv2.GaussianBlur(region.astype(np.float32), (0, 0), _TEXTURE_PX)
    mean = cv2.GaussianBlur(np.where(region, brightness, np.float32(0.0)), (0, 0), _TEXTURE_PX)
    return 1.48 * float(np.median(np.abs(brightness - mean / np.maximum(weight, 1e-3))[region]))
