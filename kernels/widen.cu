// widen: quantized weights (rows, cols) as integers in f16 and their factors, for products of many tokens: see `matmul_wide`.
//   q (rows, cols) f16; scale (rows, cols/16) f32; less (rows, cols/32) f32, written for Q4_K alone: scale · q - less.
//   Grid: x covers the groups of 16 values, a thread each. Blocks of (256, 1).
// Bound by the bytes of q. CPU twin: quant.rs, Tensor::to_f32.
#include "common.cuh"

template <int T>
__device__ __forceinline__ void widen(const Weight& w, u16* q, float* scales, float* less) {
    const u64 group = (u64)blockIdx.x * blockDim.x + threadIdx.x, groups = w.cols / 16;
    // Weights do not depend on any other kernel, but what is written may still be read by one.
    allow_next();
    if (group >= w.rows * groups) {
        wait_for_previous();
        return;
    }
    const u32 row = group / groups, k = group % groups * 16;
    float v[16], scale, minimum;
    integers16<T>(w, row, k, v, scale, minimum);
    wait_for_previous();
    uint4* to = reinterpret_cast<uint4*>(q + group * 16);
    for (int i = 0; i < 2; i++)
        to[i] = make_uint4(pack_f16(v[8 * i], v[8 * i + 1]), pack_f16(v[8 * i + 2], v[8 * i + 3]),
                           pack_f16(v[8 * i + 4], v[8 * i + 5]), pack_f16(v[8 * i + 6], v[8 * i + 7]));
    scales[group] = scale;
    if (T == TQ4_K && group % 2 == 0) less[group / 2] = minimum;
}

#define WIDEN(name, T) \
    extern "C" __global__ void __launch_bounds__(256) widen_##name(Weight w, u16* q, float* scales, float* less) { \
        widen<T>(w, q, scales, less); \
    }
WIDEN(q8_0, TQ8_0)
WIDEN(q4_0, TQ4_0)
WIDEN(q4_k, TQ4_K)
WIDEN(q6_k, TQ6_K)
