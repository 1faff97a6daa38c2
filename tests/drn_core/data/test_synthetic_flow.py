"""The exact flow carries the source's texture onto the target, without bias, and its codes tell the truth."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from drn_core.data.synthetic import BACKGROUND, OCCLUDED, VISIBLE, SyntheticConfig, SyntheticPair, SyntheticPeople

NUM_PAIRS = 8


@pytest.fixture(scope="module")
def albedo_pairs() -> list[SyntheticPair]:
    config = SyntheticConfig(is_lit=False, pairs_per_identity=2, joint_noise=0.0)
    people = SyntheticPeople(config, seed=3)
    return [people.pair(index) for index in range(NUM_PAIRS)]


def warp(pair: SyntheticPair, shift: tuple[float, float] = (0.0, 0.0)) -> npt.NDArray[np.float32]:
    height, width = pair.visibility.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    source = pair.source_image.astype(np.float32) / 255
    return cv2.remap(source, x + pair.flow[..., 0] + shift[0], y + pair.flow[..., 1] + shift[1], cv2.INTER_LINEAR)


def interior(pair: SyntheticPair) -> npt.NDArray[np.bool_]:
    seen = (pair.visibility_codes == VISIBLE).astype(np.uint8)
    return cv2.erode(seen, np.ones((5, 5), np.uint8)) > 0


def error(pair: SyntheticPair, shift: tuple[float, float] = (0.0, 0.0)) -> float:
    difference = np.abs(warp(pair, shift) - pair.target_image.astype(np.float32) / 255).mean(axis=-1)
    return float(difference[interior(pair)].mean())


def test_warped_albedo_matches_the_target(albedo_pairs: list[SyntheticPair]) -> None:
    errors = [error(pair) for pair in albedo_pairs if interior(pair).sum() > 200]
    assert len(errors) >= NUM_PAIRS // 2
    assert np.mean(errors) < 0.02


def test_flow_has_no_subpixel_bias(albedo_pairs: list[SyntheticPair]) -> None:
    steps = (-0.25, -0.125, 0.0, 0.125, 0.25)
    pairs = [pair for pair in albedo_pairs if interior(pair).sum() > 200]
    for axis in (0, 1):
        totals = [sum(error(pair, (step, 0.0) if axis == 0 else (0.0, step)) for pair in pairs) for step in steps]
        assert steps[int(np.argmin(totals))] == 0.0


def test_hidden_surface_does_not_match(albedo_pairs: list[SyntheticPair]) -> None:
    """Where the code says occluded, the source shows something else: the error is much larger there."""
    hidden, seen = [], []
    for pair in albedo_pairs:
        difference = np.abs(warp(pair) - pair.target_image.astype(np.float32) / 255).mean(axis=-1)
        hidden.append(difference[pair.visibility_codes == OCCLUDED])
        seen.append(difference[interior(pair)])
    assert np.concatenate(hidden).mean() > 3 * np.concatenate(seen).mean()


def test_codes_and_visibility_agree(albedo_pairs: list[SyntheticPair]) -> None:
    for pair in albedo_pairs:
        np.testing.assert_array_equal(pair.visibility, pair.visibility_codes == VISIBLE)
        assert not pair.flow[pair.visibility_codes == BACKGROUND].any()
        height, width = pair.visibility.shape
        y, x = np.nonzero(pair.visibility_codes == VISIBLE)
        at = pair.flow[y, x] + np.stack([x, y], axis=1)
        assert at.min() >= -0.5
        assert (at < [width - 0.5, height - 0.5]).all()


def test_visible_points_have_the_same_surface_coordinates(albedo_pairs: list[SyntheticPair]) -> None:
    """The source pixel that the flow points to shows the same place of the body, to within a pixel's width."""
    misses = []
    for pair in albedo_pairs:
        inside = interior(pair)
        y, x = np.nonzero(inside)
        at = np.round(pair.flow[y, x] + np.stack([x, y], axis=1)).astype(int)
        distance = np.linalg.norm(pair.source_coords[at[:, 1], at[:, 0]] - pair.target_coords[y, x], axis=-1)
        misses.append(distance)
    assert np.median(np.concatenate(misses)) < 0.008


def test_same_pose_gives_zero_flow() -> None:
    people = SyntheticPeople(SyntheticConfig(size_hw=(96, 96), joint_noise=0.0), seed=1)
    clip = people.clip(0, 2, rate_hz=1e9)
    seen = clip.previous_codes[1] == VISIBLE
    assert seen.mean() > 0.02
    assert np.abs(clip.previous_flow[1][seen]).max() < 1e-3
