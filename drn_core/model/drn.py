"""The network, put together from finished parts."""

from __future__ import annotations

from typing import Protocol, cast

from torch import Tensor, nn

from drn_core.model.detail_branch import GlobalDRM
from drn_core.model.face_branch import FaceDRM
from drn_core.model.fusion import fuse
from drn_core.model.records import (
    DriverInput,
    DRNInput,
    DRNOutput,
    PoseBranchOutput,
    SourceFeatures,
    SourceInput,
)

__all__ = ["DRN", "PoseBranch"]


class PoseBranch(Protocol):
    """What the DRN needs of a pose branch (an `nn.Module`)."""

    @property
    def feature_channels(self) -> int:
        """Channels of F_t."""

    def encode_source(self, source: SourceInput) -> tuple[Tensor, ...]:
        """Return what depends on the photo alone."""

    def __call__(self, source: SourceFeatures, driver: DriverInput) -> PoseBranchOutput:
        """Return the coarse image and F_t."""


class DRN(nn.Module):
    """Pose branch + global DRM + face DRM.

    Use: `features = model.encode_source(source)` once per photo, then `model.predict(features, driver)` per batch of
    frames; `model(inputs)` does both, for training.

    Args:
        pose_branch: makes I_c and F_t.
        global_drm: makes R_t; None leaves it out.
        face_drm: makes I_F and M_F; None leaves them out.
    """

    def __init__(self, pose_branch: PoseBranch, global_drm: GlobalDRM | None, face_drm: FaceDRM | None) -> None:
        super().__init__()
        self.pose_branch = cast(nn.Module, pose_branch)
        self.global_drm = global_drm
        self.face_drm = face_drm

    def encode_source(self, source: SourceInput) -> SourceFeatures:
        """Compute all that depends on the photo alone."""
        branch = cast(PoseBranch, self.pose_branch)
        face_style, face_is_visible = (None, None) if self.face_drm is None else self.face_drm.encode_style(source)
        return SourceFeatures(
            source=source,
            pyramid=branch.encode_source(source),
            style=None if self.global_drm is None else self.global_drm.encode_style(source.image),
            face_style=face_style,
            face_is_visible=face_is_visible,
        )

    def encode_pose_source(self, source: SourceInput) -> SourceFeatures:
        """Compute only what the pose branch needs of the photo; the other modules then stay out."""
        pyramid = cast(PoseBranch, self.pose_branch).encode_source(source)
        return SourceFeatures(source=source, pyramid=pyramid, style=None, face_style=None, face_is_visible=None)

    def predict(self, source: SourceFeatures, driver: DriverInput) -> DRNOutput:
        """Make the frames of one batch.

        Args:
            source: from `encode_source`; of batch B, or of one photo for all frames.
            driver: B frames.

        Returns:
            The picture and everything that explains it.
        """
        batch = driver.keypoints.shape[0]
        if source.source.image.shape[0] != batch:
            source = source.expand(batch)
        pose = cast(PoseBranch, self.pose_branch)(source, driver)
        return self._replenish(source, driver, pose)

    def forward(self, inputs: DRNInput) -> DRNOutput:
        """Encode the photos and make the frames in one go."""
        return self.predict(self.encode_source(inputs.source), inputs.driver)

    def _replenish(self, source: SourceFeatures, driver: DriverInput, pose: PoseBranchOutput) -> DRNOutput:
        size_hw = (pose.coarse.shape[-2], pose.coarse.shape[-1])
        detail = face = mask = None
        if self.global_drm is not None and source.style is not None:
            detail = self.global_drm(pose.features, source.style, size_hw)
        if self.face_drm is not None and source.face_style is not None:
            base = fuse(pose.coarse, detail, None, None)
            drawn = self.face_drm(base, driver.keypoints, driver.confidence, source.face_style, source.face_is_visible)
            face, mask = drawn.face, drawn.mask
        image = fuse(pose.coarse, detail, face, mask)
        return DRNOutput(image=image, pose=pose, detail=detail, face=face, face_mask=mask)
