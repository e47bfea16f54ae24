// embed: rows of an embedding table, dequantized.
//   out (n, cols)[i] = table (rows, cols)[ids[i]]; without `ids` n is 1 and the row is `only`.
// Grid: x the tokens, y covers groups of 16 columns. CPU twin: quant::dequantize in Cpu::embed.
#include "common.cuh"

template <int T>
__device__ __forceinline__ void embed(Weight table, const u32* ids, u32 only, float* out) {
    allow_next();
    wait_for_previous();
    const u32 k0 = (blockIdx.y * blockDim.x + threadIdx.x) * 16, i = blockIdx.x;
    if (k0 >= table.cols) return;
    float v[16];
    load16<T>(table, ids ? ids[i] : only, k0, v);
    out += (u64)i * table.cols + k0;
    if (table.cols % 16 == 0) {
        for (int j = 0; j < 4; j++)
            reinterpret_cast<float4*>(out)[j] = make_float4(v[4 * j], v[4 * j + 1], v[4 * j + 2], v[4 * j + 3]);
        return;
    }
    for (u32 j = 0; j < 16 && k0 + j < table.cols; j++) out[j] = v[j];
}

#define EMBED(name, T) \
    extern "C" __global__ void embed_##name(Weight table, const u32* ids, u32 only, float* out) { \
        embed<T>(table, ids, only, out); \
    }
EMBED(f32, TF32)
EMBED(f16, TF16)
EMBED(bf16, TBF16)
EMBED(q8_0, TQ8_0)
EMBED(q4_0, TQ4_0)
EMBED(q4_k, TQ4_K)
EMBED(q6_k, TQ6_K)
