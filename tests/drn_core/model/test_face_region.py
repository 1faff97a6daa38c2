from __future__ import annotations

import pytest
import torch

from drn_core.model.face_region import (
    FaceBoxes,
    crop_boxes,
    face_boxes,
    paste_boxes,
    points_in_boxes,
    soft_box_mask,
)


def box(x: float, y: float, side: float, *, visible: bool = True) -> FaceBoxes:
    return FaceBoxes(torch.tensor([[x, y]]), torch.tensor([side]), torch.tensor([visible]))


def test_box_encloses_the_visible_points() -> None:
    points = torch.tensor([[[10.0, 10.0], [20.0, 12.0], [14.0, 16.0], [90.0, 90.0]]])
    boxes = face_boxes(points, torch.tensor([[1.0, 1.0, 1.0, 0.0]]), scale=2.0, min_points=3, min_confidence=0.3)
    assert boxes.centre.tolist() == [[15.0, 13.0]]
    assert boxes.side.tolist() == [20.0]
    assert boxes.is_visible.tolist() == [True]


def test_too_few_points_are_no_face_and_stay_finite() -> None:
    points = torch.full((1, 4, 2), torch.nan)
    boxes = face_boxes(points, torch.ones(1, 4), scale=2.0, min_points=3, min_confidence=0.3)
    assert not boxes.is_visible.any()
    assert torch.isfinite(boxes.centre).all()
    assert soft_box_mask(boxes, (8, 8)).max() == 0


def test_crop_of_pixel_aligned_box_is_the_slice() -> None:
    image = torch.rand(1, 3, 16, 16)
    crop = crop_boxes(image, box(7.5, 5.5, 8.0), 8)
    torch.testing.assert_close(crop, image[..., 2:10, 4:12])


def test_paste_undoes_crop_inside_the_box() -> None:
    image = torch.rand(1, 3, 16, 16)
    boxes = box(7.5, 5.5, 8.0)
    back = paste_boxes(crop_boxes(image, boxes, 8), boxes, (16, 16))
    torch.testing.assert_close(back[..., 2:10, 4:12], image[..., 2:10, 4:12])


def test_points_follow_their_crop() -> None:
    points = points_in_boxes(torch.tensor([[[4.0, 2.0], [11.0, 9.0]]]), box(7.5, 5.5, 8.0), 8)
    assert points.tolist() == [[[0.0, 0.0], [7.0, 7.0]]]


def test_mask_is_one_in_the_middle_zero_at_the_border_and_symmetric() -> None:
    mask = soft_box_mask(box(32.0, 32.0, 32.0), (65, 65))[0, 0]
    assert mask[32, 32] == pytest.approx(1.0, abs=1e-6)
    assert mask[32, 16] == pytest.approx(0.0, abs=1e-6)
    assert mask[:, :16].max() == 0
    torch.testing.assert_close(mask, mask.flip(0))
    torch.testing.assert_close(mask, mask.T)
