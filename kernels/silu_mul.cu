// silu_mul: gate[i] = silu(gate[i]) · up[i].
// Grid: x covers the values. CPU twin: cpu/elementwise.rs, silu_mul.
#include "common.cuh"

extern "C" __global__ void silu_mul(float* gate, const float* up, u64 count) {
    allow_next();
    wait_for_previous();
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) gate[i] = silu(gate[i]) * up[i];
}
