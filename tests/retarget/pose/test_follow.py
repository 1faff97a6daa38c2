"""One person is followed, whoever crosses, hides or leaves."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.errors import PersonNotFoundError
from retarget.pose.follow import PersonFollower
from retarget.pose.people import PersonChoice
from tests.helpers.pose import BoxEstimator, BoxPerson, picture_of


def follow(scenes: list[list[BoxPerson]], choice: str = "index:0", cuts: tuple[int, ...] = ()) -> list[float | None]:
    """Positions of the person that is followed (None where lost), over the frames of a clip."""
    follower = PersonFollower(BoxEstimator(), PersonChoice.parse(choice), where="the clip")
    places: list[float | None] = []
    for index, people in enumerate(scenes):
        found = follower.update(picture_of(people), is_cut=index in cuts)
        places.append(None if found is None else float(found.pose.keypoints[[11, 12, 23, 24], 0].mean()))
    return places


def errors(places: list[float | None], truth: list[float]) -> list[float]:
    return [abs(place - true) for place, true in zip(places, truth, strict=True) if place is not None]


def test_a_person_alone_is_read_in_every_frame() -> None:
    truth = [100 + 3.0 * index for index in range(40)]
    places = follow([[BoxPerson(0, x)] for x in truth])
    assert None not in places
    assert max(errors(places, truth)) < 1.0


@pytest.mark.parametrize("is_in_front", [True, False])
@pytest.mark.parametrize("step", [3.0, 8.0])
def test_people_who_cross_keep_their_identity(is_in_front: bool, step: float) -> None:
    num_frames = int(240 / step)
    mine = [80 + step * index for index in range(num_frames)]
    others = [320 - step * index for index in range(num_frames)]
    scenes = []
    for mine_x, other_x in zip(mine, others, strict=True):
        pair = [BoxPerson(1, other_x, 112), BoxPerson(0, mine_x)]
        scenes.append(pair if is_in_front else pair[::-1])
    places = follow(scenes)
    wrong = [error for error in errors(places, mine) if error > 20]
    assert wrong == []
    assert places[-1] is not None
    assert places.count(None) <= (1 if is_in_front else 12)


def test_whoever_stands_behind_is_not_taken_when_the_person_leaves() -> None:
    scenes = [[BoxPerson(1, 300), BoxPerson(0, 120 - 5.0 * index)] for index in range(50)]
    places = follow(scenes)
    assert all(place is None or place < 150 for place in places)
    assert places[-1] is None


def test_a_person_who_comes_back_is_found_again() -> None:
    here, gone = [BoxPerson(0, 200)], []
    places = follow([here] * 10 + [gone] * 12 + [[BoxPerson(0, 230)]] * 20)
    assert places[10:22] == [None] * 12
    assert places[-1] == pytest.approx(230, abs=1)


def test_a_person_who_enters_late_is_found() -> None:
    places = follow([[]] * 9 + [[BoxPerson(0, 200)]] * 5, choice="largest")
    assert places == [None] * 9 + [pytest.approx(200, abs=1)] * 5


def test_after_a_cut_the_same_clothes_are_followed() -> None:
    first = [[BoxPerson(0, 100), BoxPerson(1, 300)]] * 5
    second = [[BoxPerson(1, 100, scale=1.3), BoxPerson(0, 300)]] * 5
    places = follow(first + second, cuts=(5,))
    assert places[4] == pytest.approx(100, abs=1)
    assert places[5:] == [pytest.approx(300, abs=1)] * 5


def test_the_largest_is_chosen_once_and_kept() -> None:
    scenes = [[BoxPerson(0, 100, scale=1.2), BoxPerson(1, 300, scale=0.8 + 0.04 * index)] for index in range(20)]
    places = follow(scenes, choice="largest")
    assert places == [pytest.approx(100, abs=1)] * 20


def test_an_index_that_nobody_has() -> None:
    with pytest.raises(PersonNotFoundError, match="index:2 asked for, but 1 found in the clip"):
        follow([[BoxPerson(0, 100)]], choice="index:2")


def test_reading_costs_one_estimate_a_frame_when_nobody_else_is_near() -> None:
    estimator = BoxEstimator()
    follower = PersonFollower(estimator, PersonChoice.parse("largest"), where="the clip")
    pictures = [picture_of([BoxPerson(0, 100 + index)]) for index in range(60)]
    for picture in pictures:
        follower.update(picture)
    assert estimator.num_estimates < 60 + 15
    assert np.isfinite(estimator.num_estimates)
