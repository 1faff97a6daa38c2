// splat: send every pixel along a forward flow. Sums are added in fixed point: their order does not matter, so the
// result is the same on every run. One item is one source pixel; `values` are (B, C, H, W).
#include "common.cuh"

struct Landing {
    bool lands;
    int64 row, column;
    real right, down;
};

__device__ __forceinline__ Landing find_landing(
    const real* flow, const real* importance, int64 b, int64 at, int64 height, int64 width) {
    Landing landing;
    const int64 area = height * width;
    const real x = (real)(at % width) + flow[b * 2 * area + at], y = (real)(at / width) + flow[(b * 2 + 1) * area + at];
    const real score = importance[b * area + at];
    landing.lands = x > (real)-1 && y > (real)-1 && x < (real)width && y < (real)height && is_finite(score, score);
    const real left = floor(x), top = floor(y);
    landing.right = x - left;
    landing.down = y - top;
    landing.row = landing.lands ? (int64)top : 0;
    landing.column = landing.lands ? (int64)left : 0;
    return landing;
}

// Bilinear share of neighbour (i, j) and its derivatives; 0 outside.
__device__ __forceinline__ bool find_share(
    const Landing& landing, int i, int j, int64 height, int64 width, int64& target, real& across, real& down) {
    const int64 row = landing.row + j, column = landing.column + i;
    target = row * width + column;
    across = i ? landing.right : (real)1 - landing.right;
    down = j ? landing.down : (real)1 - landing.down;
    return row >= 0 && row < height && column >= 0 && column < width;
}

// Floats compare like integers of their own sign, so the maximum can be taken atomically.
__device__ __forceinline__ void raise_to(real* highest, real value) {
#if STORAGE == 1
    if (value >= 0.0)
        atomicMax((int64*)highest, __double_as_longlong(value));
    else
        atomicMin((uint64*)highest, (uint64)__double_as_longlong(value));
#else
    if (value >= 0.f)
        atomicMax((int*)highest, __float_as_int(value));
    else
        atomicMin((unsigned*)highest, __float_as_uint(value));
#endif
}

extern "C" __global__ void splat_highest(
    const real* flow, const real* importance,
    real* highest,  // (B, H, W), -inf before
    int64 batch, int64 height, int64 width) {
    const int64 area = height * width;
    for (int64 item = first_item(1); item < batch * area; item += item_stride(1)) {
        const int64 b = item / area, at = item % area;
        const Landing landing = find_landing(flow, importance, b, at, height, width);
        if (!landing.lands) continue;
        for (int k = 0; k < 4; ++k) {
            int64 target;
            real across, down;
            if (!find_share(landing, k % 2, k / 2, height, width, target, across, down)) continue;
            // + 0 turns a negative zero, which compares as an integer otherwise, into zero.
            if (across * down > (real)0) raise_to(highest + b * area + target, importance[b * area + at] + (real)0);
        }
    }
}

extern "C" __global__ void splat_sum(
    const real* values, const real* flow, const real* importance, const real* highest,
    int64* sums,      // (B, C, H, W) fixed point, 0 before
    int64* total,     // (B, H, W) likewise
    int64* coverage,  // (B, H, W) likewise
    const double* value_scale, double share_scale, int64 batch, int64 channels, int64 height, int64 width) {
    const int64 area = height * width;
    for (int64 item = first_item(1); item < batch * area; item += item_stride(1)) {
        const int64 b = item / area, at = item % area;
        const Landing landing = find_landing(flow, importance, b, at, height, width);
        if (!landing.lands) continue;
        for (int k = 0; k < 4; ++k) {
            int64 target;
            real across, down;
            if (!find_share(landing, k % 2, k / 2, height, width, target, across, down)) continue;
            const real share = across * down;
            if (!(share > (real)0)) continue;
            const int64 place = b * area + target;
            const real weight = exp(importance[b * area + at] - highest[place]) * share;
            atomicAdd((uint64*)total + place, (uint64)(int64)llrint((double)weight * share_scale));
            atomicAdd((uint64*)coverage + place, (uint64)(int64)llrint((double)share * share_scale));
            for (int64 c = 0; c < channels; ++c) {
                const double part = (double)(values[(b * channels + c) * area + at] * weight) * *value_scale;
                atomicAdd((uint64*)sums + (b * channels + c) * area + target, (uint64)(int64)llrint(part));
            }
        }
    }
}

extern "C" __global__ void splat_backward(
    const real* for_result, const real* for_coverage, const real* values, const real* flow, const real* importance,
    const real* totals,  // (B, 2, H, W): highest score and total weight
    const real* level,   // (B, H, W): for_result * result, summed over channels
    real* for_values, real* for_flow, real* for_importance, int64 batch, int64 channels, int64 height, int64 width) {
    const int64 area = height * width;
    for (int64 item = first_item(1); item < batch * area; item += item_stride(1)) {
        const int64 b = item / area, at = item % area;
        const Landing landing = find_landing(flow, importance, b, at, height, width);
        real by_x = (real)0, by_y = (real)0, by_score = (real)0;
        for (int64 c = 0; c < channels; ++c) for_values[(b * channels + c) * area + at] = (real)0;
        for (int k = 0; landing.lands && k < 4; ++k) {
            int64 target;
            real across, down;
            if (!find_share(landing, k % 2, k / 2, height, width, target, across, down)) continue;
            const real total = totals[(b * 2 + 1) * area + target];
            const real score = importance[b * area + at] - totals[b * 2 * area + target];
            const real weight = total > (real)0 ? exp(score) / total : (real)0;
            real match = (real)0;
            for (int64 c = 0; c < channels; ++c) {
                const int64 plane = (b * channels + c) * area;
                const real slope = for_result[plane + target];
                match += slope * values[plane + at];
                for_values[plane + at] += slope * (weight * across * down);
            }
            const real gain = weight * (match - level[b * area + target]);
            const real moved = gain + for_coverage[b * area + target];
            by_score += gain * across * down;
            by_x += moved * (k % 2 ? down : -down);
            by_y += moved * (k / 2 ? across : -across);
        }
        for_flow[b * 2 * area + at] = by_x;
        for_flow[(b * 2 + 1) * area + at] = by_y;
        for_importance[b * area + at] = by_score;
    }
}
