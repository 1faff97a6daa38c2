"""A tiny made-up training set: coloured blobs, moved; the prior is the truth moved a little more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from drn_core.data.records import TrainingBatch, collate
from drn_core.model.records import DriverInput, DRNInput, SourceInput
from drn_core.model.sampling import warp_image


@dataclass(frozen=True)
class MadePairs:
    """Smooth random pictures; the target is the photo shifted, the prior misses part of the shift."""

    count: int = 8
    size: int = 32
    joints: int = 33
    consecutive: int = 1
    spoil: int | None = None
    has_background: bool = False

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int, *, seed: int) -> TrainingBatch:
        frames = [self._frame(index, t) for t in range(self.consecutive)]
        batch = replace(collate(frames), consecutive=self.consecutive)
        if index == self.spoil:
            batch.target.fill_(float("nan"))
        return batch

    def _frame(self, index: int, time: int) -> TrainingBatch:
        generator = torch.Generator().manual_seed(index)
        size = self.size
        photo = F.interpolate(
            torch.rand(1, 3, 6, 6, generator=generator), (size, size), mode="bicubic", align_corners=True
        ).clamp(0, 1)
        shift = 4 * (torch.rand(1, 2, 1, 1, generator=generator) - 0.5) + 0.3 * time
        target_flow = shift.expand(1, 2, size, size).contiguous()
        keypoints = torch.rand(1, self.joints, 2, generator=generator) * size
        sure = torch.ones(1, self.joints)
        prior_flow = 0.5 * target_flow
        ys, xs = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        mask = (torch.hypot(xs - size / 2, ys - size / 2) < size / 3).float()[None, None]
        driver = DriverInput(
            keypoints=keypoints - shift[..., 0, 0][:, None],
            confidence=sure,
            depth=torch.zeros(1, self.joints),
            prior_image=warp_image(photo, prior_flow),
            prior_flow=prior_flow,
            prior_visibility=mask,
            background=torch.full((1, 3, size, size), 0.5) if self.has_background else None,
        )
        return TrainingBatch(
            inputs=DRNInput(SourceInput(photo, keypoints, sure), driver),
            target=warp_image(photo, target_flow),
            target_mask=mask,
            target_flow=target_flow,
            target_visibility=mask,
        )
