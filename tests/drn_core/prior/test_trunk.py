"""The trunk's sheet behind raised arms: it covers what stands on the trunk, and nothing that would hang on."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from drn_core.prior.body import Body, BodyFields, measure_body, measure_fields
from drn_core.prior.parts import Layer
from drn_core.prior.segmentation import pixel_grid
from drn_core.prior.trunk import _bridged, _seat, _standing, _wedges, clean_of_arms
from tests.helpers.figure import SHIRT, SIZE_HW, SKIN, figure


@pytest.fixture(scope="module")
def measured() -> tuple[Body, BodyFields, np.ndarray]:
    drawn = figure()
    points = pixel_grid(SIZE_HW)
    body = measure_body(drawn.pose.keypoints, drawn.pose.confidence, drawn.pose.depth, drawn.alpha > 0.5)
    return body, measure_fields(body, points), points


def _mask(*corners: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(SIZE_HW, np.uint8)
    cv2.fillPoly(canvas, [np.array(corners, np.int32)], 1)
    return canvas > 0


def _covered(measured: tuple[Body, BodyFields, np.ndarray], own: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """What is covered where everything down to the hips and half a trunk to either side is asked for."""
    body, fields, points = measured
    person = own | arm
    wanted = person & _mask((120, 110), (240, 110), (240, 240), (120, 240))
    return wanted & _standing(body, fields, points, own, arm)


def test_nothing_hangs_below_an_armpit(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    own = _mask((150, 110), (210, 110), (210, 240), (150, 240))
    arm = _mask((205, 110), (235, 115), (290, 200), (262, 205), (211, 140)) & ~own
    covered = _covered(measured, own, arm)
    assert covered[own].all()
    assert covered[130, 213]  # beside the trunk, above the armpit's corner
    assert not covered[150:, 218:].any()  # on the arm, with the room below it


def test_a_trunk_may_widen_upwards(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    own = _mask((150, 110), (205, 110), (205, 240), (150, 240))
    arm = _mask((206, 110), (238, 110), (206, 172))  # a chest that goes out by half of what it goes up
    covered = _covered(measured, own, arm)
    assert covered[arm & _mask((206, 130), (222, 130), (206, 160))].all()


def test_what_lies_behind_an_arm_on_the_belly_is_covered(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    trunk = _mask((150, 110), (210, 110), (210, 240), (150, 240))
    arm = _mask((150, 170), (210, 170), (210, 195), (150, 195))
    assert _covered(measured, trunk & ~arm, arm)[arm].all()


def test_an_arm_hanging_beside_the_hips_hides_trunk(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    trunk_and_legs = _mask((150, 110), (195, 110), (195, 230), (210, 231), (210, 300), (150, 300))
    arm = _mask((196, 110), (215, 110), (215, 270), (196, 270)) & ~trunk_and_legs
    covered = _covered(measured, trunk_and_legs, arm)
    assert covered[arm & _mask((196, 120), (208, 120), (208, 220), (196, 220))].all()


def test_an_arm_across_the_trunks_edge_cuts_no_notch(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    body = measured[0]
    trunk = _mask((150, 110), (200, 110), (210, 240), (150, 240))
    arm = _mask((150, 160), (260, 150), (260, 175), (150, 185))
    bridged = _bridged(body, trunk & ~arm, arm)
    assert bridged[trunk & arm & _mask((156, 110), (194, 110), (204, 240), (156, 240))].all()
    assert not bridged[arm & (np.arange(SIZE_HW[1]) > 214)].any()  # a hand before the room


def test_an_arm_beside_the_trunk_is_not_bridged_to_it(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    trunk = _mask((150, 110), (200, 110), (200, 240), (150, 240))
    arm = _mask((201, 110), (225, 110), (225, 240), (201, 240))
    assert not _bridged(measured[0], trunk, arm).any()


def test_the_shadow_in_an_arms_bend_is_no_trunk(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    body, fields, _ = measured
    arm = _mask((212, 140), (240, 140), (240, 230), (212, 230))
    shadow = _mask((212, 172), (228, 180), (212, 188))
    trunk = _mask((150, 110), (211, 110), (211, 240), (150, 240))
    owned = {layer: np.zeros(SIZE_HW, bool) for layer in Layer}
    owned[Layer.TORSO], owned[Layer.LEFT_LOWER_ARM] = trunk | shadow, arm & ~shadow
    wedges = _wedges(body, fields, owned)
    assert wedges[shadow].mean() > 0.6
    assert not wedges[trunk].any()


def test_cloth_seen_between_arms_is_trunk(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    body, fields, _ = measured
    trunk = _mask((140, 110), (220, 110), (220, 240), (140, 240))
    arms = _mask((180, 150), (219, 140), (219, 200), (180, 190)) & ~_mask(
        (205, 160), (214, 160), (214, 180), (205, 180)
    )
    owned = {layer: np.zeros(SIZE_HW, bool) for layer in Layer}
    owned[Layer.TORSO], owned[Layer.LEFT_LOWER_ARM] = trunk & ~arms, arms
    assert not _wedges(body, fields, owned).any()


def test_hue_that_bled_from_an_arm_is_not_the_trunks(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    rgb = np.full((*SIZE_HW, 3), (25, 25, 30), np.uint8)
    trunk, arm = (
        _mask((150, 110), (210, 110), (210, 240), (150, 240)),
        _mask((150, 170), (210, 170), (210, 190), (150, 190)),
    )
    rgb[arm], rgb[191:193, 150:211] = SKIN, (44, 26, 24)  # reddish, hardly lighter
    _, clean = clean_of_arms(measured[0], rgb, trunk & ~arm, arm)
    assert not clean[191:193, 160:200].any()
    assert clean[200:, 160:200][trunk[200:, 160:200]].all()
    rgb[191:193, 150:211] = SHIRT  # a stripe of its own
    assert clean[trunk & ~arm].sum() > 0.9 * (trunk & ~arm).sum()


def test_a_cropped_lap_keeps_the_photos_own_pixels_of_the_thighs(measured: tuple[Body, BodyFields, np.ndarray]) -> None:
    body, _, points = measured
    confidence = body.confidence.copy()
    confidence[25:33] = 0.2  # the knees lie below the frame: hardly read, but read
    body = replace(body, confidence=confidence)
    fields, person = measure_fields(body, points), np.ones(SIZE_HW, bool)
    hand = _mask((190, 250), (215, 250), (215, 280), (190, 280))
    owned = {layer: np.zeros(SIZE_HW, bool) for layer in Layer}
    owned[Layer.LEFT_UPPER_LEG] = _mask((184, 240), (240, 240), (240, 330), (184, 330)) & ~hand
    covers, shows = _seat(body, fields, points, owned, person)
    assert not body.has_legs
    assert (shows == (covers & owned[Layer.LEFT_UPPER_LEG])).all()
    assert shows.sum() > 500
    assert covers[hand].mean() > 0.5  # what the hand hides of the lap is to be filled
