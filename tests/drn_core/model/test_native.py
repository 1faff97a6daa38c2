from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from drn_core.model.crops import (
    CropBox,
    crop_maps,
    crop_source,
    flow_between_crops,
    person_crop_box,
    points_to_crop,
    track_crop_boxes,
)
from drn_core.model.native import blend_region, displace_points
from drn_core.model.records import DRNOutput, PoseBranchOutput
from drn_core.model.sampling import warp_image

# Reaches beyond the top of a frame of 120 x 160; one crop pixel of 64 is two frame pixels.
BOX = CropBox(16, -8, 144, 120)


def uniform_output(visibility: float, size: int = 64) -> DRNOutput:
    plane = torch.full((1, 3, size, size), 0.25)
    warped = torch.full((1, 3, size, size), 0.75)
    pose = PoseBranchOutput(
        coarse=torch.lerp(plane, warped, visibility),
        warped=warped,
        features=plane,
        residual_flow=torch.zeros(1, 2, size, size),
        visibility=torch.full((1, 1, size, size), visibility),
        content=plane,
    )
    return DRNOutput(image=pose.coarse, pose=pose, detail=None, face=None, face_mask=None)


def blend(output: DRNOutput, picture: torch.Tensor) -> torch.Tensor:
    """Blend into a whole frame."""
    inside = BOX.clipped((120, 160))
    result = picture.clone()
    part = (..., slice(inside.y0, inside.y1), slice(inside.x0, inside.x1))
    result[part] = blend_region(output, picture[part], BOX, (120, 160))
    return result


def test_zero_flow_leaves_points_bit_exact() -> None:
    points = torch.rand(2, 50, 2) * 160
    assert torch.equal(displace_points(points, torch.zeros(2, 2, 64, 64), BOX), points)


def test_uniform_flow_moves_points_the_other_way_in_frame_pixels() -> None:
    flow = torch.tensor([1.0, -0.5])[None, :, None, None].expand(1, 2, 64, 64)
    points = torch.rand(1, 50, 2) * 100 + 20
    torch.testing.assert_close(displace_points(points, flow, BOX), points + torch.tensor([-2.0, 1.0]))


def test_displaced_points_are_where_the_moved_picture_shows_them() -> None:
    ys, xs = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    flow = torch.stack((2.5 * torch.sin(ys / 9), 2 * torch.cos(xs / 11)))[None]
    box = CropBox(0, 0, 64, 64)
    points = torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(0)) * 48 + 8
    moved = displace_points(points, flow, box)
    # Warping a picture of coordinates tells which prior position each pixel of the result shows.
    shown = warp_image(torch.stack((xs, ys))[None], flow)
    found = torch.stack([_read(shown, *xy) for xy in moved[0].tolist()])
    torch.testing.assert_close(found, points[0], atol=0.05, rtol=0)


def _read(maps: torch.Tensor, x: float, y: float) -> torch.Tensor:
    grid = torch.tensor([[[[2 * x / 63 - 1, 2 * y / 63 - 1]]]])
    return torch.nn.functional.grid_sample(maps, grid, align_corners=True)[0, :, 0, 0]


def test_full_visibility_leaves_the_picture_alone() -> None:
    picture = torch.rand(1, 3, 120, 160)
    assert torch.equal(blend(uniform_output(1.0), picture), picture)


def test_content_only_where_visibility_says_so_and_nothing_outside_the_box() -> None:
    picture = torch.rand(1, 3, 120, 160)
    result = blend(uniform_output(0.0), picture)
    torch.testing.assert_close(result[..., 40:80, 60:100], torch.full((1, 3, 40, 40), 0.25))
    assert torch.equal(result[..., :16], picture[..., :16])
    assert torch.equal(result[..., 144:], picture[..., 144:])


def test_changes_fade_out_towards_sides_inside_the_frame_only() -> None:
    picture = torch.rand(1, 3, 120, 160)
    change = (blend(uniform_output(0.0), picture) - 0.25).abs().amax(dim=1)[0]
    assert change[60, 17] > 0.05  # still mostly the picture
    # The box reaches beyond the frame's top: the picture's own edge is no seam.
    assert change[0, 80] < 1e-6


def test_corrections_are_added_at_native_size() -> None:
    picture = torch.full((1, 3, 120, 160), 0.5)
    output = uniform_output(1.0)
    output = replace(output, image=output.pose.coarse + 0.125, detail=torch.full((1, 3, 64, 64), 0.125))
    result = blend(output, picture)
    torch.testing.assert_close(result[..., 40:80, 60:100], torch.full((1, 3, 40, 40), 0.625))


def test_native_detail_survives_half_visibility() -> None:
    picture = 0.75 + 0.1 * torch.rand(1, 3, 120, 160)
    result = blend(uniform_output(0.5), picture)
    # The tone goes half way to the content, the native pattern stays whole.
    torch.testing.assert_close(result[..., 40:80, 60:100], picture[..., 40:80, 60:100] - 0.25, atol=1e-5, rtol=0)


def test_network_without_prior_replaces_the_crop() -> None:
    output = uniform_output(1.0)
    output = replace(output, image=output.pose.content, pose=replace(output.pose, residual_flow=None, visibility=None))
    result = blend(output, torch.rand(1, 3, 120, 160))
    torch.testing.assert_close(result[..., 40:80, 60:100], torch.full((1, 3, 40, 40), 0.25))


def test_points_and_maps_are_cropped_alike() -> None:
    picture = torch.zeros(1, 1, 120, 160)
    picture[..., 50, 70] = 1
    crop = crop_maps(picture, CropBox(20, 10, 84, 74), (64, 64))
    u, v = points_to_crop(torch.tensor([70.0, 50.0]), CropBox(20, 10, 84, 74), (64, 64)).tolist()
    assert crop[0, 0, int(v), int(u)] == 1
    assert points_to_crop(torch.tensor([16.5, -7.5]), BOX, (64, 64)).tolist() == [0.0, 0.0]


def test_flow_between_crops_of_different_boxes() -> None:
    generator = torch.Generator().manual_seed(0)
    photo = torch.nn.functional.interpolate(
        torch.rand(1, 3, 15, 20, generator=generator), (120, 160), mode="bicubic"
    ).clamp(0, 1)
    source_box = CropBox(0, 0, 160, 120)
    points = torch.zeros(1, 33, 2)
    source = crop_source(photo, points, torch.ones(1, 33), source_box, (96, 96))
    ys, xs = torch.meshgrid(torch.arange(96.0) + 10, torch.arange(96.0) + 20, indexing="ij")
    flow = flow_between_crops(torch.stack((xs + 3, ys - 2), dim=-1)[None], source_box, (96, 96))
    moved = warp_image(source.image, flow)
    torch.testing.assert_close(moved, photo[..., 8:104, 23:119], atol=0.08, rtol=0)


def test_empty_box_is_refused() -> None:
    with pytest.raises(ValueError, match="empty box"):
        CropBox(4, 4, 4, 8)


def test_person_box_has_the_networks_aspect_and_its_margin() -> None:
    keypoints = torch.tensor([[50.0, 20.0], [70.0, 180.0], [400.0, 90.0]])
    confidence = torch.tensor([1.0, 1.0, 0.1])
    box = person_crop_box(keypoints, confidence, (240, 320), (256, 128), margin=0.25)
    height, width = box.size_hw
    assert height == 240  # 160 and a quarter of it on either side
    assert width == 120
    assert (box.x0 + box.x1) / 2 == pytest.approx(60, abs=1)


def test_person_box_of_nobody_is_the_frame() -> None:
    assert person_crop_box(torch.zeros(33, 2), torch.zeros(33), (48, 64), (24, 32)) == CropBox(0, 0, 64, 48)


def test_guessed_joints_outside_do_not_enlarge_the_box() -> None:
    keypoints = torch.tensor([[50.0, 20.0], [50.0, 900.0]])
    box = person_crop_box(keypoints, torch.ones(2), (100, 100), (64, 64), margin=0.0)
    assert box.y1 <= 101


def test_box_is_pushed_into_the_frame_where_it_fits() -> None:
    keypoints = torch.tensor([[50.0, 60.0], [60.0, 99.0]])
    box = person_crop_box(keypoints, torch.ones(2), (100, 100), (64, 64))
    assert box.y1 == 100
    assert box.size_hw == (51, 51)


def test_boxes_of_a_track_share_a_size_and_glide() -> None:
    base = torch.tensor([[20.0, 20.0], [60.0, 120.0]])
    jitter = 6 * torch.rand(60, 1, 2, generator=torch.Generator().manual_seed(0))
    keypoints = base + jitter + torch.arange(60.0)[:, None, None] * torch.tensor([2.0, 0.0])
    boxes = track_crop_boxes(keypoints, torch.ones(60, 2), (200, 300), (64, 64))
    assert len({box.size_hw for box in boxes}) == 1
    steps = [after.x0 - before.x0 for before, after in pairwise(boxes[20:40])]
    assert all(1 <= step <= 3 for step in steps)
    assert track_crop_boxes(keypoints[:0], torch.ones(0, 2), (200, 300), (64, 64)) == []
