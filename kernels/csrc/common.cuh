// What all kernels share: how elements are stored, where a flow points to, how sums are added up.
//
// Every kernel walks over its work in a grid-stride loop, takes 64-bit sizes, and keeps to IEEE arithmetic in the
// order of the reference (compiled without contraction). No header of the toolkit is needed.
#pragma once

typedef long long int64;
typedef unsigned long long uint64;

#ifndef EMULATED
__device__ __forceinline__ float half_to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
__device__ __forceinline__ unsigned short float_to_half(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
// Lanes that share one item, where channels are last.
#define WARP 32
#endif

// STORAGE names the dtype of features: 0 float32, 1 float64, 2 float16, 3 bfloat16, 4 uint8.
#if STORAGE == 1
typedef double real;
#else
typedef float real;
#endif

#if STORAGE == 0
typedef float element;
__device__ __forceinline__ real load(element value) { return value; }
__device__ __forceinline__ element store(real value) { return value; }
#elif STORAGE == 1
typedef double element;
__device__ __forceinline__ real load(element value) { return value; }
__device__ __forceinline__ element store(real value) { return value; }
#elif STORAGE == 2
typedef unsigned short element;
__device__ __forceinline__ real load(element value) { return half_to_float(value); }
__device__ __forceinline__ element store(real value) { return float_to_half(value); }
#elif STORAGE == 3
typedef unsigned short element;
__device__ __forceinline__ real load(element value) { return __uint_as_float((unsigned)value << 16); }
__device__ __forceinline__ element store(real value) {
    const unsigned bits = __float_as_uint(value);
    if (value != value) return 0x7fc0;
    return (element)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#else
typedef unsigned char element;
__device__ __forceinline__ real load(element value) { return (real)value; }
__device__ __forceinline__ element store(real value) {
    const real lower = value > 0.f ? value : 0.f;  // NaN becomes 0
    return (element)(int)((lower < 255.f ? lower : 255.f) + 0.5f);
}
#endif

// The walk: item i of a kernel is work for LANES neighbouring threads.
__device__ __forceinline__ int64 first_item(int lanes) {
    return (blockIdx.x * (int64)blockDim.x + threadIdx.x) / lanes;
}
__device__ __forceinline__ int64 item_stride(int lanes) { return gridDim.x * (int64)blockDim.x / lanes; }
__device__ __forceinline__ int lane_of(int lanes) { return (int)(threadIdx.x % (unsigned)lanes); }

// Sum over the lanes that share an item; the same order on every run.
template <int LANES>
__device__ __forceinline__ real sum_lanes(real value) {
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
    return value;
}

__device__ __forceinline__ bool is_finite(real x, real y) {
    const real big = STORAGE == 1 ? (real)1.7976931348623157e308 : (real)3.402823466e38;
    return fabs(x) <= big && fabs(y) <= big;
}

__device__ __forceinline__ int64 clamp_index(int64 index, int64 size) {
    return index < 0 ? 0 : (index >= size ? size - 1 : index);
}

__device__ __forceinline__ real clamp_position(real position, int64 size, int reach) {
    const real low = (real)(-3 - reach), high = (real)(size + 2 + reach);
    return position < low ? low : (position > high ? high : position);
}

// Taps along one axis: two for bilinear, four for bicubic (Keys, a = -1/2), with the derivatives of the weights.
struct Taps {
    int count;
    int64 index[4];
    real weight[4];
    real slope[4];
};

__device__ __forceinline__ Taps find_taps(real position, int64 size, bool bicubic, bool border) {
    Taps taps;
    position = clamp_position(position, size, 0);
    const real base = floor(position), t = position - base;
    int64 first = (int64)base;
    if (bicubic) {
        taps.count = 4;
        first -= 1;
        taps.weight[0] = (((real)-0.5 * t + (real)1) * t - (real)0.5) * t;
        taps.weight[1] = ((real)1.5 * t - (real)2.5) * t * t + (real)1;
        taps.weight[2] = (((real)-1.5 * t + (real)2) * t + (real)0.5) * t;
        taps.weight[3] = ((real)0.5 * t - (real)0.5) * t * t;
        taps.slope[0] = ((real)-1.5 * t + (real)2) * t - (real)0.5;
        taps.slope[1] = ((real)4.5 * t - (real)5) * t;
        taps.slope[2] = ((real)-4.5 * t + (real)4) * t + (real)0.5;
        taps.slope[3] = ((real)1.5 * t - (real)1) * t;
    } else {
        taps.count = 2;
        taps.weight[0] = (real)1 - t;
        taps.weight[1] = t;
        taps.slope[0] = (real)-1;
        taps.slope[1] = (real)1;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if (i >= taps.count) break;
        const int64 index = first + i;
        if (!border && (index < 0 || index >= size)) taps.weight[i] = taps.slope[i] = (real)0;
        taps.index[i] = clamp_index(index, size);
    }
    return taps;
}

// Where sums of derivatives go. With FIXED_POINT they are added as integers, whose order does not matter.
#if FIXED_POINT
typedef int64 sum_t;
__device__ __forceinline__ void add_to(sum_t* sum, real value, const double* scale) {
    atomicAdd((uint64*)sum, (uint64)(int64)llrint((double)value * *scale));
}
#else
typedef real sum_t;
__device__ __forceinline__ void add_to(sum_t* sum, real value, const double*) { atomicAdd(sum, value); }
#endif
