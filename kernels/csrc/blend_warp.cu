// blend_warp: blend K warps of the same features; its derivatives serve warp too, as one warp of weight 1.
#include "common.cuh"

template <int LANES>
__device__ void forward(
    const element* features,  // (B, Hs, Ws, C) where `texels`, else (B, C, Hs, Ws)
    const real* flows,        // (B, K, 2, H, W)
    const real* weights,      // (B, K, H, W)
    element* out,             // (B, H, W, C) or (B, C, H, W)
    int64 batch, int64 num_flows, int64 channels, int64 height, int64 width, int64 out_height, int64 out_width,
    int64 texels, int64 border) {
    const int64 area = height * width, out_area = out_height * out_width;
    const int64 pixel = texels ? channels : 1, plane = texels ? 1 : area, out_plane = texels ? 1 : out_area;
    for (int64 item = first_item(LANES); item < batch * out_area; item += item_stride(LANES)) {
        const int64 b = item / out_area, at = item % out_area, y = at / out_width, x = at % out_width;
        const element* source = features + b * channels * area;
        element* target = out + b * channels * out_area + at * pixel;
        // Channels in blocks that fit registers, so that each flow is read once per block.
        for (int64 block = lane_of(LANES); block < channels; block += 4 * LANES) {
            real total[4] = {(real)0, (real)0, (real)0, (real)0};
            for (int64 k = 0; k < num_flows; ++k) {
                const int64 map = b * num_flows + k;
                const real share = weights[map * out_area + at];
                const real at_x = (real)x + flows[map * 2 * out_area + at];
                const real at_y = (real)y + flows[(map * 2 + 1) * out_area + at];
                if (share == (real)0 || !is_finite(at_x, at_y)) continue;
                const Taps across = find_taps(at_x, width, false, border), down = find_taps(at_y, height, false, border);
                const real weight[4] = {
                    share * (across.weight[0] * down.weight[0]), share * (across.weight[0] * down.weight[1]),
                    share * (across.weight[1] * down.weight[0]), share * (across.weight[1] * down.weight[1])};
                const int64 a = (down.index[0] * width + across.index[0]) * pixel;
                const int64 b2 = (down.index[0] * width + across.index[1]) * pixel;
                const int64 c2 = (down.index[1] * width + across.index[0]) * pixel;
                const int64 d = (down.index[1] * width + across.index[1]) * pixel;
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const int64 c = block + i * LANES;
                    if (c >= channels) break;
                    const element* texel = source + c * plane;
                    const real left = load(texel[a]) * weight[0] + load(texel[c2]) * weight[1];
                    const real right = load(texel[b2]) * weight[2] + load(texel[d]) * weight[3];
                    total[i] += left + right;
                }
            }
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int64 c = block + i * LANES;
                if (c < channels) target[c * out_plane] = store(total[i]);
            }
        }
    }
}

template <int LANES>
__device__ void backward(
    const element* gradient,  // (B, H, W, C) or (B, C, H, W)
    const element* features, const real* flows, const real* weights,
    sum_t* for_features,      // like features; sums, so 0 before
    real* for_flows,          // like flows
    real* for_weights,        // like weights
    const double* scale,      // of fixed-point sums
    int64 batch, int64 num_flows, int64 channels, int64 height, int64 width, int64 out_height, int64 out_width,
    int64 texels, int64 bicubic, int64 border, int64 needs_features, int64 needs_flows, int64 needs_weights) {
    const int64 area = height * width, out_area = out_height * out_width;
    const int64 pixel = texels ? channels : 1, plane = texels ? 1 : area, out_plane = texels ? 1 : out_area;
    for (int64 item = first_item(LANES); item < batch * out_area; item += item_stride(LANES)) {
        const int64 b = item / out_area, at = item % out_area, y = at / out_width, x = at % out_width;
        const element* source = features + b * channels * area;
        const element* above = gradient + b * channels * out_area + at * pixel;
        sum_t* target = for_features + b * channels * area;
        for (int64 k = 0; k < num_flows; ++k) {
            const int64 map = b * num_flows + k;
            const real share = weights[map * out_area + at];
            const real at_x = (real)x + flows[map * 2 * out_area + at];
            const real at_y = (real)y + flows[(map * 2 + 1) * out_area + at];
            real by_x = (real)0, by_y = (real)0, by_weight = (real)0;
            if (is_finite(at_x, at_y) && (share != (real)0 || needs_weights)) {
                const Taps across = find_taps(at_x, width, bicubic, border);
                const Taps down = find_taps(at_y, height, bicubic, border);
                for (int j = 0; j < down.count; ++j) {
                    for (int i = 0; i < across.count; ++i) {
                        const int64 texel = (down.index[j] * width + across.index[i]) * pixel;
                        const real weight = share * (across.weight[i] * down.weight[j]);
                        real match = (real)0;
                        for (int64 c = lane_of(LANES); c < channels; c += LANES) {
                            const real value = load(above[c * out_plane]);
                            if (needs_features && weight != (real)0)
                                add_to(target + texel + c * plane, value * weight, scale);
                            if (needs_flows || needs_weights) match += value * load(source[texel + c * plane]);
                        }
                        by_x += match * (across.slope[i] * down.weight[j]);
                        by_y += match * (across.weight[i] * down.slope[j]);
                        by_weight += match * (across.weight[i] * down.weight[j]);
                    }
                }
            }
            by_x = sum_lanes<LANES>(by_x);
            by_y = sum_lanes<LANES>(by_y);
            by_weight = sum_lanes<LANES>(by_weight);
            if (lane_of(LANES) != 0) continue;
            if (needs_flows) {
                for_flows[map * 2 * out_area + at] = share * by_x;
                for_flows[(map * 2 + 1) * out_area + at] = share * by_y;
            }
            if (needs_weights) for_weights[map * out_area + at] = by_weight;
        }
    }
}

#define FORWARD(name, lanes)                                                                                     \
    extern "C" __global__ void name(                                                                             \
        const element* features, const real* flows, const real* weights, element* out, int64 batch,              \
        int64 num_flows, int64 channels, int64 height, int64 width, int64 out_height, int64 out_width,           \
        int64 texels, int64 border) {                                                                            \
        forward<lanes>(features, flows, weights, out, batch, num_flows, channels, height, width, out_height,     \
                       out_width, texels, border);                                                               \
    }

#define BACKWARD(name, lanes)                                                                                    \
    extern "C" __global__ void name(                                                                             \
        const element* gradient, const element* features, const real* flows, const real* weights,                \
        sum_t* for_features, real* for_flows, real* for_weights, const double* scale, int64 batch,               \
        int64 num_flows, int64 channels, int64 height, int64 width, int64 out_height, int64 out_width,           \
        int64 texels, int64 bicubic, int64 border, int64 needs_features, int64 needs_flows,                      \
        int64 needs_weights) {                                                                                   \
        backward<lanes>(gradient, features, flows, weights, for_features, for_flows, for_weights, scale, batch,  \
                        num_flows, channels, height, width, out_height, out_width, texels, bicubic, border,      \
                        needs_features, needs_flows, needs_weights);                                             \
    }

FORWARD(blend_forward, 1)
FORWARD(blend_forward_lanes, WARP)
BACKWARD(blend_backward, 1)
BACKWARD(blend_backward_lanes, WARP)
