// matmul: y (n, rows) = x (n, cols) · wᵀ for many tokens, or added to y, on matrix units.
//   Grid: x covers the rows (outputs) in tiles, y the tokens in tiles. Blocks of 256 threads compute 128 x 128 results,
//   blocks of 128 threads 64 x 64.
// Factors are taken as sums of two bfloat16 and multiplied in three products (two for BF16 weights), which keeps f32's
// range and errs by about 2^-16 of each product: see "bfloat16x3", Henry, Tang, Heinecke, arXiv 1904.06376.
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

// TILE x TILE results by WARPS_M x WARPS_N warps of TILE/WARPS_M tokens x TILE/WARPS_N rows each.
template <int T, int TILE, int WARPS_M, int WARPS_N>
__device__ __forceinline__ void matmul(Weight w, const float* x, u32 n, float* y, u32 accumulate) {
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

    bring_w(0);
    allow_next();
    wait_for_previous();
    bring_x(0);
    float acc[MS][NS][4];
    _Pragma("unroll") for (int m = 0; m < MS; m++)
        _Pragma("unroll") for (int j = 0; j < NS; j++)
            _Pragma("unroll") for (int i = 0; i < 4; i++) acc[m][j][i] = 0;
    const u32 wm = warp / WARPS_N * (TILE / WARPS_M), wn = warp % WARPS_N * (TILE / WARPS_N);

    for (u32 k0 = 0; k0 < w.cols; k0 += DEPTH) {
        store16(xv, &xs[0][line * STRIDE + k], &xs[1][line * STRIDE + k]);
        store16(wv, &ws[0][line * STRIDE + k], &ws[1][line * STRIDE + k]);
        __syncthreads();
        if (k0 + DEPTH < w.cols) {
            bring_w(k0 + DEPTH);
            bring_x(k0 + DEPTH);
        }
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

    // Results of 16 tokens at a time: all that they are added to is read before any is written.
    const u32 g = lane / 4, t = lane % 4;
    const bool pairs = w.rows % 2 == 0;
    _Pragma("unroll") for (int m = 0; m < MS; m++) {
        float2 before[NS][2];
        // Two neighbours of a result, and how many of them there are.
        auto place = [&](int j, int half) {
            return y + (u64)(token0 + wm + m * 16 + g + half * 8) * w.rows + row0 + wn + j * 8 + 2 * t;
        };
        auto there = [&](int j, int half) {
            const u32 to = token0 + wm + m * 16 + g + half * 8, r = row0 + wn + j * 8 + 2 * t;
            return to >= n || r >= w.rows ? 0 : r + 1 < w.rows ? 2 : 1;
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
                float2 v = make_float2(acc[m][j][2 * half], acc[m][j][2 * half + 1]);
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

#define MATMUL(name, T) \
    extern "C" __global__ void __launch_bounds__(256) matmul_##name##_128(Weight w, const float* x, u32 n, float* y, \
                                                                          u32 accumulate) { \
        matmul<T, 128, 2, 4>(w, x, n, y, accumulate); \
    } \
    extern "C" __global__ void __launch_bounds__(128) matmul_##name##_64(Weight w, const float* x, u32 n, float* y, \
                                                                         u32 accumulate) { \
        matmul<T, 64, 2, 2>(w, x, n, y, accumulate); \
    }
MATMUL(f32, TF32)
MATMUL(f16, TF16)
MATMUL(bf16, TBF16)
MATMUL(q8_0, TQ8_0)
MATMUL(q4_0, TQ4_0)
MATMUL(q4_k, TQ4_K)
MATMUL(q6_k, TQ6_K)
