// chunk_memory: the memories of chunks of encoded rows x (chunks, rows, cols), whose norm has weights (cols): keys and values,
//   y (chunks, rows, width) = norm(x) · wᵀ, the keys' heads of 32 normed with k_norm (32) if there is one, and of the last row of
//   each chunk the landmark (chunks, landmark_width) = norm(x) · landmarkᵀ.
//   chunk_memory_f16, chunk_memory_bf16: weights of 16 bits, cols up to 128 and a multiple of 8, width 32 or 64, landmark_width
//       up to 128 and a multiple of 4, on matrix units, x normed as a sum of two numbers of 16 bits as in matmul.cu.
//       A warp has 16 rows of x in registers, weights are all in shared memory.
//       Grid: x covers the rows of all chunks in tiles of 64, then the last ones of chunks in tiles of 64. Blocks of 128 threads.
//       Dynamic shared memory: 32,768 bytes.
// CPU twin: none; the CPU takes the products one by one.
#include "common.cuh"

// Results as described above.
struct Memory {
    const u16 *k, *v, *landmark;
    const float *norm, *k_norm;
    float *keys, *values, *landmarks;
    float eps;
    u32 cols, width, landmark_width;
};
static_assert(sizeof(Memory) == 80, "as in src/cuda/arguments.rs");
FIELD_AT(Memory, k, 0); FIELD_AT(Memory, norm, 24); FIELD_AT(Memory, keys, 40); FIELD_AT(Memory, eps, 64);
FIELD_AT(Memory, cols, 68); FIELD_AT(Memory, width, 72); FIELD_AT(Memory, landmark_width, 76);

const int TILE = 64, MOST = 128, HEAD = 32;

template <class Half>
__device__ __forceinline__ void chunk_memory(const Memory& s, const float* x, u32 chunks, u32 rows) {
    DYNAMIC_SHARED(uint4, shared);
    const int K = MOST / 16;
    u16* const ws = reinterpret_cast<u16*>(shared);
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, cols = s.cols, all = chunks * rows, tiles = (all + TILE - 1) / TILE;
    const bool last = blockIdx.x >= tiles;
    // Weights: those of keys, then of values, or those of landmarks; zeros behind the last of them, and behind the last column.
    const u32 lines = last ? s.landmark_width : 2 * s.width, n = last ? chunks : all;
    const u32 heads = (lines + HEAD - 1) / HEAD;
    for (u32 at = threadIdx.x; at < heads * HEAD * (MOST / 8); at += blockDim.x) {
        const u32 line = min(at / (MOST / 8), lines - 1), piece = at % (MOST / 8);
        const u16* const from = last ? s.landmark + line * cols : line < s.width ? s.k + line * cols : s.v + (line - s.width) * cols;
        copy_async_or_zero(piece_in<MOST / 8>(ws, at / (MOST / 8), piece), from + min(piece * 8, cols - 8), piece * 8 < cols);
    }
    end_of_copies();
    float inverse;
    const float unit = unit_of_norm<Half, 2 * K>(Half(), s.norm, cols, inverse);
    allow_next();
    wait_for_previous();
    const u32 first = (last ? blockIdx.x - tiles : blockIdx.x) * TILE + warp * 16 + lane / 4;
    auto row = [&](u32 at) {
        at = min(at, n - 1);
        return x + (u64)(last ? at * rows + rows - 1 : at) * cols;
    };
    SplitA normed_rows[K];
    read_normed(Half(), normed_rows, row(first), row(first + 8), s.norm, s.eps, cols, inverse);
    wait_for_copies<0>();
    __syncthreads();
#pragma unroll 1
    for (u32 head = 0; head < heads; head++) {
        float y[HEAD / 8][4] = {};
#pragma unroll
        for (int k = 0; k < K; k++)
            mma_rows<HEAD / 8>(Half(), y, normed_rows[k], [&](int j, u32 row, u32 piece) {
                return piece_in<MOST / 8>(ws, head * HEAD + j * 16 + row, 2 * k + piece);
            });
        const bool key = !last && head * HEAD < s.width;
        float* const to = last ? s.landmarks : key ? s.keys : s.values;
        const u32 wide = last ? lines : s.width, column = (last || key ? head * HEAD : head * HEAD - s.width) + lane % 4 * 2;
        float2 by[HEAD / 8];
        if (key && s.k_norm) read_pairs(by, s.k_norm, HEAD);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float sum = 0;
#pragma unroll
            for (int j = 0; j < HEAD / 8; j++) {
                float2 v = make_float2(y[j][2 * r] * unit, y[j][2 * r + 1] * unit);
                y[j][2 * r] = v.x, y[j][2 * r + 1] = v.y;
                sum += v.x * v.x + v.y * v.y;
            }
            if (key && s.k_norm) {
                const float factor = rsqrtf(row_sum(sum) / HEAD + s.eps);
#pragma unroll
                for (int j = 0; j < HEAD / 8; j++) y[j][2 * r] *= factor * by[j].x, y[j][2 * r + 1] *= factor * by[j].y;
            }
#pragma unroll
            for (int j = 0; j < HEAD / 8; j++)
                if (first + 8 * r < n && column + 8 * j < wide)
                    *reinterpret_cast<float2*>(to + (u64)(first + 8 * r) * wide + column + 8 * j) = make_float2(y[j][2 * r], y[j][2 * r + 1]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(128, 4) chunk_memory_f16(Memory s, const float* x, u32 chunks, u32 rows) {
    chunk_memory<F16>(s, x, chunks, rows);
}
extern "C" __global__ void __launch_bounds__(128, 4) chunk_memory_bf16(Memory s, const float* x, u32 chunks, u32 rows) {
    chunk_memory<Bf16>(s, x, chunks, rows);
}
