// What drawing and showing a layered mesh share: the bilinear alpha of a texture, 0 outside.
#pragma once

template <typename texel_t>
__device__ __forceinline__ float sample_alpha(
    const texel_t* texture, int64 step, int64 height, int64 width, float x, float y) {
    if (!(x >= -1.f && y >= -1.f && x < (float)width && y < (float)height)) return 0.f;
    const float left = floorf(x), top = floorf(y), right = x - left, down = y - top;
    const int64 column = (int64)left, row = (int64)top;
    const bool has_left = column >= 0, has_right = column + 1 < width;
    float a = 0.f, b = 0.f, c = 0.f, d = 0.f;
    if (row >= 0) {
        if (has_left) a = (float)texture[(row * width + column) * step];
        if (has_right) b = (float)texture[(row * width + column + 1) * step];
    }
    if (row + 1 < height) {
        if (has_left) c = (float)texture[((row + 1) * width + column) * step];
        if (has_right) d = (float)texture[((row + 1) * width + column + 1) * step];
    }
    const float upper = a + (b - a) * right, lower = c + (d - c) * right;
    return upper + (lower - upper) * down;
}
