"""Surface motion: what frames show beyond the skeleton is found, carried over, and left alone where nothing is seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from drn_core.prior.ordering import layer_depths, stable_orders
from drn_core.prior.parts import Layer, Part
from drn_core.prior.person import PersonLayers, SourceImage, build_person
from drn_core.prior.render import PriorRenderer, skin_vertices
from drn_core.prior.surface import SurfaceMotion, SurfaceTracker, vertex_layers
from drn_core.prior.transforms import part_transforms
from tests.helpers.figure import SIZE_HW, Figure, figure

DEPTH = np.zeros(33, np.float32)


@pytest.fixture(scope="module")
def drawn() -> Figure:
    """The figure in printed cloth: flow needs something to hold on to."""
    plain = figure()
    print_ = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 160, (*SIZE_HW, 3)), (0, 0), 2.0)
    rgb = np.where(plain.alpha[..., None] > 0.5, np.clip(plain.rgb + print_, 0, 255), plain.rgb).astype(np.uint8)
    return Figure(rgb, plain.alpha, plain.pose)


def order_of(person: PersonLayers) -> np.ndarray:
    return stable_orders(layer_depths(person.body, DEPTH[None]))[0]


def shifted_frame(person: PersonLayers, drawn: Figure, shift: tuple[float, float]) -> np.ndarray:
    """What a frame shows if the whole surface lies beside its skeleton."""
    renderer = PriorRenderer(person, SIZE_HW)
    target = skin_vertices(person, part_transforms(person.body, drawn.pose.keypoints)) + np.array(shift, np.float32)
    posed = renderer.rasterize(target.astype(np.float32), DEPTH, order_of(person))
    return renderer.paint(posed, torch.full((*SIZE_HW, 3), 70, dtype=torch.uint8)).numpy()


def read(
    tracker: SurfaceTracker, person: PersonLayers, drawn: Figure, frame: np.ndarray, before: np.ndarray | None = None
) -> np.ndarray:
    posed = tracker.pose(drawn.pose.keypoints, DEPTH, order_of(person))
    top, left, bottom, right = posed.area
    return tracker.measure(posed, cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_RGB2GRAY), before)


def follow(person: PersonLayers, drawn: Figure, frame: np.ndarray, *, ratio: float = 1.0) -> SurfaceMotion:
    tracker = SurfaceTracker(person, SIZE_HW)
    reading = read(tracker, person, drawn, frame)
    return tracker.track(reading[None], 0.0).onto(person, drawn.pose.keypoints, ratio)


def seen_trunk(person: PersonLayers) -> np.ndarray:
    layers, xy = vertex_layers(person.mesh), person.mesh.source_xy
    middle = np.abs(xy - xy[layers == Layer.TORSO].mean(0)).max(1) < 20
    return np.flatnonzero((layers == Layer.TORSO) & middle)


def test_a_shift_beyond_the_skeleton_is_found(person: PersonLayers, drawn: Figure) -> None:
    moved = follow(person, drawn, shifted_frame(person, drawn, (2.0, 1.0))).at(0)[seen_trunk(person)]
    assert np.median(moved, axis=0) == pytest.approx([2.0, 1.0], abs=0.3)


def test_a_frame_as_the_skeleton_says_moves_nothing(person: PersonLayers, drawn: Figure) -> None:
    moved = np.abs(follow(person, drawn, shifted_frame(person, drawn, (0.0, 0.0))).at(0))
    assert np.median(moved) < 0.06
    assert np.percentile(moved, 95) < 0.4  # edges are blended twice here: drawn over what is drawn


def test_a_second_look_finds_the_rest(person: PersonLayers, drawn: Figure) -> None:
    shift = np.array([20.0, -12.0])
    frame, trunk = shifted_frame(person, drawn, (20.0, -12.0)), seen_trunk(person)
    tracker = SurfaceTracker(person, SIZE_HW)

    def error(reading: np.ndarray) -> float:
        moved = tracker.track(reading[None], 0.0).onto(person, drawn.pose.keypoints, 1.0).at(0)[trunk]
        return float(np.linalg.norm(np.median(moved, axis=0) - shift))

    nothing = np.zeros((len(tracker.controls), 3), np.float32)
    first = read(tracker, person, drawn, frame, nothing)
    assert error(first) > 0.1
    assert error(read(tracker, person, drawn, frame)) < 0.5 * error(first)  # without a frame before there are two looks
    assert error(read(tracker, person, drawn, frame, first)) < error(first)


def test_a_start_too_far_off_is_not_counted_beyond_where_it_was_drawn(person: PersonLayers, drawn: Figure) -> None:
    shift = np.array([30.0, 0.0])  # farther than layers are moved for a look
    frame, trunk = shifted_frame(person, drawn, (30.0, 0.0)), seen_trunk(person)
    tracker = SurfaceTracker(person, SIZE_HW)
    reading = read(tracker, person, drawn, frame)
    moved = tracker.track(reading[None], 0.0).onto(person, drawn.pose.keypoints, 1.0).at(0)[trunk]
    assert np.linalg.norm(np.median(moved, axis=0) - shift) < 1.0


def test_another_picture_moves_next_to_nothing(person: PersonLayers, drawn: Figure) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)
    assert np.median(np.abs(follow(person, drawn, noise).at(0))) < 0.1


def test_a_follower_twice_the_size_moves_twice_as_far(person: PersonLayers, drawn: Figure) -> None:
    frame, trunk = shifted_frame(person, drawn, (2.0, 0.0)), seen_trunk(person)
    tracker = SurfaceTracker(person, SIZE_HW)
    reading = read(tracker, person, drawn, frame)[None]
    height, width = SIZE_HW
    large = build_person(
        SourceImage(
            cv2.resize(drawn.rgb, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR),
            cv2.resize(drawn.alpha, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR),
            drawn.pose.keypoints * 2, drawn.pose.confidence, drawn.pose.depth * 2,
        )
    )  # fmt: skip
    same = np.median(tracker.track(reading, 0.0).onto(person, drawn.pose.keypoints, 1.0).at(0)[trunk], axis=0)
    twice = tracker.track(reading, 0.0).onto(large, drawn.pose.keypoints, 2.0).at(0)[seen_trunk(large)]
    assert np.median(twice, axis=0) == pytest.approx(2 * same, abs=0.4)


def test_weights_are_shares_of_the_size_ratio(person: PersonLayers, drawn: Figure) -> None:
    sums = np.asarray(follow(person, drawn, drawn.rgb).followers.sum(1)).ravel()
    assert sums.max() <= 1.0 + 1e-5
    assert np.median(sums) > 0.9  # the person covers itself
    double = SurfaceTracker(person, SIZE_HW)
    nothing = np.zeros((1, len(double.controls), 3), np.float32)
    far = double.track(nothing, 0.0).onto(person, drawn.pose.keypoints + 500.0, 1.0)
    assert np.asarray(far.followers.sum(1)).max() < 1e-3  # a follower that lies elsewhere is left alone


def test_a_part_of_the_motion_is_its_frames(person: PersonLayers, drawn: Figure) -> None:
    tracker = SurfaceTracker(person, SIZE_HW)
    readings = np.ones((5, len(tracker.controls), 3), np.float32) * np.arange(5, dtype=np.float32)[:, None, None]
    motion = tracker.track(readings, 0.0).onto(person, drawn.pose.keypoints, 1.0)
    assert np.array_equal(motion.part(2, 4).at(1), motion.at(3))


def head_motion(person: PersonLayers, keypoints: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What every control point was sure to read, and what is made of it, at the head alone."""
    tracker = SurfaceTracker(person, SIZE_HW)
    head = person.mesh.weights[tracker.controls, Part.HEAD] > 0.9
    readings = np.full((1, len(tracker.controls), 3), 100.0, np.float32)
    readings[0, :, :2] *= wanted[tracker.controls]
    made = tracker.track(readings, 0.0).onto(person, keypoints, 1.0).displacement[0]
    return wanted[tracker.controls][head], made[head].astype(np.float64)


def test_a_head_that_moves_and_tilts_is_followed(person: PersonLayers, drawn: Figure) -> None:
    x, y = (person.mesh.source_xy - drawn.pose.keypoints[0]).T
    read, made = head_motion(person, drawn.pose.keypoints, np.stack([2.0 + 0.05 * y, 1.0 - 0.05 * x], 1))
    assert np.abs(made - read).max() < 0.1


def test_a_head_that_bends_is_followed_by_half(person: PersonLayers, drawn: Figure) -> None:
    x = person.mesh.source_xy[:, 0] - drawn.pose.keypoints[0, 0]
    read, made = head_motion(person, drawn.pose.keypoints, np.stack([0.01 * x * x, 0.0 * x], 1))
    assert 0.4 < made[:, 0].std() / read[:, 0].std() < 0.6


def test_points_of_a_head_do_not_move_one_by_one(person: PersonLayers, drawn: Figure) -> None:
    wobble = np.random.default_rng(1).normal(0.0, 1.0, (len(person.mesh.source_xy), 2))
    read, made = head_motion(person, drawn.pose.keypoints, wobble)
    assert len(read) > 12
    assert made.std() < 0.6 * read.std()
