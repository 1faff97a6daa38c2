"""The only door to `kernels`: the ops of the warping core, under the names the rest of the project uses."""

from __future__ import annotations

from kernels.backend import BackendChoice
from kernels.backend import available as available_backends
from kernels.backend import why_absent as why_backend_absent
from kernels.blend_warp import blend_warp
from kernels.composite_layers import composite_layers
from kernels.local_attention import local_attention
from kernels.pose_maps import pose_maps
from kernels.rasterize_prior import PriorRaster, rasterize_prior
from kernels.splat import Splat, splat
from kernels.temporal_blend import temporal_blend
from kernels.warp import Interpolation, Padding, warp

__all__ = [
    "BackendChoice",
    "Interpolation",
    "Padding",
    "PriorRaster",
    "Splat",
    "available_backends",
    "blend_warp",
    "composite_layers",
    "local_attention",
    "pose_maps",
    "rasterize_prior",
    "splat",
    "temporal_blend",
    "warp",
    "why_backend_absent",
]
