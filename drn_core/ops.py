"""The only door to `kernels`: the ops of the warping core, under the names the rest of the project uses."""

from __future__ import annotations

from kernels.backend import BackendChoice
from kernels.backend import available as available_backends
from kernels.composite_layers import composite_layers
from kernels.rasterize_prior import PriorRaster, rasterize_prior
from kernels.warp import warp

__all__ = ["BackendChoice", "PriorRaster", "available_backends", "composite_layers", "rasterize_prior", "warp"]
