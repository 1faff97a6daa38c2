"""Arms and hair that lie on other sheets in the photo leave nothing of their colour there."""

from __future__ import annotations

import cv2
import numpy as np

from drn_core.prior.body import measure_body
from drn_core.prior.parts import Layer
from drn_core.prior.segmentation import _distrust_rims, segment_layers
from drn_core.prior.twins import absorbed
from tests.helpers.figure import SHIRT, SIZE_HW, SKIN, TROUSERS, figure

HAIR = (20, 15, 12)


def test_a_rim_of_the_hand_on_a_leg_is_not_trusted() -> None:
    drawn = figure()
    body = measure_body(drawn.pose.keypoints, drawn.pose.confidence, drawn.pose.depth, drawn.alpha > 0.5)
    hand, shown = np.zeros(SIZE_HW, bool), np.zeros(SIZE_HW, bool)
    hand[260:280, 200:220], shown[259:281, 199:221] = True, True  # the cut is a pixel too tight
    rgb = np.where(shown[..., None], SKIN, TROUSERS).astype(np.uint8)
    leg = (np.abs(np.indices(SIZE_HW)[1] - 205) < 25) & ~hand
    owned = {layer: np.zeros(SIZE_HW, bool) for layer in Layer}
    owned[Layer.LEFT_UPPER_LEG], owned[Layer.LEFT_LOWER_ARM] = leg, hand
    masks = dict.fromkeys(Layer, (leg, leg))
    _distrust_rims(masks, owned, body, rgb)
    trusted = masks[Layer.LEFT_UPPER_LEG][1]
    assert not trusted[shown].any()
    assert trusted[leg & ~shown].mean() > 0.95


def test_hair_on_a_shoulder_does_not_go_with_the_arm() -> None:
    drawn = figure()
    rgb = drawn.rgb.copy()
    hair = np.zeros(SIZE_HW, np.uint8)
    cv2.ellipse(hair, (205, 90), (14, 40), 0, 0, 360, 1, -1)
    rgb[(hair > 0) & (drawn.alpha > 0.5)] = HAIR
    pose = drawn.pose
    body = measure_body(pose.keypoints, pose.confidence, pose.depth, drawn.alpha > 0.5)
    segmentation = segment_layers(body, drawn.alpha > 0.3, rgb)
    on_shoulder = (hair > 0) & segmentation.owned[Layer.TORSO] & (drawn.alpha > 0.9)
    on_shoulder &= np.linalg.norm(np.indices(SIZE_HW).T.swapaxes(0, 1) - np.array((120, 220)), axis=-1) < 24
    assert on_shoulder.sum() > 60
    assert segmentation.trusted[Layer.LEFT_UPPER_ARM][on_shoulder].mean() < 0.05


def test_of_an_arm_made_anew_the_trunk_keeps_the_sleeve_and_not_the_skin() -> None:
    drawn = figure()
    pose = drawn.pose
    body = measure_body(pose.keypoints, pose.confidence, pose.depth, drawn.alpha > 0.5)
    segmentation = segment_layers(body, drawn.alpha > 0.3, drawn.rgb)
    arm = (Layer.LEFT_UPPER_ARM, Layer.LEFT_LOWER_ARM)
    trunk = absorbed(segmentation, arm, drawn.rgb).trusted[Layer.TORSO]
    pixels = np.logical_or.reduce([segmentation.owned[layer] for layer in arm]) & (drawn.alpha > 0.99)
    to_skin, to_shirt = (np.abs(drawn.rgb.astype(int) - colour).max(-1) for colour in (SKIN, SHIRT))
    assert trunk[pixels & (to_skin < 60)].mean() < 0.05
    assert trunk[pixels & (to_shirt < 60)].mean() > 0.95
