"""Everybody in a picture is found once, and the one that is meant is told from the others."""

from __future__ import annotations

import numpy as np
import pytest

from retarget.errors import PersonNotFoundError, UsageError
from retarget.pose.people import PersonChoice, choose_person, find_near, find_people
from tests.helpers.pose import BoxEstimator, BoxPerson, picture_of

PEOPLE = [BoxPerson(2, 330), BoxPerson(0, 60), BoxPerson(1, 190, 130, 1.4)]


def found_colours(people) -> list[int]:
    order = sorted(PEOPLE, key=lambda person: person.x)
    return [
        min(order, key=lambda known: abs(known.x - person.pose.keypoints[[11, 12, 23, 24], 0].mean())).colour
        for person in people
    ]


@pytest.mark.parametrize("effort", ["quick", "normal", "thorough"])
def test_everybody_is_found_once_from_left_to_right(effort: str) -> None:
    assert found_colours(find_people(picture_of(PEOPLE), BoxEstimator(), effort=effort)) == [0, 1, 2]


def test_nobody_is_found_in_an_empty_picture() -> None:
    assert find_people(picture_of([]), BoxEstimator(), effort="thorough") == []


@pytest.mark.parametrize(
    ("text", "colour"),
    [("largest", 1), ("index:0", 0), ("index:2", 2), ("point:330,100", 2), ("point:-500,3", 0), ("point:200.5,10", 1)],
)
def test_the_choice(text: str, colour: int) -> None:
    people = find_people(picture_of(PEOPLE), BoxEstimator())
    assert found_colours([choose_person(people, PersonChoice.parse(text), where="x")]) == [colour]


@pytest.mark.parametrize("text", ["", "Largest", "index:-1", "index:", "point:1", "point:1,2,3", "point:nan,1"])
def test_other_choices_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not understood - give largest, index:N or point:X,Y"):
        PersonChoice.parse(text)


def test_an_index_past_the_last_person_says_how_many_there_are() -> None:
    people = find_people(picture_of(PEOPLE), BoxEstimator())
    with pytest.raises(PersonNotFoundError, match=r"index:3 asked for, but 3 found in clip\.mp4 - .* 0 to 2"):
        choose_person(people, PersonChoice.parse("index:3"), where="clip.mp4")


def test_nobody_to_choose_from() -> None:
    with pytest.raises(PersonNotFoundError, match="no person found in the photo"):
        choose_person([], PersonChoice.parse("largest"), where="the photo")


def test_a_point_moves_with_the_picture() -> None:
    assert PersonChoice.parse("point:100,40").scaled(0.5).point_xy == (50, 20)


def test_the_known_are_left_out_nearby() -> None:
    picture, estimator = picture_of(PEOPLE), BoxEstimator()
    people = find_people(picture, estimator)
    near = find_near(picture, estimator, people[1].region, people[:2], reach=4.0)
    assert found_colours(near) == [2]


def test_small_people_in_a_large_picture_are_found_by_tiles() -> None:
    class ShortSighted(BoxEstimator):
        def find_regions(self, rgb: np.ndarray):
            return [region for region in super().find_regions(rgb) if region.size_px > 0.8 * max(rgb.shape[:2])]

    picture = picture_of([BoxPerson(0, 100, 110)])
    assert ShortSighted().find_regions(picture) == []
    assert len(find_people(picture, ShortSighted())) == 1
