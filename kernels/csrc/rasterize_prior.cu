// rasterize_prior: one pair of launches per layer, back to front. `draw` finds the nearest triangle of each pixel by
// an atomic minimum over (depth, triangle), whose order does not matter; `merge` puts what was found in front of the
// peels. STORAGE 4: alpha is uint8; STORAGE 0: float.
#include "common.cuh"
#include "layers.cuh"

#define SUBPIXELS 256
#define MAX_COORDINATE 32768.0
#define NOTHING 0xffffffffffffffffull

struct Triangle {
    bool is_drawn;
    double x[3], y[3];        // snapped corners, px
    double value[3][3];       // dx, dy, depth of each corner
    int64 left, right, top, bottom;
};

__device__ __forceinline__ Triangle find_triangle(
    const float* target, const float* depth, const float* source, const int* corners, int64 num_vertices, int64 height,
    int64 width) {
    Triangle triangle;
    triangle.is_drawn = true;
    double left = 1e30, right = -1e30, top = 1e30, bottom = -1e30;
    for (int i = 0; i < 3; ++i) {
        const int64 v = corners[i];
        if (v < 0 || v >= num_vertices) {
            triangle.is_drawn = false;
            return triangle;
        }
        const double t_x = target[v * 2], t_y = target[v * 2 + 1], s_x = source[v * 2], s_y = source[v * 2 + 1];
        const double z = depth[v];
        if (!(fabs(t_x) <= MAX_COORDINATE && fabs(t_y) <= MAX_COORDINATE && fabs(s_x) <= MAX_COORDINATE &&
              fabs(s_y) <= MAX_COORDINATE && fabs(z) <= 3.402823466e38))
            triangle.is_drawn = false;
        triangle.x[i] = rint(t_x * SUBPIXELS) / SUBPIXELS;
        triangle.y[i] = rint(t_y * SUBPIXELS) / SUBPIXELS;
        triangle.value[0][i] = s_x - t_x;
        triangle.value[1][i] = s_y - t_y;
        triangle.value[2][i] = z;
        left = fmin(left, triangle.x[i]);
        right = fmax(right, triangle.x[i]);
        top = fmin(top, triangle.y[i]);
        bottom = fmax(bottom, triangle.y[i]);
    }
    if (!triangle.is_drawn) return triangle;
    triangle.left = (int64)fmax(ceil(left), 0.0);
    triangle.right = (int64)fmin(floor(right), (double)(width - 1));
    triangle.top = (int64)fmax(ceil(top), 0.0);
    triangle.bottom = (int64)fmin(floor(bottom), (double)(height - 1));
    return triangle;
}

// Pixels on an edge belong to the triangle they are the top or left edge of; all numbers are exact.
__device__ __forceinline__ bool is_inside(const Triangle& triangle, int64 x, int64 y) {
    const double area = (triangle.x[1] - triangle.x[0]) * (triangle.y[2] - triangle.y[0]) -
                        (triangle.y[1] - triangle.y[0]) * (triangle.x[2] - triangle.x[0]);
    if (area == 0.0) return false;
    for (int i = 0; i < 3; ++i) {
        const int from = area > 0.0 ? i : (3 - i) % 3, to = area > 0.0 ? (i + 1) % 3 : 2 - i;
        const double step_x = triangle.x[to] - triangle.x[from], step_y = triangle.y[to] - triangle.y[from];
        const double edge = step_x * ((double)y - triangle.y[from]) - step_y * ((double)x - triangle.x[from]);
        const bool owns = step_y < 0.0 || (step_y == 0.0 && step_x > 0.0);
        if (edge < 0.0 || (edge == 0.0 && !owns)) return false;
    }
    return true;
}

__device__ __forceinline__ float interpolate(const Triangle& triangle, int i, int64 x, int64 y) {
    const double e1_x = triangle.x[1] - triangle.x[0], e1_y = triangle.y[1] - triangle.y[0];
    const double e2_x = triangle.x[2] - triangle.x[0], e2_y = triangle.y[2] - triangle.y[0];
    const double first = triangle.value[i][1] - triangle.value[i][0];
    const double second = triangle.value[i][2] - triangle.value[i][0];
    const double determinant = e1_x * e2_y - e1_y * e2_x;
    const double slope_x = (first * e2_y - second * e1_y) / determinant;
    const double slope_y = (second * e1_x - first * e2_x) / determinant;
    return (float)((triangle.value[i][0] + slope_y * ((double)y - triangle.y[0])) +
                   slope_x * ((double)x - triangle.x[0]));
}

// Order floats as unsigned integers: smaller depth, smaller key. -0 and 0 are the same depth.
__device__ __forceinline__ uint64 depth_key(float depth, int64 triangle) {
    const unsigned bits = __float_as_uint(depth + 0.f);
    const unsigned ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ((uint64)ordered << 32) | (uint64)triangle;
}

// One item is one triangle of one picture, shared by the lanes of a warp, which take its pixels in turns.
extern "C" __global__ void raster_draw(
    const float* target,        // (B, V, 2)
    const float* depth,         // (B, V)
    const float* source,        // (V, 2)
    const int* triangles,       // (F, 3)
    const int* triangle_layer,  // (F,)
    const int* order,           // (B, P): layer ids
    const element* texture,     // (L, Hs, Ws): alpha
    uint64* keys,               // (B, H, W), NOTHING before
    int64 batch, int64 num_vertices, int64 num_triangles, int64 num_places, int64 place, int64 num_layers,
    int64 texture_height, int64 texture_width, int64 height, int64 width, double scale, double threshold) {
    for (int64 item = first_item(WARP); item < batch * num_triangles; item += item_stride(WARP)) {
        const int64 b = item / num_triangles, f = item % num_triangles, layer = order[b * num_places + place];
        if (layer < 0 || layer >= num_layers || triangle_layer[f] != layer) continue;
        const Triangle triangle = find_triangle(
            target + b * num_vertices * 2, depth + b * num_vertices, source, triangles + f * 3, num_vertices, height, width);
        if (!triangle.is_drawn || triangle.left > triangle.right || triangle.top > triangle.bottom) continue;
        const int64 columns = triangle.right - triangle.left + 1, rows = triangle.bottom - triangle.top + 1;
        for (int64 i = lane_of(WARP); i < columns * rows; i += WARP) {
            const int64 x = triangle.left + i % columns, y = triangle.top + i / columns;
            if (!is_inside(triangle, x, y)) continue;
            const float at_x = (float)x + interpolate(triangle, 0, x, y), at_y = (float)y + interpolate(triangle, 1, x, y);
            const element* alpha = texture + layer * texture_height * texture_width;
            const float found = sample_alpha(alpha, 1, texture_height, texture_width, at_x, at_y) * (float)scale;
            if (found < (float)threshold) continue;
            atomicMin(keys + (b * height + y) * width + x, depth_key(interpolate(triangle, 2, x, y), f));
        }
    }
}

// One item is one pixel.
extern "C" __global__ void raster_merge(
    const float* target, const float* depth, const float* source, const int* triangles, const int* triangle_part,
    const int* order,
    uint64* keys,         // NOTHING after
    float* flow,          // (B, K, 2, H, W)
    signed char* layers,  // (B, K, H, W)
    signed char* parts,   // (B, K, H, W)
    float* depths,        // (B, K, H, W)
    int64 batch, int64 num_vertices, int64 num_places, int64 place, int64 num_peels, int64 height, int64 width) {
    const int64 area = height * width;
    for (int64 item = first_item(1); item < batch * area; item += item_stride(1)) {
        const uint64 key = keys[item];
        if (key == NOTHING) continue;
        keys[item] = NOTHING;
        const int64 b = item / area, at = item % area, y = at / width, x = at % width, f = (int64)(key & 0xffffffffull);
        const int64 peels = b * num_peels;
        for (int64 k = num_peels - 1; k > 0; --k) {
            const int64 to = (peels + k) * area + at, from = to - area;
            layers[to] = layers[from];
            parts[to] = parts[from];
            depths[to] = depths[from];
            for (int i = 0; i < 2; ++i)
                flow[((peels + k) * 2 + i) * area + at] = flow[((peels + k - 1) * 2 + i) * area + at];
        }
        const Triangle triangle = find_triangle(
            target + b * num_vertices * 2, depth + b * num_vertices, source, triangles + f * 3, num_vertices, height, width);
        for (int i = 0; i < 2; ++i) flow[(peels * 2 + i) * area + at] = interpolate(triangle, i, x, y);
        depths[peels * area + at] = interpolate(triangle, 2, x, y);
        layers[peels * area + at] = (signed char)order[b * num_places + place];
        parts[peels * area + at] = (signed char)triangle_part[f];
    }
}

extern "C" __global__ void raster_show(
    const float* flow, const signed char* layers, const element* texture,
    float* visibility,  // (B, 1, H, W)
    int64 batch, int64 num_peels, int64 texture_height, int64 texture_width, int64 height, int64 width, double scale) {
    const int64 area = height * width;
    for (int64 item = first_item(1); item < batch * area; item += item_stride(1)) {
        const int64 b = item / area, at = item % area;
        float transmitted = 1.f;
        for (int64 k = 0; k < num_peels; ++k) {
            const int64 peel = b * num_peels + k, layer = layers[peel * area + at];
            if (layer < 0) break;
            const float x = (float)(at % width) + flow[peel * 2 * area + at];
            const float y = (float)(at / width) + flow[(peel * 2 + 1) * area + at];
            const element* alpha = texture + layer * texture_height * texture_width;
            transmitted *= 1.f - sample_alpha(alpha, 1, texture_height, texture_width, x, y) * (float)scale;
        }
        visibility[item] = 1.f - transmitted;
    }
}
