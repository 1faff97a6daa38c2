// composite_layers: sample the peels' textures and blend them front to back. One item is one pixel.
#include "common.cuh"
#include "layers.cuh"

__device__ __forceinline__ void sample_colour(
    const element* texture, int64 height, int64 width, float x, float y, bool bicubic, float colour[3]) {
    const Taps across = find_taps(x, width, bicubic, true), down = find_taps(y, height, bicubic, true);
    for (int channel = 0; channel < 3; ++channel) {
        float value = 0.f;
        for (int i = 0; i < across.count; ++i) {
            float line = 0.f;
            for (int j = 0; j < down.count; ++j)
                line += load(texture[(down.index[j] * width + across.index[i]) * 4 + channel]) * down.weight[j];
            value += line * across.weight[i];
        }
        colour[channel] = value < 0.f ? 0.f : (value > 255.f ? 255.f : value);
    }
}

extern "C" __global__ void composite_layers(
    const element* textures,    // (L, Hs, Ws, 4)
    const float* flow,          // (B, K, 2, H, W)
    const signed char* layers,  // (B, K, H, W)
    const element* background,  // (B, H, W, 3), unread without has_background
    const float* residual,      // (B, 2, H, W), unread without has_residual
    element* out,               // (B, H, W, 3), or (B, H, W, 4) without a background
    int64 batch, int64 num_layers, int64 num_peels, int64 texture_height, int64 texture_width, int64 height,
    int64 width, int64 has_background, int64 has_residual, int64 bicubic) {
    const int64 area = height * width;
    for (int64 item = first_item(1); item < batch * area; item += item_stride(1)) {
        const int64 b = item / area, at = item % area;
        float colour[3] = {0.f, 0.f, 0.f}, transmitted = 1.f;
        for (int64 k = 0; k < num_peels; ++k) {
            const int64 peel = b * num_peels + k, layer = layers[peel * area + at];
            if (layer < 0 || layer >= num_layers || transmitted == 0.f) break;
            float x = (float)(at % width) + flow[peel * 2 * area + at];
            float y = (float)(at / width) + flow[(peel * 2 + 1) * area + at];
            if (has_residual) {
                x += residual[b * 2 * area + at];
                y += residual[(b * 2 + 1) * area + at];
            }
            const element* texture = textures + layer * texture_height * texture_width * 4;
            const float alpha = sample_alpha(texture + 3, 4, texture_height, texture_width, x, y) * (1.f / 255.f);
            if (alpha == 0.f) continue;
            float sampled[3];
            sample_colour(texture, texture_height, texture_width, x, y, bicubic, sampled);
            for (int i = 0; i < 3; ++i) colour[i] += transmitted * alpha * sampled[i];
            transmitted *= 1.f - alpha;
        }
        if (has_background) {
            for (int i = 0; i < 3; ++i)
                out[item * 3 + i] = store(colour[i] + transmitted * load(background[item * 3 + i]));
        } else {
            const float opacity = 1.f - transmitted;
            for (int i = 0; i < 3; ++i) out[item * 4 + i] = store(opacity > 0.f ? colour[i] / opacity : 0.f);
            out[item * 4 + 3] = store(opacity * 255.f);
        }
    }
}
