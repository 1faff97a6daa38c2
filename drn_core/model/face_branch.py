"""The regional detail replenishing module: redraws the face from the photo's face and the driver's face points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from drn_core.config import FaceDRMConfig
from drn_core.model.detail_branch import AdaINDecoder, StyleEncoder
from drn_core.model.face_region import (
    FaceBoxes,
    crop_boxes,
    face_boxes,
    paste_boxes,
    points_in_boxes,
    soft_box_mask,
)
from drn_core.model.records import SourceInput
from drn_core.pose_maps import FACE_POINTS, gaussian_maps

__all__ = ["FaceDRM", "FaceResult"]


@dataclass(frozen=True)
class FaceResult:
    """The face in place.

    Attributes:
        face: I_F, (B, 3, h, w).
        mask: M_F, (B, 1, h, w), zero where source or driver does not show the face.
    """

    face: Tensor
    mask: Tensor


class _InstanceResidualBlock(nn.Module):
    """Two reflection-padded 3x3 convolutions with instance norm and an additive skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        return features + self.body(features)  # type: ignore[no-any-return]


class FaceDRM(nn.Module):
    """Source face (style) + driver's face points (content) -> face.

    With `predicts="residual"` the content also holds the composite's own face, and the module adds to it instead of
    replacing it: the photo's own pixels stay, and an untrained module changes nothing.

    Args:
        config: sizes and rules.
    """

    def __init__(self, config: FaceDRMConfig) -> None:
        super().__init__()
        self.config = config
        in_channels = len(FACE_POINTS[config.points]) + (3 if config.predicts == "residual" else 0)
        base = config.base_channels
        self.content = nn.Sequential(
            nn.Conv2d(in_channels, base, 7, padding=3, padding_mode="reflect"),
            nn.ReLU(),
            *(
                nn.Sequential(
                    nn.Conv2d(base * 2**i, base * 2 ** (i + 1), 4, stride=2, padding=1),
                    nn.InstanceNorm2d(base * 2 ** (i + 1)),
                    nn.ReLU(),
                )
                for i in range(3)
            ),
            *(_InstanceResidualBlock(base * 8) for _ in range(config.num_content_blocks)),
        )
        self.decoder = AdaINDecoder(base * 8, config.drm)
        self.style = StyleEncoder(config.drm, self.decoder.num_style_parameters)

    def boxes(self, keypoints: Tensor, confidence: Tensor) -> FaceBoxes:
        """Return the face boxes of poses (B, K, 2), (B, K)."""
        index = list(FACE_POINTS[self.config.points])
        return face_boxes(
            keypoints[:, index].float(),
            confidence[:, index].float(),
            scale=self.config.box_scale,
            min_points=self.config.min_points,
            min_confidence=self.config.min_confidence,
        )

    def encode_style(self, source: SourceInput) -> tuple[Tensor, Tensor]:
        """Return the style parameters (B, N) of the photo's face and whether it is visible, (B,) bool."""
        boxes = self.boxes(source.keypoints, source.confidence)
        return self.style(crop_boxes(source.image, boxes, self.config.size_px)), boxes.is_visible

    def forward(
        self, base: Tensor, keypoints: Tensor, confidence: Tensor, style: Tensor, source_is_visible: Tensor
    ) -> FaceResult:
        """Draw the face.

        Args:
            base: (B, 3, h, w), the picture the face goes into: I_c + R_t.
            keypoints: (B, K, 2) of the driver, crop pixels.
            confidence: (B, K).
            style: (B, N) from `encode_style`.
            source_is_visible: (B,) from `encode_style`.

        Returns:
            The face at its place and its mask.
        """
        size_px, size_hw = self.config.size_px, (base.shape[-2], base.shape[-1])
        index = list(FACE_POINTS[self.config.points])
        boxes = self.boxes(keypoints, confidence)
        boxes = FaceBoxes(boxes.centre, boxes.side, boxes.is_visible & source_is_visible)
        points = points_in_boxes(keypoints[:, index].float(), boxes, size_px)
        content = gaussian_maps(points, confidence[:, index].float(), (size_px, size_px), sigma_px=size_px / 24)
        own_face = None
        if self.config.predicts == "residual":
            own_face = crop_boxes(base, boxes, size_px)
            content = torch.cat((content, 2 * own_face - 1), dim=1)
        features = self.content(content.to(self.decoder.to_image.weight.dtype))
        drawn = self.decoder(features, style.expand(content.shape[0], -1))
        mask = soft_box_mask(boxes, size_hw)
        if own_face is None:
            return FaceResult(paste_boxes(0.5 + 0.5 * drawn, boxes, size_hw), mask)
        return FaceResult(base + paste_boxes(0.5 * drawn, boxes, size_hw), mask)
