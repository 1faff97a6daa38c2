from __future__ import annotations

import numpy as np
import pytest
import torch

from drn_core.config import DRNConfig, PatnConfig
from drn_core.model.build import build_drn, preset
from drn_core.model.crops import person_crop_box
from drn_core.model.drn import DRN
from drn_core.prior.person import PersonLayers
from drn_core.refiner import PersonRefiner, SkeletonFrame
from tests.drn_core.test_prior_input import HEIGHT, WIDTH, person, posed, standing_pose

__all__ = ["person"]  # the fixture
SIZE = (128, 96)


def refiner_of(model: DRN, person: PersonLayers, **options: torch.dtype) -> PersonRefiner:
    photo = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    return PersonRefiner(model, SIZE, person, photo, standing_pose(), np.ones(33, np.float32), **options)


def frame_of(person: PersonLayers) -> tuple[np.ndarray, SkeletonFrame]:
    keypoints = standing_pose()
    keypoints[[14, 16, 18, 20, 22]] += np.array([-6, -20], np.float32)
    target_xy, order = posed(person, keypoints)
    return target_xy, SkeletonFrame(keypoints, np.ones(33, np.float32), np.zeros(33, np.float32), order)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_untrained_network_leaves_mesh_and_picture(person: PersonLayers, dtype: torch.dtype) -> None:
    target_xy, frame = frame_of(person)
    plate = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    box = person_crop_box(torch.from_numpy(frame.keypoints), torch.ones(33), (HEIGHT, WIDTH), SIZE)
    refiner = refiner_of(build_drn(preset("default")), person, dtype=dtype)
    correction = refiner.correct(target_xy, frame, plate, box)
    assert np.array_equal(correction.target_xy, target_xy)
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert np.array_equal(refiner.finish(picture, correction), picture)


def test_trained_heads_move_the_mesh_and_change_the_picture_in_the_box_only(person: PersonLayers) -> None:
    target_xy, frame = frame_of(person)
    model = build_drn(preset("default"))
    model.pose_branch.heads["4"].flow.bias.data[0] = 2.0
    model.global_drm.decoder.to_image.bias.data.fill_(0.5)
    refiner = refiner_of(model, person)
    box = person_crop_box(torch.from_numpy(frame.keypoints), torch.ones(33), (HEIGHT, WIDTH), SIZE, margin=0.0)
    plate = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    correction = refiner.correct(target_xy, frame, plate, box)
    moved = (correction.target_xy - target_xy).mean(axis=0)
    assert moved[0] == pytest.approx(-2.0 * box.size_hw[1] / SIZE[1], rel=0.05)
    assert moved[1] == pytest.approx(0.0, abs=0.01)
    picture = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    change = refiner.finish(picture, correction).astype(int) - picture
    assert change[HEIGHT // 2, WIDTH // 2].min() > 20
    assert np.abs(change[0, :]).max() == 0


def test_network_without_prior_replaces_the_crop(person: PersonLayers) -> None:
    target_xy, frame = frame_of(person)
    network = DRNConfig(SIZE, PatnConfig(base_channels=8, num_downsamplings=2, num_blocks=1))
    refiner = refiner_of(build_drn(network), person)
    box = person_crop_box(torch.from_numpy(frame.keypoints), torch.ones(33), (HEIGHT, WIDTH), SIZE)
    correction = refiner.correct(target_xy, frame, np.zeros((HEIGHT, WIDTH, 3), np.uint8), box)
    assert np.array_equal(correction.target_xy, target_xy)
    finished = refiner.finish(np.zeros((HEIGHT, WIDTH, 3), np.uint8), correction)
    assert finished[HEIGHT // 2, WIDTH // 2].min() > 30
