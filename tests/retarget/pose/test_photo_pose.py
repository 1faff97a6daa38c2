"""Photos: several readings, one answer, at the size of the photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retarget.config import PoseConfig
from retarget.errors import PersonNotFoundError
from retarget.pose.estimator import Detection, Region
from retarget.pose.photo import estimate_again, estimate_photo, track_of_pose
from tests.helpers.pose import BoxEstimator, BoxPerson, picture_of


class Moody(BoxEstimator):
    """Reads well, except that every fifth reading is far off."""

    def estimate(self, rgb: np.ndarray, region: Region, *, with_mask: bool = False) -> Detection | None:
        found = super().estimate(rgb, region, with_mask=with_mask)
        if found is None or not with_mask or self.num_estimates % 5:
            return found
        return replace(found, pose=replace(found.pose, keypoints=found.pose.keypoints + 80))


def test_the_median_forgets_single_bad_readings() -> None:
    person = BoxPerson(0, 200)
    found = estimate_photo(picture_of([person]), PoseConfig(photo_reads=8), estimator=Moody())
    np.testing.assert_allclose(found.pose.keypoints, person.keypoints - 0.5, atol=1.0)


def test_the_mask_is_as_large_as_the_photo_and_on_the_person() -> None:
    found = estimate_photo(picture_of([BoxPerson(0, 200)]), estimator=BoxEstimator())
    assert found.mask is not None
    assert found.mask.shape == (240, 400)
    assert found.mask[110, 200] == 1
    assert found.mask[110, 300] == 0


@pytest.mark.parametrize(("person", "x"), [("index:0", 80), ("index:1", 220), ("point:399,0", 330), ("largest", 220)])
def test_the_person_is_chosen(person: str, x: float) -> None:
    picture = picture_of([BoxPerson(0, 80), BoxPerson(1, 220, scale=1.5), BoxPerson(2, 330)])
    found = estimate_photo(picture, PoseConfig(person=person), estimator=BoxEstimator())
    assert found.pose.keypoints[[11, 12], 0].mean() == pytest.approx(x, abs=2)


def test_a_large_photo_is_read_in_a_copy_and_answered_at_its_size() -> None:
    small = picture_of([BoxPerson(0, 200)])
    large = small.repeat(6, axis=0).repeat(6, axis=1)
    found = estimate_photo(large, PoseConfig(person="point:1200,600"), estimator=BoxEstimator())
    expected = estimate_photo(small, estimator=BoxEstimator())
    assert found.pose.size_hw == (1440, 2400)
    assert found.mask is not None
    assert found.mask.shape == (1440, 2400)
    np.testing.assert_allclose(found.pose.keypoints, (expected.pose.keypoints + 0.5) * 6 - 0.5, atol=6)
    assert found.region.size_px == pytest.approx(6 * expected.region.size_px, rel=0.05)


def test_nobody_in_the_photo() -> None:
    with pytest.raises(PersonNotFoundError, match=r"no person found in me\.jpg - use a picture in which head"):
        estimate_photo(picture_of([]), estimator=BoxEstimator(), where="me.jpg")


def test_a_known_person_is_read_among_others_without_a_search() -> None:
    known, estimator = BoxPerson(1, 220), BoxEstimator()
    picture = picture_of([BoxPerson(0, 80, scale=1.5), known])
    found = estimate_again(picture, known.keypoints + 3, num_reads=2, estimator=estimator)
    assert found is not None
    assert found.mask is not None
    assert found.pose.keypoints[[11, 12], 0].mean() == pytest.approx(220, abs=2)
    assert estimator.num_estimates == 3
    assert estimate_again(picture, known.keypoints - 500, num_reads=2, estimator=estimator) is None


def test_a_region_is_turned_with_the_trunk_and_holds_the_body() -> None:
    upright = BoxPerson(0, 200).keypoints
    hips = upright[[23, 24]].mean(axis=0)
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    region = Region.of_skeleton(((upright - hips) @ turn.T + hips).astype(np.float32))
    assert region.center_xy == pytest.approx(tuple(hips), abs=1e-3)
    assert region.rotation - Region.of_skeleton(upright).rotation == pytest.approx(angle, abs=1e-4)
    assert region.size_px > 2 * np.linalg.norm(upright - hips, axis=1).max()


def test_joints_just_outside_keep_some_trust() -> None:
    found = estimate_photo(picture_of([BoxPerson(0, 200, 190)]), estimator=BoxEstimator())
    feet = found.pose.confidence[27:]
    assert (found.pose.keypoints[27:, 1] > 240).all()
    assert ((feet > 0) & (feet < 1)).any()


def test_a_photo_is_a_track_of_one_frame() -> None:
    pose = estimate_photo(picture_of([BoxPerson(0, 200)]), estimator=BoxEstimator()).pose
    track = track_of_pose(pose)
    assert len(track) == 1
    np.testing.assert_array_equal(track.pose_at(0).keypoints, pose.keypoints)
