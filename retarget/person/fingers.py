"""Fingers that the estimator's coarse mask loses: each hand is cut out again by the colours found just there.

A mask of 256 pixels ends at the knuckles of a spread hand, and colour models of the whole person and the whole room
rarely tell five thin fingers from the wall behind them. Models of one hand and its surroundings do.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray, UInt8Array

__all__ = ["find_fingers"]

BoolArray = npt.NDArray[np.bool_]

_HANDS: Final = ((15, (17, 19, 21)), (16, (18, 20, 22)))
"""Wrist and knuckles (pinky, index, thumb) of each hand."""
# In lengths from wrist to knuckles.
_REACH: Final = 1.9  # of fingers, from the middle of the knuckles
_SURROUNDINGS: Final = 1.0  # width of the ring about that, which shows what lies behind
_PALM: Final = 0.5  # width of the strip from wrist to knuckles that is the hand's for certain
_KNOWN_PALM: Final = 0.7
"""Share of that strip that the person's mask must hold."""
_CLEAR_PX: Final = 2.0
"""Nearer to the person than this, colours are mixed."""
_LEAST_LENGTH_PX: Final = 4.0
_LEAST_SAMPLES: Final = 12
_SPREAD: Final = 5.0
"""Deviation, in 8-bit Lab, that the hand's and the room's colours have at least: compression and light."""
_CONFUSED: Final = 0.08
"""Share of the surroundings that may look like the hand."""
_MOST_GROWTH: Final = 2.2
"""Area of fingers, in squares of the length from wrist to knuckles, beyond which it is something else."""
_ROOM_COLOURS: Final = 4
_LEAST_SHARE: Final = 0.02
"""Colours that less of the surroundings have may be the tips of longer fingers."""


def find_fingers(rgb: UInt8Array, person: BoolArray, joints: FloatArray | None) -> BoolArray:
    """Find what hands hold beyond the person's mask.

    Args:
        rgb: (H, W, 3) uint8 photo.
        person: (H, W) the person as far as known.
        joints: (33, 2) joints in pixels; None finds nothing.

    Returns:
        (H, W) pixels to add to the person.
    """
    found = np.zeros(person.shape, bool)
    if joints is None:
        return found
    for wrist, knuckles in _HANDS:
        start, end = joints[wrist], joints[list(knuckles)].mean(axis=0)
        length = float(np.linalg.norm(end - start))
        window = _window(person.shape, end, (_REACH + _SURROUNDINGS) * length)
        if length >= _LEAST_LENGTH_PX and window is not None:
            shift = np.array([window[1].start, window[0].start], np.float32)
            found[window] |= _grown(rgb[window], person[window], start - shift, end - shift)
    return found & ~person


def _window(shape: tuple[int, ...], centre: FloatArray, radius: float) -> tuple[slice, slice] | None:
    """The square about a point as far as it lies in the picture; None where the point itself does not."""
    x, y = (float(value) for value in centre)
    if not (0 <= x < shape[1] and 0 <= y < shape[0]):
        return None
    top, left = max(round(y - radius), 0), max(round(x - radius), 0)
    return slice(top, min(round(y + radius) + 1, shape[0])), slice(left, min(round(x + radius) + 1, shape[1]))


def _grown(rgb: UInt8Array, person: BoolArray, wrist: FloatArray, knuckles: FloatArray) -> BoolArray:
    """Find one hand's fingers in the window around it."""
    nothing = np.zeros(person.shape, bool)
    length = float(np.linalg.norm(knuckles - wrist))
    strip = _strip(person.shape, wrist, knuckles)
    palm = strip & person
    y, x = np.mgrid[: person.shape[0], : person.shape[1]]
    in_reach = np.hypot(x - knuckles[0], y - knuckles[1]) < _REACH * length
    apart = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 5)
    room = ~in_reach & (apart > _CLEAR_PX)
    is_palm_known = palm.sum() >= _KNOWN_PALM * strip.sum()  # else something is held before it
    if not is_palm_known or min(palm.sum(), room.sum()) < _LEAST_SAMPLES:
        return nothing
    is_alike = _nearer_to_hand(rgb, palm, room)
    if is_alike[room].mean() > _CONFUSED:
        return nothing
    labels = np.where(person | (is_alike & in_reach), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[room], labels[palm] = cv2.GC_BGD, cv2.GC_FGD
    labels[person & ~in_reach] = cv2.GC_FGD
    is_like_hand = cv2.dilate(is_alike.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # edges are mixed colours
    cut = person | (_cut(rgb, labels) & in_reach & is_like_hand)
    _, pieces = cv2.connectedComponents(cut.astype(np.uint8), connectivity=4)
    grown = cut & (pieces == np.bincount(pieces[palm]).argmax()) & ~person
    return nothing if grown.sum() > _MOST_GROWTH * length**2 else grown


def _strip(shape: tuple[int, ...], wrist: FloatArray, knuckles: FloatArray) -> BoolArray:
    """Return the strip along the outer half of a palm."""
    strip = np.zeros(shape, np.uint8)
    width = max(1, round(_PALM * float(np.linalg.norm(knuckles - wrist))))
    start, end = ((round(float(x)), round(float(y))) for x, y in ((wrist + knuckles) / 2, knuckles))
    cv2.line(strip, start, end, 1, width)
    return strip > 0


def _cut(rgb: UInt8Array, labels: UInt8Array) -> BoolArray:
    """Let GrabCut decide what its labels leave open."""
    cv2.setRNGSeed(0)  # its colour models start from k-means
    cv2.grabCut(np.ascontiguousarray(rgb), labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))


def _nearer_to_hand(rgb: UInt8Array, palm: BoolArray, room: BoolArray) -> BoolArray:
    """Tell which pixels look more like the palm than like any colour of the room."""
    colours = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2LAB).astype(np.float32)
    to_hand = _distance(colours, colours[palm])
    samples = np.ascontiguousarray(colours[room])
    count = min(_ROOM_COLOURS, len(samples))
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    cv2.setRNGSeed(0)
    _, nearest, _ = cv2.kmeans(samples, count, np.empty(0), stop, 1, cv2.KMEANS_PP_CENTERS)
    groups = [samples[nearest[:, 0] == number] for number in range(count)]
    common = [group for group in groups if len(group) >= _LEAST_SHARE * len(samples)]
    return np.asarray(to_hand < np.min([_distance(colours, group) for group in common], axis=0))


def _distance(colours: FloatArray, samples: FloatArray) -> FloatArray:
    """How unlikely colours (H, W, 3) are under the normal distribution of samples (N, 3): -2 log, up to a constant."""
    mean = samples.mean(axis=0)
    off = samples - mean
    covariance = off.T @ off / len(samples) + _SPREAD**2 * np.eye(3, dtype=np.float32)
    apart = colours - mean
    mahalanobis = np.einsum("...i,ij,...j->...", apart, np.linalg.inv(covariance), apart)
    return np.asarray(mahalanobis + np.log(np.linalg.det(covariance)), np.float32)
