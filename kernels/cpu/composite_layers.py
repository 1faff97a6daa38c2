"""numba implementation of `kernels.composite_layers`: stretches without a layer are copied, the rest is one pass."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kernels.cpu.jit import Array, Integer, Real, compiled, inlined
from kernels.cpu.memory import allocate
from kernels.cpu.rgba import bicubic_rgba, read_byte
from kernels.cpu.sampling import bicubic_weights, inside_index
from kernels.cpu.storage import array_of, round_byte
from kernels.cpu.threads import run_bands

__all__ = ["composite_layers"]

_ROWS_PER_BAND = 64
_STRETCH = 64


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
    result = allocate((batch, height, width, 3 if has_background else 4), torch.uint8)
    out, texels = array_of(result), array_of(textures.contiguous())
    flows, layers = array_of(flow.contiguous()), array_of(layer.contiguous())
    backdrop = background.numpy() if background is not None else np.zeros((batch, height, 1, 1), dtype=np.uint8)
    residual = (
        array_of(residual_flow.contiguous()) if residual_flow is not None else np.empty((batch, 2, 0, 0), np.float32)
    )
    num_bands = -(-height // _ROWS_PER_BAND)

    def blend(first_band: int, last_band: int) -> None:
        for band in range(first_band, last_band):
            b, row = band // num_bands, band % num_bands * _ROWS_PER_BAND
            row_end = min(row + _ROWS_PER_BAND, height)
            out[b, row:row_end] = backdrop[b, row:row_end]
            flags = (has_residual, bicubic, has_background)
            highest = _blend_rows(row, row_end, texels, flows[b], layers[b], residual[b], *flags, out[b])
            if highest >= len(texels):
                raise ValueError(f"raster.layer: expected ids below {len(texels)}, got {highest}")

    run_bands(blend, batch * num_bands, grain=1)
    return result


@compiled()
def _blend_rows(
    first: Integer,
    last: Integer,
    textures: Array,
    flow: Array,
    layer: Array,
    residual: Array,
    has_residual: bool,
    bicubic: bool,
    has_background: bool,
    out: Array,
) -> Integer:
    """Blend the peels of rows [first, last) over what `out` already holds; returns the highest layer id met."""
    one, nothing, full = np.float32(1.0), np.float32(0.0), np.float32(255.0)
    num_layers, height, width, _ = textures.shape
    num_peels, _, out_width = layer.shape
    highest: Integer = -1
    for y in range(first, last):
        for start in range(0, out_width, _STRETCH):
            stretch = layer[0, y, start : start + _STRETCH]
            front = np.int8(-1)
            for i in range(stretch.size):
                front = max(front, stretch[i])
            if front < 0:
                continue
            for x in range(start, start + stretch.size):
                if layer[0, y, x] < 0:
                    continue
                red, green, blue, transmitted = nothing, nothing, nothing, one
                for k in range(num_peels):
                    layer_id = np.int64(layer[k, y, x])
                    highest = max(highest, layer_id)
                    if layer_id < 0 or layer_id >= num_layers or transmitted == nothing:
                        break
                    at_x, at_y = np.float32(x) + flow[k, 0, y, x], np.float32(y) + flow[k, 1, y, x]
                    if has_residual:
                        at_x, at_y = at_x + residual[0, y, x], at_y + residual[1, y, x]
                    # A position that is not a number fails.
                    if not (at_x > -one and at_y > -one and at_x < width and at_y < height):
                        continue
                    left, top = np.floor(at_x), np.floor(at_y)
                    right, down, column, row = at_x - left, at_y - top, np.int64(left), np.int64(top)
                    texture = textures.ctypes.data + layer_id * height * width * 4
                    alpha = _sample_alpha(texture, height, width, column, row, right, down)
                    if alpha == nothing:
                        continue
                    r, g, b = _sample_colour(texture, height, width, column, row, right, down, bicubic)
                    weight = transmitted * alpha
                    red, green, blue = red + weight * r, green + weight * g, blue + weight * b
                    transmitted *= one - alpha
                if has_background:
                    out[y, x, 0] = round_byte(red + transmitted * np.float32(out[y, x, 0]))
                    out[y, x, 1] = round_byte(green + transmitted * np.float32(out[y, x, 1]))
                    out[y, x, 2] = round_byte(blue + transmitted * np.float32(out[y, x, 2]))
                elif transmitted < one:
                    opacity = one - transmitted
                    out[y, x, 0] = round_byte(red / opacity)
                    out[y, x, 1] = round_byte(green / opacity)
                    out[y, x, 2] = round_byte(blue / opacity)
                    out[y, x, 3] = round_byte(opacity * full)
    return highest


@inlined()
def _sample_alpha(
    texture: Integer, height: Integer, width: Integer, column: Integer, row: Integer, right: Real, down: Real
) -> Real:
    """Sample alpha bilinearly, in 0..1, of the texture at an address; at most one texel outside of it."""
    nothing, pitch = np.float32(0.0), width * 4
    place = texture + row * pitch + column * 4 + 3
    a, b, c, d = nothing, nothing, nothing, nothing
    has_left, has_right, has_top, has_bottom = column >= 0, column + 1 < width, row >= 0, row + 1 < height
    if has_top and has_left:
        a = read_byte(place)
    if has_top and has_right:
        b = read_byte(place + 4)
    if has_bottom and has_left:
        c = read_byte(place + pitch)
    if has_bottom and has_right:
        d = read_byte(place + pitch + 4)
    top, bottom = a + (b - a) * right, c + (d - c) * right
    return (top + (bottom - top) * down) * np.float32(1.0 / 255.0)


@inlined()
def _sample_colour(
    texture: Integer,
    height: Integer,
    width: Integer,
    column: Integer,
    row: Integer,
    right: Real,
    down: Real,
    bicubic: bool,
) -> tuple[Real, Real, Real]:
    """Sample red, green and blue in 0..255, the edge value outside: down the columns first, then across."""
    nothing, one, full, pitch = np.float32(0.0), np.float32(1.0), np.float32(255.0), width * 4
    if right == nothing and down == nothing:
        place = texture + inside_index(row, height) * pitch + inside_index(column, width) * 4
        return read_byte(place), read_byte(place + 1), read_byte(place + 2)
    if bicubic:
        wx, wy = bicubic_weights(right), bicubic_weights(down)
    else:
        wx, wy = (nothing, one - right, right, nothing), (nothing, one - down, down, nothing)
    if column >= 1 and row >= 1 and column + 2 < width and row + 2 < height:
        place = texture + (row - 1) * pitch + (column - 1) * 4
        found = bicubic_rgba(place, place + pitch, place + 2 * pitch, place + 3 * pitch, wx, wy)
        red, green, blue = found[0], found[1], found[2]
    else:
        red, green, blue = nothing, nothing, nothing
        for i in range(4):
            line_r, line_g, line_b = nothing, nothing, nothing
            for j in range(4):
                place = texture + inside_index(row - 1 + j, height) * pitch + inside_index(column - 1 + i, width) * 4
                line_r += read_byte(place) * wy[j]
                line_g += read_byte(place + 1) * wy[j]
                line_b += read_byte(place + 2) * wy[j]
            red, green, blue = red + line_r * wx[i], green + line_g * wx[i], blue + line_b * wx[i]
    return min(max(red, nothing), full), min(max(green, nothing), full), min(max(blue, nothing), full)
