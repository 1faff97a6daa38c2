// warp: sample features at a backward flow. One item is one output pixel; its channels are shared by the lanes.
#include "common.cuh"

template <int LANES>
__device__ void forward(
    const element* features,  // (B, Hs, Ws, C) where pixels are `channels` apart, else (B, C, Hs, Ws)
    const real* flow,         // (B, 2, H, W)
    element* out,             // (B, H, W, C) or (B, C, H, W)
    int64 batch, int64 channels, int64 height, int64 width, int64 out_height, int64 out_width,
    int64 texels, int64 bicubic, int64 border) {
    const int64 area = height * width, out_area = out_height * out_width;
    const int64 pixel = texels ? channels : 1, plane = texels ? 1 : area, out_plane = texels ? 1 : out_area;
    for (int64 item = first_item(LANES); item < batch * out_area; item += item_stride(LANES)) {
        const int64 b = item / out_area, at = item % out_area, y = at / out_width, x = at % out_width;
        const real at_x = (real)x + flow[b * 2 * out_area + at];
        const real at_y = (real)y + flow[(b * 2 + 1) * out_area + at];
        const element* source = features + b * channels * area;
        element* target = out + b * channels * out_area + at * pixel;
        if (!is_finite(at_x, at_y)) {
            for (int64 c = lane_of(LANES); c < channels; c += LANES) target[c * out_plane] = store((real)0);
            continue;
        }
        const Taps across = find_taps(at_x, width, bicubic, border), down = find_taps(at_y, height, bicubic, border);
        for (int64 c = lane_of(LANES); c < channels; c += LANES) {
            real value = (real)0;
            for (int i = 0; i < across.count; ++i) {
                real line = (real)0;
                for (int j = 0; j < down.count; ++j) {
                    const int64 texel = (down.index[j] * width + across.index[i]) * pixel;
                    line += load(source[texel + c * plane]) * (across.weight[i] * down.weight[j]);
                }
                value += line;
            }
            target[c * out_plane] = store(value);
        }
    }
}

extern "C" __global__ void warp_forward(
    const element* features, const real* flow, element* out, int64 batch, int64 channels, int64 height, int64 width,
    int64 out_height, int64 out_width, int64 texels, int64 bicubic, int64 border) {
    forward<1>(features, flow, out, batch, channels, height, width, out_height, out_width, texels, bicubic, border);
}

extern "C" __global__ void warp_forward_lanes(
    const element* features, const real* flow, element* out, int64 batch, int64 channels, int64 height, int64 width,
    int64 out_height, int64 out_width, int64 texels, int64 bicubic, int64 border) {
    forward<WARP>(features, flow, out, batch, channels, height, width, out_height, out_width, texels, bicubic, border);
}
