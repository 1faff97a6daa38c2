"""The one home of the network's defaults: frozen dataclasses with a strict JSON round trip (`config_json`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from drn_core.pose_maps import FacePointSet, JointSet

__all__ = [
    "DRNConfig",
    "DeepFashionData",
    "FaceDRMConfig",
    "GlobalDRMConfig",
    "LossConfig",
    "PackData",
    "PatnConfig",
    "PhaseConfig",
    "SyntheticData",
    "TrainConfig",
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
        motion_share: further bound: the residual stays within this share of how far the prior moves the surface
            against the rest of the person (and a quarter pixel); None leaves it out.
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
    motion_share: float | None = None
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


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms; a term with weight 0 is not computed.

    The published weights are RATE-Net's 10 : 5 : 5 for reconstruction, perceptual and adversarial.

    Attributes:
        reconstruction: L1.
        laplacian: L1 over a Laplacian pyramid.
        gradient: L1 of picture gradients.
        ssim: 1 - SSIM.
        perceptual: L1 of features.
        style: L1 of Gram matrices.
        adversarial: least-squares game, mean of both discriminators.
        flow: distance from the true flow, per scale, pixels.
        visibility: cross-entropy of the visibility, per scale.
        silhouette: L1 of the moved silhouette against the true mask.
        smoothness: second differences of the residual flow.
        residual: mean length of the residual flow in pixels: move only for a reason.
        sampling: sampling correctness of the corrected flow.
        temporal: change of the error from frame to frame.
        person: extra weight of the person's pixels in the picture terms, over 1 for the background.
    """

    reconstruction: float = 0.0
    laplacian: float = 0.0
    gradient: float = 0.0
    ssim: float = 0.0
    perceptual: float = 0.0
    style: float = 0.0
    adversarial: float = 0.0
    flow: float = 0.0
    visibility: float = 0.0
    silhouette: float = 0.0
    smoothness: float = 0.0
    residual: float = 0.0
    sampling: float = 0.0
    temporal: float = 0.0
    person: float = 0.0


Part = Literal["flow", "content", "pose", "detail", "face"]


@dataclass(frozen=True)
class PhaseConfig:
    """One phase of coarse-to-fine training.

    Attributes:
        name: as it appears in the log.
        steps: optimiser steps.
        trains: parts whose weights change; "pose" is the whole pose branch, "flow" and "content" its halves.
        schedule: "joint" (one generator step per batch) or "three-step" (the paper's: pose branch by L_1, everything
            by L_2 on a recomputed forward, then the discriminators).
        picture: what the picture terms look at: the moved prior, the coarse image or the output.
        loss: weights (of L_2 under "three-step").
        pose_loss: weights of L_1 under "three-step".
        learning_rate: at the start of the phase.
        discriminator_rate: of the discriminators.
        decay: of the learning rate over the phase.
        batch_size: per process.
        discriminator_steps: per generator step, where there is an adversarial term.
        warmup_steps: linear warm-up of the learning rate.
    """

    name: str
    steps: int
    trains: tuple[Part, ...]
    schedule: Literal["joint", "three-step"] = "joint"
    picture: Literal["warped", "coarse", "output"] = "output"
    loss: LossConfig = field(default_factory=LossConfig)
    pose_loss: LossConfig = field(default_factory=LossConfig)
    learning_rate: float = 1e-4
    discriminator_rate: float = 1e-4
    decay: Literal["none", "linear", "cosine"] = "none"
    batch_size: int = 8
    discriminator_steps: int = 3
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise ValueError(f"phase {self.name!r}: steps and batch_size must be at least 1")
        if not self.trains:
            raise ValueError(f"phase {self.name!r}: trains nothing")


@dataclass(frozen=True)
class SyntheticData:
    """Synthetic people that fill a folder of packs before training.

    Attributes:
        num_clips: photos with the frames of one motion.
        frames_per_clip: frames of each.
        num_pairs: photos with one frame in any other pose.
        rate_hz: frames per second of the clips; 0 draws a slow rate for each.
        build_height_px: height the photo is enlarged to before it is cut into layers.
        seed: of everything random.
    """

    num_clips: int = 2000
    frames_per_clip: int = 6
    num_pairs: int = 4000
    rate_hz: float = 0.0
    build_height_px: int = 384
    seed: int = 0


@dataclass(frozen=True)
class PackData:
    """Packs written by `retarget prepare`: pictures, poses, prior and truth, ready to train on.

    Attributes:
        kind: tag.
        folders: folders of packs.
        synthetic: what the first folder is filled with before training; None takes the folders as they are.
        consecutive: frames per sample; 2 gives the temporal term its pairs.
        augment: random tone and flips.
        holdout: every n-th pack is kept for validation; 0 keeps none.
    """

    kind: Literal["packs"] = "packs"
    folders: tuple[str, ...] = ()
    synthetic: SyntheticData | None = None
    consecutive: int = 1
    augment: bool = True
    holdout: int = 16


@dataclass(frozen=True)
class DeepFashionData:
    """DeepFashion In-shop by the published lists.

    Attributes:
        kind: tag.
        image_folder: pictures, by the names in the lists.
        train_pairs: CSV of pairs (from, to).
        test_pairs: the same for validation; empty for none.
        train_keypoints: CSV of keypoints (name:keypoints_y:keypoints_x).
        test_keypoints: the same for validation.
        augment: random flips.
    """

    kind: Literal["deepfashion"] = "deepfashion"
    image_folder: str = ""
    train_pairs: str = ""
    test_pairs: str = ""
    train_keypoints: str = ""
    test_keypoints: str = ""
    augment: bool = True


@dataclass(frozen=True)
class TrainConfig:
    """A whole recipe.

    Attributes:
        name: of the recipe.
        network: what is trained.
        data: what it is trained on.
        phases: in order.
        seed: of everything random.
        precision: of the arithmetic; weights stay float32.
        perceptual: features of the perceptual and style terms; "none" says that the recipe runs without them.
        perceptual_weights: file of the features; empty takes the default place.
        ema_decay: of the averaged weights that are saved; 0 saves the last ones.
        betas: of RAdam.
        weight_decay: of RAdam.
        clip_norm: largest gradient norm; 0 clips nothing.
        pool_size: entries of each discriminator's image pool.
        discriminator_channels: width of the discriminators' stems.
        num_workers: processes that load data.
        log_every: steps between log lines.
        save_every: steps between saved states.
        sample_every: steps between sample sheets; 0 draws none.
        validate_every: steps between validations; 0 makes none.
        validation_samples: samples of one validation.
    """

    name: str
    network: DRNConfig
    data: PackData | DeepFashionData
    phases: tuple[PhaseConfig, ...]
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    perceptual: Literal["none", "vgg19"] = "none"
    perceptual_weights: str = ""
    ema_decay: float = 0.999
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-5
    clip_norm: float = 0.0
    pool_size: int = 50
    discriminator_channels: int = 64
    num_workers: int = 0
    log_every: int = 20
    save_every: int = 500
    sample_every: int = 500
    validate_every: int = 500
    validation_samples: int = 64

    def __post_init__(self) -> None:
        if not self.phases:
            raise ValueError("a recipe needs at least one phase")
        needs_features = any(
            loss.perceptual or loss.style or loss.sampling for p in self.phases for loss in (p.loss, p.pose_loss)
        )
        if needs_features and self.perceptual == "none":
            raise ValueError("perceptual is 'none', but a phase weighs perceptual, style or sampling terms")

    @property
    def total_steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)
