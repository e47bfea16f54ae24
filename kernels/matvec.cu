// matvec: y (n, rows) = x (n, cols) · wᵀ for a few tokens, or added to y; x may be normed first (RMS, parts of `width`
// values with weight `norm`).
//   Grid: x any number of blocks, which share groups of R rows a warp, y the tokens. Blocks of 8 warps. Dynamic shared
//   memory: for plain floats x, 4·cols bytes; for quantized weights x as 8-bit numbers, cols + 8·cols/32 bytes.
// Bound by the bytes of w: every lane keeps 16-byte loads of R rows in flight, the first of them before it waits for x.
// What is left of the first rows of a small matrix is on its way to the L2 cache by then.
// Quantized weights multiply x in 8 bits, blocks of 32, as on the CPU: cpu/quantized.rs (twin), cpu/matmul.rs for floats.
#include "common.cuh"

const int WARPS = 8;

// Values behind one 16-byte load.
template <int T>
__device__ constexpr int unit() {
    return T == TF32 ? 4 : T == TF16 || T == TBF16 ? 8 : T == TQ8_0 ? 16 : 32;
}

// What belongs to one 16-byte load.
struct Part {
    uint4 q;
    u32 scale, more;
    uint2 bits;
};

template <int T>
__device__ __forceinline__ Part fetch(const Weight& w, u32 row, u32 unit_index) {
    Part p;
    const u64 units = w.cols / unit<T>();
    p.q = load_once(w.q + ((u64)row * units + unit_index) * 16);
    if (T >= TQ8_0) {
        const u64 block = (u64)row * (w.cols / 32) + unit_index * unit<T>() / 32;
        if (T == TQ8_0 || T == TQ4_0) p.scale = __ldg(reinterpret_cast<const u16*>(w.scales) + block);
        if (T == TQ4_K || T == TQ6_K) p.scale = __ldg(reinterpret_cast<const u16*>(w.scales) + block);
        if (T == TQ4_K) p.more = __ldg(reinterpret_cast<const u32*>(w.more) + block / 8);
        if (T == TQ6_K) {
            p.more = __ldg(reinterpret_cast<const u16*>(w.more) + block / 8);
            p.bits = __ldg(reinterpret_cast<const uint2*>(w.bits) + block);
        }
    }
    return p;
}

// x as the product sees it, in shared memory.
struct Input {
    const float* values;
    const u32* bytes;      // four 8-bit values each
    const float* scales;   // one of 32 values
    const int* sums;       // of 32 8-bit values
};

__device__ __forceinline__ int dot4(u32 a, u32 b, int c) { return __dp4a((int)a, (int)b, c); }

template <int T>
__device__ __forceinline__ float dot(const Part& p, const Input& x, u32 unit_index) {
    const u32 q[4] = {p.q.x, p.q.y, p.q.z, p.q.w};
    if (T == TF32) {
        const float4 v = reinterpret_cast<const float4*>(x.values)[unit_index];
        return __uint_as_float(q[0]) * v.x + __uint_as_float(q[1]) * v.y + __uint_as_float(q[2]) * v.z +
               __uint_as_float(q[3]) * v.w;
    }
    if (T == TF16 || T == TBF16) {
        const float4 a = reinterpret_cast<const float4*>(x.values)[2 * unit_index];
        const float4 b = reinterpret_cast<const float4*>(x.values)[2 * unit_index + 1];
        const float v[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
        float sum = 0;
        for (int i = 0; i < 4; i++) {
            const float lo = T == TF16 ? f16_to_f32(low16(q[i])) : bf16_to_f32(low16(q[i]));
            const float hi = T == TF16 ? f16_to_f32(high16(q[i])) : __uint_as_float(q[i] & 0xffff0000u);
            sum += lo * v[2 * i] + hi * v[2 * i + 1];
        }
        return sum;
    }
    if (T == TQ8_0) {
        const uint4 v = reinterpret_cast<const uint4*>(x.bytes)[unit_index];
        const int sum = dot4(q[0], v.x, dot4(q[1], v.y, dot4(q[2], v.z, dot4(q[3], v.w, 0))));
        return f16_to_f32((u16)p.scale) * x.scales[unit_index / 2] * (float)sum;
    }
    const uint4 a = reinterpret_cast<const uint4*>(x.bytes)[2 * unit_index];
    const uint4 b = reinterpret_cast<const uint4*>(x.bytes)[2 * unit_index + 1];
    const u32 v[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
    const float dx = x.scales[unit_index];
    if (T == TQ6_K) {
        int lower = 0, upper = 0;
        for (int k = 0; k < 4; k++) {
            lower = dot4(six_bits(p.q, p.bits, k), v[k], lower);
            upper = dot4(six_bits(p.q, p.bits, k + 4), v[k + 4], upper);
        }
        const int sum = (int)(i8)(p.scale & 255) * lower + (int)(i8)(p.scale >> 8) * upper;
        return f16_to_f32((u16)p.more) * dx * (float)sum;
    }
    int sum = 0;
    for (int k = 0; k < 4; k++) {
        sum = dot4(q[k] & 0x0f0f0f0fu, v[k], sum);
        sum = dot4((q[k] >> 4) & 0x0f0f0f0fu, v[k + 4], sum);
    }
    const int all = x.sums[unit_index];
    if (T == TQ4_0) return f16_to_f32((u16)p.scale) * dx * (float)(sum - 8 * all);
    const float d = f16_to_f32(low16(p.more)), dmin = f16_to_f32(high16(p.more));
    return dx * (d * (float)(int)((p.scale & 255) * sum) - dmin * (float)((int)(p.scale >> 8) * all));
}

template <int T, int R>
__device__ __forceinline__ void matvec(Weight w, const float* x, const float* norm, u32 width, float eps, float* y,
                                       u32 accumulate) {
    DYNAMIC_SHARED(uint4, shared);
    __shared__ float part[32];
    const u32 thread = threadIdx.x, lane = thread % 32, threads = WARPS * 32;
    u32 row0 = (blockIdx.x * WARPS + thread / 32) * R;
    const u32 units = w.cols / unit<T>();
    const int AHEAD = R >= 4 ? 1 : R == 2 ? 2 : 4;

    // Weights first: they do not depend on any other kernel.
    Part ahead[AHEAD][R];
    auto begin = [&] {
        for (int i = 0; i < AHEAD; i++)
            for (int r = 0; r < R; r++)
                if (row0 + r < w.rows && lane + 32 * i < units) ahead[i][r] = fetch<T>(w, row0 + r, lane + 32 * i);
    };
    begin();
    if (R < 4)
        for (int r = 0; r < R; r++)
            for (u32 u = 32 * AHEAD + 8 * lane; u < units && row0 + r < w.rows; u += 256)
                prefetch(w.q + ((u64)(row0 + r) * units + u) * 16);
    allow_next();
    wait_for_previous();

    x += (u64)blockIdx.y * w.cols;
    y += (u64)blockIdx.y * w.rows;
    float* values = reinterpret_cast<float*>(shared);
    u32* bytes = reinterpret_cast<u32*>(shared);
    float* scales = reinterpret_cast<float*>(bytes + w.cols / 4);
    int* sums = reinterpret_cast<int*>(scales + w.cols / 32);
    for (u32 first = 0; first < w.cols; first += width) {
        float factor = 1;
        if (norm) {
            float sum = 0;
            for (u32 i = thread; i < width; i += threads) sum += x[first + i] * x[first + i];
            factor = rsqrtf(block_sum(sum, part) / width + eps);
        }
        if (T < TQ8_0) {
            for (u32 i = first + thread; i < first + width; i += threads)
                values[i] = norm ? x[i] * factor * norm[i] : x[i];
        } else {
            // Eight lanes a block of 32 values. Every part is whole blocks: the caller sees to it.
            for (u32 i = first / 4 + thread; i < (first + width + 127) / 128 * 32; i += threads) {
                const bool inside = i < (first + width) / 4;
                float4 v = make_float4(0, 0, 0, 0);
                if (inside) {
                    v = reinterpret_cast<const float4*>(x)[i];
                    if (norm) {
                        const float4 n = reinterpret_cast<const float4*>(norm)[i];
                        v.x *= factor * n.x, v.y *= factor * n.y, v.z *= factor * n.z, v.w *= factor * n.w;
                    }
                }
                float max = fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
                const u32 active = __activemask();
                for (int j = 4; j > 0; j >>= 1) max = fmaxf(max, __shfl_xor_sync(active, max, j));
                const float inverse = max > 0 ? 127.0f / max : 0.0f;
                const int a = __float2int_rn(v.x * inverse), b = __float2int_rn(v.y * inverse);
                const int c = __float2int_rn(v.z * inverse), d = __float2int_rn(v.w * inverse);
                int sum = a + b + c + d;
                for (int j = 4; j > 0; j >>= 1) sum += __shfl_xor_sync(active, sum, j);
                if (inside) {
                    bytes[i] = (a & 255) | (b & 255) << 8 | (c & 255) << 16 | (u32)d << 24;
                    if (i % 8 == 0) scales[i / 8] = max / 127.0f, sums[i / 8] = sum;
                }
            }
        }
    }
    __syncthreads();

    const Input input = {values, bytes, scales, sums};
    while (row0 < w.rows) {
        float acc[R];
        for (int r = 0; r < R; r++) acc[r] = 0;
        for (int i = 0; i < AHEAD; i++)
            for (int r = 0; r < R; r++)
                if (row0 + r < w.rows && lane + 32 * i < units) acc[r] += dot<T>(ahead[i][r], input, lane + 32 * i);
        u32 u = lane + 32 * AHEAD;
        for (; u + 32 * (AHEAD - 1) < units; u += 32 * AHEAD) {
            for (int i = 0; i < AHEAD; i++)
                for (int r = 0; r < R; r++)
                    if (row0 + r < w.rows) ahead[i][r] = fetch<T>(w, row0 + r, u + 32 * i);
            for (int i = 0; i < AHEAD; i++)
                for (int r = 0; r < R; r++)
                    if (row0 + r < w.rows) acc[r] += dot<T>(ahead[i][r], input, u + 32 * i);
        }
        for (; u < units; u += 32)
            for (int r = 0; r < R; r++)
                if (row0 + r < w.rows) acc[r] += dot<T>(fetch<T>(w, row0 + r, u), input, u);
        const u32 done = row0;
        row0 += gridDim.x * WARPS * R;
        begin();
        for (int r = 0; r < R; r++) {
            const float sum = warp_sum(acc[r]);
            if (lane == 0 && done + r < w.rows) y[done + r] = accumulate ? y[done + r] + sum : sum;
        }
    }
}

// Rows of plain floats that are not whole 16-byte loads.
template <int T>
__device__ __forceinline__ void matvec_odd(Weight w, const float* x, float* y, u32 accumulate) {
    allow_next();
    wait_for_previous();
    const u32 lane = threadIdx.x % 32, row = blockIdx.x * WARPS + threadIdx.x / 32;
    if (row >= w.rows) return;
    x += (u64)blockIdx.y * w.cols;
    y += (u64)blockIdx.y * w.rows;
    const u64 at = (u64)row * w.cols;
    float sum = 0;
    for (u32 i = lane; i < w.cols; i += 32) {
        const float v = T == TF32   ? reinterpret_cast<const float*>(w.q)[at + i]
                        : T == TF16 ? f16_to_f32(reinterpret_cast<const u16*>(w.q)[at + i])
                                    : bf16_to_f32(reinterpret_cast<const u16*>(w.q)[at + i]);
        sum += v * x[i];
    }
    sum = warp_sum(sum);
    if (lane == 0) y[row] = accumulate ? y[row] + sum : sum;
}

#define MATVEC(name, T, R) \
    extern "C" __global__ void __launch_bounds__(256, 4) matvec_##name##_##R( \
        Weight w, const float* x, const float* norm, u32 width, float eps, float* y, u32 accumulate) { \
        matvec<T, R>(w, x, norm, width, eps, y, accumulate); \
    }
#define MATVECS(name, T) MATVEC(name, T, 1) MATVEC(name, T, 2) MATVEC(name, T, 4)
MATVECS(f32, TF32)
MATVECS(f16, TF16)
MATVECS(bf16, TBF16)
MATVECS(q8_0, TQ8_0)
MATVECS(q4_0, TQ4_0)
MATVECS(q4_k, TQ4_K)
MATVECS(q6_k, TQ6_K)

#define MATVEC_ODD(name, T) \
    extern "C" __global__ void matvec_odd_##name(Weight w, const float* x, float* y, u32 accumulate) { \
        matvec_odd<T>(w, x, y, accumulate); \
    }
MATVEC_ODD(f32, TF32)
MATVEC_ODD(f16, TF16)
MATVEC_ODD(bf16, TBF16)
