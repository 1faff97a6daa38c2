from __future__ import annotations

import numpy as np
import pytest
import torch

from drn_core.model.crops import CropBox, crop_maps, crop_source
from drn_core.model.sampling import warp_image
from drn_core.prior.ordering import layer_depths, stable_orders
from drn_core.prior.person import PersonLayers, SourceImage, build_person
from drn_core.prior.render import PriorRenderer, skin_vertices
from drn_core.prior.transforms import part_transforms
from drn_core.prior_input import PriorInputRenderer, scale_person
from drn_core.skeleton import JOINT_INDEX

HEIGHT, WIDTH = 240, 200


def standing_pose() -> np.ndarray:
    at = {"nose": (100, 40), "shoulder": (20, 70), "elbow": (42, 100), "wrist": (58, 130), "hip": (14, 130),
          "knee": (16, 175), "ankle": (16, 215), "heel": (16, 220), "foot_index": (22, 224),
          "pinky": (62, 138), "index": (62, 140), "thumb": (58, 138), "ear": (12, 40), "eye": (6, 36),
          "eye_inner": (4, 36), "eye_outer": (9, 36)}  # fmt: skip
    pose = np.zeros((33, 2), np.float32)
    pose[0] = at["nose"]
    for name, index in JOINT_INDEX.items():
        if name.startswith("mouth"):
            pose[index] = (104 if name.endswith("left") else 96, 50)
        elif name != "nose":
            side, _, joint = name.partition("_")
            dx, y = at[joint]
            pose[index] = (100 + (dx if side == "left" else -dx), y)
    return pose


@pytest.fixture(scope="module")
def person() -> PersonLayers:
    pose = standing_pose()
    ys, xs = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    distance = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    for a, b, radius in ((11, 12, 14), (23, 24, 16), (11, 23, 14), (12, 24, 14), (11, 13, 9), (13, 15, 8), (12, 14, 9),
                         (14, 16, 8), (23, 25, 12), (25, 27, 10), (24, 26, 12), (26, 28, 10), (0, 0, 18)):  # fmt: skip
        for t in np.linspace(0, 1, 24):
            x, y = pose[a] * (1 - t) + pose[b] * t
            distance = np.minimum(distance, np.hypot(xs - x, ys - y) - radius)
    alpha = np.clip(0.5 - distance, 0, 1).astype(np.float32)
    colour = np.stack([xs, ys, xs + ys], -1) * np.float32(0.5) + 20
    return build_person(
        SourceImage(colour.astype(np.uint8), alpha, pose, np.ones(33, np.float32), np.zeros(33, np.float32))
    )


def posed(person: PersonLayers, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = stable_orders(layer_depths(person.body, np.zeros((1, 33), np.float32)))[0]
    return skin_vertices(person, part_transforms(person.body, keypoints)), order


def test_input_shows_what_the_native_prior_shows(person: PersonLayers) -> None:
    keypoints = standing_pose()
    keypoints[[13, 15, 17, 19, 21]] += np.array([8, -14], np.float32)
    target_xy, order = posed(person, keypoints)
    plate = torch.full((1, 3, HEIGHT, WIDTH), 0.2)
    native = PriorRenderer(person, (HEIGHT, WIDTH))
    frame = native.rasterize(target_xy, np.zeros(33), order)
    picture = native.paint(frame, (plate[0].permute(1, 2, 0) * 255).to(torch.uint8)).permute(2, 0, 1)[None] / 255
    box = CropBox(20, 10, 180, 234)
    renderer = PriorInputRenderer(person, box, (112, 80), pixels_per_texel=0.5)
    made = renderer.driver_input(target_xy, keypoints, np.ones(33), np.zeros(33), order, background=plate, box=box)
    assert made.prior_image.shape == (1, 3, 112, 80)
    difference = (made.prior_image - crop_maps(picture, box, (112, 80))).abs()
    assert difference.mean() < 0.01
    assert made.parts.shape == (1, 112, 80)
    assert set(made.parts.unique().tolist()) >= {0, 1}


def test_flow_leads_into_the_source_crop(person: PersonLayers) -> None:
    keypoints = standing_pose() + np.array([6, 4], np.float32)
    target_xy, order = posed(person, keypoints)
    source_box, box = CropBox(0, 0, 200, 240), CropBox(20, 10, 180, 234)
    ys, xs = torch.meshgrid(torch.arange(240.0), torch.arange(200.0), indexing="ij")
    photo = torch.stack((xs / 200, ys / 240, (xs + ys) / 440))[None]
    made = PriorInputRenderer(person, source_box, (112, 80), pixels_per_texel=0.5).driver_input(
        target_xy, keypoints, np.ones(33), np.zeros(33), order, background=torch.zeros(1, 3, 240, 200), box=box
    )
    points = torch.from_numpy(keypoints)[None]
    source = crop_source(photo, points, torch.ones(1, 33), source_box, (112, 80))
    moved = warp_image(source.image, made.prior_flow)
    # The person moved by (6, 4): what a crop pixel shows comes from 6 px left and 4 px up.
    expected = crop_maps(photo - torch.tensor([6 / 200, 4 / 240, 10 / 440])[None, :, None, None], box, (112, 80))
    inside = made.prior_visibility > 0.99
    assert inside.float().mean() > 0.1
    assert ((moved - expected).abs() * inside).max() < 0.02


def test_full_scale_keeps_the_textures(person: PersonLayers) -> None:
    same = scale_person(person, 1.0)
    assert same.textures is person.textures
    np.testing.assert_allclose(same.mesh.source_xy, person.mesh.source_xy - person.origin_xy, atol=1e-4)
