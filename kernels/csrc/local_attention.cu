// local_attention: softmax-weighed k x k neighbourhood of a flow's target. The k x k bilinear samples of a pixel
// share one fraction, so the attention is folded into the weights of (k + 1) x (k + 1) texels.
#include "common.cuh"

#define MAX_SIZE 7

struct Patch {
    int64 row, column;  // of the first texel
    real right, down;
    real weight[MAX_SIZE * MAX_SIZE];
    real folded[(MAX_SIZE + 1) * (MAX_SIZE + 1)];
};

__device__ __forceinline__ void find_patch(
    Patch& patch, real at_x, real at_y, const real* logits, int64 between, int size, int64 height, int64 width) {
    const int reach = size / 2, side = size + 1;
    at_x = clamp_position(at_x, width, reach);
    at_y = clamp_position(at_y, height, reach);
    const real left = floor(at_x), top = floor(at_y);
    patch.right = at_x - left;
    patch.down = at_y - top;
    patch.row = (int64)top - reach;
    patch.column = (int64)left - reach;
    real highest = logits[0], total = (real)0;
    for (int i = 1; i < size * size; ++i) highest = logits[i * between] > highest ? logits[i * between] : highest;
    for (int i = 0; i < size * size; ++i) total += patch.weight[i] = exp(logits[i * between] - highest);
    for (int i = 0; i < side * side; ++i) patch.folded[i] = (real)0;
    for (int i = 0; i < size; ++i) {
        for (int j = 0; j < size; ++j) {
            const real weight = patch.weight[i * size + j] /= total;
            const real upper = weight * ((real)1 - patch.down), lower = weight * patch.down;
            patch.folded[i * side + j] += upper * ((real)1 - patch.right);
            patch.folded[i * side + j + 1] += upper * patch.right;
            patch.folded[(i + 1) * side + j] += lower * ((real)1 - patch.right);
            patch.folded[(i + 1) * side + j + 1] += lower * patch.right;
        }
    }
}

__device__ __forceinline__ bool is_seen(int64 row, int64 column, int64 height, int64 width, bool border) {
    return border || (row >= 0 && row < height && column >= 0 && column < width);
}

template <int LANES>
__device__ void forward(
    const element* features,  // (B, Hs, Ws, C) where `texels`, else (B, C, Hs, Ws)
    const real* flow,         // (B, 2, H, W)
    const real* logits,       // (B, size * size, H, W)
    element* out,             // (B, H, W, C) or (B, C, H, W)
    int64 batch, int64 channels, int64 height, int64 width, int64 out_height, int64 out_width, int64 size,
    int64 texels, int64 border) {
    const int64 area = height * width, out_area = out_height * out_width, side = size + 1;
    const int64 pixel = texels ? channels : 1, plane = texels ? 1 : area, out_plane = texels ? 1 : out_area;
    Patch patch;
    for (int64 item = first_item(LANES); item < batch * out_area; item += item_stride(LANES)) {
        const int64 b = item / out_area, at = item % out_area, y = at / out_width, x = at % out_width;
        const real at_x = (real)x + flow[b * 2 * out_area + at];
        const real at_y = (real)y + flow[(b * 2 + 1) * out_area + at];
        const element* source = features + b * channels * area;
        element* target = out + b * channels * out_area + at * pixel;
        const bool finite = is_finite(at_x, at_y);
        if (finite) find_patch(patch, at_x, at_y, logits + b * size * size * out_area + at, out_area, size, height, width);
        for (int64 c = lane_of(LANES); c < channels; c += LANES) {
            real total = (real)0;
            for (int i = 0; finite && i < side; ++i) {
                for (int j = 0; j < side; ++j) {
                    const int64 row = patch.row + i, column = patch.column + j;
                    if (!is_seen(row, column, height, width, border)) continue;
                    const int64 texel = (clamp_index(row, height) * width + clamp_index(column, width)) * pixel;
                    total += load(source[texel + c * plane]) * patch.folded[i * side + j];
                }
            }
            target[c * out_plane] = store(total);
        }
    }
}

template <int LANES>
__device__ void backward(
    const element* gradient,  // (B, H, W, C) or (B, C, H, W)
    const element* features, const real* flow, const real* logits,
    sum_t* for_features,      // like features; sums, so 0 before
    real* for_flow,           // like flow
    real* for_logits,         // like logits
    const double* scale,      // of fixed-point sums
    int64 batch, int64 channels, int64 height, int64 width, int64 out_height, int64 out_width, int64 size,
    int64 texels, int64 border, int64 needs_features) {
    const int64 area = height * width, out_area = out_height * out_width, side = size + 1;
    const int64 pixel = texels ? channels : 1, plane = texels ? 1 : area, out_plane = texels ? 1 : out_area;
    Patch patch;
    real match[(MAX_SIZE + 1) * (MAX_SIZE + 1)];
    for (int64 item = first_item(LANES); item < batch * out_area; item += item_stride(LANES)) {
        const int64 b = item / out_area, at = item % out_area, y = at / out_width, x = at % out_width;
        const real at_x = (real)x + flow[b * 2 * out_area + at];
        const real at_y = (real)y + flow[(b * 2 + 1) * out_area + at];
        real* logit_slope = for_logits + b * size * size * out_area + at;
        real by_x = (real)0, by_y = (real)0, mean = (real)0;
        if (!is_finite(at_x, at_y)) {
            if (lane_of(LANES) == 0)
                for (int i = 0; i < size * size; ++i) logit_slope[i * out_area] = (real)0;
        } else {
            find_patch(patch, at_x, at_y, logits + b * size * size * out_area + at, out_area, size, height, width);
            for (int i = 0; i < side; ++i) {
                for (int j = 0; j < side; ++j) {
                    const int64 row = patch.row + i, column = patch.column + j;
                    real found = (real)0;
                    if (is_seen(row, column, height, width, border)) {
                        const int64 texel = (clamp_index(row, height) * width + clamp_index(column, width)) * pixel;
                        for (int64 c = lane_of(LANES); c < channels; c += LANES) {
                            const real value = load(gradient[b * channels * out_area + at * pixel + c * out_plane]);
                            const int64 place = b * channels * area + texel + c * plane;
                            if (needs_features) add_to(for_features + place, value * patch.folded[i * side + j], scale);
                            found += value * load(features[place]);
                        }
                    }
                    match[i * side + j] = sum_lanes<LANES>(found);
                }
            }
            const real right = patch.right, down = patch.down, one = (real)1;
            for (int i = 0; i < size; ++i) {
                for (int j = 0; j < size; ++j) {
                    const real a = match[i * side + j], c = match[(i + 1) * side + j];
                    const real b2 = match[i * side + j + 1], d = match[(i + 1) * side + j + 1];
                    const real weight = patch.weight[i * size + j];
                    by_x += weight * ((b2 - a) * (one - down) + (d - c) * down);
                    by_y += weight * ((c - a) * (one - right) + (d - b2) * right);
                    const real sampled = (a * (one - right) + b2 * right) * (one - down) + (c * (one - right) + d * right) * down;
                    mean += weight * sampled;
                    patch.folded[i * size + j] = sampled;  // no longer needed as a weight
                }
            }
            if (lane_of(LANES) == 0)
                for (int i = 0; i < size * size; ++i)
                    logit_slope[i * out_area] = patch.weight[i] * (patch.folded[i] - mean);
        }
        if (lane_of(LANES) != 0) continue;
        for_flow[b * 2 * out_area + at] = by_x;
        for_flow[(b * 2 + 1) * out_area + at] = by_y;
    }
}

#define FORWARD(name, lanes)                                                                                    \
    extern "C" __global__ void name(                                                                            \
        const element* features, const real* flow, const real* logits, element* out, int64 batch,               \
        int64 channels, int64 height, int64 width, int64 out_height, int64 out_width, int64 size, int64 texels, \
        int64 border) {                                                                                         \
        forward<lanes>(features, flow, logits, out, batch, channels, height, width, out_height, out_width,      \
                       size, texels, border);                                                                   \
    }

#define BACKWARD(name, lanes)                                                                                   \
    extern "C" __global__ void name(                                                                            \
        const element* gradient, const element* features, const real* flow, const real* logits,                 \
        sum_t* for_features, real* for_flow, real* for_logits, const double* scale, int64 batch,                \
        int64 channels, int64 height, int64 width, int64 out_height, int64 out_width, int64 size, int64 texels, \
        int64 border, int64 needs_features) {                                                                   \
        backward<lanes>(gradient, features, flow, logits, for_features, for_flow, for_logits, scale, batch,     \
                        channels, height, width, out_height, out_width, size, texels, border, needs_features);  \
    }

FORWARD(attention_forward, 1)
FORWARD(attention_forward_lanes, WARP)
BACKWARD(attention_backward, 1)
BACKWARD(attention_backward_lanes, WARP)
