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
// xbc (sequences, n, channels) and dt (sequences, n, heads) come from ssm_conv. Blocks of 128 threads: four warps of 16 rows of a
// 64 x 64 tile. Factors are sums of two bfloat16, multiplied in three products as in matmul.cu; they are split on their way to
// shared memory, once for all warps.
// Tokens past the end count as zero, so that a block of fewer than 64 gives the same bits as a whole one.
// CPU twin: cpu/ssm.rs, gram and span.
#include "common.cuh"

const int SPAN = 64;
const int TILE = 64;

// c and dt of tokens 2·lane and 2·lane + 1 of the block, by one warp. Past the end c is constant and dt zero.
struct Sums {
    float2 c, dt;

    __device__ __forceinline__ Sums(const float* steps, u32 heads, u32 head, u32 tokens, float a) {
        const u32 lane = threadIdx.x % 32, t = 2 * lane;
        dt.x = t < tokens ? steps[t * heads + head] : 0.0f;
        dt.y = t + 1 < tokens ? steps[(t + 1) * heads + head] : 0.0f;
        float sum = (dt.x + dt.y) * a;
        for (int o = 1; o < 32; o <<= 1) {
            const float before = __shfl_up_sync(~0u, sum, o);
            if (lane >= o) sum += before;
        }
        const float before = __shfl_up_sync(~0u, sum, 1);
        c = make_float2((lane ? before : 0.0f) + dt.x * a, sum);
    }
};

// 64 rows of WIDTH values in shared memory as sums of two bfloat16: the upper parts of all, then the lower ones. A row is in
// pieces of 16 bytes, in an order that has any one piece of eight rows below each other in different banks. An even piece 2i of
// a row is where piece 0 is, but for 16·i added by exclusive or; the same holds for odd ones and piece 1.
template <int WIDTH>
__device__ __forceinline__ u32 place(u32 row, u32 piece) {
    settle(row);  // Worked out where it is needed: there are no registers to keep it in.
    return row * WIDTH + (piece ^ turn<WIDTH / 8>(row)) * 8;
}

// Four neighbours into a tile.
template <int WIDTH>
__device__ __forceinline__ void put_four(u16* to, float4 v, float factor) {
    uint2 hi, lo;
    split_four(Bf16(), v, factor, hi, lo);
    *reinterpret_cast<uint2*>(to) = hi;
    *reinterpret_cast<uint2*>(to + TILE * WIDTH) = lo;
}

// A tile of 64 rows and WIDTH columns on its way from memory to shared memory. `fetch` takes the first rows of `from` (rows,
// stride), of which there are `cols` columns more; behind the ends are zeros. `put` splits them, times the factor of each row.
// FOURS: strides, widths and addresses are multiples of four values. All loads of a tile, and of several, are begun before the
// first is needed.
template <int WIDTH, bool FOURS>
struct Tile {
    static const u32 STEP = 128 / (WIDTH / 4), COUNT = TILE / STEP;
    float4 values[COUNT];

    // Places are worked out anew for each tile: there are no registers to keep them in.
    __device__ __forceinline__ void fetch(const float* from, u32 stride, u32 rows, u32 cols) {
        u32 thread = threadIdx.x;
        settle(thread);
        const u32 r = thread / (WIDTH / 4), c = thread % (WIDTH / 4) * 4, at = r * stride + c;
#pragma unroll
        for (u32 j = 0; j < COUNT; j++)
            values[j] = r + STEP * j < rows && c < cols ? *reinterpret_cast<const float4*>(from + (at + STEP * j * stride))
                                                        : make_float4(0, 0, 0, 0);
    }
    template <class Factor>
    __device__ __forceinline__ void put(u16* to, Factor factor) const {
        u32 thread = threadIdx.x;
        settle(thread);
        const u32 row = thread / (WIDTH / 4), four = thread % (WIDTH / 4);
        to += place<WIDTH>(row, four / 2) + four % 2 * 4;
        // Steps are of whole eights of rows: the order of pieces is the same.
#pragma unroll
        for (u32 j = 0; j < COUNT; j++) put_four<WIDTH>(to + STEP * j * WIDTH, values[j], factor(row + STEP * j));
    }
    __device__ __forceinline__ void put(u16* to) const {
        put(to, [](u32) { return 1.0f; });
    }
};
// The same for others, which are loaded when they are needed.
template <int WIDTH>
struct Tile<WIDTH, false> {
    const float* from;
    u32 stride, rows, cols;

    __device__ __forceinline__ void fetch(const float* from, u32 stride, u32 rows, u32 cols) { *this = {from, stride, rows, cols}; }
    template <class Factor>
    __device__ __forceinline__ void put(u16* to, Factor factor) const {
        const u32 four = threadIdx.x % (WIDTH / 4), c = four * 4;
#pragma unroll 1
        for (u32 row = threadIdx.x / (WIDTH / 4); row < TILE; row += 128 / (WIDTH / 4)) {
            const float* const at = from + (row * stride + c);
            const u32 count = row < rows && c < cols ? cols - c : 0;
            const float4 v = make_float4(count > 0 ? at[0] : 0.0f, count > 1 ? at[1] : 0.0f, count > 2 ? at[2] : 0.0f,
                                         count > 3 ? at[3] : 0.0f);
            put_four<WIDTH>(to + place<WIDTH>(row, four / 2) + four % 2 * 4, v, factor(row));
        }
    }
    __device__ __forceinline__ void put(u16* to) const {
        put(to, [](u32) { return 1.0f; });
    }
};

// Values p and p + 1 of a row that begins at `row` and has `width`, zeros behind its end. EVEN: both are read at once.
template <bool EVEN>
__device__ __forceinline__ float2 read_two(const float* from, u32 row, u32 p, u32 width, bool there) {
    if (EVEN) return there && p < width ? *reinterpret_cast<const float2*>(from + (row + p)) : make_float2(0, 0);
    return make_float2(there && p < width ? from[row + p] : 0.0f, there && p + 1 < width ? from[row + p + 1] : 0.0f);
}
template <bool EVEN>
__device__ __forceinline__ void write_two(float* to, u32 row, u32 p, u32 width, float x, float y) {
    if (EVEN) {
        if (p < width) *reinterpret_cast<float2*>(to + (row + p)) = make_float2(x, y);
    } else {
        if (p < width) to[row + p] = x;
        if (p + 1 < width) to[row + p + 1] = y;
    }
}
// Whether rows of heads, of states and of what ssm_conv made are all in fours. All memory begins with one.
__device__ __forceinline__ bool in_fours(const Ssm& s) { return (s.inner / s.heads | s.state | s.channels) % 4 == 0; }

template <bool FOURS>
__device__ __forceinline__ void states(const Ssm& s, const float* xbc, const float* dt, u32 n, const float* a, float* own,
                                       float* decay, u16* xs, u16* bs, float* factors) {
    typedef Tile<TILE, FOURS> Whole;
    const u32 LOW = SPAN * TILE;
    const u32 blocks = (n + SPAN - 1) / SPAN, first = blockIdx.x % blocks * SPAN;
    const u32 head = blockIdx.y, width = s.inner / s.heads, group = head / (s.heads / s.groups);
    const u64 sequence = blockIdx.x / blocks;
    const u32 tokens = n - first;  // and those of later blocks
    xbc += (sequence * n + first) * s.channels;
    dt += (sequence * n + first) * s.heads;
    const u32 across = (s.state + TILE - 1) / TILE, p0 = blockIdx.z / across * TILE, n0 = blockIdx.z % across * TILE;
    const u32 lane = threadIdx.x % 32;
    Whole x_tile, b_tile;
    x_tile.fetch(xbc + head * width + p0, s.channels, tokens, width - p0);
    b_tile.fetch(xbc + s.inner + group * s.state + n0, s.channels, tokens, s.state - n0);
    if (threadIdx.x < 32) {
        const Sums sums(dt, s.heads, head, tokens, a[head]);
        const float last = __shfl_sync(~0u, sums.c.y, 31);
        reinterpret_cast<float2*>(factors)[lane] =
            make_float2(__expf(last - sums.c.x) * sums.dt.x, __expf(last - sums.c.y) * sums.dt.y);
        if (lane == 0 && blockIdx.z == 0) decay[blockIdx.x * s.heads + head] = __expf(last);
    }
    b_tile.put(bs);
    __syncthreads();
    x_tile.put(xs, [&](u32 row) { return factors[row]; });
    __syncthreads();

    const u32 m0 = threadIdx.x / 32 * 16, g = lane / 4, t = lane % 4;
    const u32 rows = width - p0, columns = s.state - n0;
    if (m0 >= rows) return;
    const u16* const x_at = xs + place<TILE>(lane / 16 * 8 + lane % 8, m0 / 8 + lane / 8 % 2);
    const u32 b_at = place<TILE>(lane % 16, lane / 16);
    float acc[8][4] = {};
#pragma unroll
    for (int k0 = 0; k0 < SPAN; k0 += 16) {
        SplitA x;
        load_transposed(x.hi, x_at + k0 * TILE);
        load_transposed(x.lo, x_at + k0 * TILE + LOW);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (16 * j >= columns) break;
            const u16* const at = bs + (b_at ^ 16 * j) + k0 * TILE;
            u32 hi[4], lo[4];
            load_transposed(hi, at);
            load_transposed(lo, at + LOW);
            mma_two(acc[2 * j], acc[2 * j + 1], x, hi, lo);
        }
    }
    own += (((u64)blockIdx.x * s.heads + head) * width + p0) * s.state + n0;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const u32 p = m0 + g + half * 8;
        if (p >= rows) break;
#pragma unroll
        for (int j = 0; j < 8; j++)
            write_two<FOURS>(own, p * s.state, j * 8 + 2 * t, columns, acc[j][2 * half], acc[j][2 * half + 1]);
    }
}

extern "C" __global__ void __launch_bounds__(128) ssd_states(Ssm s, const float* xbc, const float* dt, u32 n,
                                                             const float* a, float* own, float* decay) {
    __shared__ __align__(128) u16 xs[2 * SPAN * TILE], bs[2 * SPAN * TILE];
    __shared__ __align__(8) float factors[SPAN];
    allow_next();
    wait_for_previous();
    if (in_fours(s)) {
        states<true>(s, xbc, dt, n, a, own, decay, xs, bs, factors);
    } else {
        states<false>(s, xbc, dt, n, a, own, decay, xs, bs, factors);
    }
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

const u32 PLACE = 2 * SPAN * 32;  // 32 columns, both parts

template <bool FOURS>
__device__ __forceinline__ void out(const Ssm& s, const float* xbc, const float* dt, u32 n, const float* a, const float* d,
                                    const float* own, const float* zxbcdt, float* y, u16* tiles, float* sums, float* steps) {
    // C, B and the state in steps of 32 columns: C in the first and the second place in turns, B in the third, the state in the
    // last. In the end, 32 columns of x take the place of C which is not in use, and 32 that of B.
    typedef Tile<32, FOURS> Part;
    const u32 LOW = SPAN * 32;
    u16 *c_at = tiles, *spare = tiles + PLACE, *const b_at = tiles + 2 * PLACE, *const s_at = tiles + 3 * PLACE;
    const u32 blocks = (n + SPAN - 1) / SPAN, first = blockIdx.x % blocks * SPAN;
    const u32 head = blockIdx.y, width = s.inner / s.heads, group = head / (s.heads / s.groups);
    const u64 sequence = blockIdx.x / blocks;
    const u32 tokens = n - first;  // and those of later blocks
    xbc += (sequence * n + first) * s.channels;
    dt += (sequence * n + first) * s.heads;
    const u32 p0 = blockIdx.z * TILE, columns = width - p0;
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, m0 = warp * 16;
    const float* const c_from = xbc + s.inner + (s.groups + group) * s.state;
    const float* const b_from = xbc + s.inner + group * s.state;
    const float* const x_from = xbc + head * width + p0;
    const float* const before = own + (((u64)blockIdx.x * s.heads + head) * width + p0) * s.state;

    // Rows of C times `pairs`·16 rows of another tile.
    float gram[8][4] = {}, acc[8][4] = {};
    const u32 a_place = place<32>(m0 + lane % 16, lane / 16), b_place = place<32>(lane / 16 * 8 + lane % 8, lane / 8 % 2);
    auto multiply = [&](float (&into)[8][4], const u16* by, u32 pairs) {
        // One after the other: all loads at once take more registers than there are.
#pragma unroll 1
        for (int i = 0; i < 2; i++) {
            SplitA c;
            load_matrices(c.hi, c_at + (a_place ^ 16 * i));
            load_matrices(c.lo, c_at + (a_place ^ 16 * i) + LOW);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                if (j < pairs) {
                    u32 hi[4], lo[4];
                    load_matrices(hi, by + (b_place ^ 16 * i) + j * 16 * 32);
                    load_matrices(lo, by + (b_place ^ 16 * i) + j * 16 * 32 + LOW);
                    mma_two(into[2 * j], into[2 * j + 1], c, hi, lo);
                }
            }
        }
    };
    // Phase 1: load the first columns of C, B and the state, and the sums of dt·a.
    Part c_tile, b_tile, s_tile;
    c_tile.fetch(c_from, s.channels, tokens, s.state);
    b_tile.fetch(b_from, s.channels, tokens, s.state);
    s_tile.fetch(before, s.state, columns, s.state);
    if (threadIdx.x < 32) {
        const Sums of(dt, s.heads, head, tokens, a[head]);
        reinterpret_cast<float2*>(sums)[lane] = of.c;
        reinterpret_cast<float2*>(steps)[lane] = of.dt;
    }
    c_tile.put(c_at);
    b_tile.put(b_at);
    __syncthreads();
    // Phase 2: the gram, C·Bᵀ, and y of the state before the span, C·stateᵀ, column by column.
    // A tile that the next product needs is on its way while this one is computed: there are registers for one. A warp has rows
    // m0 .. of the gram, which are zero right of the diagonal: it leaves out columns after its own.
    for (u32 n0 = 32; n0 < s.state; n0 += 32) {
        multiply(gram, b_at, warp + 1);
        s_tile.put(s_at);
        __syncthreads();
        b_tile.fetch(b_from + n0, s.channels, tokens, s.state - n0);
        multiply(acc, s_at, 4);
        c_tile.fetch(c_from + n0, s.channels, tokens, s.state - n0);
        b_tile.put(b_at);
        s_tile.fetch(before + n0, s.state, columns, s.state - n0);
        c_tile.put(spare);
        u16* const last = c_at;
        c_at = spare, spare = last;
        __syncthreads();
    }
    multiply(gram, b_at, warp + 1);
    s_tile.put(s_at);
    __syncthreads();
    // Phase 3: load x.
    Part left, right;
    left.fetch(x_from, s.channels, tokens, columns);
    multiply(acc, s_at, 4);
    right.fetch(x_from + 32, s.channels, tokens, columns < 32 ? 0 : columns - 32);
    left.put(spare);
    right.put(b_at);

    // Phase 4: y of the state is decayed, and what goes straight from x to y is added.
    const float straight = d[head];
    u32 thread = threadIdx.x;
    settle(thread);
    const u32 t = thread % 4, up = thread / 32 * 16 + thread % 32 / 4, down = up + 8;
    const float c_up = sums[up], c_down = sums[down];
    {
        // x once more, as it is.
        auto add_straight = [&](int half, u32 row, float by) {
            float2 x[8];
#pragma unroll
            for (int j = 0; j < 8; j++) x[j] = read_two<FOURS>(x_from, row * s.channels, j * 8 + 2 * t, columns, row < tokens);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                acc[j][2 * half] = acc[j][2 * half] * by + straight * x[j].x;
                acc[j][2 * half + 1] = acc[j][2 * half + 1] * by + straight * x[j].y;
            }
        };
        add_straight(0, up, __expf(c_up));
        add_straight(1, down, __expf(c_down));
    }
    // Phase 5: the gram with its decays times x.
    // Gates are on their way while x is multiplied: none is read after a result is written.
    const float* const z = zxbcdt + (sequence * n + first) * s.projected + head * width + p0;
    float2 gates_up[8], gates_down[8];
    auto read_gates = [&](float2 (&gates)[8], u32 row) {
#pragma unroll
        for (int j = 0; j < 8; j++) gates[j] = read_two<FOURS>(z, row * s.projected, j * 8 + 2 * t, columns, row < tokens);
    };
    if (FOURS) read_gates(gates_up, up);
    __syncthreads();
    const u32 x_place = place<32>(lane % 16, lane / 16);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        // The others now that some of the gram is done with, and has left registers.
        if (FOURS && k == 1) read_gates(gates_down, down);
        if (k > warp) break;
        // Two neighbours of the gram's tiles are laid out as 16 values of k of a factor.
        SplitA m;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const float* const of = gram[2 * k + half];
            const u32 column = k * 16 + half * 8 + 2 * t;
            const float2 c = *reinterpret_cast<const float2*>(sums + column);
            const float2 step = *reinterpret_cast<const float2*>(steps + column);
            auto mixed = [&](float v, float c_row, float c_column, float by, bool there) {
                const float product = v * __expf(c_row - c_column) * by;
                return there ? product : 0.0f;
            };
            split_bf16(mixed(of[0], c_up, c.x, step.x, column <= up), mixed(of[1], c_up, c.y, step.y, column + 1 <= up),
                       m.hi[2 * half], m.lo[2 * half]);
            split_bf16(mixed(of[2], c_down, c.x, step.x, column <= down), mixed(of[3], c_down, c.y, step.y, column + 1 <= down),
                       m.hi[2 * half + 1], m.lo[2 * half + 1]);
        }
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const u16* const at = (j < 2 ? spare : b_at) + (x_place ^ 16 * (j % 2)) + k * 16 * 32;
            u32 hi[4], lo[4];
            load_transposed(hi, at);
            load_transposed(lo, at + LOW);
            mma_two(acc[2 * j], acc[2 * j + 1], m, hi, lo);
        }
    }
    // Phase 6: gate and store.
    y += (sequence * n + first) * s.inner + head * width + p0;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const u32 row = half ? down : up;
        if (row >= tokens) break;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const float2 gate = !FOURS ? read_two<false>(z, row * s.projected, j * 8 + 2 * t, columns, true)
                                : half ? gates_down[j]
                                       : gates_up[j];
            write_two<FOURS>(y, row * s.inner, j * 8 + 2 * t, columns, acc[j][2 * half] * silu(gate.x),
                             acc[j][2 * half + 1] * silu(gate.y));
        }
    }
}

// Blocks of ssd_out on a multiprocessor. The compiler finds registers for four, but for two or three, only here.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
const int OUT_BLOCKS = 4;
#else
const int OUT_BLOCKS = 3;
#endif

extern "C" __global__ void __launch_bounds__(128, OUT_BLOCKS) ssd_out(Ssm s, const float* xbc, const float* dt, u32 n,
                                                                      const float* a, const float* d, const float* own,
                                                                      const float* zxbcdt, float* y) {
    __shared__ __align__(128) u16 tiles[4 * PLACE];
    __shared__ __align__(8) float sums[SPAN], steps[SPAN];
    allow_next();
    wait_for_previous();
    if (in_fours(s) && s.projected % 2 == 0) {
        out<true>(s, xbc, dt, n, a, d, own, zxbcdt, y, tiles, sums, steps);
    } else {
        out<false>(s, xbc, dt, n, a, d, own, zxbcdt, y, tiles, sums, steps);
    }
}
