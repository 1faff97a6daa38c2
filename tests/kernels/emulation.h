// Enough of CUDA for a plain C++ compiler to run our kernels, one thread after the other: kernels walk in strides, so
// a grid of one thread does all the work. A warp has one lane here, so what lanes exchange is not covered.
#include <cmath>
#include <cstring>

using std::ceil;
using std::exp;
using std::fabs;
using std::floor;

#define EMULATED
#define WARP 1
#define __global__
#define __device__
#define __forceinline__ inline

struct Index {
    unsigned x;
};
static const Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};

template <typename T, typename V>
static T atomicAdd(T* target, V value) {
    const T old = *target;
    *target = (T)(old + value);
    return old;
}
template <typename T>
static T atomicMax(T* target, T value) {
    const T old = *target;
    if (value > old) *target = value;
    return old;
}
template <typename T>
static T atomicMin(T* target, T value) {
    const T old = *target;
    if (value < old) *target = value;
    return old;
}
template <typename T>
static T __shfl_xor_sync(unsigned, T value, int) {
    return value;
}
template <typename To, typename From>
static To bits_of(From value) {
    static_assert(sizeof(To) == sizeof(From), "same size");
    To bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline float __uint_as_float(unsigned bits) { return bits_of<float>(bits); }
static inline unsigned __float_as_uint(float value) { return bits_of<unsigned>(value); }
static inline int __float_as_int(float value) { return bits_of<int>(value); }
static inline long long __double_as_longlong(double value) { return bits_of<long long>(value); }
static inline float half_to_float(unsigned short bits) { return (float)bits_of<_Float16>(bits); }
static inline unsigned short float_to_half(float value) { return bits_of<unsigned short>((_Float16)value); }
