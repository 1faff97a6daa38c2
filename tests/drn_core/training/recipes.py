"""Small recipes that run in seconds."""

from __future__ import annotations

from dataclasses import replace

from drn_core.config import (
    DRNConfig,
    FaceDRMConfig,
    GlobalDRMConfig,
    LossConfig,
    PackData,
    PatnConfig,
    PhaseConfig,
    TrainConfig,
    WarpConfig,
)

TINY_DRM = GlobalDRMConfig(
    style_channels=(8, 16), style_code=8, hidden=16, num_blocks=1, num_upsamplings=1, kernel_size=3, starts_at_zero=True
)
TINY_WARP = DRNConfig(
    size_hw=(32, 32),
    pose_branch=WarpConfig(channels=(8, 16, 16, 16), num_blocks=(1, 1, 1)),
    global_drm=TINY_DRM,
    face_drm=FaceDRMConfig(
        size_px=16, points="blazepose11", base_channels=4, num_content_blocks=1, predicts="residual", drm=TINY_DRM
    ),
)
TINY_PATN = DRNConfig(
    size_hw=(32, 32),
    pose_branch=PatnConfig(base_channels=8, num_downsamplings=2, num_blocks=2, sigma_px=2.0),
    global_drm=replace(TINY_DRM, num_upsamplings=2),
)

WARP_RECIPE = TrainConfig(
    name="tiny-warp",
    network=TINY_WARP,
    data=PackData(),
    phases=(
        PhaseConfig(
            name="flow",
            steps=3,
            trains=("flow",),
            picture="warped",
            loss=LossConfig(reconstruction=1.0, flow=0.1, visibility=0.1, silhouette=0.1, smoothness=0.1, residual=0.1),
            batch_size=2,
        ),
        PhaseConfig(
            name="content", steps=2, trains=("pose",), picture="coarse", batch_size=2,
            loss=LossConfig(reconstruction=1.0, laplacian=1.0, gradient=1.0, ssim=1.0, person=2.0),
        ),
        PhaseConfig(
            name="detail", steps=2, trains=("detail", "face"), batch_size=2, loss=LossConfig(reconstruction=1.0)
        ),
        PhaseConfig(
            name="adversarial", steps=3, trains=("pose", "detail", "face"), batch_size=2, decay="linear",
            loss=LossConfig(reconstruction=10.0, adversarial=1.0, temporal=1.0),
        ),
    ),
    pool_size=3,
    discriminator_channels=8,
    log_every=1,
    save_every=4,
    sample_every=0,
    validate_every=0,
)  # fmt: skip

PAPER_RECIPE = TrainConfig(
    name="tiny-paper",
    network=TINY_PATN,
    data=PackData(),
    phases=(
        PhaseConfig(
            name="all",
            steps=4,
            trains=("pose", "detail"),
            schedule="three-step",
            pose_loss=LossConfig(reconstruction=10.0),
            loss=LossConfig(reconstruction=10.0, adversarial=5.0),
            batch_size=2,
        ),
    ),
    discriminator_channels=8,
    log_every=1,
    save_every=2,
    sample_every=0,
    validate_every=0,
)
