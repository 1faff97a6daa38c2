"""Statistics of the detector's errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from drn_core.data.synthetic.detector import observe, trunk_length
from drn_core.skeleton import JOINT_INDEX

SIZE = (400, 300)


def skeleton() -> npt.NDArray[np.float32]:
    """Joints spread over the picture; a trunk of 100 pixels."""
    points = np.full((33, 2), 150.0, np.float32)
    points[:, 1] = np.linspace(50, 350, 33)
    points[[11, 12], 1], points[[23, 24], 1] = 100, 200
    return points


def errors(visible: npt.NDArray[np.bool_], strength: float = 1.0, rounds: int = 600) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(0)
    truth = skeleton()
    return np.stack([observe(truth, visible, SIZE, rng, strength).keypoints - truth for _ in range(rounds)])


def test_trunk_length() -> None:
    assert trunk_length(skeleton()) == pytest.approx(100.0)


def test_errors_are_unbiased_and_of_the_stated_size() -> None:
    spread = errors(np.ones(33, bool))
    shoulder, nose = spread[:, JOINT_INDEX["left_shoulder"]], spread[:, JOINT_INDEX["nose"]]
    assert np.abs(shoulder.mean(axis=0)).max() < 0.4
    assert shoulder.std() == pytest.approx(2.2, rel=0.12)
    assert nose.std() == pytest.approx(1.7, rel=0.12)


def test_hidden_joints_err_more_and_are_trusted_less() -> None:
    hidden = np.ones(33, bool)
    hidden[JOINT_INDEX["left_elbow"]] = False
    seen, unseen = np.median(np.abs(errors(hidden)), axis=0)[[JOINT_INDEX["right_elbow"], JOINT_INDEX["left_elbow"]]]
    assert (unseen > 1.7 * seen).all()
    confidence = observe(skeleton(), hidden, SIZE, np.random.default_rng(1)).confidence
    assert confidence[JOINT_INDEX["left_elbow"]] < 0.9 < confidence[JOINT_INDEX["right_elbow"]] + 0.05


def test_limbs_are_lost_now_and_then() -> None:
    wrist = np.linalg.norm(errors(np.ones(33, bool), rounds=1500)[:, JOINT_INDEX["left_wrist"]], axis=-1)
    lost = (wrist > 12).mean()
    assert 0.01 < lost < 0.05


def test_joints_outside_get_no_confidence() -> None:
    truth = skeleton()
    truth[JOINT_INDEX["left_ankle"]] = (150, 500)
    seen = observe(truth, np.ones(33, bool), SIZE, np.random.default_rng(0))
    assert seen.confidence[JOINT_INDEX["left_ankle"]] < 0.2


def test_zero_strength_changes_nothing() -> None:
    assert not errors(np.ones(33, bool), strength=0.0, rounds=50).any()
