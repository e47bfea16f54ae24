// Enough of CUDA C++ on a CPU to check what kernels compute: no GPU is needed, and nothing is fast.
//
// Every thread of a block is a coroutine; blocks run one after the other, in a scrambled order. A barrier, a shuffle or a
// product on matrix units makes a thread wait for the others of its block or warp. Shared memory holds NaN before a block.
// What this cannot show: races between blocks, stale caches, alignment faults of shared memory, and speed.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#define SIMT
#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(simt::shared)

struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct Index { unsigned x, y, z; };
inline Index blockIdx, blockDim, gridDim;

namespace simt {

struct Thread {
    ucontext_t start;
    jmp_buf rest;
    std::vector<char> stack;
    bool begun, done;
};

// Threads that have to arrive, those that have, and how often all had.
struct Barrier { int members, arrived, round; };

inline std::vector<Thread> threads;
inline jmp_buf scheduler;
inline int current;
inline Barrier block;
inline std::vector<Barrier> warps;
// How many of the block's threads said yes.
inline int votes;
inline std::function<void()> kernel;
alignas(128) inline char shared[256 << 10];
// What a thread shows to the others of its warp.
inline unsigned exchanged[1024][8];

inline Index thread_index() { return {current % blockDim.x, current / blockDim.x, 0}; }
inline Barrier& warp() { return warps[current / 32]; }

inline void release(Barrier& b) {
    if (b.arrived && b.arrived >= b.members) b.arrived = 0, b.round++;
}
// Lets others run. Jumps do not ask the system for anything, as switches of contexts do.
inline void yield() {
    if (!_setjmp(threads[current].rest)) _longjmp(scheduler, 1);
}
inline void wait(Barrier& b) {
    const int round = b.round;
    b.arrived++;
    release(b);
    while (round == b.round) yield();
}
inline void run_thread() {
    kernel();
    threads[current].done = true;
    block.members--, warp().members--;
    release(block), release(warp());
    yield();
}

// What lane `from` of the warp has for `v`.
template <class T>
T shuffle(T v, int from) {
    static_assert(sizeof(T) <= 8);
    std::memcpy(exchanged[current], &v, sizeof v);
    wait(warp());
    T other;
    std::memcpy(&other, exchanged[current / 32 * 32 + from % 32], sizeof other);
    wait(warp());
    return other;
}

inline void launch(Index grid, Index threads_of_block, std::function<void()> f) {
    gridDim = grid, blockDim = threads_of_block, kernel = std::move(f);
    const int count = blockDim.x * blockDim.y;
    const long blocks = long(grid.x) * grid.y * grid.z;
    threads.resize(std::max(threads.size(), size_t(count)));
    for (long k = 0; k < blocks; k++) {
        const long b = blocks % 7919 ? (k * 7919 + 13) % blocks : k;
        blockIdx = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
        block = {count, 0, 0};
        warps.assign((count + 31) / 32, Barrier{32, 0, 0});
        warps.back().members = count - (count - 1) / 32 * 32;
        std::memset(shared, 0xff, sizeof shared);
        for (int i = 0; i < count; i++) {
            Thread& t = threads[i];
            t.stack.resize(64 << 10);
            t.begun = t.done = false;
            getcontext(&t.start);
            t.start.uc_stack.ss_sp = t.stack.data(), t.start.uc_stack.ss_size = t.stack.size();
            makecontext(&t.start, run_thread, 0);
        }
        // Not in registers, which a jump may restore.
        volatile int i = 0, left = count;
        for (; left; i = (i + 1) % count) {
            if (threads[i].done) continue;
            current = i;
            if (!_setjmp(scheduler)) {
                if (threads[i].begun) _longjmp(threads[i].rest, 1);
                threads[i].begun = true;
                setcontext(&threads[i].start);
            }
            left = left - threads[i].done;
        }
    }
}

}  // namespace simt

#define threadIdx (simt::thread_index())

inline void __syncthreads() { simt::wait(simt::block); }
inline int __syncthreads_count(int v) {
    simt::votes += v != 0;
    __syncthreads();
    const int all = simt::votes;
    __syncthreads();
    simt::votes = 0;
    __syncthreads();
    return all;
}
inline void __syncwarp() { simt::wait(simt::warp()); }
inline void __threadfence() {}
template <class T>
T __shfl_sync(unsigned, T v, int from) { return simt::shuffle(v, from); }
template <class T>
T __shfl_xor_sync(unsigned, T v, int mask) { return simt::shuffle(v, simt::current % 32 ^ mask); }
template <class T>
T __shfl_up_sync(unsigned, T v, int by) {
    const int lane = simt::current % 32;
    return simt::shuffle(v, lane >= by ? lane - by : lane);
}
inline unsigned __ballot_sync(unsigned, bool v) {
    unsigned all = 0;
    simt::exchanged[simt::current][0] = v;
    simt::wait(simt::warp());
    for (int i = 0; i < 32; i++) all |= simt::exchanged[simt::current / 32 * 32 + i][0] << i;
    simt::wait(simt::warp());
    return all;
}
inline unsigned atomicAdd(unsigned* p, unsigned v) { return std::exchange(*p, *p + v); }
template <class T>
T __ldg(const T* p) { return *p; }
template <class T>
T __ldcg(const T* p) { return *p; }
template <class T>
T min(T a, T b) { return a < b ? a : b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float v) { return 1.0f / std::sqrt(v); }
// The C library has names like CUDA's.
#define __expf std::exp
#define __sincosf sincosf
inline int __float2int_rn(float v) { return int(std::nearbyint(v)); }
inline float __int_as_float(int v) { float f; std::memcpy(&f, &v, 4); return f; }
inline float __uint_as_float(unsigned v) { float f; std::memcpy(&f, &v, 4); return f; }
inline unsigned __float_as_uint(float v) { unsigned u; std::memcpy(&u, &v, 4); return u; }
inline int __ffsll(unsigned long long v) { return __builtin_ffsll((long long)v); }
inline int __ffs(unsigned v) { return __builtin_ffs(int(v)); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 4; i++) c += int(int8_t(a >> 8 * i)) * int8_t(b >> 8 * i);
    return c;
}
inline unsigned __vsub4(unsigned a, unsigned b) {
    unsigned r = 0;
    for (int i = 0; i < 4; i++) r |= (((a >> 8 * i) - (b >> 8 * i)) & 255) << 8 * i;
    return r;
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned select) {
    const uint64_t both = a | uint64_t(b) << 32;
    unsigned r = 0;
    for (int i = 0; i < 4; i++) r |= unsigned(both >> 8 * (select >> 4 * i & 7) & 255) << 8 * i;
    return r;
}

// Stand-ins for what common.cuh has in PTX.
inline float f16_to_f32(unsigned short h) { _Float16 v; std::memcpy(&v, &h, 2); return float(v); }
inline unsigned short f32_to_f16(float f) {
    const _Float16 v = _Float16(f);
    unsigned short h;
    std::memcpy(&h, &v, 2);
    return h;
}
inline uint4 load_once(const void* p) { uint4 v; std::memcpy(&v, p, 16); return v; }
inline void prefetch(const void*) {}
template <class T>
void settle(T&) {}
// d (16 x 8) += a (16 x 16) · b (16 x 8) in the layout of common.cuh; `wide` makes an f32 of 16 bits.
template <class Wide>
void mma_by_warp(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], Wide wide) {
    const int lane = simt::current % 32, g = lane / 4, t = lane % 4;
    auto dot = [&](unsigned x, unsigned y) {
        return wide((unsigned short)x) * wide((unsigned short)y) +
               wide((unsigned short)(x >> 16)) * wide((unsigned short)(y >> 16));
    };
    unsigned(*all)[8] = simt::exchanged + simt::current / 32 * 32;
    std::memcpy(all[lane], a, sizeof a), std::memcpy(all[lane] + 4, b, sizeof b);
    simt::wait(simt::warp());
    for (int k = 0; k < 8; k++) {
        const int half = k / 4, from = k % 4;
        const unsigned up = all[g * 4 + from][2 * half], down = all[g * 4 + from][2 * half + 1];
        const unsigned left = all[8 * t + from][4 + half], right = all[8 * t + 4 + from][4 + half];
        d[0] += dot(up, left), d[1] += dot(up, right), d[2] += dot(down, left), d[3] += dot(down, right);
    }
    simt::wait(simt::warp());
}
inline void load_matrices(unsigned (&r)[4], const unsigned short* p) {
    const int lane = simt::current % 32;
    for (int m = 0; m < 4; m++) std::memcpy(&r[m], simt::shuffle(p, m * 8 + lane / 4) + lane % 4 * 2, 4);
}
inline void load_transposed(unsigned (&r)[4], const unsigned short* p) {
    const int lane = simt::current % 32;
    for (int m = 0; m < 4; m++) {
        const unsigned first = simt::shuffle(p, m * 8 + lane % 4 * 2)[lane / 4];
        r[m] = first | unsigned(simt::shuffle(p, m * 8 + lane % 4 * 2 + 1)[lane / 4]) << 16;
    }
}
inline void copy_async(void* to, const void* from) { std::memcpy(to, from, 16); }
inline void copy_async_or_zero(void* to, const void* from, bool there) {
    std::memset(to, 0, 16);
    if (there) std::memcpy(to, from, 16);
}
template <int BYTES>
void copy_async_few(void* to, const void* from) { std::memcpy(to, from, BYTES); }
inline void end_of_copies() {}
template <int N>
void wait_for_copies() {}
inline float power_of_2(float v) { return std::exp2(v); }
