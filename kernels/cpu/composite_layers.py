"""numba implementation of `kernels.composite_layers`: rows without a layer are copied, the rest is one pass."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
from kernels.cpu.threads import run_bands

__all__ = ["composite_layers"]

_ROWS_PER_BAND = 16


def composite_layers(
    textures: Tensor,
    flow: Tensor,
    layer: Tensor,
    background: Tensor | None,
    residual_flow: Tensor | None,
    bicubic: bool,
) -> Tensor:
    """Blend the peels; arguments and result as in `kernels.composite_layers`."""
    batch, _, _, height, width = flow.shape
    has_background, has_residual = background is not None, residual_flow is not None
    out = np.empty((batch, height, width, 3 if has_background else 4), dtype=np.uint8)
    texels = textures.contiguous().numpy()
    flows, layers = flow.contiguous().numpy(), layer.contiguous().numpy()
    backdrop = background.numpy() if background is not None else np.empty((batch, 0, 0, 3), dtype=np.uint8)
    residual = (
        residual_flow.contiguous().numpy()
        if residual_flow is not None
        else np.empty((batch, 2, 0, 0), dtype=np.float32)
    )
    num_bands = -(-height // _ROWS_PER_BAND)

    def blend(first_band: int, last_band: int) -> None:
        for band in range(first_band, last_band):
            b, row = band // num_bands, band % num_bands * _ROWS_PER_BAND
            rows = slice(row, min(row + _ROWS_PER_BAND, height))
            if has_background:
                np.copyto(out[b, rows], backdrop[b, rows])
            else:
                out[b, rows] = 0
            _blend_rows(
                rows.start,
                rows.stop,
                texels,
                flows[b],
                layers[b],
                residual[b],
                has_residual,
                bicubic,
                has_background,
                out[b],
            )

    run_bands(blend, batch * num_bands, grain=1)
    return torch.from_numpy(out)


@compiled()
def _blend_rows(
    first: int,
    last: int,
    textures: Array,
    flow: Array,
    layer: Array,
    residual: Array,
    has_residual: bool,
    bicubic: bool,
    has_background: bool,
    out: Array,
) -> None:
    """Blend the peels of rows [first, last) over what `out` already holds."""
    one, full = np.float32(1.0), np.float32(255.0)
    num_peels, _, width = layer.shape
    height_t, width_t = textures.shape[1], textures.shape[2]
    for y in range(first, last):
        for x in range(width):
            if layer[0, y, x] < 0:
                continue
            red, green, blue, transmitted = np.float32(0.0), np.float32(0.0), np.float32(0.0), one
            for k in range(num_peels):
                layer_id = layer[k, y, x]
                if layer_id < 0 or transmitted == 0.0:
                    break
                at_x, at_y = np.float32(x) + flow[k, 0, y, x], np.float32(y) + flow[k, 1, y, x]
                if has_residual:
                    at_x, at_y = at_x + residual[0, y, x], at_y + residual[1, y, x]
                if not (at_x > -1.0 and at_y > -1.0 and at_x < width_t and at_y < height_t):
                    continue
                texture = textures[layer_id]
                alpha = _sample_alpha(texture, at_x, at_y)
                if alpha == 0.0:
                    continue
                r, g, b = _sample_bicubic(texture, at_x, at_y) if bicubic else _sample_bilinear(texture, at_x, at_y)
                weight = transmitted * alpha
                red, green, blue = red + weight * r, green + weight * g, blue + weight * b
                transmitted *= one - alpha
            if has_background:
                out[y, x, 0] = _to_byte(red + transmitted * np.float32(out[y, x, 0]))
                out[y, x, 1] = _to_byte(green + transmitted * np.float32(out[y, x, 1]))
                out[y, x, 2] = _to_byte(blue + transmitted * np.float32(out[y, x, 2]))
            else:
                opacity = one - transmitted
                if opacity > 0.0:
                    out[y, x, 0] = _to_byte(red / opacity)
                    out[y, x, 1] = _to_byte(green / opacity)
                    out[y, x, 2] = _to_byte(blue / opacity)
                    out[y, x, 3] = _to_byte(opacity * full)


@inlined()
def _to_byte(value: Real) -> Integer:
    """Round to the nearest, halves up; rounding errors of the blend may lie a little outside of 0..255."""
    return np.uint8(min(max(np.int32(value + np.float32(0.5)), 0), 255))


@inlined()
def _sample_alpha(texture: Array, x: Real, y: Real) -> Real:
    """Sample alpha bilinearly, in 0..1; the position is less than one texel outside of the texture."""
    height, width, _ = texture.shape
    x_floor, y_floor = np.floor(x), np.floor(y)
    column, row = int(x_floor), int(y_floor)
    right, down = x - x_floor, y - y_floor
    a, b, c, d = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    if row >= 0:
        a = np.float32(texture[row, column, 3]) if column >= 0 else a
        b = np.float32(texture[row, column + 1, 3]) if column + 1 < width else b
    if row + 1 < height:
        c = np.float32(texture[row + 1, column, 3]) if column >= 0 else c
        d = np.float32(texture[row + 1, column + 1, 3]) if column + 1 < width else d
    top, bottom = a + (b - a) * right, c + (d - c) * right
    return (top + (bottom - top) * down) * np.float32(1.0 / 255.0)


@inlined()
def _sample_bilinear(texture: Array, x: Real, y: Real) -> tuple[Real, Real, Real]:
    height, width, _ = texture.shape
    x_floor, y_floor = np.floor(x), np.floor(y)
    right, down = x - x_floor, y - y_floor
    c0, r0 = max(int(x_floor), 0), max(int(y_floor), 0)
    c1, r1 = min(int(x_floor) + 1, width - 1), min(int(y_floor) + 1, height - 1)
    one = np.float32(1.0)
    w00, w01 = (one - right) * (one - down), right * (one - down)
    w10, w11 = (one - right) * down, right * down
    red = texture[r0, c0, 0] * w00 + texture[r0, c1, 0] * w01 + texture[r1, c0, 0] * w10 + texture[r1, c1, 0] * w11
    green = texture[r0, c0, 1] * w00 + texture[r0, c1, 1] * w01 + texture[r1, c0, 1] * w10 + texture[r1, c1, 1] * w11
    blue = texture[r0, c0, 2] * w00 + texture[r0, c1, 2] * w01 + texture[r1, c0, 2] * w10 + texture[r1, c1, 2] * w11
    return np.float32(red), np.float32(green), np.float32(blue)


@inlined()
def _sample_bicubic(texture: Array, x: Real, y: Real) -> tuple[Real, Real, Real]:
    height, width, _ = texture.shape
    x_floor, y_floor = np.floor(x), np.floor(y)
    right, down = np.float32(x - x_floor), np.float32(y - y_floor)
    column, row = int(x_floor), int(y_floor)
    nothing, full = np.float32(0.0), np.float32(255.0)
    if right == nothing and down == nothing:
        return (
            np.float32(texture[row, column, 0]),
            np.float32(texture[row, column, 1]),
            np.float32(texture[row, column, 2]),
        )
    u0, u1, u2, u3 = _bicubic_weights(right)
    v0, v1, v2, v3 = _bicubic_weights(down)
    c0, c1 = max(column - 1, 0), max(column, 0)
    c2, c3 = min(column + 1, width - 1), min(column + 2, width - 1)
    red, green, blue = nothing, nothing, nothing
    for j in range(4):
        r = min(max(row - 1 + j, 0), height - 1)
        v = v0 if j == 0 else v1 if j == 1 else v2 if j == 2 else v3
        red += v * (
            u0 * np.float32(texture[r, c0, 0])
            + u1 * np.float32(texture[r, c1, 0])
            + u2 * np.float32(texture[r, c2, 0])
            + u3 * np.float32(texture[r, c3, 0])
        )
        green += v * (
            u0 * np.float32(texture[r, c0, 1])
            + u1 * np.float32(texture[r, c1, 1])
            + u2 * np.float32(texture[r, c2, 1])
            + u3 * np.float32(texture[r, c3, 1])
        )
        blue += v * (
            u0 * np.float32(texture[r, c0, 2])
            + u1 * np.float32(texture[r, c1, 2])
            + u2 * np.float32(texture[r, c2, 2])
            + u3 * np.float32(texture[r, c3, 2])
        )
    return min(max(red, nothing), full), min(max(green, nothing), full), min(max(blue, nothing), full)


@inlined()
def _bicubic_weights(t: Real) -> tuple[Real, Real, Real, Real]:
    """Weights of the texels at -1, 0, 1, 2 for a position t in [0, 1) after texel 0 (Keys, a = -1/2)."""
    half, one, three_halves = np.float32(0.5), np.float32(1.0), np.float32(1.5)
    return (
        ((-half * t + one) * t - half) * t,
        (three_halves * t - np.float32(2.5)) * t * t + one,
        ((-three_halves * t + np.float32(2.0)) * t + half) * t,
        (half * t - half) * t * t,
    )
