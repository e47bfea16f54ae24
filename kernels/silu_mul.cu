// silu_mul: gate[i] = silu(gate[i]) · up[i].
// Grid: x covers groups of four values. CPU twin: cpu/elementwise.rs, silu_mul.
#include "common.cuh"

extern "C" __global__ void silu_mul(float* gate, const float* up, u64 count) {
    allow_next();
    wait_for_previous();
    const u64 i = 4 * ((u64)blockIdx.x * blockDim.x + threadIdx.x);
    if (i + 4 <= count) {
        const float4 g = *reinterpret_cast<const float4*>(gate + i), u = *reinterpret_cast<const float4*>(up + i);
        *reinterpret_cast<float4*>(gate + i) =
            make_float4(silu(g.x) * u.x, silu(g.y) * u.y, silu(g.z) * u.z, silu(g.w) * u.w);
        return;
    }
    for (u64 j = i; j < count; j++) gate[j] = silu(gate[j]) * up[j];
}
