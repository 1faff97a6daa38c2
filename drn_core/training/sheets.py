"""Sample sheets: one row per sample, from the photo to the result and the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from drn_core.data.records import TrainingBatch
from drn_core.model.drn import DRN
from drn_core.model.records import DRNOutput

__all__ = ["draw_sheet", "flow_colours", "save_sheet"]


def draw_sheet(model: DRN, batch: TrainingBatch) -> npt.NDArray[np.uint8]:
    """Draw a batch.

    Args:
        model: the network, in evaluation mode.
        batch: on the network's device.

    Returns:
        (rows h, columns w, 3): photo, prior, residual flow, visibility, content, coarse, detail, output, target.
    """
    with torch.no_grad():
        output: DRNOutput = model(batch.inputs)
    columns = [batch.inputs.source.image]
    pose = output.pose
    if batch.inputs.driver.prior_image is not None:
        columns.append(batch.inputs.driver.prior_image)
    if pose.residual_flow is not None:
        columns.append(flow_colours(pose.residual_flow, full_scale_px=8.0))
    if pose.visibility is not None:
        columns.append(pose.visibility.expand(-1, 3, -1, -1))
    if pose.content is not None:
        columns.append(pose.content)
    columns.append(pose.coarse)
    if output.detail is not None:
        columns.append(0.5 + output.detail)
    columns += [output.image, batch.target]
    rows = torch.cat([column.float() for column in columns], dim=-1)
    sheet = torch.cat(list(rows), dim=-2).clamp(0, 1)
    return np.asarray((sheet.permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy())


def flow_colours(flow: Tensor, *, full_scale_px: float) -> Tensor:
    """Show a flow (B, 2, H, W): direction as hue, length as saturation, white for none; (B, 3, H, W) in [0, 1]."""
    angle = torch.atan2(flow[:, 1], flow[:, 0])
    length = (torch.linalg.vector_norm(flow, dim=1) / full_scale_px).clamp(0, 1)
    channels = [1 - length * (0.5 - 0.5 * torch.cos(angle - shift)) for shift in (0.0, 2.0944, 4.1888)]
    return torch.stack(channels, dim=1)


def save_sheet(path: Path, sheet: npt.NDArray[np.uint8]) -> None:
    """Write a sheet as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
