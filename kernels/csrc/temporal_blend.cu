// temporal_blend: warp the previous result, weigh it by agreement, blend. One item is one pixel.
#include "common.cuh"

__device__ __forceinline__ float sample(const element* plane, const Taps& across, const Taps& down, int64 width, int64 pixel) {
    const int64 top = down.index[0] * width, bottom = down.index[1] * width;
    const float left = load(plane[(top + across.index[0]) * pixel]) * (across.weight[0] * down.weight[0]) +
                       load(plane[(bottom + across.index[0]) * pixel]) * (across.weight[0] * down.weight[1]);
    const float right = load(plane[(top + across.index[1]) * pixel]) * (across.weight[1] * down.weight[0]) +
                        load(plane[(bottom + across.index[1]) * pixel]) * (across.weight[1] * down.weight[1]);
    return left + right;
}

extern "C" __global__ void temporal_blend(
    const element* current,   // (B, H, W, C) where `texels`, else (B, C, H, W)
    const element* previous,  // likewise
    const float* flow,        // (B, 2, H, W)
    const float* mask,        // (B, 1, H, W), unread without has_mask
    element* out,             // like current
    int64 batch, int64 channels, int64 height, int64 width, int64 texels, int64 has_mask, double strength,
    double falloff) {
    const int64 area = height * width, pixel = texels ? channels : 1, plane = texels ? 1 : area;
    for (int64 item = first_item(1); item < batch * area; item += item_stride(1)) {
        const int64 b = item / area, at = item % area;
        const float x = (float)(at % width) + flow[b * 2 * area + at];
        const float y = (float)(at / width) + flow[(b * 2 + 1) * area + at];
        const int64 image = b * channels * area;
        const float limit = has_mask ? (float)strength * mask[b * area + at] : (float)strength;
        const bool inside = x >= 0.f && y >= 0.f && x <= (float)(width - 1) && y <= (float)(height - 1);
        const Taps across = find_taps(inside ? x : 0.f, width, false, true);
        const Taps down = find_taps(inside ? y : 0.f, height, false, true);
        float squared = 0.f, weight = 0.f;
        for (int64 c = 0; inside && c < channels; ++c) {
            const int64 place = image + c * plane;
            const float change = sample(previous + place, across, down, width, pixel) - load(current[place + at * pixel]);
            squared += change * change;
        }
        if (inside && is_finite(squared, squared)) weight = limit * expf(squared * (float)falloff);
        for (int64 c = 0; c < channels; ++c) {
            const int64 place = image + c * plane;
            const float value = load(current[place + at * pixel]);
            float moved = 0.f;
            if (weight != 0.f) moved = weight * (sample(previous + place, across, down, width, pixel) - value);
            out[place + at * pixel] = store(value + moved);
        }
    }
}
