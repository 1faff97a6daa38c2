"""The one home of the network's defaults: frozen dataclasses with a strict JSON round trip (`config_json`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from drn_core.pose_maps import FacePointSet, JointSet

__all__ = [
    "DRNConfig",
    "FaceDRMConfig",
    "GlobalDRMConfig",
    "PatnConfig",
    "WarpConfig",
]


@dataclass(frozen=True)
class PatnConfig:
    """The paper's pose branch: cascaded pose-attention blocks.

    Attributes:
        kind: tag of this branch.
        joints: joint set of the pose maps.
        base_channels: channels of the stems; each downsampling doubles them.
        num_downsamplings: 2 as in PATN (41.358 M parameters) or 3 as in RATE-Net (165.2 M).
        num_blocks: pose-attention blocks.
        dropout: probability inside the blocks.
        pose_map: "gaussian" (float) or "impulse" (one pixel per joint, what the published maps amount to).
        sigma_px: width of the Gaussians.
    """

    kind: Literal["patn"] = "patn"
    joints: JointSet = "openpose18"
    base_channels: int = 64
    num_downsamplings: int = 3
    num_blocks: int = 9
    dropout: float = 0.5
    pose_map: Literal["gaussian", "impulse"] = "gaussian"
    sigma_px: float = 6.0

    @property
    def feature_channels(self) -> int:
        """Channels of F_t."""
        return self.base_channels << self.num_downsamplings


@dataclass(frozen=True)
class WarpConfig:
    """Our pose branch: residual flow, visibility and content over a geometric prior.

    Attributes:
        kind: tag of this branch.
        joints: joint set of the pose maps.
        channels: widths at 1/2, 1/4, 1/8 and 1/16 of the crop.
        num_blocks: residual blocks at 1/4, 1/8 and 1/16, on the way down and again on the way up.
        num_source_blocks: the same of the photo's encoder.
        max_residual_px: bound of the residual flow in crop pixels.
        sigma_px: width of the Gaussians of the pose maps, in crop pixels.
        num_parts: number of part labels given as guidance (one map each); 0 leaves them out.
        guidance_channels: further dense maps of the driver (surface coordinates, a silhouette ...); 0 for none.
        predicts_content: whether there is a content head; without it the prior is moved, nothing is painted.
    """

    kind: Literal["warp"] = "warp"
    joints: JointSet = "blazepose33"
    channels: tuple[int, int, int, int] = (32, 64, 128, 192)
    num_blocks: tuple[int, int, int] = (2, 2, 3)
    num_source_blocks: tuple[int, int, int] = (1, 1, 1)
    max_residual_px: float = 16.0
    sigma_px: float = 4.0
    num_parts: int = 0
    guidance_channels: int = 0
    predicts_content: bool = True

    @property
    def feature_channels(self) -> int:
        """Channels of F_t."""
        return self.channels[1]


@dataclass(frozen=True)
class GlobalDRMConfig:
    """The global detail replenishing module.

    Attributes:
        style_channels: widths of the style encoder, stem first; every further one halves the size.
        style_code: length of z_s.
        hidden: width of the two hidden fully connected layers.
        num_blocks: AdaIN residual blocks.
        num_upsamplings: x2 steps of the decoder; what is missing to full size is interpolated.
        kernel_size: of the convolutions after each upsampling.
        modulates_upsampling: AdaIN in the upsampling convolutions too.
        starts_at_zero: the untrained module adds nothing.
    """

    style_channels: tuple[int, ...] = (64, 128, 256, 256, 256)
    style_code: int = 128
    hidden: int = 256
    num_blocks: int = 2
    num_upsamplings: int = 3
    kernel_size: int = 5
    modulates_upsampling: bool = False
    starts_at_zero: bool = False


@dataclass(frozen=True)
class FaceDRMConfig:
    """The regional (face) detail replenishing module.

    Attributes:
        size_px: side of the square face crop the module works on.
        points: face points of the pose.
        box_scale: side of the face box over the extent of the visible face points.
        base_channels: channels of the content stem; the bottleneck has eight times as many.
        num_content_blocks: residual blocks of the content encoder.
        drm: the style path and the AdaIN decoder.
        predicts: "face" (the paper: the whole face) or "residual" (added to the composite's own face).
        min_points: fewer visible points in source or driver switch the face off.
        min_confidence: a point counts as visible from here.
    """

    size_px: int = 64
    points: FacePointSet = "openpose5"
    box_scale: float = 2.0
    base_channels: int = 64
    num_content_blocks: int = 2
    drm: GlobalDRMConfig = field(default_factory=GlobalDRMConfig)
    predicts: Literal["face", "residual"] = "face"
    min_points: int = 3
    min_confidence: float = 0.3


@dataclass(frozen=True)
class DRNConfig:
    """A whole network.

    Attributes:
        size_hw: (height, width) of the crop the network is trained at; multiples of 16.
        pose_branch: the paper's or ours.
        global_drm: None leaves the detail residual out.
        face_drm: None leaves the face module out.
    """

    size_hw: tuple[int, int] = (256, 256)
    pose_branch: WarpConfig | PatnConfig = field(default_factory=WarpConfig)
    global_drm: GlobalDRMConfig | None = None
    face_drm: FaceDRMConfig | None = None

    def __post_init__(self) -> None:
        if min(self.size_hw) < 16 or any(side % 16 for side in self.size_hw):
            raise ValueError(f"size_hw: both sides must be multiples of 16, got {self.size_hw}")
