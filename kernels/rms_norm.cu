// rms_norm: out[r] = weight[r mod parts] · x[r] / sqrt(mean(x[r]²) + eps)
//   x, out (rows, width), which may be the same; weight (parts, width).
//   rms_norm_W: width at most W and a multiple of 4. A warp has a row in registers, which is read once.
//       Grid: x covers the rows. Blocks of (32, 4), four rows.
//   rms_norm_any: any width. Grid: x the rows. Blocks of (256, 1).
// Bound by the bytes of x and out. CPU twin: cpu/elementwise.rs, rms_norm.
#include "common.cuh"

template <int W>
__device__ __forceinline__ void rms_norm(const float* x, const float* weight, u32 parts, float eps, u32 rows, u32 width,
                                         float* out) {
    allow_next();
    wait_for_previous();
    const u32 row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x, fours = width / 4;
    if (row >= rows) return;
    const float4* factors = reinterpret_cast<const float4*>(weight + (u64)(row % parts) * width);
    float4* to = reinterpret_cast<float4*>(out + (u64)row * width);
    float4 v[W / 128];
    read_row(v, reinterpret_cast<const float4*>(x + (u64)row * width), fours);
    const float factor = norm_of_row(v, width, eps);
#pragma unroll
    for (int k = 0; k < W / 128; k++) {
        const u32 i = lane + 32 * k;
        if (i >= fours) break;
        to[i] = normed(v[k], factor, factors[i]);
    }
}

#define RMS_NORM(W) \
    extern "C" __global__ void __launch_bounds__(128) rms_norm_##W( \
        const float* x, const float* weight, u32 parts, float eps, u32 rows, u32 width, float* out) { \
        rms_norm<W>(x, weight, parts, eps, rows, width, out); \
    }
RMS_NORM(512)
RMS_NORM(2048)

extern "C" __global__ void rms_norm_any(const float* x, const float* weight, u32 parts, float eps, u32 rows, u32 width,
                                        float* out) {
    __shared__ float part[32];
    allow_next();
    wait_for_previous();
    const u32 row = blockIdx.x;
    x += (u64)row * width;
    out += (u64)row * width;
    weight += (u64)(row % parts) * width;
    float sum = 0;
    for (u32 i = threadIdx.x; i < width; i += blockDim.x) sum += x[i] * x[i];
    const float factor = rsqrtf(block_sum(sum, part) / width + eps);
    for (u32 i = threadIdx.x; i < width; i += blockDim.x) out[i] = x[i] * factor * weight[i];
}
