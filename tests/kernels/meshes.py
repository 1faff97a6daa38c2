"""Small layered meshes for tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def grid_mesh(columns: int, rows: int, cell: float, origin: tuple[float, float] = (0.0, 0.0)) -> tuple[Tensor, Tensor]:
    """A grid of cells, two triangles each: vertices (V, 2) and triangles (F, 3)."""
    y, x = torch.meshgrid(torch.arange(rows + 1.0), torch.arange(columns + 1.0), indexing="ij")
    vertices = torch.stack([x * cell + origin[0], y * cell + origin[1]], dim=-1).reshape(-1, 2)
    corner = (torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)).reshape(-1)
    right, below, across = corner + 1, corner + columns + 1, corner + columns + 2
    upper, lower = torch.stack([corner, right, below], dim=1), torch.stack([right, across, below], dim=1)
    return vertices, torch.stack([upper, lower], dim=1).reshape(-1, 3).int()


def random_scene(
    seed: int, *, size_hw: tuple[int, int] = (40, 50), num_layers: int = 3, byte: bool = True
) -> dict[str, Any]:
    """Overlapping layers with soft discs for alpha, moved and bent; two pictures with two orders of layers."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size_hw
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    alphas, vertices, faces, layers = [], [], [], []
    for layer in range(num_layers):
        at = torch.rand(2, generator=generator) * torch.tensor([width * 0.5, height * 0.5]) + 10
        radius = 8 + 8 * torch.rand(1, generator=generator)
        alphas.append((radius - ((x - at[0]) ** 2 + (y - at[1]) ** 2).sqrt()).div(2).clamp(0, 1))
        grid, triangles = grid_mesh(6, 6, 6.0, (float(at[0]) - 18, float(at[1]) - 18))
        faces.append(triangles + sum(map(len, vertices)))
        vertices.append(grid)
        layers.append(torch.full((len(triangles),), layer))
    source = torch.cat(vertices)
    moved = source + torch.randn(2, len(source), 2, generator=generator) * 2
    alpha = torch.stack(alphas)
    orders = torch.stack([torch.randperm(num_layers, generator=generator) for _ in range(2)])
    return {
        "target_xy": moved,
        "depth": torch.randn(2, len(source), generator=generator),
        "source_xy": source,
        "triangles": torch.cat(faces),
        "triangle_layer": torch.cat(layers),
        "triangle_part": torch.randint(0, 9, (sum(map(len, faces)),), generator=generator),
        "layer_order": orders,
        "layer_alpha": (alpha * 255).byte() if byte else alpha,
    }
