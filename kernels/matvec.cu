// matvec: y (n, rows) = x (n, cols) · wᵀ for a few tokens, or added to y; x may be normed first (RMS, parts of `width`
// values with weight `norm`).
//   Grid: x any number of blocks, which share groups of R rows a warp, y the tokens. Blocks of 8 warps. Dynamic shared
//   memory: for plain floats x, 4·cols bytes; for quantized weights x as 8-bit numbers, cols + 8·cols/32 bytes; with cols
//   rounded up to whole loads of `ahead`.
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
struct Shared {
    float4* values;
    u32* bytes;     // four 8-bit values each
    float* scales;  // one of 32 values
    int* sums;      // of 32 8-bit values
    u32 units;      // 16-byte loads of a row, and those of zeros behind them
};

// Where the i-th 16 bytes of x lie. What reads two of them for a load has all first ones before all second ones, so that
// neighbouring lanes read neighbours.
template <int T>
__device__ __forceinline__ u32 place(u32 i, u32 units) {
    return unit<T>() == 8 || unit<T>() == 32 ? i / 2 + i % 2 * units : i;
}

__device__ __forceinline__ int dot4(u32 a, u32 b, int c) { return __dp4a((int)a, (int)b, c); }

template <int T>
__device__ __forceinline__ float dot(const Part& p, const Shared& x, u32 unit_index) {
    const u32 q[4] = {p.q.x, p.q.y, p.q.z, p.q.w};
    if (T == TF32) {
        const float4 v = x.values[unit_index];
        return __uint_as_float(q[0]) * v.x + __uint_as_float(q[1]) * v.y + __uint_as_float(q[2]) * v.z +
               __uint_as_float(q[3]) * v.w;
    }
    if (T == TF16 || T == TBF16) {
        const float4 a = x.values[unit_index], b = x.values[unit_index + x.units];
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
    const uint4 a = reinterpret_cast<const uint4*>(x.bytes)[unit_index];
    const uint4 b = reinterpret_cast<const uint4*>(x.bytes)[unit_index + x.units];
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

// Units that a warp has on their way at once, of each of R rows: 32 · ahead. Shared memory holds x up to a multiple of those,
// with zeros behind its end.
template <int T, int R>
__device__ constexpr int ahead() {
    return R == 4 ? (T < TQ8_0 ? 4 : 1) : (T < TQ8_0 ? 8 : 4) / R;
}

// Puts four neighbours of x where `dot` reads them; for quantized weights as 8-bit numbers, eight lanes a block of 32.
template <int T>
__device__ __forceinline__ u32 slot(const Shared& x, u32 i) {
    return T < TQ8_0 ? place<T>(i, x.units) : place<T>(i / 4, x.units) * 4 + i % 4;
}
template <int T>
__device__ __forceinline__ void put(const Shared& x, float4 v, u32 i, u32 slot, bool inside = true) {
    if (T < TQ8_0) {
        if (inside) x.values[slot] = v;
        return;
    }
    float max = fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
    for (int j = 4; j > 0; j >>= 1) max = fmaxf(max, __shfl_xor_sync(~0u, max, j));
    const float inverse = max > 0 ? 127.0f / max : 0.0f;
    const int a = __float2int_rn(v.x * inverse), b = __float2int_rn(v.y * inverse);
    const int c = __float2int_rn(v.z * inverse), d = __float2int_rn(v.w * inverse);
    int sum = a + b + c + d;
    for (int j = 4; j > 0; j >>= 1) sum += __shfl_xor_sync(~0u, sum, j);
    if (!inside) return;
    x.bytes[slot] = (a & 255) | (b & 255) << 8 | (c & 255) << 16 | (u32)d << 24;
    if (i % 8 == 0) x.scales[i / 8] = max / 127.0f, x.sums[i / 8] = sum;
}

// Between the wait and the end of a kernel every instruction counts, since the next kernel waits for that end: there are no
// branches where a bound is clamped or a zero is multiplied instead.
template <int T, int R>
__device__ __forceinline__ void matvec(Weight w, const float* x_rows, const float* norm_weight, u32 width, float eps,
                                       float* y, u32 accumulate) {
    DYNAMIC_SHARED(uint4, shared);
    __shared__ __align__(16) float squared[WARPS * 32];
    const u32 thread = threadIdx.x, lane = thread % 32, threads = WARPS * 32;
    u32 row0 = (blockIdx.x * WARPS + thread / 32) * R;
    const int AHEAD = ahead<T, R>();
    const u32 units = w.cols / unit<T>(), fours = w.cols / 4, last_unit = units - 1;
    const float4 zero = make_float4(0, 0, 0, 0);
    Shared input;
    input.units = (units + 32 * AHEAD - 1) / (32 * AHEAD) * (32 * AHEAD);
    input.values = reinterpret_cast<float4*>(shared);
    input.bytes = reinterpret_cast<u32*>(shared);
    input.scales = reinterpret_cast<float*>(input.bytes + input.units * unit<T>() / 4);
    input.sums = reinterpret_cast<int*>(input.scales + input.units * unit<T>() / 32);
    const u32 padded = input.units * unit<T>() / 4;

    // Phase 1: load weights, and what else is constant.
    // Weights first: they do not depend on any other kernel.
    Part parts[AHEAD][R];
    auto bring = [&](u32 u0) {
#pragma unroll
        for (int i = 0; i < AHEAD; i++)
#pragma unroll
            for (int r = 0; r < R; r++) parts[i][r] = fetch<T>(w, min(row0 + r, w.rows - 1), min(u0 + lane + 32 * i, last_unit));
    };
    bring(0);
    // What one thread takes of x at once. Behind the end of x the factors are zero.
    const int OWN = 2;
    const bool one = !norm_weight || width == w.cols;
    const float4* norm = reinterpret_cast<const float4*>(norm_weight);
    const float4* x = reinterpret_cast<const float4*>(x_rows + (u64)blockIdx.y * w.cols);
    float4 scale[OWN];
    const float4* from[OWN];
    u32 slots[OWN];
#pragma unroll
    for (int k = 0; k < OWN; k++) {
        const u32 i = thread + k * threads;
        scale[k] = i >= fours ? zero : norm ? norm[i] : make_float4(1, 1, 1, 1);
        from[k] = x + min(i, fours - 1);
        slots[k] = slot<T>(input, i);
        settle(from[k]), settle(slots[k]);
    }
    // Lane r writes row r.
    y += (u64)blockIdx.y * w.rows;
    float* result = y + min(row0 + min(lane, R - 1u), w.rows - 1);
    settle(result);
    const float inverse_width = 1.0f / width;
    if (R < 4)
        for (int r = 0; r < R; r++)
            for (u32 u = 32 * AHEAD + 8 * lane; u < units && row0 + r < w.rows; u += 256)
                prefetch(w.q + ((u64)(row0 + r) * units + u) * 16);
    allow_next();
    wait_for_previous();

    // Phase 2: load x.
    float4 v[OWN];
#pragma unroll
    for (int k = 0; k < OWN; k++) v[k] = *from[k];
    float before = accumulate ? *result : 0.0f, sum = 0;
    // Phase 3: squares for the norm; x to shared memory, for quantized weights as integers of 8 bits.
    // The norm's factor is that of all products: it can wait until they are summed, unless there are several.
    if (one) {
#pragma unroll
        for (int k = 0; k < OWN; k++) {
            const u32 i = thread + k * threads;
            sum += i < fours ? squares(v[k]) : 0.0f;
            // Whole warps take part in `put`.
            if (i < padded) put<T>(input, times(v[k], scale[k]), i, slots[k]);
        }
#pragma unroll 1
        for (u32 i = thread + OWN * threads; i < padded; i += threads) {
            float4 more = i < fours ? x[i] : zero;
            sum += squares(more);
            if (norm && i < fours) more = times(more, norm[i]);
            put<T>(input, more, i, slot<T>(input, i));
        }
        squared[thread] = sum;
        __syncthreads();
        // Every warp sums them up by itself, together with its rows.
        const float4 a = reinterpret_cast<float4*>(squared)[2 * lane], b = reinterpret_cast<float4*>(squared)[2 * lane + 1];
        sum = (a.x + a.y) + (a.z + a.w) + (b.x + b.y) + (b.z + b.w);
    } else {
#pragma unroll 1
        for (u32 first = 0; first < fours; first += width / 4) {
            sum = 0;
#pragma unroll 1
            for (u32 i = thread; i < width / 4; i += threads) sum += squares(x[first + i]);
            const float f = rsqrtf(block_sum(sum, squared) * inverse_width + eps);
#pragma unroll 1
            for (u32 i = first + thread; i - lane < first + width / 4; i += threads) {
                const bool inside = i < first + width / 4;
                put<T>(input, inside ? times(times(x[i], norm[i]), make_float4(f, f, f, f)) : zero, i, slot<T>(input, i), inside);
            }
        }
#pragma unroll 1
        for (u32 i = fours + thread; i - lane < padded; i += threads) put<T>(input, zero, i, slot<T>(input, i), i < padded);
        __syncthreads();
    }

    // Phases 4 to 6, for each R rows of a warp.
    float factor = 1;
    bool known = !one || !norm;
    while (true) {
        // Phase 4: dot products, a lane each 32nd unit of a row.
        float acc[R];
#pragma unroll
        for (int r = 0; r < R; r++) acc[r] = 0;
        for (u32 u = 0;;) {
#pragma unroll
            for (int i = 0; i < AHEAD; i++)
#pragma unroll
                for (int r = 0; r < R; r++) acc[r] += dot<T>(parts[i][r], input, u + lane + 32 * i);
            u += 32 * AHEAD;
            if (u >= units) break;
            bring(u);
        }
        // Phase 5: the next weights begin to come; reduce over the warp.
        const bool writes = lane < R && row0 + lane < w.rows;
        float* const done = result;
        const u32 step = gridDim.x * WARPS * R;
        row0 += step, result += step;
        if (row0 < w.rows) bring(0);
        float own = 0;
#pragma unroll
        for (int r = 0; r < R; r++) {
            const float product = warp_sum(acc[r]);
            if (lane == r) own = product;
        }
        // Phase 6: the factor of the norm, sum with what was there, store.
        if (!known) factor = rsqrtf(warp_sum(sum) * inverse_width + eps), known = true;
        if (writes) *done = before + own * factor;
        if (row0 >= w.rows) break;
        before = accumulate && lane < R && row0 + lane < w.rows ? *result : 0.0f;
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
    extern "C" __global__ void __launch_bounds__(256, R == 2 ? 3 : 2) matvec_##name##_##R( \
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
