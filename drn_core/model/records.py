"""What goes into the network and what comes out: tensors with their shapes, ranges and units."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

__all__ = ["DRNInput", "DRNOutput", "DriverInput", "PoseBranchOutput", "SourceFeatures", "SourceInput", "to_device"]


@dataclass(frozen=True)
class SourceInput:
    """The photo of a person, cropped; h and w are multiples of 16.

    Attributes:
        image: (B, 3, h, w) in [0, 1].
        keypoints: (B, K, 2), (x, y) in crop pixels.
        confidence: (B, K) in [0, 1].
    """

    image: Tensor
    keypoints: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class DriverInput:
    """The transferred driver pose and what the geometric prior made of it; the paper's branch needs no prior.

    Attributes:
        keypoints: (B, K, 2), (x, y) in crop pixels.
        confidence: (B, K) in [0, 1].
        depth: (B, K), crop pixels relative to the hips' middle, smaller is nearer.
        prior_image: (B, 3, h, w) in [0, 1], the prior's rendering composited on the background plate.
        prior_flow: (B, 2, h, w), backward, pixels of the source crop; finite everywhere, anything where the prior
            shows nothing of the person.
        prior_visibility: (B, 1, h, w) in [0, 1], the prior's anti-aliased silhouette: 1 = the person of the photo.
        background: (B, 3, h, w) in [0, 1], the plate behind the person; None lets the residual flow drag the
            background along.
        parts: (B, h, w) int64 part labels, 0 = background; None where the network takes none.
        guidance: (B, G, h, w) further dense maps; None where the network takes none.
    """

    keypoints: Tensor
    confidence: Tensor
    depth: Tensor
    prior_image: Tensor | None = None
    prior_flow: Tensor | None = None
    prior_visibility: Tensor | None = None
    background: Tensor | None = None
    parts: Tensor | None = None
    guidance: Tensor | None = None


@dataclass(frozen=True)
class DRNInput:
    """One batch of source and driver."""

    source: SourceInput
    driver: DriverInput


@dataclass(frozen=True)
class SourceFeatures:
    """All that depends on the photo alone; computed once, then used for every frame.

    Attributes:
        source: the photo.
        pyramid: feature maps of the pose branch, fine to coarse; empty for the paper's branch.
        style: AdaIN parameters of the global DRM, (B, N); None without that module.
        face_style: AdaIN parameters of the face DRM, (B, N); None without that module.
        face_is_visible: (B,) bool, whether the photo shows enough of the face.
    """

    source: SourceInput
    pyramid: tuple[Tensor, ...]
    style: Tensor | None
    face_style: Tensor | None
    face_is_visible: Tensor | None

    def expand(self, batch: int) -> SourceFeatures:
        """Return a view of one photo's features (B = 1) for a batch of driver frames."""

        def grow(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.expand(batch, *tensor.shape[1:])

        photo = self.source
        return SourceFeatures(
            source=SourceInput(
                image=photo.image.expand(batch, -1, -1, -1),
                keypoints=photo.keypoints.expand(batch, -1, -1),
                confidence=photo.confidence.expand(batch, -1),
            ),
            pyramid=tuple(level.expand(batch, *level.shape[1:]) for level in self.pyramid),
            style=grow(self.style),
            face_style=grow(self.face_style),
            face_is_visible=grow(self.face_is_visible),
        )


@dataclass(frozen=True)
class PoseBranchOutput:
    """What a pose branch hands on.

    Attributes:
        coarse: I_c, (B, 3, h, w) in [0, 1] (not clamped).
        features: F_t, (B, C, h', w').
        residual_flow: (B, 2, h, w), crop pixels of the driver's frame, within the bound; None without a prior.
        residual_flows: the same per scale, coarse to fine, each (B, 2, h / s, w / s) in *full-size* crop pixels.
        visibility: (B, 1, h, w), 1 = keep the moved prior, 0 = take the content; None without a prior.
        visibility_logits: the same per scale before the sigmoid, coarse to fine.
        warped: the moved prior image, (B, 3, h, w); None without a prior.
        silhouette: the moved prior visibility, (B, 1, h, w); None without a prior.
        content: (B, 3, h, w), what the branch would paint everywhere; None where nothing is painted.
    """

    coarse: Tensor
    features: Tensor
    residual_flow: Tensor | None = None
    residual_flows: tuple[Tensor, ...] = ()
    visibility: Tensor | None = None
    visibility_logits: tuple[Tensor, ...] = ()
    warped: Tensor | None = None
    silhouette: Tensor | None = None
    content: Tensor | None = None


@dataclass(frozen=True)
class DRNOutput:
    """The result with everything that explains it.

    Attributes:
        image: I_t, (B, 3, h, w), nominally in [0, 1], not clamped.
        pose: what the pose branch made.
        detail: R_t, (B, 3, h, w), difference of images; None without the global DRM.
        face: I_F at its place in the crop, (B, 3, h, w); None without the face DRM.
        face_mask: M_F, (B, 1, h, w) in [0, 1].
        correction: (B, 3, h, w), image - pose.coarse: all that is added at low frequency.
    """

    image: Tensor
    pose: PoseBranchOutput
    detail: Tensor | None
    face: Tensor | None
    face_mask: Tensor | None

    @property
    def correction(self) -> Tensor:
        """(B, 3, h, w): what detail and face modules add to the coarse image."""
        return torch.sub(self.image, self.pose.coarse)


def to_device(batch: T, device: torch.device) -> T:
    """Move every tensor of a nested dataclass."""
    record: Any = batch
    moved = {
        field.name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else to_device(value, device)
        for field in fields(record)
        if isinstance(value := getattr(record, field.name), Tensor) or is_dataclass(value)
    }
    return replace(record, **moved)  # type: ignore[no-any-return]
