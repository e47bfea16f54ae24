// embed: rows of an embedding table, dequantized.
//   out (n, cols)[i] = table (rows, cols)[ids[i]]; without `ids` n is 1 and the row is `only`.
// Blocks of 256 threads. Grid: for plain floats x covers the n tokens, 4 a block, y the columns, 4 a thread; else x covers all
// n · cols values, 16 a thread. CPU twin: quant::dequantize in Cpu::embed.
#include "common.cuh"

// Four values of a row of plain floats, `at` a multiple of 4 and so is the row.
template <int T>
__device__ __forceinline__ float4 load4(const Weight& w, u64 at) {
    if (T == TF32) return *reinterpret_cast<const float4*>(w.q + at * 4);
    const uint2 v = *reinterpret_cast<const uint2*>(w.q + at * 2);
    auto wide = [](u16 h) { return T == TF16 ? f16_to_f32(h) : bf16_to_f32(h); };
    return make_float4(wide(low16(v.x)), wide(high16(v.x)), wide(low16(v.y)), wide(high16(v.y)));
}

const int TOKENS = 4;  // whose values a thread has on their way, for plain floats

template <int T>
__device__ __forceinline__ void embed(Weight table, const u32* ids, u32 only, u32 n, float* out) {
    allow_next();
    wait_for_previous();
    auto id_of = [&](u32 i) { return ids ? ids[i] : only; };
    if (T >= TQ8_0) {
        const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
        const u32 parts = table.cols / 16, token = i / parts;
        if (token >= n) return;
        float v[16];
        load16<T>(table, id_of(token), i % parts * 16, v);
        float4* const to = reinterpret_cast<float4*>(out + i * 16);
        for (u32 j = 0; j < 4; j++) to[j] = make_float4(v[4 * j], v[4 * j + 1], v[4 * j + 2], v[4 * j + 3]);
        return;
    }
    const u32 k0 = (blockIdx.y * blockDim.x + threadIdx.x) * 4, first = blockIdx.x * TOKENS;
    if (k0 >= table.cols) return;
    out += (u64)first * table.cols + k0;
    if (table.cols % 4 == 0) {
        float4 v[TOKENS];
#pragma unroll
        for (u32 t = 0; t < TOKENS; t++)
            if (first + t < n) v[t] = load4<T>(table, (u64)id_of(first + t) * table.cols + k0);
#pragma unroll
        for (u32 t = 0; t < TOKENS; t++)
            if (first + t < n) *reinterpret_cast<float4*>(out + (u64)t * table.cols) = v[t];
        return;
    }
    for (u32 t = 0; t < TOKENS && first + t < n; t++, out += table.cols) {
        float v[16];
        load16<T>(table, id_of(first + t), k0, v);
        for (u32 j = 0; j < 4 && k0 + j < table.cols; j++) out[j] = v[j];
    }
}

#define EMBED(name, T) \
    extern "C" __global__ void embed_##name(Weight table, const u32* ids, u32 only, u32 n, float* out) { \
        embed<T>(table, ids, only, n, out); \
    }
EMBED(f32, TF32)
EMBED(f16, TF16)
EMBED(bf16, TBF16)
EMBED(q8_0, TQ8_0)
EMBED(q4_0, TQ4_0)
EMBED(q4_k, TQ4_K)
EMBED(q6_k, TQ6_K)
