// pose_maps: one Gaussian per keypoint. One item is one pixel of one map.
#include "common.cuh"

extern "C" __global__ void pose_maps(
    const float* keypoints,   // (N, 2)
    const float* confidence,  // (N,)
    float* out,               // (N, H, W)
    int64 num_points, int64 height, int64 width, double falloff, double stride, double offset) {
    const int64 area = height * width;
    for (int64 item = first_item(1); item < num_points * area; item += item_stride(1)) {
        const int64 k = item / area, at = item % area;
        const float at_x = keypoints[k * 2], at_y = keypoints[k * 2 + 1], weight = confidence[k];
        const float across = (float)(at % width) * (float)stride + (float)offset - at_x;
        const float down = (float)(at / width) * (float)stride + (float)offset - at_y;
        const bool is_drawn = is_finite(at_x, at_y) && is_finite(weight, weight);
        out[item] = is_drawn ? weight * expf((across * across + down * down) * (float)falloff) : 0.f;
    }
}
