// silu_mul: gate[i] = silu(gate[i]) · up[i].
// Grid: x covers groups of 16 values a thread. CPU twin: cpu/elementwise.rs, silu_mul.
#include "common.cuh"

const int FOURS = 4;  // of values that a thread has on their way

extern "C" __global__ void silu_mul(float* gate, const float* up, u64 count) {
    allow_next();
    wait_for_previous();
    const u64 first = (u64)blockIdx.x * blockDim.x * FOURS + threadIdx.x, fours = count / 4;
    float4 g[FOURS], u[FOURS];
#pragma unroll
    for (int k = 0; k < FOURS; k++) {
        const u64 i = first + (u64)k * blockDim.x;
        if (i >= fours) break;
        g[k] = reinterpret_cast<const float4*>(gate)[i], u[k] = reinterpret_cast<const float4*>(up)[i];
    }
#pragma unroll
    for (int k = 0; k < FOURS; k++) {
        const u64 i = first + (u64)k * blockDim.x;
        if (i >= fours) break;
        reinterpret_cast<float4*>(gate)[i] =
            make_float4(silu(g[k].x) * u[k].x, silu(g[k].y) * u[k].y, silu(g[k].z) * u[k].z, silu(g[k].w) * u[k].w);
    }
    const u64 last = 4 * fours + first;
    if (last < count) gate[last] = silu(gate[last]) * up[last];
}
