"""Follow one person through a clip among others: where everybody is expected, what they look like, who is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from retarget.pose.appearance import colour_likeness, torso_colours
from retarget.pose.estimator import Box, Detection, PoseEstimator, Region
from retarget.pose.people import PersonChoice, SearchEffort, choose_person, find_near, find_people, is_same_person
from retarget.records import FloatArray, UInt8Array
from retarget.smoothing.trunk import TRUNK_CORNERS, torso_size_px

__all__ = ["PersonFollower"]

_SEARCH_EVERY: Final = 25
_LOOK_EVERY: Final = 5
"""Frames between two searches for small people all over the picture, and between two looks at the whole, while the
person is out of sight."""
_GLANCE_EVERY: Final = 3
"""Frames between two readings of people who are not close enough to be mistaken for the person."""
_CLOSE: Final = 1.5
"""Distance between the boxes of two people, in trunk sizes, under which both are read in every frame."""
_LOOK_AROUND_EVERY: Final = 15
"""Frames between two looks for newcomers around the person that is followed."""
_REACH: Final = 1.7
"""Side of the neighbourhood that is looked at, in sides of the person's region."""
_MAX_NEIGHBOURS: Final = 4
_PATIENCE: Final = 20
"""Frames after which somebody who is nobody else is taken for the lost person, whatever they look like; as many as the
person was seen for, if those are fewer."""
_MAX_STEP: Final = 0.6
"""A trunk that is found further from where it was expected, in its own size, has to look alike."""
_ALIKE: Final = 0.6
_MUCH_MORE_ALIKE: Final = 0.25
_DISTANCE_WEIGHT: Final = 2.5
_KEEP_COLOURS: Final = 0.8
_LEARN_EVERY: Final = 5
"""Frames between two looks at the person's colours."""
_KEEP_SPEED: Final = 0.6


class _Subject:
    """One person over time: last sight, where they are expected next, and their looks."""

    def __init__(self, rgb: UInt8Array, seen: Detection) -> None:
        self.seen = seen
        self.frames_hidden = 0
        self.frames_seen = 1
        self._frames_waited = 0
        self._region = seen.region
        self._colours = torso_colours(rgb, seen.pose.keypoints)
        self._speed_xy = np.zeros(2)

    @property
    def region(self) -> Region:
        """Where the person is expected in the next frame."""
        return self._region

    @property
    def size_px(self) -> float:
        """Size of the trunk when last seen."""
        return torso_size_px(self.seen.pose.keypoints)

    def saw(self, rgb: UInt8Array, found: Detection, *, is_clear: bool) -> None:
        """Take in a new sight; looks are learnt only where nobody else is in the way (`is_clear`)."""
        moved = _trunk_middle(found.pose.keypoints) - _trunk_middle(self.seen.pose.keypoints)
        moved /= self.frames_hidden + self._frames_waited + 1
        self._speed_xy = _KEEP_SPEED * self._speed_xy + (1 - _KEEP_SPEED) * moved
        self._region = self._region.toward(found.region)
        self.seen, self.frames_hidden, self._frames_waited = found, 0, 0
        self.frames_seen += 1
        is_due = is_clear and self.frames_seen % _LEARN_EVERY == 0
        colours = torso_colours(rgb, found.pose.keypoints) if is_due else None
        if colours is not None:
            known = self._colours
            self._colours = colours if known is None else _KEEP_COLOURS * known + (1 - _KEEP_COLOURS) * colours

    def move_to(self, seen: Detection) -> None:
        """Go on from another place with the same looks."""
        self.seen, self._region, self._speed_xy = seen, seen.region, np.zeros(2)

    def wait(self) -> None:
        """Let a frame pass without looking."""
        self._frames_waited += 1

    def missed(self) -> None:
        """Go on as before for a while, ever slower."""
        self.frames_hidden += 1
        self._speed_xy *= 0.9
        self._region = self._region.shifted(self._speed_xy)

    def likeness(self, rgb: UInt8Array, found: Detection) -> float:
        """Return how much the colours of `found` are this person's, in [0, 1]."""
        return colour_likeness(self._colours, torso_colours(rgb, found.pose.keypoints))

    def gap(self, found: Detection) -> float:
        """Distance between where the trunk was expected and where it is found, in trunk sizes."""
        expected = _trunk_middle(self.seen.pose.keypoints) + self._speed_xy * min(self.frames_hidden + 1, 5)
        return float(np.hypot(*(_trunk_middle(found.pose.keypoints) - expected))) / self.size_px

    def affinity(self, rgb: UInt8Array, found: Detection) -> float:
        """Return how well `found` continues this person: looks, less distance and change of size.

        Distance weighs more than looks: in an embrace the other's sleeve covers half of a trunk that hardly moves.
        """
        growth = abs(float(np.log(torso_size_px(found.pose.keypoints) / self.size_px)))
        return self.likeness(rgb, found) - _DISTANCE_WEIGHT * self.gap(found) - 0.5 * min(growth, 1.0)


class PersonFollower:
    """Reads the same person frame by frame; call `update` once a frame, in order.

    Args:
        estimator: reads regions and skeletons.
        choice: which person to start with.
        where: name of the clip for the message of an error.
    """

    def __init__(self, estimator: PoseEstimator, choice: PersonChoice, *, where: str) -> None:
        self._estimator = estimator
        self._choice = choice
        self._where = where
        self._person: _Subject | None = None
        self._others: list[_Subject] = []
        self._frames = 0
        self._frames_empty = 0
        self._is_after_cut = False
        self._first_choice: tuple[int, int] | None = None

    @property
    def first_choice(self) -> tuple[int, int] | None:
        """(index, count) of the person among those in the first frame with anybody, from the left; None before it."""
        return self._first_choice

    def update(self, rgb: UInt8Array, *, is_cut: bool = False) -> Detection | None:
        """Return the person in the next frame, with mask; None where they are hidden or gone.

        Args:
            rgb: (H, W, 3) uint8 sRGB.
            is_cut: a new shot begins: positions mean nothing any more, looks still do.

        Raises:
            PersonNotFoundError: the person asked for by index is not among those in the first frame with anybody.
        """
        self._is_after_cut |= is_cut
        if is_cut:
            self._others, self._frames_empty = [], 0
        self._frames += 1
        if self._person is None or self._is_after_cut:
            return self._begin(rgb)
        return self._continue(rgb, self._person)

    def _begin(self, rgb: UInt8Array) -> Detection | None:
        """Look for everybody and choose."""
        effort: SearchEffort = "normal" if self._choice.rule == "largest" else "thorough"
        is_search_due = self._frames_empty % _SEARCH_EVERY == 0
        people = find_people(rgb, self._estimator, effort=effort if is_search_due else "quick")
        if people and not is_search_due:
            people = find_people(rgb, self._estimator, effort=effort)
        self._frames_empty = 0 if people else self._frames_empty + 1
        if not people:
            return None
        chosen = self._choose(rgb, people)
        place = next(index for index, person in enumerate(people) if person is chosen)
        self._first_choice = self._first_choice or (place, len(people))
        self._person, self._is_after_cut = _Subject(rgb, chosen), False
        self._others = [_Subject(rgb, person) for person in people if person is not chosen]
        return self._estimator.estimate(rgb, chosen.region, with_mask=True) or chosen

    def _choose(self, rgb: UInt8Array, people: Sequence[Detection]) -> Detection:
        known = self._person
        if known is None:
            return choose_person(people, self._choice, where=self._where)
        alike = max(people, key=lambda person: known.likeness(rgb, person))
        if known.likeness(rgb, alike) > _ALIKE:
            return alike
        return max(people, key=lambda person: person.area_px)

    def _continue(self, rgb: UInt8Array, person: _Subject) -> Detection | None:
        found = self._estimator.estimate(rgb, person.region, with_mask=True)
        self._follow_others(rgb, person)
        if found is None or not self._is_person(rgb, person, found):
            found = self._search(rgb, person)
        elif (mistaken := self._mistaken(rgb, person, found)) is not None:
            found = self._change_places(rgb, person, found, mistaken)
        elif self._frames % _LOOK_AROUND_EVERY == 0:
            self._look_around(rgb, person, found)
        if found is None:
            person.missed()
            return None
        person.saw(rgb, found, is_clear=not self._is_crowded(found))
        return found

    def _is_person(self, rgb: UInt8Array, person: _Subject, found: Detection) -> bool:
        """Tell whether a sight is the person: near or alike, and not rather somebody else."""
        for other in self._others:
            if other.frames_hidden == 0 and is_same_person(found, other.seen):
                if person.affinity(rgb, found) < other.affinity(rgb, found):
                    return False
                other.missed()
        is_patient = person.frames_hidden < min(_PATIENCE, person.frames_seen)
        return person.gap(found) < _MAX_STEP or person.likeness(rgb, found) > _ALIKE or not is_patient

    def _mistaken(self, rgb: UInt8Array, person: _Subject, found: Detection) -> _Subject | None:
        """Return who of the others looks like the person, where `found` does not: they were mixed up a while ago."""
        in_sight = [other for other in self._others if other.frames_hidden == 0]
        if not in_sight or (likeness := person.likeness(rgb, found)) > _ALIKE:
            return None
        alike = max(in_sight, key=lambda other: person.likeness(rgb, other.seen))
        is_clearer = person.likeness(rgb, alike.seen) > max(_ALIKE, likeness + _MUCH_MORE_ALIKE)
        return alike if is_clearer and not is_same_person(alike.seen, found) else None

    def _change_places(self, rgb: UInt8Array, person: _Subject, found: Detection, other: _Subject) -> Detection | None:
        """Give each their own sight back."""
        self._others.remove(other)
        self._others.append(_Subject(rgb, found))
        person.move_to(other.seen)
        return self._estimator.estimate(rgb, other.region, with_mask=True)

    def _follow_others(self, rgb: UInt8Array, person: _Subject) -> None:
        """Keep up with those who are close enough to be mistaken for the person; forget who is gone."""
        near = sorted(self._others, key=lambda other: _distance(other.region, person.region))[:_MAX_NEIGHBOURS]
        is_glance_due = self._frames % _GLANCE_EVERY == 0
        for other in near:
            is_close = _gap_between(other.seen.box, person.seen.box) < _CLOSE * max(other.size_px, person.size_px)
            if not is_close and not is_glance_due:
                other.wait()
                continue
            found = self._estimator.estimate(rgb, other.region)
            if found is not None and (other.gap(found) < _MAX_STEP or other.likeness(rgb, found) > _ALIKE):
                other.saw(rgb, found, is_clear=False)
            else:
                other.missed()
        self._others = [other for other in self._others if other.frames_hidden < _PATIENCE]

    def _look_around(self, rgb: UInt8Array, person: _Subject, found: Detection) -> None:
        """Take note of newcomers before they come close enough to be mistaken for the person."""
        known = [found, *(other.seen for other in self._others)]
        for newcomer in find_near(rgb, self._estimator, person.region, known, reach=_REACH):
            self._others.append(_Subject(rgb, newcomer))

    def _search(self, rgb: UInt8Array, person: _Subject) -> Detection | None:
        """Look for the lost person: near at hand at once, everywhere now and then."""
        known = [other.seen for other in self._others]
        candidates = find_near(rgb, self._estimator, person.region, known, reach=_REACH)
        if not candidates and person.frames_hidden % _LOOK_EVERY == _LOOK_EVERY - 1:
            is_search_due = person.frames_hidden % _SEARCH_EVERY == _SEARCH_EVERY - 1
            people = find_people(rgb, self._estimator, effort="normal" if is_search_due else "quick")
            candidates = [new for new in people if not any(is_same_person(new, other) for other in known)]
        likely = [found for found in candidates if self._is_person(rgb, person, found)]
        best = max(likely, key=lambda found: person.affinity(rgb, found), default=None)
        return None if best is None else self._estimator.estimate(rgb, best.region, with_mask=True)

    def _is_crowded(self, found: Detection) -> bool:
        return any(_distance(other.region, found.region) < 0.5 * found.region.size_px for other in self._others)


def _trunk_middle(keypoints: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    middle: np.ndarray[tuple[int], np.dtype[np.float64]] = keypoints[TRUNK_CORNERS].mean(axis=0).astype(np.float64)
    return middle


def _gap_between(first: Box, second: Box) -> float:
    """Distance between two boxes; 0 where they touch."""
    across = max(first[0] - second[2], second[0] - first[2], 0.0)
    down = max(first[1] - second[3], second[1] - first[3], 0.0)
    return float(np.hypot(across, down))


def _distance(first: Region, second: Region) -> float:
    return float(np.hypot(first.center_xy[0] - second.center_xy[0], first.center_xy[1] - second.center_xy[1]))
