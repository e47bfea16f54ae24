// rms_norm: out[r] = weight[r mod parts] · x[r] / sqrt(mean(x[r]²) + eps)
//   x, out (rows, width), which may be the same; weight (parts, width).
// Grid: x covers the rows. Blocks of (32, 4) take four rows, one warp each; blocks of (256, 1) take one row.
// CPU twin: cpu/elementwise.rs, rms_norm.
#include "common.cuh"

extern "C" __global__ void rms_norm(const float* x, const float* weight, u32 parts, float eps, u32 rows, u32 width,
                                    float* out) {
    __shared__ float part[32];
    allow_next();
    wait_for_previous();
    const bool wide = blockDim.y == 1;
    const u32 row = blockIdx.x * blockDim.y + threadIdx.y;
    // With one row a block all threads share it, so that none leaves before the block's sum.
    if (row >= rows) return;
    x += (u64)row * width;
    out += (u64)row * width;
    weight += (u64)(row % parts) * width;
    float sum = 0;
    for (u32 i = threadIdx.x; i < width; i += blockDim.x) sum += x[i] * x[i];
    sum = wide ? block_sum(sum, part) : warp_sum(sum);
    const float factor = rsqrtf(sum / width + eps);
    for (u32 i = threadIdx.x; i < width; i += blockDim.x) out[i] = x[i] * factor * weight[i];
}
