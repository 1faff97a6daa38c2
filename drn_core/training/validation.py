"""Figures on held-out samples: the prior, what each part adds, and the whole."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from drn_core.data.records import TrainingBatch
from drn_core.losses.reconstruction import ssim_loss, weighted_mean
from drn_core.model.drn import DRN
from drn_core.model.records import DRNOutput, to_device

__all__ = ["validate"]


@torch.no_grad()
def validate(model: DRN, batches: Iterable[TrainingBatch], device: torch.device) -> dict[str, float]:
    """Measure a network.

    Args:
        model: the network, in evaluation mode, on `device`.
        batches: held-out samples.
        device: where to compute.

    Returns:
        Mean over samples of psnr_X and ssim_X inside the person (whole picture where no mask is known), for X =
        prior, warped, coarse, output, as far as they exist. PSNR is of the sample, in dB, capped at 60.
    """
    sums: dict[str, float] = {}
    count = 0
    for cpu_batch in batches:
        batch = to_device(cpu_batch, device)
        output: DRNOutput = model(batch.inputs)
        pictures = {
            "prior": batch.inputs.driver.prior_image,
            "warped": output.pose.warped,
            "coarse": output.pose.coarse,
            "output": output.image,
        }
        for index in range(batch.size):
            mask = None if batch.target_mask is None else batch.target_mask[index : index + 1]
            for name, picture in pictures.items():
                if picture is not None:
                    one, truth = picture[index : index + 1].float().clamp(0, 1), batch.target[index : index + 1]
                    sums[f"psnr_{name}"] = sums.get(f"psnr_{name}", 0.0) + _psnr(one, truth, mask)
                    sums[f"ssim_{name}"] = sums.get(f"ssim_{name}", 0.0) + 1 - float(ssim_loss(one, truth, mask))
            count += 1
    return {name: total / count for name, total in sums.items()} if count else {}


def _psnr(picture: Tensor, target: Tensor, mask: Tensor | None) -> float:
    error = weighted_mean((picture - target).square(), mask)
    return float(-10 * torch.log10(error.clamp_min(1e-6)))
