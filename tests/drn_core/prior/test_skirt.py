"""Skirts go with the trunk and are carried by both legs; trousers and shorts stay the legs'."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from drn_core.prior.body import NO_HEM, Body, measure_body
from drn_core.prior.ordering import layer_depths
from drn_core.prior.parts import Layer, Part
from drn_core.prior.person import build_person
from drn_core.prior.render import PriorRenderer, pose_vertices
from drn_core.prior.segmentation import pixel_grid, segment_layers
from drn_core.prior.skirt import find_hem, skirt_weights
from drn_core.skeleton import JOINT_INDEX
from tests.helpers.figure import ROOM, SIZE_HW, Figure, figure, joints

CLOTH = (60, 60, 60)


def wearing(outline: list[tuple[int, int]]) -> Figure:
    """The figure, legs apart, with one piece of cloth about both."""
    points = joints()
    for side, shift in (("left", 25), ("right", -25)):
        for name, share in (("knee", 1.0), ("ankle", 1.6), ("heel", 1.6), ("foot_index", 1.6)):
            points[JOINT_INDEX[f"{side}_{name}"], 0] += share * shift
    drawn = figure(points)
    mask = np.zeros(SIZE_HW, np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
    rgb = np.where(mask[..., None] > 0, np.array(CLOTH, np.uint8), drawn.rgb)
    return replace(drawn, rgb=rgb.astype(np.uint8), alpha=np.maximum(drawn.alpha, mask.astype(np.float32)))


def measured(drawn: Figure) -> Body:
    return measure_body(drawn.pose.keypoints, drawn.pose.confidence, drawn.pose.depth, drawn.alpha > 0.5)


SKIRT = [(140, 235), (220, 235), (268, 350), (92, 350)]


@pytest.fixture(scope="module")
def skirted() -> Figure:
    return wearing(SKIRT)


def test_a_hem_is_found_where_the_skirt_ends(skirted: Figure) -> None:
    hem = find_hem(measured(skirted), skirted.alpha > 0.5)
    assert hem == pytest.approx(1.0 + (350 - 330) / (415 - 330), abs=0.1)  # knees at 330, ankles at 415


def test_trousers_have_no_hem() -> None:
    drawn = figure()
    assert find_hem(measured(drawn), drawn.alpha > 0.5) == NO_HEM
    apart = wearing([(140, 235), (220, 235), (220, 250), (140, 250)])
    assert find_hem(measured(apart), apart.alpha > 0.5) == NO_HEM


def test_wide_trousers_whose_legs_touch_have_no_hem() -> None:
    drawn = wearing([(140, 235), (220, 235), (262, 425), (98, 425)])
    body, mask = measured(drawn), drawn.alpha > 0.5
    assert find_hem(body, mask) > 1.5  # to the ground: that is a robe
    mask[:, 178:182] &= np.arange(SIZE_HW[0])[:, None] < 280
    assert find_hem(body, mask) == NO_HEM


def test_the_trunk_owns_the_skirt_and_legs_run_on_under_it(skirted: Figure) -> None:
    found = segment_layers(measured(skirted), skirted.alpha > 0.5, skirted.rgb)
    points = pixel_grid(SIZE_HW)
    inside = (points[..., 1] > 260) & (points[..., 1] < 338) & (skirted.rgb == CLOTH).all(2)
    assert found.owned[Layer.TORSO][inside].mean() > 0.98
    below = (points[..., 1] > 360) & (skirted.alpha > 0.5)
    assert not found.owned[Layer.TORSO][below].any()
    shin = Layer.LEFT_LOWER_LEG
    hidden = found.wanted[shin] & ~found.trusted[shin]
    assert (hidden & inside).any()


def test_both_legs_carry_it_each_side_more_of_its_own(skirted: Figure) -> None:
    body = replace(measured(skirted), hem=1.2)
    hem = np.array([[100.0, 330.0], [180.0, 330.0], [260.0, 330.0]], np.float32)
    weights = skirt_weights(body, hem)
    left, right = (weights[:, parts].sum(1) for parts in (
        [Part.LEFT_THIGH, Part.LEFT_SHIN], [Part.RIGHT_THIGH, Part.RIGHT_SHIN]
    ))  # fmt: skip
    assert left + right == pytest.approx(np.ones(3))
    assert right[0] == pytest.approx(1.0)
    assert left[1] == pytest.approx(0.5, abs=0.02)
    assert left[2] == pytest.approx(1.0)


def test_legs_stay_behind_their_skirt(skirted: Figure) -> None:
    depth = np.zeros((1, 33))
    depth[:, [JOINT_INDEX["left_knee"], JOINT_INDEX["left_ankle"]]] = -300.0
    body = measured(skirted)
    assert layer_depths(body, depth)[0, Layer.LEFT_UPPER_LEG] < 0.0
    assert layer_depths(replace(body, hem=1.0), depth)[0, Layer.LEFT_UPPER_LEG] > 0.0


def test_a_skirt_does_not_split_when_the_legs_part(skirted: Figure) -> None:
    person = build_person(skirted.source)
    pose = skirted.pose.keypoints.copy()
    for side, shift in (("left", 20), ("right", -20)):
        for name in ("knee", "ankle", "heel", "foot_index"):
            pose[JOINT_INDEX[f"{side}_{name}"], 0] += shift
    renderer = PriorRenderer(person, SIZE_HW)
    layers = np.argsort(-layer_depths(person.body, np.zeros((1, 33)))[0], kind="stable")
    frame = renderer.rasterize(pose_vertices(person, pose), np.zeros(33), layers)
    room = np.full((*SIZE_HW, 3), ROOM, np.uint8)
    drawn = renderer.paint(frame, torch.from_numpy(room)).numpy().astype(int)
    between = drawn[250:338, 170:190]
    assert (np.abs(between - np.array(CLOTH)).max(2) < 30).all()
