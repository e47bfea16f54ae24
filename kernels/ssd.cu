// The state space of a Mamba-2 block for many tokens, in blocks of 64 with matrix products: the chunked form of
// "Transformers are SSMs", Dao and Gu, arXiv 2405.21060, section 6, for n tokens in each of several sequences. With a
// running sum c of dt·a inside a block:
//   ssd_states: own (sequences, blocks, heads, P, N) = Σ_j exp(c_last − c_j)·dt_j·x_j ⊗ B_j and
//               decay (sequences, blocks, heads) = exp(c_last).
//               Grid: x the sequences' blocks, y the heads, z tiles of 64 x 64 of (P, N).
//   ssd_scan:   own ← the state before each block, state (sequences, heads, P, N) ← the one after the last.
//               Grid: x covers heads·P·N, y the sequences.
//   ssd_out:    y (sequences, n, inner)[i] =
//                   (exp(c_i)·C_i·s + Σ_{j ≤ i} (C_i·B_j)·exp(c_i − c_j)·dt_j·x_j + d·x_i)·silu(z_i).
//               Grid: x the sequences' blocks, y the heads, z tiles of 64 of P.
// xbc (sequences, n, channels) and dt (sequences, n, heads) come from ssm_conv. Blocks of 128 threads: four warps of 16 rows of a 64 x 64 tile.
// Tokens past the end count as zero, so that a block of fewer than 64 gives the same bits as a whole one.
// CPU twin: cpu/ssm.rs, gram and span.
#include "common.cuh"

const int SPAN = 64;
const int TILE = 64;

// c and dt of the block's tokens of one head, into shared memory. Past the end c is constant and dt zero.
__device__ __forceinline__ void running_sums(const float* dt, u32 heads, u32 head, u32 first, u32 n, float a, float* sums,
                                             float* steps) {
    if (threadIdx.x < 32) {
        const u32 i = 2 * threadIdx.x, t = first + i;
        const float x = t < n ? dt[(u64)t * heads + head] : 0.0f;
        const float y = t + 1 < n ? dt[(u64)(t + 1) * heads + head] : 0.0f;
        float sum = (x + y) * a;
        for (int o = 1; o < 32; o <<= 1) {
            const float before = __shfl_up_sync(~0u, sum, o);
            if (threadIdx.x >= o) sum += before;
        }
        const float before = __shfl_up_sync(~0u, sum, 1);
        steps[i] = x, steps[i + 1] = y;
        sums[i] = (threadIdx.x ? before : 0.0f) + x * a;
        sums[i + 1] = sum;
    }
    __syncthreads();
}

// A tile of 64 rows and WIDTH columns on its way from memory to shared memory. All loads of a tile, and of several, are
// begun before the first is needed.
template <int WIDTH>
struct Tile {
    static const int COUNT = TILE * WIDTH / 4 / 128;
    float4 values[COUNT];

    // Rows `row0` .. and columns `col0` .. of `from` (rows, stride), zeros outside of rows x cols.
    __device__ __forceinline__ void fetch(const float* from, u64 stride, u32 row0, u32 rows, u32 col0, u32 cols) {
        const bool whole = stride % 4 == 0 && col0 + WIDTH <= cols && (u64)(from + col0) % 16 == 0;
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            const u32 i = threadIdx.x + 128 * j, r = row0 + i / (WIDTH / 4), c = col0 + i % (WIDTH / 4) * 4;
            const float* at = from + (u64)r * stride + c;
            float4 v = make_float4(0, 0, 0, 0);
            if (r < rows) {
                if (whole) {
                    v = *reinterpret_cast<const float4*>(at);
                } else {
                    if (c < cols) v.x = at[0];
                    if (c + 1 < cols) v.y = at[1];
                    if (c + 2 < cols) v.z = at[2];
                    if (c + 3 < cols) v.w = at[3];
                }
            }
            values[j] = v;
        }
    }

    __device__ __forceinline__ void put(float* to, int to_stride) const {
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            const u32 i = threadIdx.x + 128 * j;
            *reinterpret_cast<float4*>(to + i / (WIDTH / 4) * to_stride + i % (WIDTH / 4) * 4) = values[j];
        }
    }
};

// Strides with which eight rows, or eight columns, of fragments lie in different banks.
const int ALONG = 40;   // 32 values of k in a row
const int ACROSS = 68;  // 64 columns, k going down
const int MASK = 72;    // 64 values of k in a row

extern "C" __global__ void __launch_bounds__(128) ssd_states(Ssm s, const float* xbc, const float* dt, u32 n,
                                                             const float* a, float* own, float* decay) {
    __shared__ __align__(16) float xs[SPAN * ACROSS], bs[SPAN * ACROSS];
    __shared__ float sums[SPAN], steps[SPAN];
    allow_next();
    wait_for_previous();
    const u32 blocks = (n + SPAN - 1) / SPAN, first = blockIdx.x % blocks * SPAN;
    const u32 head = blockIdx.y, width = s.inner / s.heads, group = head / (s.heads / s.groups);
    const u64 sequence = blockIdx.x / blocks;
    xbc += sequence * n * s.channels;
    dt += sequence * n * s.heads;
    const u32 across = (s.state + TILE - 1) / TILE, p0 = blockIdx.z / across * TILE, n0 = blockIdx.z % across * TILE;
    Tile<TILE> x_tile, b_tile;
    x_tile.fetch(xbc + head * width, s.channels, first, n, p0, width);
    b_tile.fetch(xbc + s.inner + group * s.state, s.channels, first, n, n0, s.state);
    running_sums(dt, s.heads, head, first, n, a[head], sums, steps);
    x_tile.put(xs, ACROSS);
    b_tile.put(bs, ACROSS);
    __syncthreads();
    for (u32 i = threadIdx.x; i < SPAN * TILE; i += 128) {
        const u32 j = i / TILE;
        xs[j * ACROSS + i % TILE] *= __expf(sums[SPAN - 1] - sums[j]) * steps[j];
    }
    __syncthreads();

    const u32 lane = threadIdx.x % 32, m0 = threadIdx.x / 32 * 16, g = lane / 4, t = lane % 4;
    float acc[8][4] = {};
    for (int k0 = 0; k0 < SPAN; k0 += 16) {
        SplitA x;
        x.load([&](int row, int k) { return xs[(k0 + k) * ACROSS + m0 + row]; });
#pragma unroll
        for (int j = 0; j < 8; j++) {
            SplitB b;
            b.load([&](int k, int column) { return bs[(k0 + k) * ACROSS + j * 8 + column]; });
            mma_split(acc[j], x, b);
        }
    }
    own += ((u64)blockIdx.x * s.heads + head) * width * s.state;
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const u32 p = p0 + m0 + g + i / 2 * 8, q = n0 + j * 8 + 2 * t + i % 2;
            if (p < width && q < s.state) own[(u64)p * s.state + q] = acc[j][i];
        }
    if (threadIdx.x == 0 && blockIdx.z == 0) decay[blockIdx.x * s.heads + head] = __expf(sums[SPAN - 1]);
}

extern "C" __global__ void ssd_scan(Ssm s, u32 blocks, float* own, const float* decay, float* state) {
    allow_next();
    wait_for_previous();
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x, all = (u64)s.inner * s.state;
    if (i >= all) return;
    own += blockIdx.y * blocks * all;
    decay += blockIdx.y * blocks * s.heads;
    state += blockIdx.y * all;
    const u32 head = i / (all / s.heads);
    float before = state[i];
    // Several blocks are loaded before the first of them is replaced.
    const u32 AHEAD = 8;
    for (u32 b0 = 0; b0 < blocks; b0 += AHEAD) {
        float here[AHEAD], factor[AHEAD];
#pragma unroll
        for (u32 j = 0; j < AHEAD; j++) {
            if (b0 + j >= blocks) break;
            here[j] = own[(b0 + j) * all + i];
            factor[j] = decay[(b0 + j) * s.heads + head];
        }
#pragma unroll
        for (u32 j = 0; j < AHEAD; j++) {
            if (b0 + j >= blocks) break;
            own[(b0 + j) * all + i] = before;
            before = factor[j] * before + here[j];
        }
    }
    state[i] = before;
}

// Blocks of ssd_out on a multiprocessor. The compiler finds registers for four without spilling only here.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
const int OUT_BLOCKS = 4;
#else
const int OUT_BLOCKS = 3;
#endif

extern "C" __global__ void __launch_bounds__(128, OUT_BLOCKS) ssd_out(Ssm s, const float* xbc, const float* dt, u32 n, const float* a,
                                                          const float* d, const float* own, const float* zxbcdt, float* y) {
    // C and B (or the state) in steps of 32; x takes their place in the end.
    __shared__ __align__(16) float tiles[2 * SPAN * ALONG];
    __shared__ float mixed[SPAN * MASK], sums[SPAN], steps[SPAN];
    float *cs = tiles, *bs = tiles + SPAN * ALONG, *xs = tiles;
    allow_next();
    wait_for_previous();
    const u32 blocks = (n + SPAN - 1) / SPAN, first = blockIdx.x % blocks * SPAN;
    const u32 head = blockIdx.y, width = s.inner / s.heads, group = head / (s.heads / s.groups);
    const u64 sequence = blockIdx.x / blocks;
    xbc += sequence * n * s.channels;
    dt += sequence * n * s.heads;
    zxbcdt += sequence * n * s.projected;
    y += sequence * n * s.inner;
    const u32 p0 = blockIdx.z * TILE;
    const u32 lane = threadIdx.x % 32, m0 = threadIdx.x / 32 * 16, g = lane / 4, t = lane % 4;
    running_sums(dt, s.heads, head, first, n, a[head], sums, steps);
    const float* before = own + ((u64)blockIdx.x * s.heads + head) * width * s.state;

    float gram[8][4] = {}, acc[8][4] = {};
    auto multiply = [&](float (&into)[8][4]) {
        for (int k0 = 0; k0 < 32; k0 += 16) {
            SplitA c;
            c.load([&](int row, int k) { return cs[(m0 + row) * ALONG + k0 + k]; });
#pragma unroll
            for (int j = 0; j < 8; j++) {
                SplitB b;
                b.load([&](int k, int column) { return bs[(j * 8 + column) * ALONG + k0 + k]; });
                mma_split(into[j], c, b);
            }
        }
    };
    Tile<32> c_tile, b_tile, s_tile;
    for (u32 n0 = 0; n0 < s.state; n0 += 32) {
        c_tile.fetch(xbc + s.inner + (s.groups + group) * s.state, s.channels, first, n, n0, s.state);
        b_tile.fetch(xbc + s.inner + group * s.state, s.channels, first, n, n0, s.state);
        s_tile.fetch(before, s.state, p0, width, n0, s.state);
        __syncthreads();
        c_tile.put(cs, ALONG);
        b_tile.put(bs, ALONG);
        __syncthreads();
        multiply(gram);
        __syncthreads();
        s_tile.put(bs, ALONG);
        __syncthreads();
        multiply(acc);
    }
    Tile<TILE> x_tile;
    x_tile.fetch(xbc + head * width, s.channels, first, n, p0, width);
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const u32 row = m0 + g + i / 2 * 8, column = j * 8 + 2 * t + i % 2;
            mixed[row * MASK + column] =
                column <= row ? gram[j][i] * __expf(sums[row] - sums[column]) * steps[column] : 0.0f;
            acc[j][i] *= __expf(sums[row]);
        }
    // Gates are on their way while x is multiplied: none is read after a result is written.
    float gates[8][4];
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const u32 token = first + m0 + g + i / 2 * 8, p = p0 + j * 8 + 2 * t + i % 2;
            gates[j][i] = token < n && p < width ? zxbcdt[(u64)token * s.projected + head * width + p] : 0.0f;
        }
    const float straight = d[head];
    __syncthreads();
    x_tile.put(xs, ACROSS);
    __syncthreads();
    for (int k0 = 0; k0 < SPAN; k0 += 16) {
        SplitA m;
        m.load([&](int row, int k) { return mixed[(m0 + row) * MASK + k0 + k]; });
#pragma unroll
        for (int j = 0; j < 8; j++) {
            SplitB x;
            x.load([&](int k, int column) { return xs[(k0 + k) * ACROSS + j * 8 + column]; });
            mma_split(acc[j], m, x);
        }
    }
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const u32 row = m0 + g + i / 2 * 8, token = first + row, p = j * 8 + 2 * t + i % 2;
            if (token < n && p0 + p < width)
                y[(u64)token * s.inner + head * width + p0 + p] = (acc[j][i] + straight * xs[row * ACROSS + p]) * silu(gates[j][i]);
        }
}
