"""Several people in a picture: find them all, tell which one is meant."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX
from retarget.errors import PersonNotFoundError, UsageError
from retarget.pose.estimator import Box, Detection, PoseEstimator, Region, box_iou
from retarget.records import UInt8Array
from retarget.smoothing.trunk import TRUNK_CORNERS, torso_size_px

__all__ = [
    "PersonChoice",
    "SearchEffort",
    "choose_person",
    "find_from_afar",
    "find_near",
    "find_people",
    "is_same_person",
]

_HEAD_AND_TRUNK: Final = [JOINT_INDEX[name] for name in ("nose", "left_ear", "right_ear")] + TRUNK_CORNERS
SearchEffort = Literal["quick", "normal", "thorough"]

_TILE_SHARES: Final = (0.5, 0.3)
"""Sides of the search tiles as shares of the longer side of the picture."""
_NEIGHBOURHOOD: Final = 1.3
_SETTLING_ROUNDS: Final = 2
_SAME_HEAD: Final = 0.12
_SAME_BODY: Final = 0.35
"""Distances between two readings of one person, in trunk sizes."""
_MAX_REGION_GAP: Final = 0.8
_MARGIN_AFAR: Final = 0.5
"""Margin around the picture when it is looked at from afar, in its longer sides."""
_SURE_FROM_AFAR: Final = 0.8
"""Least score and confidence of who is found amid that margin: a drawn figure has 0.89 and 1.0, horses and logos 0.55
to 0.72."""
_FACE_AND_SHOULDERS: Final = [*FACE_JOINTS, JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]]
_SMALL_SHARE: Final = 0.1
"""Share of the picture under which the largest person found may not be the largest there is."""
_MIN_UNCONFIRMED_SHARE: Final = 0.05


@dataclass(frozen=True)
class PersonChoice:
    """Which person is meant.

    Attributes:
        rule: how the person is told from the others.
        index: for "index", counted from 0, left to right.
        point_xy: for "point", in pixels.
    """

    rule: Literal["largest", "index", "point"]
    index: int = 0
    point_xy: tuple[float, float] = (0.0, 0.0)

    def scaled(self, scale: float) -> PersonChoice:
        """Return the choice for a picture resized by `scale`."""
        return replace(self, point_xy=(self.point_xy[0] * scale, self.point_xy[1] * scale))

    @classmethod
    def parse(cls, text: str) -> PersonChoice:
        """Read "largest", "index:N" or "point:X,Y".

        Raises:
            UsageError: the text is none of these.
        """
        if text == "largest":
            return cls("largest")
        if match := re.fullmatch(r"index:(\d{1,4})", text):
            return cls("index", index=int(match[1]))
        if match := re.fullmatch(r"point:(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)", text):
            return cls("point", point_xy=(float(match[1]), float(match[2])))
        raise UsageError(f"person {text!r} is not understood", hint="give largest, index:N or point:X,Y")


def is_same_person(first: Detection, second: Detection) -> bool:
    """Tell whether two detections in one picture show one person: heads and trunks coincide, or heads to the point.

    Of people cut off at the chest, readings agree on the head and guess the rest.
    """
    gap = np.linalg.norm(first.pose.keypoints - second.pose.keypoints, axis=1)
    size = min(torso_size_px(first.pose.keypoints), torso_size_px(second.pose.keypoints))
    has_same_head = float(np.median(gap[list(FACE_JOINTS)])) < _SAME_HEAD * size
    return has_same_head or float(np.median(gap[_HEAD_AND_TRUNK])) < _SAME_BODY * size


def find_people(rgb: UInt8Array, estimator: PoseEstimator, *, effort: SearchEffort = "normal") -> list[Detection]:
    """Find everybody in a picture: detector on the whole, then on overlapping tiles for smaller people.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        estimator: reads regions and skeletons.
        effort: "quick" looks at the whole picture, "normal" also at tiles of half its longer side and, where nobody
            or only small people are found, at smaller tiles; "thorough" always at those.

    Returns:
        The people from left to right (by the middle of the trunk), each once.
    """
    regions = estimator.find_regions(rgb)
    people = _confirmed(rgb, estimator, regions, [])
    wanted = {"quick": 0, "normal": 1, "thorough": 2}[effort]
    for level, share in enumerate(_TILE_SHARES, start=1):
        is_small = all(person.area_px < _SMALL_SHARE * rgb.shape[0] * rgb.shape[1] for person in people)
        if level > (wanted + 1 if is_small and wanted else wanted):
            break
        for left, top, tile in _tiles(rgb, share):
            moved = [_moved(region, left, top) for region in estimator.find_regions(tile)]
            people = _confirmed(rgb, estimator, moved, people)
    people = people or _unconfirmed(rgb, estimator, regions)
    return sorted(people, key=lambda person: float(person.pose.keypoints[TRUNK_CORNERS, 0].mean()))


def find_near(
    rgb: UInt8Array, estimator: PoseEstimator, region: Region, known: Sequence[Detection], *, reach: float
) -> list[Detection]:
    """Find the people in a neighbourhood who are not yet known.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        estimator: reads regions and skeletons.
        region: whose neighbourhood.
        known: people to leave out.
        reach: side of the neighbourhood in sides of the region.
    """
    regions = _regions_around(rgb, estimator, region, reach)
    return _confirmed(rgb, estimator, regions, list(known))[len(known) :]


def find_from_afar(rgb: UInt8Array, estimator: PoseEstimator) -> list[Detection]:
    """Find a person who fills the picture and is recognised only with room around it: a drawing, a close-up.

    Horses, logos and empty rooms are taken for people that way, too, so only who is read with certainty counts.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        estimator: reads regions and skeletons.

    Returns:
        Nobody or one person.
    """
    margin = round(_MARGIN_AFAR * max(rgb.shape[:2]))
    far = np.asarray(cv2.copyMakeBorder(rgb, margin, margin, margin, margin, cv2.BORDER_REPLICATE), np.uint8)
    regions = [_moved(region, -margin, -margin) for region in estimator.find_regions(far)]
    people = _unconfirmed(rgb, estimator, [region for region in regions if region.score > _SURE_FROM_AFAR])
    return [person for person in people if person.pose.confidence[_FACE_AND_SHOULDERS].min() > _SURE_FROM_AFAR]


def choose_person(people: Sequence[Detection], choice: PersonChoice, *, where: str) -> Detection:
    """Pick the person that is meant.

    Args:
        people: from left to right.
        choice: the rule.
        where: file (and frame) for the message of an error.

    Raises:
        PersonNotFoundError: nobody was found, or fewer people than the index asks for.
    """
    if not people:
        raise PersonNotFoundError(
            f"no person found in {where}", hint="use a picture in which head, shoulders and hips can be seen"
        )
    if choice.rule == "index":
        if choice.index >= len(people):
            raise PersonNotFoundError(
                f"person index:{choice.index} asked for, but {len(people)} found in {where}",
                hint=f"indices count from the left: 0 to {len(people) - 1}",
            )
        return people[choice.index]
    if choice.rule == "point":
        return min(people, key=lambda person: _distance_to_box(choice.point_xy, person.box))
    return max(people, key=lambda person: person.area_px)


def _confirmed(
    rgb: UInt8Array, estimator: PoseEstimator, regions: Sequence[Region], people: list[Detection]
) -> list[Detection]:
    """Read the skeleton of each new region; keep who is not yet among the people."""
    known = list(people)
    for region in regions:
        if any(_is_region_of(region, person) for person in known):
            continue
        found = _confirm(rgb, estimator, region)
        if found is not None and not any(is_same_person(found, person) for person in known):
            known.append(found)
    return known


def _confirm(rgb: UInt8Array, estimator: PoseEstimator, region: Region) -> Detection | None:
    """Read a region's skeleton if the detector finds the same person again in the region's own neighbourhood.

    A tile that shows only somebody's legs is taken for a small person by detector and model alike; seen with its
    surroundings the legs become the whole person, who is then recognised as known.
    """
    first = estimator.estimate(rgb, region)
    if first is None:
        return None
    seen = _regions_around(rgb, estimator, first.region, _NEIGHBOURHOOD)
    again = min(seen, key=lambda near: _region_gap(near, first.region), default=None)
    if again is None or _region_gap(again, first.region) > _MAX_REGION_GAP:
        return None
    settled = estimator.estimate(rgb, again)
    for _ in range(_SETTLING_ROUNDS):  # between two people the detector's region may lie on neither
        settled = settled and (estimator.estimate(rgb, settled.region) or settled)
    return settled if settled is not None and _is_plausible(settled) else None


def _unconfirmed(rgb: UInt8Array, estimator: PoseEstimator, regions: Sequence[Region]) -> list[Detection]:
    """Large people of the whole picture whom only one of two looks recognised: drawings, odd poses."""
    found = [estimator.estimate(rgb, region) for region in regions]
    floor = _MIN_UNCONFIRMED_SHARE * rgb.shape[0] * rgb.shape[1]
    return [person for person in found if person is not None and _is_plausible(person) and person.area_px > floor][:1]


def _regions_around(rgb: UInt8Array, estimator: PoseEstimator, region: Region, reach: float) -> list[Region]:
    """Run the detector on the square of `reach` region sides around a region."""
    left, top, right, bottom = (max(0, round(side)) for side in replace(region, size_px=reach * region.size_px).box)
    around = rgb[top:bottom, left:right]
    if min(around.shape[:2]) < 8:
        return []
    return [_moved(near, left, top) for near in estimator.find_regions(around)]


def _region_gap(first: Region, second: Region) -> float:
    """Distance of the middles in sides of the second, plus the ratio of the sides as a logarithm."""
    gap = np.hypot(*(np.array(first.center_xy) - np.array(second.center_xy))) / second.size_px
    return float(gap + abs(np.log(first.size_px / second.size_px)))


def _is_region_of(region: Region, person: Detection) -> bool:
    gap = np.hypot(*(np.array(region.center_xy) - np.array(person.region.center_xy)))
    return bool(
        gap < 0.12 * person.region.size_px
        and 0.7 < region.size_px / person.region.size_px < 1.4
        and box_iou(region.box, person.region.box) > 0.5
    )


def _is_plausible(person: Detection) -> bool:
    """A skeleton is a person when head or trunk are seen inside the picture, at a size that means something."""
    height, width = person.pose.size_hw
    x, y = person.pose.keypoints[_HEAD_AND_TRUNK].T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    seen = inside & (person.pose.confidence[_HEAD_AND_TRUNK] > 0.5)
    return int(seen.sum()) >= 3 and torso_size_px(person.pose.keypoints) >= 4.0


def _tiles(rgb: UInt8Array, share: float) -> Iterator[tuple[int, int, UInt8Array]]:
    height, width = rgb.shape[:2]
    side = max(32, round(share * max(height, width)))
    for top, left in itertools.product(_starts(height, side), _starts(width, side)):
        yield left, top, rgb[top : top + side, left : left + side]


def _starts(length: int, side: int) -> list[int]:
    """Starts of tiles that cover a length and overlap by about half."""
    if length <= side:
        return [0]
    count = int(np.ceil(2 * (length - side) / side)) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]


def _moved(region: Region, left: int, top: int) -> Region:
    x, y = region.center_xy
    return Region((x + left, y + top), region.size_px, region.rotation, region.score)


def _distance_to_box(point_xy: tuple[float, float], box: Box) -> tuple[float, float]:
    """Distance to the box (0 inside), then to its middle, to break ties of overlapping boxes."""
    x, y = point_xy
    outside = np.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3]))
    middle = np.hypot(x - (box[0] + box[2]) / 2, y - (box[1] + box[3]) / 2)
    return float(outside), float(middle)
