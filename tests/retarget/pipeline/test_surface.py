"""Surface motion read from a real driver file, and that a plan carries it into the frames."""

from __future__ import annotations

import dataclasses
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from drn_core.prior.surface import SurfaceTrack
from retarget.config import RenderConfig, TransferConfig
from retarget.errors import InputChangedError
from retarget.photo import read_photo
from retarget.pipeline import surface
from retarget.pipeline.driver_range import DriverRange
from retarget.pipeline.retargeter import MotionPlan, Retargeter
from retarget.pipeline.source_cache import cached_source
from retarget.pipeline.surface import read_surface_motion
from retarget.pose.extractor import extract_track
from retarget.records import PoseTrack

ASSETS = Path(str(resources.files("retarget"))) / "assets"
RANGE = DriverRange(ASSETS / "demo_driver.mp4", None, 0.5)


@pytest.fixture(scope="module")
def track() -> PoseTrack:
    return extract_track(RANGE.path, end_seconds=RANGE.end_seconds).track


@pytest.fixture(scope="module")
def retargeter() -> Retargeter:
    source = cached_source(read_photo(ASSETS / "demo_source.jpg").rgb)
    return Retargeter(source, render=RenderConfig(model="prior"))


@pytest.fixture(scope="module")
def plan(retargeter: Retargeter, track: PoseTrack) -> MotionPlan:
    return retargeter.plan(track, RANGE)


def test_the_motion_covers_the_clip_and_stays_small(plan: MotionPlan, retargeter: Retargeter) -> None:
    assert plan.surface is not None
    assert len(plan.surface.displacement) == len(plan) == 15
    moved = np.stack([plan.surface.at(index) for index in range(len(plan))])
    assert moved.shape[1] == len(retargeter.source.person.mesh.source_xy)
    assert np.isfinite(moved).all()
    height = np.ptp(retargeter.source.pose.keypoints[:, 1])
    assert 0 < np.abs(moved).max() < 0.1 * height


def test_the_frame_that_the_layers_come_from_is_not_moved(plan: MotionPlan) -> None:
    assert plan.surface is not None
    mean = np.linalg.norm(plan.surface.displacement.astype(np.float32), axis=-1).mean(1)
    assert mean[plan.track.reference_index] == pytest.approx(mean.min(), abs=0.3)


def test_frames_follow_the_plan_and_its_parts(plan: MotionPlan, retargeter: Retargeter) -> None:
    assert plan.surface is not None
    still = retargeter.pose(dataclasses.replace(plan, surface=None), 9).target_xy
    moved = retargeter.pose(plan, 9).target_xy
    assert moved - still == pytest.approx(plan.surface.at(9), abs=1e-3)
    assert np.array_equal(retargeter.pose(plan.part(9, 11), 0).target_xy, moved)


def test_it_can_be_left_out(retargeter: Retargeter, track: PoseTrack) -> None:
    plain = Retargeter(
        retargeter.source, render=RenderConfig(model="prior"), transfer=TransferConfig(surface=False)
    )  # fmt: skip
    assert plain.plan(track, RANGE).surface is None
    assert retargeter.plan(track).surface is None


def test_a_frame_without_its_person_reads_nothing(
    retargeter: Retargeter, track: PoseTrack, tmp_path: Path, plan: MotionPlan
) -> None:
    from retarget.config import EncodeConfig
    from retarget.video.writer import VideoWriter

    empty = tmp_path / "empty.mp4"
    with VideoWriter(empty, (64, 64), track.time_base, None, EncodeConfig()) as writer:
        for pts in track.pts:
            writer.write(np.full((64, 64, 3), 90, np.uint8), int(pts))
    person = retargeter.source.person
    assert read_surface_motion(DriverRange(empty), track, plan.track, person) is None


class Tracking:
    """Counts how often a driver's surface is tracked anew; gives back what was once tracked."""

    def __init__(self, known: SurfaceTrack | None) -> None:
        self.known, self.times = known, 0

    def __call__(self, *_: object) -> SurfaceTrack | None:
        self.times += 1
        return self.known


@pytest.fixture
def tracking(plan: MotionPlan, track: PoseTrack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracking:
    """Watched tracking, with what `plan` has left in the cache as its result, and an empty cache."""
    known = surface._known_surface(RANGE, track, plan.track.reference_index, plan.track.scale, None)
    monkeypatch.setenv("RETARGET_CACHE", str(tmp_path / "cache"))
    watched = Tracking(known)
    monkeypatch.setattr(surface, "_track_surface", watched)
    return watched


def test_a_driver_is_followed_once(
    retargeter: Retargeter, plan: MotionPlan, track: PoseTrack, tracking: Tracking
) -> None:
    told: list[int] = []
    for _ in range(2):
        again = retargeter.plan(track, RANGE, told.append)
        assert again.surface is not None
        assert plan.surface is not None
        assert np.array_equal(again.surface.displacement, plan.surface.displacement)
        assert (again.surface.followers != plan.surface.followers).nnz == 0
    assert tracking.times == 1
    assert told == [len(track)]


def test_a_driver_without_anybody_to_follow_is_remembered(
    retargeter: Retargeter, track: PoseTrack, tracking: Tracking
) -> None:
    tracking.known = None
    assert [retargeter.plan(track, RANGE).surface for _ in range(2)] == [None, None]
    assert tracking.times == 1


@pytest.mark.parametrize("change", ["bit", "end", "code", "track", "range"])
def test_what_does_not_fit_is_followed_anew(
    retargeter: Retargeter, track: PoseTrack, tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:  # fmt: skip
    retargeter.plan(track, RANGE)
    driver = RANGE
    (entry,) = tmp_path.glob("cache/surface-track/??/*.npz")
    data = bytearray(entry.read_bytes())
    if change == "bit":
        data[len(data) // 2] ^= 1
        entry.write_bytes(data)
    elif change == "end":
        entry.write_bytes(data[:-100])
    elif change == "code":
        monkeypatch.setattr(surface, "code_digest", lambda *_: "another")
    elif change == "track":
        track = dataclasses.replace(track, keypoints=track.keypoints + np.float32(0.25))
    else:
        driver = dataclasses.replace(RANGE, end_seconds=0.4999)
    assert retargeter.plan(track, driver).surface is not None
    assert tracking.times == 2


def test_a_driver_replaced_while_it_is_followed_leaves_nothing_behind(
    retargeter: Retargeter, track: PoseTrack, tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "driver.mp4"
    shutil.copy(RANGE.path, driver)

    def replaced(*_: object) -> SurfaceTrack | None:
        driver.write_bytes(RANGE.path.read_bytes() + b"\0")
        return tracking.known

    monkeypatch.setattr(surface, "_track_surface", replaced)
    with pytest.raises(InputChangedError, match="was replaced while it was read"):
        retargeter.plan(track, DriverRange(driver, None, 0.5))
    assert not list(tmp_path.glob("cache/surface-track/??/*.npz"))
