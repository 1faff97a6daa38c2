from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from drn_core.model.build import build_drn, preset
from drn_core.model.crops import CropBox, NativePrior, crop_driver, crop_maps, crop_source, points_to_crop
from drn_core.model.native import NativeOptions, apply_native
from drn_core.model.records import DRNOutput, PoseBranchOutput
from drn_core.model.sampling import warp_image


def scene(height: int = 120, width: int = 160) -> tuple[torch.Tensor, NativePrior]:
    """A photo and a prior that shifts it by (3, -2): prior.image(x, y) = photo(x + 3, y - 2)."""
    generator = torch.Generator().manual_seed(0)
    photo = torch.nn.functional.interpolate(
        torch.rand(1, 3, height // 4, width // 4, generator=generator), (height, width), mode="bicubic"
    ).clamp(0, 1)
    flow = torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, height, width).contiguous()
    return photo, NativePrior(warp_image(photo, flow), flow, torch.ones(1, 1, height, width))


def uniform_output(flow_xy: tuple[float, float], visibility: float, size: int = 64) -> DRNOutput:
    flow = torch.tensor(flow_xy)[None, :, None, None].expand(1, 2, size, size)
    plane = torch.full((1, 3, size, size), 0.25)
    pose = PoseBranchOutput(
        coarse=plane,
        features=plane,
        residual_flow=flow,
        visibility=torch.full((1, 1, size, size), visibility),
        content=plane,
    )
    return DRNOutput(image=plane, pose=pose, detail=None, face=None, face_mask=None)


BOX = CropBox(16, -8, 144, 120)


def test_untrained_network_gives_the_native_prior_back() -> None:
    photo, prior = scene()
    points, sure, depth = torch.rand(1, 33, 2) * 100, torch.ones(1, 33), torch.zeros(1, 33)
    model = build_drn(preset("default")).eval()
    with torch.no_grad():
        source = model.encode_source(crop_source(photo, points, sure, BOX, (64, 64)))
        driver = crop_driver(prior, points, sure, depth, BOX, BOX, (64, 64))
        result = apply_native(model.predict(source, driver), prior, BOX, photo=photo)
    assert result.shape == prior.image.shape
    assert (result - prior.image).abs().max() < 0.5 / 255


def test_residual_flow_moves_the_prior_by_native_pixels() -> None:
    photo, prior = scene()
    # The crop is half as large as its box: one crop pixel is two native ones.
    result = apply_native(uniform_output((1.0, 0.0), 1.0), prior, BOX, photo=photo)
    expected = prior.image[..., 40:80, 62:102]
    torch.testing.assert_close(result[..., 40:80, 60:100], expected, atol=1e-4, rtol=0)


def test_sampling_the_photo_anew_is_sharper_than_interpolating_twice() -> None:
    photo, prior = scene()
    flow = prior.flow + 0.5
    prior = NativePrior(warp_image(photo, flow, mode="bicubic"), flow, prior.visibility)
    output = uniform_output((0.25, 0.25), 1.0)
    truth = warp_image(photo, flow + 0.5)[..., 40:80, 60:100]
    once = apply_native(output, prior, BOX, photo=photo)[..., 40:80, 60:100]
    twice = apply_native(output, prior, BOX, photo=photo, options=NativeOptions(resample_photo=False))
    assert (once - truth).abs().max() < 1e-4
    assert (twice[..., 40:80, 60:100] - truth).abs().max() > 1e-3


def test_content_only_where_visibility_says_so_and_nothing_outside_the_box() -> None:
    photo, prior = scene()
    result = apply_native(uniform_output((0.0, 0.0), 0.0), prior, BOX, photo=photo)
    torch.testing.assert_close(result[..., 40:80, 60:100], torch.full((1, 3, 40, 40), 0.25))
    assert torch.equal(result[..., :16], prior.image[..., :16])
    assert torch.equal(result[..., 144:], prior.image[..., 144:])


def test_changes_fade_out_towards_sides_inside_the_frame_only() -> None:
    _, prior = scene()
    result = apply_native(uniform_output((0.0, 0.0), 0.0), prior, BOX)
    change = (result - prior.image).abs().mean(dim=1)[0]
    assert change[60, 17] < 0.2 * change[60, 40]
    # The box reaches beyond the frame's top: the picture's own edge is no seam.
    torch.testing.assert_close(result[..., 0, 80], torch.full((1, 3), 0.25))


def test_network_without_prior_replaces_the_crop() -> None:
    _, prior = scene()
    output = uniform_output((0.0, 0.0), 1.0)
    output = replace(output, pose=replace(output.pose, residual_flow=None, visibility=None))
    result = apply_native(output, prior, BOX)
    torch.testing.assert_close(result[..., 40:80, 60:100], torch.full((1, 3, 40, 40), 0.25))


def test_points_and_maps_are_cropped_alike() -> None:
    picture = torch.zeros(1, 1, 120, 160)
    picture[..., 50, 70] = 1
    crop = crop_maps(picture, CropBox(20, 10, 84, 74), (64, 64))
    (u, v) = points_to_crop(torch.tensor([70.0, 50.0]), CropBox(20, 10, 84, 74), (64, 64)).tolist()
    assert crop[0, 0, int(v), int(u)] == 1
    assert points_to_crop(torch.tensor([16.5, -7.5]), BOX, (64, 64)).tolist() == [0.0, 0.0]


def test_cropped_flow_leads_from_crop_to_source_crop() -> None:
    photo, prior = scene()
    source_box = CropBox(0, 0, 160, 120)
    points, sure = torch.zeros(1, 33, 2), torch.ones(1, 33)
    source = crop_source(photo, points, sure, source_box, (96, 96))
    driver = crop_driver(prior, points, sure, torch.zeros(1, 33), BOX, source_box, (96, 96))
    moved = warp_image(source.image, driver.prior_flow)
    error = (moved - driver.prior_image).abs()[..., 16:-16, 16:-16].mean()
    assert error < 0.02
    assert error < 0.3 * (source.image - driver.prior_image).abs().mean()


def test_empty_box_is_refused() -> None:
    with pytest.raises(ValueError, match="empty box"):
        CropBox(4, 4, 4, 8)
