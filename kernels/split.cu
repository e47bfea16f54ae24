// split: x (rows, width), normed or not, as sums of two numbers of 16 bits, for `matmul_halves`: (hi + lo) · unit.
//   x (rows, width) f32; weight (width) of RMSNorm (see rms_norm.cu), or none; hi, lo (rows, width); unit (rows), a power of
//   two that lets f16 hold the largest value of a row and 28 binary digits below it. bfloat16 has f32's range: its unit is 1.
//   sums (rows, width/32), or none: sums of 32 neighbours of x / unit, for widths that are multiples of 32.
//   split_T_W: width at most W, a multiple of 4. A warp has a row in registers, which is read once.
//       Grid: x covers the rows. Blocks of (32, 4), four rows.
//   split_T_any: any width. Grid: x the rows. Blocks of (256, 1).
// Bound by the bytes of x, hi and lo. CPU twin: none, since the CPU multiplies f32 as it is; what products make of it is
// checked with `matmul`.
#include "common.cuh"

template <class Half, int W>
__device__ __forceinline__ void split(const float* x, const float* weight, float eps, u32 rows, u32 width, u16* hi, u16* lo,
                                      float* units, float* sums) {
    allow_next();
    wait_for_previous();
    const u32 row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x, fours = width / 4;
    if (row >= rows) return;
    uint2 *to_hi = reinterpret_cast<uint2*>(hi + (u64)row * width), *to_lo = reinterpret_cast<uint2*>(lo + (u64)row * width);
    float4 v[W / 128];
    read_row(v, reinterpret_cast<const float4*>(x + (u64)row * width), fours);
    if (weight) {
        const float factor = norm_of_row(v, width, eps);
#pragma unroll
        for (int k = 0; k < W / 128; k++) {
            const u32 i = lane + 32 * k;
            if (i >= fours) break;
            v[k] = normed(v[k], factor, reinterpret_cast<const float4*>(weight)[i]);
        }
    }
    float inverse;
    const float unit = unit_of(Half(), warp_max(largest_of_row(v)), inverse);
    if (lane == 0) units[row] = unit;
#pragma unroll
    for (int k = 0; k < W / 128; k++) {
        const u32 i = lane + 32 * k;
        if (i >= fours) break;
        uint2 h, l;
        split_four(Half(), v[k], inverse, h, l);
        to_hi[i] = h, to_lo[i] = l;
    }
    if (!sums) return;
#pragma unroll
    for (int k = 0; k < W / 128; k++) {
        // Eight lanes have 32 neighbours.
        float sum = ((v[k].x + v[k].y) + (v[k].z + v[k].w)) * inverse;
        for (int j = 4; j > 0; j >>= 1) sum += __shfl_xor_sync(~0u, sum, j);
        const u32 i = lane + 32 * k;
        if (i % 8 == 0 && i < fours) sums[(u64)row * (width / 32) + i / 8] = sum;
    }
}

template <class Half>
__device__ __forceinline__ void split_any(const float* x, const float* weight, float eps, u32 width, u16* hi, u16* lo, float* units,
                                          float* sums) {
    __shared__ float part[32];
    allow_next();
    wait_for_previous();
    const u32 row = blockIdx.x, thread = threadIdx.x, warps = blockDim.x / 32;
    x += (u64)row * width;
    hi += (u64)row * width;
    lo += (u64)row * width;
    float factor = 1, most = 0;
    if (weight) {
        float sum = 0;
        for (u32 i = thread; i < width; i += blockDim.x) sum += x[i] * x[i];
        factor = rsqrtf(block_sum(sum, part) / width + eps);
    }
    auto value = [&](u32 i) { return weight ? x[i] * factor * weight[i] : x[i]; };
    for (u32 i = thread; i < width; i += blockDim.x) most = fmaxf(most, fabsf(value(i)));
    most = warp_max(most);
    __syncthreads();
    if (thread % 32 == 0) part[thread / 32] = most;
    __syncthreads();
    for (u32 i = 0; i < warps; i++) most = fmaxf(most, part[i]);
    float inverse;
    const float unit = unit_of(Half(), most, inverse);
    if (thread == 0) units[row] = unit;
    for (u32 i = thread; i < width; i += blockDim.x) {
        u32 h, l;
        split_pair(Half(), value(i) * inverse, 0.0f, h, l);
        hi[i] = low16(h), lo[i] = low16(l);
    }
    for (u32 b = thread; sums && b < width / 32; b += blockDim.x) {
        float sum = 0;
        for (u32 i = 0; i < 32; i++) sum += value(b * 32 + i) * inverse;
        sums[(u64)row * (width / 32) + b] = sum;
    }
}

#define SPLIT_W(name, Half, W) \
    extern "C" __global__ void __launch_bounds__(128) split_##name##_##W( \
        const float* x, const float* weight, float eps, u32 rows, u32 width, u16* hi, u16* lo, float* units, \
        float* sums) { \
        split<Half, W>(x, weight, eps, rows, width, hi, lo, units, sums); \
    }
#define SPLIT(name, Half) \
    SPLIT_W(name, Half, 512) \
    SPLIT_W(name, Half, 2048) \
    extern "C" __global__ void split_##name##_any(const float* x, const float* weight, float eps, u32 rows, u32 width, u16* hi, \
                                                  u16* lo, float* units, float* sums) { \
        split_any<Half>(x, weight, eps, width, hi, lo, units, sums); \
    }
SPLIT(f16, F16)
SPLIT(bf16, Bf16)
