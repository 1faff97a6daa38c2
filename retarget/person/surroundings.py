"""What goes with the person though it is not the body: things held in the hands, shadows at the feet.

A held thing shows as colours that the surroundings of the hand don't have; before clutter, which has them all,
nothing is reported. A contact shadow shows as ground beside the feet that is darker than the ground around.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray, UInt8Array

__all__ = ["find_contact_shadows", "find_held_objects"]

BoolArray = npt.NDArray[np.bool_]

_SIDE_PX = 320  # working size
_WRISTS_AND_FINGERS = (15, 16, 17, 18, 19, 20)
_HEELS_AND_TOES = (29, 30, 31, 32)
_HIPS = (23, 24)
_SEEN = 0.5  # confidence from which a joint counts

# Lengths in units of the square root of the person's area, areas in parts of it.
_REACH = 1.3  # how far a held thing may reach from a hand
_GRIP = 0.22  # it touches the person within this distance of a hand joint; farther up the arm it is a post behind it
_FREE = 0.3  # only hands this far from the hips are looked at
_STICKS_OUT = 0.12  # and leads away from the person at least this far
_MIN_AREA = 0.003
_NUM_COLOURS = 12
_COMMON = 0.03  # share of the surroundings from which a colour is one of theirs
_NOVELTY = 5.0  # standard deviations from all common colours
_MAX_NOVEL = 0.1  # share of the surroundings that may be novel before they say nothing
_SHADOW_REACH = 0.3  # how far from a foot joint its shadow is looked for
_SHADOW_STEP = 6.0  # how much darker than the ground around it is at least, in 8-bit lightness
_SHADOW_CHROMA = 12.0  # how little its colour differs otherwise
_DARKEST = 0.35  # and which part of the light is left at least: what is darker is another material


def find_held_objects(rgb: UInt8Array, mask: FloatArray, keypoints: FloatArray, confidence: FloatArray) -> BoolArray:
    """Find things that the hands hold and the mask leaves out.

    Args:
        rgb: (H, W, 3) uint8 photo.
        mask: (H, W) in [0, 1], the person.
        keypoints: (33, 2) joints in pixels.
        confidence: (33,) in [0, 1].

    Returns:
        (H, W), True on what is held; all False before a cluttered background.
    """
    view = _View(rgb, mask)
    hands = view.visible(keypoints, confidence, _WRISTS_AND_FINGERS)
    hips = view.visible(keypoints, confidence, _HIPS)
    # beside a hand on the hip, what looks novel is background seen through the crook of the arm
    hands = [hand for hand in hands if all(np.hypot(*np.subtract(hand, hip)) > _FREE * view.unit for hip in hips)]
    core = view.near(0.03)
    zone = _discs(core.shape, hands, _REACH * view.unit) & ~core
    if zone.sum() < 20 * _NUM_COLOURS:
        return np.zeros(mask.shape, bool)
    is_novel = zone & (_novelty(view.lab, zone) > _NOVELTY)
    if is_novel[zone].mean() > _MAX_NOVEL:
        return np.zeros(mask.shape, bool)
    bridged = cv2.morphologyEx((is_novel | core).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels = cv2.connectedComponents(np.where(zone, bridged, 0).astype(np.uint8), connectivity=8)
    hand_zone = _discs(core.shape, hands, _GRIP * view.unit)
    rim = zone & (_grown(~zone & ~core, 3) | _is_frame(core.shape))
    held = np.zeros_like(core)
    for label in np.unique(labels[hand_zone & view.near(0.1) & (labels > 0)]):
        part = labels == label
        contact = _grown(part, 5) & core
        is_of_hand = (contact & hand_zone).sum() > 0.6 * contact.sum()
        leads_away = (part & ~view.near(_STICKS_OUT)).any() and not (part & rim).any()
        if is_of_hand and leads_away and part.sum() > _MIN_AREA * view.unit**2:
            held |= part
    return view.enlarged(held)


def find_contact_shadows(rgb: UInt8Array, mask: FloatArray, keypoints: FloatArray, confidence: FloatArray) -> BoolArray:
    """Find the dark ground that touches the feet.

    Args:
        rgb: (H, W, 3) uint8 photo.
        mask: (H, W) in [0, 1], the person.
        keypoints: (33, 2) joints in pixels.
        confidence: (33,) in [0, 1].

    Returns:
        (H, W), True on the shadows; the person's own pixels are left out.
    """
    view = _View(rgb, mask)
    core = view.near(0.0)
    feet = view.visible(keypoints, confidence, _HEELS_AND_TOES)
    around = _discs(core.shape, feet, 1.6 * _SHADOW_REACH * view.unit) & ~view.near(0.1)
    beside = _discs(core.shape, feet, _SHADOW_REACH * view.unit) & ~core
    highest = min((y for _, y in feet), default=0) - 0.1 * view.unit
    around[: max(0, int(highest))] = False
    beside[: max(0, int(highest))] = False
    if around.sum() < 50:
        return np.zeros(mask.shape, bool)
    smooth = cv2.GaussianBlur(view.lab, (0, 0), 1.0)
    ground = np.median(smooth[around], axis=0)
    unrest = 1.5 * float(np.median(np.abs(smooth[around][:, 0] - ground[0])))
    is_dark = ground[0] - smooth[..., 0] > max(_SHADOW_STEP, unrest)
    brightness = smooth[..., 0] / max(float(ground[0]), 1.0)
    faded = 128.0 + (ground[1:] - 128.0) * brightness[..., None]  # colour may fade with the light, or stay
    off = [np.linalg.norm(smooth[..., 1:] - colour, axis=-1) for colour in (ground[1:], faded)]
    is_ground = (np.minimum(*off) < _SHADOW_CHROMA) & (brightness > _DARKEST)
    _, labels = cv2.connectedComponents((beside & is_dark & is_ground).astype(np.uint8), connectivity=4)
    touching = np.unique(labels[view.near(0.06) & (labels > 0)])
    return view.enlarged(np.isin(labels, touching) & (labels > 0))


class _View:
    """A photo and its person at working size.

    Attributes:
        lab: (h, w, 3) float32, 8-bit Lab scale.
        unit: square root of the person's area, in pixels.
    """

    def __init__(self, rgb: UInt8Array, mask: FloatArray) -> None:
        self._full_hw = mask.shape
        self._scale = min(1.0, _SIDE_PX / max(mask.shape))
        small = cv2.resize(rgb, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA)
        self.lab: FloatArray = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
        person = cv2.resize(mask, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        self.unit = float(np.sqrt((person > 0.5).sum()))
        self._distance = cv2.distanceTransform((person <= 0.1).astype(np.uint8), cv2.DIST_L2, 5)

    def near(self, reach: float) -> BoolArray:
        """Return the pixels within `reach` units of the person, and the person."""
        return np.asarray(self._distance <= reach * self.unit)

    def visible(self, keypoints: FloatArray, confidence: FloatArray, joints: tuple[int, ...]) -> list[tuple[int, int]]:
        """Return those of the joints that are seen inside the photo, as (x, y) at working size."""
        points = [(keypoints[joint] + 0.5) * self._scale for joint in joints if confidence[joint] > _SEEN]
        height, width = self.lab.shape[:2]
        return [(int(x), int(y)) for x, y in points if 0 <= x < width and 0 <= y < height]

    def enlarged(self, mask: BoolArray) -> BoolArray:
        """Return a mask of working size at the photo's size."""
        size = (self._full_hw[1], self._full_hw[0])
        return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.3)


def _novelty(lab: FloatArray, zone: BoolArray) -> FloatArray:
    """How many standard deviations a pixel's colour is from the nearest of the zone's common colours."""
    sample = lab[zone]
    sample = sample[:: max(1, len(sample) // 6000)]
    cv2.setRNGSeed(0)  # k-means draws its first centres
    stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 15, 0.5)
    _, labels, centres = cv2.kmeans(sample, _NUM_COLOURS, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    novelty = np.full(zone.shape, np.inf, np.float32)
    for index, centre in enumerate(centres):
        members = sample[labels.ravel() == index]
        if len(members) >= _COMMON * len(sample):
            spread = np.maximum(members.std(axis=0), 3.0)
            novelty = np.minimum(novelty, np.linalg.norm((lab - centre) / spread, axis=-1))
    return novelty


def _discs(shape: tuple[int, ...], centres: list[tuple[int, int]], radius: float) -> BoolArray:
    canvas = np.zeros(shape, np.uint8)
    for centre in centres:
        cv2.circle(canvas, centre, max(1, round(radius)), 1, -1)
    return np.asarray(canvas > 0)


def _grown(mask: BoolArray, side: int) -> BoolArray:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def _is_frame(shape: tuple[int, ...]) -> BoolArray:
    inside = np.zeros(shape, bool)
    inside[1:-1, 1:-1] = True
    return ~inside
