// matmul: y (n, rows) = x (n, cols) · wᵀ for many tokens, or added to y, on matrix units.
//   Grid: x covers the rows (outputs) in tiles, y the tokens in tiles. Blocks of 256 threads compute 128 x 128 results,
//   blocks of 128 threads 64 x 64.
//   matmul_T_N: any weights. Factors are taken as sums of two bfloat16 and multiplied in three products (two for BF16
//       weights), which keeps f32's range and errs by about 2^-16 of each product: see "bfloat16x3", Henry, Tang, Heinecke,
//       arXiv 1904.06376.
//   matmul_halves_T_N: weights of 16 bits, cols a multiple of 8, and x as `split` has left it: two products, and nothing to
//       convert. Dynamic shared memory: 3 · 64 bytes for each row of a tile in each stage, of which there are 5 for tiles of
//       64 and 3 for those of 128.
//   matmul_wide_N, matmul_wide_less_N: the same of quantized weights as `widen` has left them, without and with what is to be
//       taken off; 8 and 16 bytes more for each row.
//   matmul_rows_T_W: up to three products of one x, normed or not, weights of 16 bits, cols at most W and a multiple of 8. A
//       block brings 64 whole rows of x to shared memory, norms them, splits them as `split` does, and multiplies them with
//       64 rows of weights at a time. Grid: x covers the tiles of weights, several for a block, y the tokens in tiles. Blocks
//       of (32, 8). Dynamic shared memory: 256 bytes for each column, up to a multiple of 32, and 37,120 (W = 128), 33,024 (256)
//       or 16,640 bytes (320).
//   swiglu_rows_T_W: the same of two matrices, of whose products it leaves silu(first) · second in the place of the first.
//   All add a bias (rows) to every token, if there is one.
// CPU twins: cpu/matmul.rs and, but for the 8-bit activations, cpu/quantized.rs.
#include "common.cuh"

const int DEPTH = 32;           // values of k a step
const int STRIDE = DEPTH + 8;   // of a row in shared memory, so that eight rows lie in different banks

__device__ __forceinline__ void store16(const float (&v)[16], u16* hi, u16* lo) {
    u32 h[8], l[8];
    for (int i = 0; i < 8; i++) split_bf16(v[2 * i], v[2 * i + 1], h[i], l[i]);
    for (int i = 0; i < 2; i++) {
        reinterpret_cast<uint4*>(hi)[i] = make_uint4(h[4 * i], h[4 * i + 1], h[4 * i + 2], h[4 * i + 3]);
        reinterpret_cast<uint4*>(lo)[i] = make_uint4(l[4 * i], l[4 * i + 1], l[4 * i + 2], l[4 * i + 3]);
    }
}

// Writes what a warp has of a tile: `acc` are the products of 16 · MS tokens from `first` on and 8 · NS rows from `row0` on.
// Those of a token are multiplied by `unit(token)`; `bias` (rows), if there is one, is added.
template <int MS, int NS, class Unit>
__device__ __forceinline__ void finish(const float (&acc)[MS][NS][4], u32 first, u32 row0, u32 n, u32 rows, Unit unit,
                                       const float* bias, float* y, u32 accumulate) {
    const u32 lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const bool pairs = rows % 2 == 0;
    // Results of 16 tokens at a time: all that they are added to is read before any is written.
    _Pragma("unroll") for (int m = 0; m < MS; m++) {
        float2 before[NS][2];
        const float units[2] = {unit(min(first + m * 16 + g, n - 1)), unit(min(first + m * 16 + g + 8, n - 1))};
        // Two neighbours of a result, and how many of them there are.
        auto place = [&](int j, int half) {
            return y + (u64)(first + m * 16 + g + half * 8) * rows + row0 + j * 8 + 2 * t;
        };
        auto there = [&](int j, int half) {
            const u32 to = first + m * 16 + g + half * 8, r = row0 + j * 8 + 2 * t;
            return to >= n || r >= rows ? 0 : r + 1 < rows ? 2 : 1;
        };
        if (accumulate) {
            _Pragma("unroll") for (int j = 0; j < NS; j++)
                _Pragma("unroll") for (int half = 0; half < 2; half++) {
                    const float* from = place(j, half);
                    const int count = there(j, half);
                    before[j][half] = count == 2 && pairs ? *reinterpret_cast<const float2*>(from)
                                                          : make_float2(count > 0 ? from[0] : 0.0f, count > 1 ? from[1] : 0.0f);
                }
        }
        _Pragma("unroll") for (int j = 0; j < NS; j++)
            _Pragma("unroll") for (int half = 0; half < 2; half++) {
                float* to = place(j, half);
                const int count = there(j, half);
                float2 v = make_float2(acc[m][j][2 * half] * units[half], acc[m][j][2 * half + 1] * units[half]);
                if (bias && count > 0) v.x += bias[row0 + j * 8 + 2 * t];
                if (bias && count > 1) v.y += bias[row0 + j * 8 + 2 * t + 1];
                if (accumulate) v.x += before[j][half].x, v.y += before[j][half].y;
                if (count == 2 && pairs) {
                    *reinterpret_cast<float2*>(to) = v;
                } else {
                    if (count > 0) to[0] = v.x;
                    if (count > 1) to[1] = v.y;
                }
            }
    }
}

// TILE x TILE results by WARPS_M x WARPS_N warps of TILE/WARPS_M tokens x TILE/WARPS_N rows each.
template <int T, int TILE, int WARPS_M, int WARPS_N>
__device__ __forceinline__ void matmul(Weight w, const float* x, u32 n, const float* bias, float* y, u32 accumulate) {
    __shared__ __align__(16) u16 xs[2][TILE * STRIDE];
    __shared__ __align__(16) u16 ws[2][TILE * STRIDE];
    const int MS = TILE / WARPS_M / 16, NS = TILE / WARPS_N / 8;
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const u32 token0 = blockIdx.y * TILE, row0 = blockIdx.x * TILE;
    // Each thread brings 16 values of one token and of one row.
    const u32 line = thread / 2, k = thread % 2 * 16;
    const u32 token = token0 + line, row = row0 + line;
    float xv[16], wv[16];
    auto bring_w = [&](u32 k0) {
        if (row < w.rows && k0 + k < w.cols) {
            load16<T>(w, row, k0 + k, wv);
        } else {
            for (int i = 0; i < 16; i++) wv[i] = 0;
        }
    };
    auto bring_x = [&](u32 k0) {
        const float* from = x + (u64)token * w.cols + k0 + k;
        if (token < n && w.cols % 16 == 0 && k0 + k < w.cols) {
            for (int i = 0; i < 4; i++) {
                const float4 v = reinterpret_cast<const float4*>(from)[i];
                xv[4 * i] = v.x, xv[4 * i + 1] = v.y, xv[4 * i + 2] = v.z, xv[4 * i + 3] = v.w;
            }
        } else {
            for (u32 i = 0; i < 16; i++) xv[i] = token < n && k0 + k + i < w.cols ? from[i] : 0.0f;
        }
    };

    // Phase 1: the first weights, which no other kernel writes, then x, begin to come to registers.
    bring_w(0);
    allow_next();
    wait_for_previous();
    bring_x(0);
    float acc[MS][NS][4];
    _Pragma("unroll") for (int m = 0; m < MS; m++)
        _Pragma("unroll") for (int j = 0; j < NS; j++)
            _Pragma("unroll") for (int i = 0; i < 4; i++) acc[m][j][i] = 0;
    const u32 wm = warp / WARPS_N * (TILE / WARPS_M), wn = warp % WARPS_N * (TILE / WARPS_N);

    // Phases 2 to 4, for each DEPTH columns.
    for (u32 k0 = 0; k0 < w.cols; k0 += DEPTH) {
        // Phase 2: what has come, split into sums of two bfloat16, to shared memory.
        store16(xv, &xs[0][line * STRIDE + k], &xs[1][line * STRIDE + k]);
        store16(wv, &ws[0][line * STRIDE + k], &ws[1][line * STRIDE + k]);
        __syncthreads();
        // Phase 3: the next columns begin to come.
        if (k0 + DEPTH < w.cols) {
            bring_w(k0 + DEPTH);
            bring_x(k0 + DEPTH);
        }
        // Phase 4: products of 16 columns at a time.
        _Pragma("unroll") for (int step = 0; step < DEPTH; step += 16) {
            u32 b[2][NS][2];
            _Pragma("unroll") for (int part = 0; part < (T == TBF16 ? 1 : 2); part++) {
                _Pragma("unroll") for (int j = 0; j < NS; j += 2) {
                    u32 r[4];
                    load_matrices(r, &ws[part][(wn + j * 8 + lane / 16 * 8 + lane % 8) * STRIDE + step + lane / 8 % 2 * 8]);
                    b[part][j][0] = r[0], b[part][j][1] = r[1], b[part][j + 1][0] = r[2], b[part][j + 1][1] = r[3];
                }
            }
            _Pragma("unroll") for (int m = 0; m < MS; m++) {
                u32 hi[4], lo[4];
                const u32 at = (wm + m * 16 + lane % 16) * STRIDE + step + lane / 16 * 8;
                load_matrices(hi, &xs[0][at]);
                load_matrices(lo, &xs[1][at]);
                _Pragma("unroll") for (int j = 0; j < NS; j++) {
                    mma(Bf16(), acc[m][j], lo, b[0][j]);
                    if (T != TBF16) mma(Bf16(), acc[m][j], hi, b[1][j]);
                    mma(Bf16(), acc[m][j], hi, b[0][j]);
                }
            }
        }
        __syncthreads();
    }

    // Phase 5: bias, sum with what was there, store.
    finish<MS, NS>(acc, token0 + wm, row0 + wn, n, w.rows, [](u32) { return 1.0f; }, bias, y, accumulate);
}

#define MATMUL(name, T) \
    extern "C" __global__ void __launch_bounds__(256) matmul_##name##_128( \
        Weight w, const float* x, u32 n, const float* bias, float* y, u32 accumulate) { \
        matmul<T, 128, 2, 4>(w, x, n, bias, y, accumulate); \
    } \
    extern "C" __global__ void __launch_bounds__(128) matmul_##name##_64( \
        Weight w, const float* x, u32 n, const float* bias, float* y, u32 accumulate) { \
        matmul<T, 64, 2, 2>(w, x, n, bias, y, accumulate); \
    }
MATMUL(f32, TF32)
MATMUL(f16, TF16)
MATMUL(bf16, TBF16)
MATMUL(q8_0, TQ8_0)
MATMUL(q4_0, TQ4_0)
MATMUL(q4_k, TQ4_K)
MATMUL(q6_k, TQ6_K)

// A row of a stage in shared memory is DEPTH values, in four pieces of 16 bytes; eight rows below each other have any one
// piece in different banks.
template <class T>
__device__ __forceinline__ T* piece_of(T* tile, u32 row, u32 piece) { return tile + row * DEPTH + (piece ^ turn<DEPTH / 8>(row)) * 8; }

// Factors of weights that are integers, (rows, cols/16) and (rows, cols/32), and what the latter belong to: sums (n, cols/32)
// of x.
struct Factors {
    const float *scale, *less, *sums;
};
static_assert(sizeof(Factors) == 24, "as in src/cuda/arguments.rs");
FIELD_AT(Factors, scale, 0); FIELD_AT(Factors, less, 8); FIELD_AT(Factors, sums, 16);
enum { PLAIN, SCALED, SCALED_LESS };

// As `matmul`, of x = (hi + lo) · unit; hi and lo (n, cols). All but one of the STAGES are on their way while that one is
// multiplied.
template <class Half, int KIND, int TILE, int STAGES, int WARPS_M, int WARPS_N>
__device__ __forceinline__ void matmul_halves(const u16* q, u32 rows, u32 cols, const Factors& factors, const u16* hi,
                                              const u16* lo, const float* unit, u32 n, const float* bias, float* y,
                                              u32 accumulate) {
    DYNAMIC_SHARED(uint4, shared);
    u16* const stages = reinterpret_cast<u16*>(shared);
    const int MS = TILE / WARPS_M / 16, NS = TILE / WARPS_N / 8, THREADS = 32 * WARPS_M * WARPS_N, PART = TILE * DEPTH;
    // Of a stage: hi, lo, weights, then their factors, two for a row, and what is taken off.
    const int STAGE = 3 * PART + (KIND >= SCALED ? 4 * TILE : 0) + (KIND == SCALED_LESS ? 4 * TILE : 0);
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const u32 token0 = blockIdx.y * TILE, row0 = blockIdx.x * TILE;
    const u32 wm = warp / WARPS_N * (TILE / WARPS_M), wn = warp % WARPS_N * (TILE / WARPS_N);
    const u32 steps = (cols + DEPTH - 1) / DEPTH;
    // Begins to bring one part of a stage. What is behind the last row is one that is there, its results go nowhere; what is
    // behind the last column is zero.
    auto bring = [&](u16* tile, const u16* from, u32 first, u32 last, u32 step) {
#pragma unroll
        for (int i = 0; i < TILE * 4 / THREADS; i++) {
            const u32 at = thread + i * THREADS, row = at / 4, k = step * DEPTH + at % 4 * 8;
            copy_async_or_zero(piece_of(tile, row, at % 4), from + (u64)min(first + row, last) * cols + min(k, cols - 8), k < cols);
        }
    };
    auto scales_of = [&](u16* stage) { return reinterpret_cast<float*>(stage + 3 * PART); };
    // What is to be multiplied and taken off, by row and by token.
    auto lesses_of = [&](u16* stage) { return scales_of(stage) + 2 * TILE; };
    auto bring_w = [&](u32 step) {
        u16* const stage = stages + step % STAGES * STAGE;
        bring(stage + 2 * PART, q, row0, rows - 1, step);
        if (KIND >= SCALED && thread < TILE) {
            const u64 row = min(row0 + thread, rows - 1);
            copy_async_few<8>(scales_of(stage) + 2 * thread, factors.scale + row * (cols / 16) + 2 * step);
            if (KIND == SCALED_LESS) copy_async_few<4>(lesses_of(stage) + thread, factors.less + row * (cols / 32) + step);
        }
    };
    auto bring_x = [&](u32 step) {
        u16* const stage = stages + step % STAGES * STAGE;
        bring(stage, hi, token0, n - 1, step);
        bring(stage + PART, lo, token0, n - 1, step);
        if (KIND == SCALED_LESS && thread < TILE)
            copy_async_few<4>(lesses_of(stage) + TILE + thread, factors.sums + (u64)min(token0 + thread, n - 1) * (cols / 32) + step);
    };
    auto bring_first_w = [&] {
#pragma unroll
        for (u32 step = 0; step < STAGES - 1; step++)
            if (step < steps) bring_w(step);
    };
    // Phase 1: the first stages begin to come.
    // Plain weights do not depend on any other kernel; `widen` may still be writing integers.
    if (KIND == PLAIN) bring_first_w();
    allow_next();
    wait_for_previous();
    if (KIND != PLAIN) bring_first_w();
#pragma unroll
    for (u32 step = 0; step < STAGES - 1; step++) {
        if (step < steps) bring_x(step);
        end_of_copies();
    }
    float acc[MS][NS][4];
#pragma unroll
    for (int m = 0; m < MS; m++)
#pragma unroll
        for (int j = 0; j < NS; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) acc[m][j][i] = 0;
    // Phases 2 to 4, for each stage.
#pragma unroll 1
    for (u32 step = 0; step < steps; step++) {
        // Phase 2: the stage is there; the one STAGES - 1 behind it begins to come.
        wait_for_copies<STAGES - 2>();
        // Everyone's copies are there, and everyone is done with the stage that is brought next.
        __syncthreads();
        if (step + STAGES - 1 < steps) bring_w(step + STAGES - 1), bring_x(step + STAGES - 1);
        end_of_copies();
        u16* const xs = stages + step % STAGES * STAGE;
        u16* const ws = xs + 2 * PART;
        // Phase 3: products of 16 columns at a time, for integers times the scale of the block.
#pragma unroll
        for (int half = 0; half < 2; half++) {
            u32 b[NS][2];
#pragma unroll
            for (int j = 0; j < NS; j += 2) {
                u32 r[4];
                load_matrices(r, piece_of(ws, wn + j * 8 + lane / 16 * 8 + lane % 8, half * 2 + lane / 8 % 2));
                b[j][0] = r[0], b[j][1] = r[1], b[j + 1][0] = r[2], b[j + 1][1] = r[3];
            }
            float2 scale[NS];
            if (KIND >= SCALED) {
#pragma unroll
                for (int j = 0; j < NS; j++) {
                    const float* of = scales_of(xs) + (wn + j * 8 + lane % 4 * 2) * 2 + half;
                    scale[j] = make_float2(of[0], of[2]);
                }
            }
#pragma unroll
            for (int m = 0; m < MS; m++) {
                u32 high[4], low[4];
                load_matrices(high, piece_of(xs, wm + m * 16 + lane % 16, half * 2 + lane / 16));
                load_matrices(low, piece_of(xs + PART, wm + m * 16 + lane % 16, half * 2 + lane / 16));
                if (KIND == PLAIN) {
#pragma unroll
                    for (int j = 0; j < NS; j++) mma(Half(), acc[m][j], low, b[j]);
#pragma unroll
                    for (int j = 0; j < NS; j++) mma(Half(), acc[m][j], high, b[j]);
                } else {
                    float part[NS][4] = {};
#pragma unroll
                    for (int j = 0; j < NS; j++) mma(Half(), part[j], low, b[j]);
#pragma unroll
                    for (int j = 0; j < NS; j++) mma(Half(), part[j], high, b[j]);
#pragma unroll
                    for (int j = 0; j < NS; j++)
#pragma unroll
                        for (int i = 0; i < 4; i++) acc[m][j][i] += part[j][i] * (i % 2 ? scale[j].y : scale[j].x);
                }
            }
        }
        // Phase 4: what the offsets of the blocks take off.
        if (KIND == SCALED_LESS) {
            const float *less = lesses_of(xs) + wn + lane % 4 * 2, *sums = lesses_of(xs) + TILE + wm + lane / 4;
#pragma unroll
            for (int m = 0; m < MS; m++)
#pragma unroll
                for (int j = 0; j < NS; j++)
#pragma unroll
                    for (int i = 0; i < 4; i++) acc[m][j][i] -= sums[m * 16 + i / 2 * 8] * less[j * 8 + i % 2];
        }
    }
    // Phase 5: the units of x, bias, sum with what was there, store.
    finish<MS, NS>(acc, token0 + wm, row0 + wn, n, rows, [&](u32 token) { return unit[token]; }, bias, y, accumulate);
}

#define MATMUL_HALVES_TILE(name, Half, TILE, STAGES, WARPS_N) \
    extern "C" __global__ void __launch_bounds__(2 * TILE, TILE == 128 ? 2 : 3) matmul_halves_##name##_##TILE( \
        Weight w, const u16* hi, const u16* lo, const float* unit, u32 n, const float* bias, float* y, u32 accumulate) { \
        matmul_halves<Half, PLAIN, TILE, STAGES, 2, WARPS_N>(reinterpret_cast<const u16*>(w.q), w.rows, w.cols, Factors(), hi, lo, \
                                                             unit, n, bias, y, accumulate); \
    }
#define MATMUL_HALVES(name, Half) MATMUL_HALVES_TILE(name, Half, 128, 3, 4) MATMUL_HALVES_TILE(name, Half, 64, 5, 2)
MATMUL_HALVES(f16, F16)
MATMUL_HALVES(bf16, Bf16)

#define MATMUL_WIDE_TILE(name, KIND, TILE, STAGES, WARPS_N) \
    extern "C" __global__ void __launch_bounds__(2 * TILE, TILE == 128 ? 2 : 3) name##_##TILE( \
        const u16* q, u32 rows, u32 cols, Factors factors, const u16* hi, const u16* lo, const float* unit, u32 n, \
        const float* bias, float* y, u32 accumulate) { \
        matmul_halves<F16, KIND, TILE, STAGES, 2, WARPS_N>(q, rows, cols, factors, hi, lo, unit, n, bias, y, accumulate); \
    }
#define MATMUL_WIDE(name, KIND) MATMUL_WIDE_TILE(name, KIND, 128, 3, 4) MATMUL_WIDE_TILE(name, KIND, 64, 5, 2)
MATMUL_WIDE(matmul_wide, SCALED)
MATMUL_WIDE(matmul_wide_less, SCALED_LESS)

// Up to three products of one x: weights (rows, cols), bias (rows) or none, results (n, rows).
const u32 MOST_PRODUCTS = 3;
struct Products {
    const u16* w[MOST_PRODUCTS];
    const float* bias[MOST_PRODUCTS];
    float* y[MOST_PRODUCTS];
    u32 rows[MOST_PRODUCTS];
    u32 count;
};
static_assert(sizeof(Products) == 88, "as in src/cuda/arguments.rs");
FIELD_AT(Products, w, 0); FIELD_AT(Products, bias, 24); FIELD_AT(Products, y, 48); FIELD_AT(Products, rows, 72);
FIELD_AT(Products, count, 84);
// A tile of weights, and what it belongs to.
struct WeightTile {
    const u16* w;
    const float* bias;
    float* y;
    u32 rows, row0;
};
const int ROWS_TILE = 64;
__device__ __forceinline__ WeightTile tile_of(const Products& all, u32 tile) {
    WeightTile found = {all.w[0], all.bias[0], all.y[0], all.rows[0], 0};
    u32 first = 0;
#pragma unroll
    for (u32 i = 1; i < MOST_PRODUCTS; i++) {
        const u32 before = (found.rows + ROWS_TILE - 1) / ROWS_TILE;
        if (i >= all.count || tile - first < before) break;
        first += before;
        found = {all.w[i], all.bias[i], all.y[i], all.rows[i], 0};
    }
    found.row0 = (tile - first) * ROWS_TILE;
    return found;
}

// What a warp has of a tile, 16 tokens by 32 rows, as `finish` writes it but whole lines of 128 bytes at a time: `stage` are
// 16 · STAGE_ROW floats of shared memory. For rows in fours.
const int STAGE_ROW = 40;
template <class Unit>
__device__ __forceinline__ void finish_lines(const float (&acc)[4][4], float* stage, u32 first, u32 row0, u32 n, u32 rows, Unit unit,
                                             const float* bias, float* y, u32 accumulate) {
    const u32 lane = threadIdx.x, g = lane / 4, t = lane % 4, r = row0 + lane % 8 * 4;
    __syncwarp();
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int half = 0; half < 2; half++)
            *reinterpret_cast<float2*>(stage + (g + 8 * half) * STAGE_ROW + j * 8 + 2 * t) =
                make_float2(acc[j][2 * half], acc[j][2 * half + 1]);
    __syncwarp();
    const float4 offset = bias && r < rows ? *reinterpret_cast<const float4*>(bias + r) : make_float4(0, 0, 0, 0);
    float4 before[4];
    auto place = [&](int i) { return reinterpret_cast<float4*>(y + (u64)(first + lane / 8 + 4 * i) * rows + r); };
    auto there = [&](int i) { return first + lane / 8 + 4 * i < n && r < rows; };
#pragma unroll
    for (int i = 0; i < 4; i++) before[i] = accumulate && there(i) ? *place(i) : make_float4(0, 0, 0, 0);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const u32 line = lane / 8 + 4 * i;
        const float4 v = *reinterpret_cast<const float4*>(stage + line * STAGE_ROW + lane % 8 * 4);
        const float by = unit(first + line);
        if (there(i))
            *place(i) = make_float4(v.x * by + offset.x + before[i].x, v.y * by + offset.y + before[i].y,
                                    v.z * by + offset.z + before[i].z, v.w * by + offset.w + before[i].w);
    }
}

// Rows of up to 128 · FOURS values. GATED: the two products are one result, silu(first) · second, in the place of the first. RING parts of weights are on their way or in use; LINES: there is a stage for `finish_lines`.
template <class Half, bool GATED, int FOURS, int RING, bool LINES>
__device__ __forceinline__ void matmul_rows(const Products& all, u32 tiles, const float* x, const float* norm, float eps, u32 n,
                                            u32 cols, u32 accumulate) {
    DYNAMIC_SHARED(uint4, shared);
    // Eight warps of 16 tokens by 32 rows, and of 8 tokens while x is brought in, up to AT_ONCE of them at once.
    const int PART = ROWS_TILE * DEPTH, NS = 4, AT_ONCE = FOURS == 3 ? 4 : 8;
    const u32 steps = (cols + DEPTH - 1) / DEPTH, fours = cols / 4, parts = GATED ? 2 * steps : steps;
    const u32 lane = threadIdx.x, warp = threadIdx.y, thread = warp * 32 + lane, token0 = blockIdx.y * ROWS_TILE;
    const u32 wm = warp / 2 * 16, wn = warp % 2 * 32;
    // hi and lo of x for each step, then a ring of parts of weights, then units, then what warps write in lines.
    u16 *const xs = reinterpret_cast<u16*>(shared), *const ring = xs + steps * 2 * PART;
    float *const units = reinterpret_cast<float*>(ring + RING * PART), *const stage = units + ROWS_TILE + warp * 16 * STAGE_ROW;
    // Begins to bring the next part of weights. What is behind the last row or column is zero.
    u32 next_tile = blockIdx.x, next_step = 0, next_slot = 0;
    WeightTile next = tile_of(all, next_tile);
    auto bring = [&] {
        if (next_tile < tiles) {
            const bool second = GATED && next_step >= steps;
            const u32 line = thread / 4, row = next.row0 + line;
            const u32 k = (second ? next_step - steps : next_step) * DEPTH + thread % 4 * 8;
            copy_async_or_zero(piece_of(ring + next_slot * PART, line, thread % 4),
                               (second ? all.w[1] : next.w) + (u64)min(row, next.rows - 1) * cols + min(k, cols - 8), row < next.rows && k < cols);
            if (++next_step == parts) next_step = 0, next_tile += gridDim.x, next = tile_of(all, next_tile);
            next_slot = (next_slot + 1) % RING;
        }
        end_of_copies();
    };
    // Phase 1: the first parts of weights begin to come.
    // Weights do not depend on any other kernel.
#pragma unroll
    for (int i = 0; i < RING - 1; i++) bring();
    // No normed value is larger than √cols times the largest weight: one unit does for all rows.
    float4 weight[FOURS];
    float unit = 1, inverse = 1;
    if (norm) {
        read_row(weight, reinterpret_cast<const float4*>(norm), fours);
        unit = unit_of(Half(), sqrtf(cols) * warp_max(largest_of_row(weight)), inverse);
    }
    allow_next();
    wait_for_previous();
    // Phase 2: norm and split x, some rows at a time, to shared memory.
#pragma unroll 1
    for (u32 first = warp * 8; first < warp * 8 + 8; first += AT_ONCE) {
        float4 v[AT_ONCE][FOURS];
        // By row: sums of squares, or the largest value, then what it is multiplied by. The sums of all rows go side by side.
        float of[AT_ONCE];
#pragma unroll
        for (int r = 0; r < AT_ONCE; r++)
            read_row(v[r], reinterpret_cast<const float4*>(x + (u64)min(token0 + first + r, n - 1) * cols), fours);
#pragma unroll
        for (int r = 0; r < AT_ONCE; r++) of[r] = norm ? squares_of_row(v[r]) : largest_of_row(v[r]);
#pragma unroll
        for (int o = 16; o > 0; o >>= 1)
#pragma unroll
            for (int r = 0; r < AT_ONCE; r++) {
                const float other = __shfl_xor_sync(~0u, of[r], o);
                of[r] = norm ? of[r] + other : fmaxf(of[r], other);
            }
#pragma unroll
        for (int r = 0; r < AT_ONCE; r++) {
            if (norm) {
                const float factor = rsqrtf(of[r] / cols + eps);
#pragma unroll
                for (int k = 0; k < FOURS; k++) v[r][k] = normed(v[r][k], factor, weight[k]);
            } else {
                unit = unit_of(Half(), of[r], inverse);
            }
            if (lane == 0) units[first + r] = unit;
#pragma unroll
            for (int k = 0; k < FOURS; k++) {
                // Behind the last column there are zeros.
                const u32 i = lane + 32 * k;
                if (i >= steps * (DEPTH / 4)) break;
                uint2 hi, lo;
                split_four(Half(), v[r][k], inverse, hi, lo);
                u16* to = piece_of(xs + i / 8 * 2 * PART, first + r, i % 8 / 2) + i % 2 * 4;
                *reinterpret_cast<uint2*>(to) = hi;
                *reinterpret_cast<uint2*>(to + PART) = lo;
            }
        }
    }
    u32 slot = 0;
    // Phases 3 to 6, for each 64 rows of weights.
#pragma unroll 1
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        float acc[1][NS][4] = {}, gates[NS][4];
#pragma unroll 1
        for (u32 step = 0; step < parts; step++) {
            // Phase 3: the part is there; the next one begins to come.
            wait_for_copies<RING - 2>();
            // Everyone's copies are there, and x, and everyone is done with the part that is brought next.
            __syncthreads();
            bring();
            const bool second = GATED && step >= steps;
            // Phase 4: the first product is put aside as the gate.
            if (GATED && step == steps) {
#pragma unroll
                for (int j = 0; j < NS; j++)
#pragma unroll
                    for (int i = 0; i < 4; i++) gates[j][i] = acc[0][j][i], acc[0][j][i] = 0;
            }
            const u16 *high = xs + (second ? step - steps : step) * 2 * PART, *ws = ring + slot * PART;
            slot = (slot + 1) % RING;
            // Phase 5: products of 16 columns at a time.
#pragma unroll
            for (int half = 0; half < 2; half++) {
                u32 b[NS][2], hi[4], lo[4];
#pragma unroll
                for (int j = 0; j < NS; j += 2) {
                    u32 r[4];
                    load_matrices(r, piece_of(ws, wn + j * 8 + lane / 16 * 8 + lane % 8, half * 2 + lane / 8 % 2));
                    b[j][0] = r[0], b[j][1] = r[1], b[j + 1][0] = r[2], b[j + 1][1] = r[3];
                }
                const u16* from = piece_of(high, wm + lane % 16, half * 2 + lane / 16);
                load_matrices(hi, from);
                load_matrices(lo, from + PART);
#pragma unroll
                for (int j = 0; j < NS; j++) mma(Half(), acc[0][j], lo, b[j]);
#pragma unroll
                for (int j = 0; j < NS; j++) mma(Half(), acc[0][j], hi, b[j]);
            }
        }
        // Phase 6: gate, units of x, bias, sum with what was there, store.
        const WeightTile to = tile_of(all, tile);
        auto of = [&](u32 token) { return GATED ? 1.0f : units[token - token0]; };
        if (GATED) {
            const float by[2] = {units[wm + lane / 4], units[wm + lane / 4 + 8]};
#pragma unroll
            for (int j = 0; j < NS; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) acc[0][j][i] = silu(gates[j][i] * by[i / 2]) * (acc[0][j][i] * by[i / 2]);
        }
        if (LINES && to.rows % 4 == 0) {
            finish_lines(acc[0], stage, token0 + wm, to.row0 + wn, n, to.rows, of, to.bias, to.y, accumulate);
        } else {
            finish<1, NS>(acc, token0 + wm, to.row0 + wn, n, to.rows, of, to.bias, to.y, accumulate);
        }
    }
}

#define MATMUL_ROWS_KIND(kind, name, Half, GATED, W, FOURS, RING, LINES) \
    extern "C" __global__ void __launch_bounds__(256, 2) kind##_rows_##name##_##W( \
        Products all, u32 tiles, const float* x, const float* norm, float eps, u32 n, u32 cols, u32 accumulate) { \
        matmul_rows<Half, GATED, FOURS, RING, LINES>(all, tiles, x, norm, eps, n, cols, accumulate); \
    }
#define MATMUL_ROWS_W(name, Half, W, FOURS, RING, LINES) \
    MATMUL_ROWS_KIND(matmul, name, Half, false, W, FOURS, RING, LINES) MATMUL_ROWS_KIND(swiglu, name, Half, true, W, FOURS, RING, LINES)
#define MATMUL_ROWS(name, Half) \
    MATMUL_ROWS_W(name, Half, 128, 1, 4, true) MATMUL_ROWS_W(name, Half, 256, 2, 3, true) MATMUL_ROWS_W(name, Half, 320, 3, 4, false)
MATMUL_ROWS(f16, F16)
MATMUL_ROWS(bf16, Bf16)
