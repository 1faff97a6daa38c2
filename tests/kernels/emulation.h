// Enough of CUDA for a plain C++ compiler to run our kernels: kernels walk in strides, so a grid of one thread does all
// the work. Those whose items are shared by the lanes of a warp run as one small warp, a thread for each lane.
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

using std::ceil;
using std::exp;
using std::fabs;
using std::floor;

#define EMULATED
#define __global__
#define __device__
#define __forceinline__ inline

struct Index {
    unsigned x;
};
static const Index blockIdx = {0}, gridDim = {1};
static thread_local Index threadIdx = {0}, blockDim = {1};

// What the calling thread is from now on: one lane of so many.
extern "C" void become_lane(unsigned lane, unsigned count) {
    threadIdx.x = lane;
    blockDim.x = count;
}

template <typename T, typename Change>
static T change_atomically(T* target, Change change) {
    T old, fresh;
    __atomic_load(target, &old, __ATOMIC_RELAXED);
    do {
        fresh = change(old);
    } while (!__atomic_compare_exchange(target, &old, &fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
}
template <typename T, typename V>
static T atomicAdd(T* target, V value) {
    return change_atomically(target, [&](T old) { return (T)(old + value); });
}
template <typename T>
static T atomicMax(T* target, T value) {
    return change_atomically(target, [&](T old) { return value > old ? value : old; });
}
template <typename T>
static T atomicMin(T* target, T value) {
    return change_atomically(target, [&](T old) { return value < old ? value : old; });
}

// All lanes of the warp meet here; one that stays away would hang a device, so it ends the process.
static void meet() {
    static std::mutex mutex;
    static std::condition_variable all_here;
    static unsigned waiting = 0, round = 0;
    std::unique_lock<std::mutex> lock(mutex);
    const unsigned mine = round;
    if (++waiting == WARP) {
        waiting = 0;
        ++round;
        all_here.notify_all();
    } else if (!all_here.wait_for(lock, std::chrono::seconds(60), [&] { return round != mine; })) {
        std::fputs("a lane of an emulated warp did not come to a shuffle\n", stderr);
        std::abort();
    }
}
template <typename T>
static T __shfl_xor_sync(unsigned, T value, int offset) {
    static T values[WARP];
    values[threadIdx.x] = value;
    meet();
    const T other = values[threadIdx.x ^ offset];
    meet();
    return other;
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
