"""Random changes of training samples: the same for pictures, flows and points."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from drn_core.data.records import TrainingBatch
from drn_core.model.records import DRNInput
from drn_core.pose_maps import OPENPOSE18_MIRROR
from drn_core.skeleton import MIRROR

__all__ = ["augmented", "flipped", "retoned"]

_MIRRORS = {len(MIRROR): MIRROR, len(OPENPOSE18_MIRROR): OPENPOSE18_MIRROR}


def augmented(batch: TrainingBatch, seed: int) -> TrainingBatch:
    """Flip half of the samples and change the tone of all.

    Args:
        batch: one sample (frames of one photo).
        seed: everything random follows from it.

    Returns:
        A new sample.
    """
    generator = torch.Generator().manual_seed(seed)
    if torch.rand((), generator=generator) < 0.5:
        batch = flipped(batch)
    gain = 1 + 0.3 * (torch.rand(1, generator=generator) - 0.5)
    tint = 1 + 0.16 * (torch.rand(3, generator=generator) - 0.5)
    gamma = torch.exp2(0.8 * (torch.rand((), generator=generator) - 0.5))
    return retoned(batch, gain=gain * tint, gamma=float(gamma))


def flipped(batch: TrainingBatch) -> TrainingBatch:
    """Mirror a batch left to right: pictures, maps, flows (dx changes sign) and joints (left becomes right).

    Raises:
        ValueError: the number of joints belongs to no known skeleton, or there are part labels or guidance, whose
            mirror image is not known here.
    """
    source, driver = batch.inputs.source, batch.inputs.driver
    if driver.parts is not None or driver.guidance is not None:
        raise ValueError("flipped: part labels and guidance can't be mirrored")
    width = batch.target.shape[-1]
    joints = driver.keypoints.shape[1]
    if joints not in _MIRRORS:
        raise ValueError(f"flipped: no skeleton of {joints} joints is known")
    order = list(_MIRRORS[joints])

    def points(values: Tensor) -> Tensor:
        swapped = values[:, order].clone()
        swapped[..., 0] = width - 1 - swapped[..., 0]
        return swapped

    return replace(
        batch,
        inputs=DRNInput(
            replace(
                source,
                image=source.image.flip(-1),
                keypoints=points(source.keypoints),
                confidence=source.confidence[:, order],
            ),
            replace(
                driver,
                keypoints=points(driver.keypoints),
                confidence=driver.confidence[:, order],
                depth=driver.depth[:, order],
                prior_image=_flip(driver.prior_image),
                prior_flow=_flip_flow(driver.prior_flow),
                prior_visibility=_flip(driver.prior_visibility),
                background=_flip(driver.background),
            ),
        ),
        target=batch.target.flip(-1),
        target_mask=_flip(batch.target_mask),
        target_flow=_flip_flow(batch.target_flow),
        target_visibility=_flip(batch.target_visibility),
    )


def retoned(batch: TrainingBatch, *, gain: Tensor, gamma: float) -> TrainingBatch:
    """Change brightness, tint and contrast of all pictures of a batch alike.

    Convention:
        out = clamp(gain * in^gamma) per channel.

    Args:
        batch: the batch.
        gain: (3,) factor of each channel.
        gamma: exponent.

    Returns:
        A new batch.
    """

    def tone(image: Tensor) -> Tensor:
        return (gain[:, None, None] * image.clamp_min(0) ** gamma).clamp(0, 1)

    source, driver = batch.inputs.source, batch.inputs.driver
    toned = replace(
        driver,
        prior_image=None if driver.prior_image is None else tone(driver.prior_image),
        background=None if driver.background is None else tone(driver.background),
    )
    inputs = DRNInput(replace(source, image=tone(source.image)), toned)
    return replace(batch, inputs=inputs, target=tone(batch.target))


def _flip(maps: Tensor | None) -> Tensor | None:
    return None if maps is None else maps.flip(-1)


def _flip_flow(flow: Tensor | None) -> Tensor | None:
    if flow is None:
        return None
    mirrored = flow.flip(-1).clone()
    mirrored[:, 0] = -mirrored[:, 0]
    return mirrored
