"""The only door to `kernels`: the ops of the warping core, under the names the rest of the project uses."""

from __future__ import annotations

from kernels.backend import BackendChoice
from kernels.composite_layers import composite_layers
from kernels.rasterize_prior import PriorRaster, rasterize_prior

__all__ = ["BackendChoice", "PriorRaster", "composite_layers", "rasterize_prior"]
