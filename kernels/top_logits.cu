// top_logits: the `top` <= 64 highest of logits (count), best first; of equals, as 0 and -0 are, the lower id, and never one of
// -infinity. result (1 + top) holds how many there are in its first x, then ids in x and the bits of logits in y. If a logit
// is NaN or +infinity, the first x is NONE and nothing follows.
// Grid: one block of 1024 threads; count < 2^31, logits at a multiple of 16 bytes.
//
// Every thread finds the best of its own logits. One of all is the best of those. For several, the top-th best of those is a
// bar that at least `top` logits reach, and hardly more: these are collected, and each counts how many are better. (Digits
// of all logits in histograms would meet in a few bins: most logits have the same exponents.)
// Bound by what one multiprocessor reads from the L2 cache. CPU twin: sampler::highest.
#include "common.cuh"

const u32 NONE = ~0u;
const u32 THREADS = 1024;
// The order of the lowest finite value.
const u32 LOWEST = 0x00800000u;

__device__ __forceinline__ uint2 entry(u64 key) { return make_uint2(~(u32)key, value_bits((u32)(key >> 32))); }

// f(id, logit) for this thread's share, in ascending order, with four loads on their way at once. Where there is no logit,
// f gets -infinity.
template <class F>
__device__ __forceinline__ void each(const float* logits, u32 count, F f) {
    const u32 fours = count / 4;
    for (u32 i = threadIdx.x; i < fours; i += 4 * THREADS) {
        float4 v[4];
#pragma unroll
        for (u32 j = 0; j < 4; j++) {
            const u32 at = i + j * THREADS;
            v[j] = at < fours ? reinterpret_cast<const float4*>(logits)[at]
                              : make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY);
        }
#pragma unroll
        for (u32 j = 0; j < 4; j++) {
            const u32 id = 4 * (i + j * THREADS);
            f(id, v[j].x), f(id + 1, v[j].y), f(id + 2, v[j].z), f(id + 3, v[j].w);
        }
    }
    const u32 last = 4 * fours + threadIdx.x;
    if (last < count) f(last, logits[last]);
}

// Puts the keys that reach `bar` into `all`, as far as there is room, and returns how many there are.
__device__ __forceinline__ u32 collect(const float* logits, u32 count, u64 bar, u64* all, u32* taken) {
    __syncthreads();
    if (threadIdx.x == 0) *taken = 0;
    __syncthreads();
    const u32 order = (u32)(bar >> 32);
    const float least = __uint_as_float(value_bits(order > LOWEST ? order : LOWEST));
    each(logits, count, [&](u32 id, float v) {
        // The first keeps out -infinity, and nearly everything else.
        if (v < least || key(v, id) < bar) return;
        const u32 at = atomicAdd(taken, 1u);
        if (at < THREADS) all[at] = key(v, id);
    });
    __syncthreads();
    return *taken;
}

__device__ __forceinline__ u64 warp_best(u64 v) {
    for (int i = 16; i > 0; i >>= 1) {
        const u64 other = __shfl_xor_sync(~0u, v, i);
        v = other > v ? other : v;
    }
    return v;
}

extern "C" __global__ void __launch_bounds__(1024) top_logits(const float* logits, u32 count, u32 top, uint2* result) {
    __shared__ u64 all[THREADS];
    __shared__ u32 taken;
    allow_next();
    wait_for_previous();
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    float highest = -INFINITY;
    u32 first = 0;
    bool odd = false;
    each(logits, count, [&](u32 id, float v) {
        // Of NaN, nothing is true.
        odd |= !(v < INFINITY);
        if (v > highest) highest = v, first = id;
    });
    if (__syncthreads_count(odd)) {
        if (thread == 0) result[0] = make_uint2(NONE, 0);
        return;
    }
    u64 own = highest > -INFINITY ? key(highest, first) : 0;
    if (top == 1) {
        own = warp_best(own);
        if (lane == 0) all[warp] = own;
        __syncthreads();
        if (warp) return;
        own = warp_best(all[lane]);
        if (lane) return;
        result[0] = make_uint2(own ? 1 : 0, 0);
        result[1] = entry(own);
        return;
    }

    // Bit by bit from the highest, a bar that `top` of the threads reach. If there are fewer, all they have is wanted.
    u64 bar = 0;
    u32 reached = __syncthreads_count(own > 0);
    for (int bit = 63; bit >= 0 && reached > top; bit--) {
        const u64 higher = bar | 1ull << bit;
        const u32 of_those = __syncthreads_count(own >= higher);
        if (of_those >= top) bar = higher, reached = of_those;
    }
    reached = collect(logits, count, bar, all, &taken);
    // Only if a few threads have more of the best than there is room for: the bar is moved up by halves, since too many
    // reach `low` and none `high`. Keys differ, so that there is a bar between.
    u64 low = bar, high = ~0ull;
    while (reached > THREADS || (reached < top && bar > low)) {
        (reached < top ? high : low) = bar;
        bar = low + (high - low) / 2;
        reached = collect(logits, count, bar, all, &taken);
    }
    if (thread == 0) result[0] = make_uint2(reached < top ? reached : top, 0);
    if (thread >= reached) return;
    own = all[thread];
    u32 better = 0;
    for (u32 i = 0; i < reached; i++) better += all[i] > own;
    if (better < top) result[1 + better] = entry(own);
}
