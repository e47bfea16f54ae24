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
struct Shared {
    float4* values;
    u32* bytes;     // four 8-bit values each
    float* scales;  // one of 32 values
    int* sums;      // of 32 8-bit values
};

// Where the i-th 16 bytes of x lie. What reads two of them for a load has all first ones before all second ones, so that
// neighbouring lanes read neighbours.
template <int T>
__device__ __forceinline__ u32 place(u32 i, u32 units) {
    return unit<T>() == 8 || unit<T>() == 32 ? i / 2 + i % 2 * units : i;
}

__device__ __forceinline__ int dot4(u32 a, u32 b, int c) { return __dp4a((int)a, (int)b, c); }

template <int T>
__device__ __forceinline__ float dot(const Part& p, const Shared& x, u32 unit_index, u32 units) {
    const u32 q[4] = {p.q.x, p.q.y, p.q.z, p.q.w};
    if (T == TF32) {
        const float4 v = x.values[unit_index];
        return __uint_as_float(q[0]) * v.x + __uint_as_float(q[1]) * v.y + __uint_as_float(q[2]) * v.z +
               __uint_as_float(q[3]) * v.w;
    }
    if (T == TF16 || T == TBF16) {
        const float4 a = x.values[unit_index], b = x.values[unit_index + units];
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
    const uint4 b = reinterpret_cast<const uint4*>(x.bytes)[unit_index + units];
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

// Puts four neighbours of x where `dot` reads them; for quantized weights as 8-bit numbers, eight lanes a block of 32.
template <int T>
__device__ __forceinline__ void put(const Shared& x, float4 v, u32 i, bool inside, u32 units) {
    if (T < TQ8_0) {
        if (inside) x.values[place<T>(i, units)] = v;
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
    x.bytes[place<T>(i / 4, units) * 4 + i % 4] = (a & 255) | (b & 255) << 8 | (c & 255) << 16 | (u32)d << 24;
    if (i % 8 == 0) x.scales[i / 8] = max / 127.0f, x.sums[i / 8] = sum;
}

__device__ __forceinline__ float4 times(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
__device__ __forceinline__ float squares(float4 v) { return v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w; }

template <int T, int R>
__device__ __forceinline__ void matvec(Weight w, const float* x_rows, const float* norm_weight, u32 width, float eps,
                                       float* y, u32 accumulate) {
    DYNAMIC_SHARED(uint4, shared);
    __shared__ float part[32];
    const u32 thread = threadIdx.x, lane = thread % 32, threads = WARPS * 32;
    u32 row0 = (blockIdx.x * WARPS + thread / 32) * R;
    const u32 units = w.cols / unit<T>(), fours = w.cols / 4;
    const int AHEAD = (T < TQ8_0 ? 8 : 4) / R;
    const float4* norm = reinterpret_cast<const float4*>(norm_weight);
    const float4 zero = make_float4(0, 0, 0, 0);

    // Weights first: they do not depend on any other kernel.
    Part ahead[AHEAD][R];
    auto begin = [&] {
#pragma unroll
        for (int i = 0; i < AHEAD; i++)
#pragma unroll
            for (int r = 0; r < R; r++)
                if (row0 + r < w.rows && lane + 32 * i < units) ahead[i][r] = fetch<T>(w, row0 + r, lane + 32 * i);
    };
    begin();
    // What one thread takes of x at once.
    const int OWN = 2;
    float4 scale[OWN];
    if (norm)
#pragma unroll
        for (int k = 0; k < OWN; k++) scale[k] = thread + k * threads < fours ? norm[thread + k * threads] : zero;
    if (R < 4)
        for (int r = 0; r < R; r++)
            for (u32 u = 32 * AHEAD + 8 * lane; u < units && row0 + r < w.rows; u += 256)
                prefetch(w.q + ((u64)(row0 + r) * units + u) * 16);
    allow_next();
    wait_for_previous();

    const float4* x = reinterpret_cast<const float4*>(x_rows + (u64)blockIdx.y * w.cols);
    y += (u64)blockIdx.y * w.rows;
    Shared input;
    input.values = reinterpret_cast<float4*>(shared);
    input.bytes = reinterpret_cast<u32*>(shared);
    input.scales = reinterpret_cast<float*>(input.bytes + w.cols / 4);
    input.sums = reinterpret_cast<int*>(input.scales + w.cols / 32);
    // The norm's factor is that of all products: it can wait until they are summed, unless there are several.
    float factor = 1;
    if (!norm || width == w.cols) {
        float sum = 0;
        // Whole warps take part in `put`.
#pragma unroll 1
        for (u32 first = thread; first - lane < fours; first += OWN * threads) {
            float4 v[OWN];
#pragma unroll
            for (int k = 0; k < OWN; k++) v[k] = first + k * threads < fours ? x[first + k * threads] : zero;
#pragma unroll
            for (int k = 0; k < OWN; k++) {
                const u32 i = first + k * threads;
                if (i - lane >= fours) break;
                sum += squares(v[k]);
                if (norm) v[k] = times(v[k], first == thread ? scale[k] : i < fours ? norm[i] : zero);
                put<T>(input, v[k], i, i < fours, units);
            }
        }
        if (norm) {
            sum = warp_sum(sum);
            if (lane == 0) part[thread / 32] = sum;
        }
        __syncthreads();
        if (norm) {
            sum = 0;
            for (int i = 0; i < WARPS; i++) sum += part[i];
            factor = rsqrtf(sum / width + eps);
        }
    } else {
        for (u32 first = 0; first < fours; first += width / 4) {
            float sum = 0;
#pragma unroll 1
            for (u32 i = thread; i < width / 4; i += threads) sum += squares(x[first + i]);
            const float f = rsqrtf(block_sum(sum, part) / width + eps);
#pragma unroll 1
            for (u32 i = thread; i - lane < width / 4; i += threads) {
                const bool inside = i < width / 4;
                float4 v = zero;
                if (inside) v = times(times(x[first + i], norm[first + i]), make_float4(f, f, f, f));
                put<T>(input, v, first + i, inside, units);
            }
        }
        __syncthreads();
    }

    while (row0 < w.rows) {
        // Lane r writes row r.
        const bool writes = lane < R && row0 + lane < w.rows;
        const float before = accumulate && writes ? y[row0 + lane] : 0.0f;
        float acc[R];
        for (int r = 0; r < R; r++) acc[r] = 0;
#pragma unroll
        for (int i = 0; i < AHEAD; i++)
#pragma unroll
            for (int r = 0; r < R; r++)
                if (row0 + r < w.rows && lane + 32 * i < units) acc[r] += dot<T>(ahead[i][r], input, lane + 32 * i, units);
        u32 u = lane + 32 * AHEAD;
        for (; u + 32 * (AHEAD - 1) < units; u += 32 * AHEAD) {
#pragma unroll
            for (int i = 0; i < AHEAD; i++)
#pragma unroll
                for (int r = 0; r < R; r++)
                    if (row0 + r < w.rows) ahead[i][r] = fetch<T>(w, row0 + r, u + 32 * i);
#pragma unroll
            for (int i = 0; i < AHEAD; i++)
#pragma unroll
                for (int r = 0; r < R; r++)
                    if (row0 + r < w.rows) acc[r] += dot<T>(ahead[i][r], input, u + 32 * i, units);
        }
#pragma unroll 1
        for (; u < units; u += 32)
            for (int r = 0; r < R; r++)
                if (row0 + r < w.rows) acc[r] += dot<T>(fetch<T>(w, row0 + r, u), input, u, units);
        const u32 done = row0;
        row0 += gridDim.x * WARPS * R;
        begin();
        float own = 0;
        for (int r = 0; r < R; r++) {
            const float sum = warp_sum(acc[r]);
            if (lane == r) own = sum;
        }
        if (writes) y[done + lane] = before + own * factor;
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
    extern "C" __global__ void __launch_bounds__(256, 3) matvec_##name##_##R( \
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
