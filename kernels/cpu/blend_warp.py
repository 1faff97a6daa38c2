"""numba implementation of `kernels.blend_warp`: all parts of a pixel at once, texels whole."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from kernels.cpu.jit import Array, Integer, compiled
from kernels.cpu.layout import allocate_as, to_texels
from kernels.cpu.sampling import bilinear_taps
from kernels.cpu.storage import array_of, load, store
from kernels.cpu.threads import run_bands

__all__ = ["forward"]

_PIXELS_PER_BAND = 4096


def forward(features: Tensor, flows: Tensor, weights: Tensor, border: bool) -> Tensor:
    """Blend K warps; arguments and result as in `kernels.blend_warp`."""
    _, channels, height, width = features.shape
    out_height, out_width = flows.shape[3:]
    out, results = allocate_as(features, (out_height, out_width))
    if features.numel() == 0:
        return out.zero_()
    step = 1 if out.is_contiguous() else channels  # how far apart neighbouring pixels are
    images, targets, shares = to_texels(features), array_of(flows.contiguous()), array_of(weights.contiguous())

    def blend(first: int, last: int) -> None:
        total = np.empty(channels, dtype=targets.dtype)
        for b in range(first // out_height, -(-last // out_height)):
            rows = (max(first - b * out_height, 0), min(last - b * out_height, out_height))
            sizes = (height, width, channels, step)
            _blend(images[b], targets[b], shares[b], results[b], *sizes, border, *rows, total)

    run_bands(blend, out.shape[0] * out_height, grain=-(-_PIXELS_PER_BAND // max(out_width, 1)))
    return out


@compiled()
def _blend(
    image: Array,
    flows: Array,
    weights: Array,
    out: Array,
    height: Integer,
    width: Integer,
    channels: Integer,
    step: Integer,
    border: bool,
    first: Integer,
    last: Integer,
    total: Array,
) -> None:
    """Blend rows [first, last) of a flat (H, W, C) image; `total` is scratch for the channels of a pixel."""
    num_flows, _, out_height, out_width = flows.shape
    count = np.uintp(channels)
    between = np.uintp(1 if step == channels else out_height * out_width)
    for y in range(first, last):
        for x in range(out_width):
            for i in range(count):
                total[i] = flows.dtype.type(0.0)
            for k in range(num_flows):
                share = weights[k, y, x]
                if share == 0.0:
                    continue
                dx, dy = flows[k, 0, y, x], flows[k, 1, y, x]
                p, q, r, s, wp, wq, wr, ws = bilinear_taps(dx, dy, x, y, height, width, border)
                if wp + wq + wr + ws == 0.0:
                    continue
                a, b = np.uintp(p * channels), np.uintp(q * channels)
                c, d = np.uintp(r * channels), np.uintp(s * channels)
                for i in range(count):
                    left = load(image[a + i]) * wp + load(image[b + i]) * wq
                    right = load(image[c + i]) * wr + load(image[d + i]) * ws
                    total[i] += share * (left + right)
            o = np.uintp((y * out_width + x) * step)
            for i in range(count):
                out[o + i * between] = store(out, total[i])
