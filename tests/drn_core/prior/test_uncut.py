"""The photo's own person where nothing has moved, and the sheets where something has."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from drn_core.prior.ordering import layer_depths, stable_orders
from drn_core.prior.parts import Part
from drn_core.prior.person import PersonLayers, build_person
from drn_core.prior.render import PriorRenderer
from drn_core.prior.uncut import CutOut
from drn_core.skeleton import JOINT_INDEX
from tests.helpers.figure import SIZE_HW, Figure, figure, joints, raise_left_arm

BEHIND = np.full((*SIZE_HW, 3), (30, 200, 90), np.uint8)
ELBOW, WRIST = JOINT_INDEX["left_elbow"], JOINT_INDEX["left_wrist"]


def _expected(drawn: Figure) -> np.ndarray:
    alpha = drawn.alpha[..., None]
    return alpha * drawn.rgb + (1.0 - alpha) * BEHIND


def _painted(person: PersonLayers, drawn: Figure, points: np.ndarray, *, is_uncut: bool = True) -> np.ndarray:
    cut_out = CutOut(drawn.rgb, drawn.alpha) if is_uncut else None
    renderer = PriorRenderer(person, SIZE_HW, cut_out=cut_out)
    order = stable_orders(layer_depths(person.body, np.zeros((1, 33), np.float32)))[0]
    frame = renderer.pose(points, np.zeros(33, np.float32), order)
    return renderer.paint(frame, torch.from_numpy(BEHIND)).numpy()


def test_the_photos_own_pose_is_the_photo(person: PersonLayers, drawn: Figure) -> None:
    error = np.abs(_painted(person, drawn, joints()).astype(float) - _expected(drawn)).max(-1)
    assert error.max() <= 2
    sheets = _painted(person, drawn, joints(), is_uncut=False).astype(float)
    assert np.abs(sheets - _expected(drawn)).max() > 20  # which is not so without it


def test_a_lengthened_forearm_is_the_photos_in_its_own_pose() -> None:
    points, full = joints(), float(np.linalg.norm(joints()[WRIST] - joints()[ELBOW]))
    move = 0.45 * (points[WRIST] - points[ELBOW])
    points[[JOINT_INDEX[f"left_{name}"] for name in ("wrist", "pinky", "index", "thumb")]] -= move
    drawn = figure(points)
    person = build_person(replace(drawn.source, true_lengths={Part.LEFT_FOREARM: full}))
    assert person.lengthened == (Part.LEFT_FOREARM,)
    error = np.abs(_painted(person, drawn, points).astype(float) - _expected(drawn)).max(-1)
    assert (error > 2).sum() <= 0.001 * drawn.alpha.sum()


def test_an_arm_that_moved_is_the_sheets_and_leaves_nothing_behind(person: PersonLayers, drawn: Figure) -> None:
    raised = raise_left_arm(joints(), 70)
    uncut, sheets = (_painted(person, drawn, raised, is_uncut=on) for on in (True, False))
    arm = np.zeros(SIZE_HW, np.uint8)
    for points in (joints(), raised):
        line = [tuple(int(v) for v in points[joint]) for joint in (ELBOW, WRIST)]
        cv2.line(arm, *line, 1, 22)
    assert np.abs(uncut.astype(int) - sheets)[arm > 0].max() <= 2
    legs = np.s_[300:420, 120:240]
    assert np.abs(uncut[legs] - _expected(drawn)[legs]).max() <= 2


def test_a_person_who_moved_is_the_sheets_alone(person: PersonLayers, drawn: Figure) -> None:
    moved = joints() + np.array([12.0, 0.0], np.float32)
    assert (_painted(person, drawn, moved) == _painted(person, drawn, moved, is_uncut=False)).all()


def test_a_cut_out_frame_has_the_photos_alpha(person: PersonLayers, drawn: Figure) -> None:
    renderer = PriorRenderer(person, SIZE_HW, cut_out=CutOut(drawn.rgb, drawn.alpha))
    order = stable_orders(layer_depths(person.body, np.zeros((1, 33), np.float32)))[0]
    shown = renderer.cut_out(renderer.pose(joints(), np.zeros(33, np.float32), order)).numpy()
    assert np.abs(shown[..., 3] / 255.0 - drawn.alpha).max() < 0.01
