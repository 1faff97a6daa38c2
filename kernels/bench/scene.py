"""A person of about 5,000 triangles in five layers, standing in a picture: trunk, arms and legs as soft ellipses."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Scene", "person_scene"]

# Centre x, centre y, radius x, radius y in units of the height; x from the middle of the picture.
_LIMBS = (
    (0.0, 0.36, 0.13, 0.31),
    (-0.14, 0.42, 0.04, 0.20),
    (0.14, 0.42, 0.04, 0.20),
    (-0.06, 0.74, 0.06, 0.23),
    (0.06, 0.74, 0.06, 0.23),
)
_CELLS_PER_HEIGHT = 100


class Scene(NamedTuple):
    """The arguments of `rasterize_prior`, in order, and textures (L, H, W, 4) for `composite_layers`."""

    mesh: tuple[Tensor, ...]
    textures: Tensor


def person_scene(size_hw: tuple[int, int], device: torch.device) -> Scene:
    """Make the person, moved by a smooth wave of some pixels."""
    height, width = size_hw
    cell = height / _CELLS_PER_HEIGHT
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    vertices: list[Tensor] = []
    faces: list[Tensor] = []
    layers: list[Tensor] = []
    alphas: list[Tensor] = []
    for layer, limb in enumerate(_LIMBS):
        at_x, at_y, radius_x, radius_y = (value * height for value in limb)
        at_x += width / 2
        inside = 1.0 - (((x - at_x) / radius_x) ** 2 + ((y - at_y) / radius_y) ** 2)
        alphas.append((inside * radius_x * 0.5 + 0.5).clamp(0, 1))
        columns, rows = int(2 * radius_x / cell) + 3, int(2 * radius_y / cell) + 3
        down, across = torch.meshgrid(torch.arange(rows + 1.0), torch.arange(columns + 1.0), indexing="ij")
        grid = torch.stack([across * cell + at_x - radius_x - cell, down * cell + at_y - radius_y - cell], dim=-1)
        corner = (torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)).reshape(-1)
        middle = grid[:-1, :-1].reshape(-1, 2) + cell / 2 - torch.tensor([at_x, at_y])
        kept = corner[(middle / torch.tensor([radius_x + cell, radius_y + cell])).square().sum(dim=1) < 1.05]
        first = sum(len(grid) for grid in vertices)
        right, below, beyond = kept + 1, kept + columns + 1, kept + columns + 2
        both = torch.stack([torch.stack([kept, right, below], 1), torch.stack([right, beyond, below], 1)], 1)
        faces.append(both.reshape(-1, 3) + first)
        layers.append(torch.full((2 * len(kept),), layer))
        vertices.append(grid.reshape(-1, 2))
    source = torch.cat(vertices)
    wave = torch.stack([12 * torch.sin(source[:, 1] / 90) + 3.3, 9 * torch.cos(source[:, 0] / 70)], dim=1)
    layer_of, alpha = torch.cat(layers).int(), (torch.stack(alphas) * 255).byte()
    order = torch.tensor([[3, 4, 0, 1, 2]])
    mesh = (
        (source + wave)[None], torch.sin(source[:, 0] / 50)[None], source, torch.cat(faces).int(), layer_of, layer_of,
        order, alpha,
    )  # fmt: skip
    colours = torch.randint(0, 256, (len(_LIMBS), height // 8 + 1, width // 8 + 1, 3), dtype=torch.uint8)
    large = colours.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)[:, :height, :width]
    textures = torch.cat([large, alpha[..., None]], dim=-1)
    return Scene(tuple(tensor.to(device) for tensor in mesh), textures.to(device))
