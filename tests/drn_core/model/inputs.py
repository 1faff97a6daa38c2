"""Made-up network inputs."""

from __future__ import annotations

import torch

from drn_core.model.records import DriverInput, DRNInput, SourceInput


def make_inputs(batch: int = 2, size_hw: tuple[int, int] = (64, 64), *, joints: int = 33, seed: int = 0) -> DRNInput:
    """Random pictures, poses inside the picture and a gentle random prior."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size_hw

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    extent = torch.tensor([width - 1.0, height - 1.0])
    driver = DriverInput(
        keypoints=uniform(batch, joints, 2) * extent,
        confidence=torch.ones(batch, joints),
        depth=(uniform(batch, joints) - 0.5) * height / 4,
        prior_image=uniform(batch, 3, height, width),
        prior_flow=(uniform(batch, 2, height, width) - 0.5) * 8,
        prior_visibility=(uniform(batch, 1, height, width) > 0.3).float(),
    )
    source = SourceInput(
        image=uniform(batch, 3, height, width),
        keypoints=uniform(batch, joints, 2) * extent,
        confidence=torch.ones(batch, joints),
    )
    return DRNInput(source, driver)
