// A whole Mamba-2 block of a small model for many tokens, x += out_proj(gated_norm(mixer(in_proj(norm(x))))), in three kernels, for n
// tokens in each of several sequences. A sequence is computed in spans of 64 tokens as in ssd.cu; what is normed, projected and
// convolved stays in shared memory or passes from one kernel to the next as the sums of two numbers that the products take.
//   mamba_in_T:   by span, of x (sequences, n, width): the columns x, B, C and dt of the input projection, their convolution, and
//                 what `Spans` lists; kept (sequences, 3, channels), the inputs of the convolution for the next call.
//                 Grid: x the spans of a sequence, y the sequences. Blocks of (32, 8).
//   mamba_scan:   the state before each span, as two bfloat16, from what the spans add themselves; state (sequences, heads, P, N) <-
//                 the one after the last, history (sequences, 3, channels) <- kept.
//                 Grid: x covers heads·P·N/4, y the sequences. Blocks of 256.
//   mamba_out_T:  by span: the columns z of the input projection, the mixer's result y, gated and normed, and x += y · wᵀ.
//                 Grid: x the spans of a sequence, y the sequences. Blocks of (32, 8).
// P = 64, N = 32, one group, up to 8 heads, a convolution of 4 taps, width a multiple of 8 of at most 128; T is the type of both
// weights, f16 or bf16, which are multiplied as in matmul_rows (matmul.cu); the other products are those of ssd.cu.
// Dynamic shared memory: 99,680 bytes (mamba_in), 90,112 and 768 for each head (mamba_out).
// Tokens past the end count as zero, so that a span of fewer than 64 gives the same bits as a whole one. Rows of the three tokens
// before a span are multiplied once more, to the same bits.
// CPU twin: mamba of backend/layer.rs.
#include "common.cuh"

const u32 SPAN = 64;        // tokens
const u32 P = 64;           // width of a head
const u32 N = 32;           // state
const u32 MOST = 128;       // width of the model
const u32 MOST_HEADS = 8;
const u32 TAPS = 4;
const u32 PART = 64 * 64;   // values of 16 bits that are brought at once
const u32 RING = 4;         // parts on their way or in use
const u32 EDGE = 16;        // rows before the span, of which three count
const u32 STAGE_ROW = 72;   // floats

// What mamba_in leaves for the others. Tiles are as shared memory has them.
struct Spans {
    // (spans, heads, 2, 2, 32, P): x of the first 32 tokens, upper parts and lower ones, then of the others
    u16* x;
    // (spans, 2, 64, N)
    u16* c;
    // (spans, 4, 8, 32, 4): C·Bᵀ, a warp's rows of 16 tokens by 8 columns, as its lanes have them
    float* gram;
    // (spans, heads, 3·64): c, the sum of dt·a up to a token, and dt, of each token; then exp(c_last − c)·dt, with the c of the last
    // of the 16 tokens that it is one of
    float* steps;
    // (spans, heads, P, N): what a span adds to the state
    float* own;
    // (spans, heads): what is left of the state before it
    float* decay;
    // (spans, heads, 2, P, N): the state before it
    u16* before;
    // (sequences, TAPS − 1, channels)
    float* kept;
};
static_assert(sizeof(Spans) == 64, "as in src/cuda/arguments.rs");
FIELD_AT(Spans, x, 0); FIELD_AT(Spans, c, 8); FIELD_AT(Spans, gram, 16); FIELD_AT(Spans, steps, 24);
FIELD_AT(Spans, own, 32); FIELD_AT(Spans, decay, 40); FIELD_AT(Spans, before, 48); FIELD_AT(Spans, kept, 56);

// A row of WIDTH values of 16 bits in shared memory, in pieces of 16 bytes whose order has any one piece of eight rows below each
// other in different banks. An even piece 2i is where piece 0 is, but for 16·i added by exclusive or, and odd ones likewise.
template <u32 WIDTH>
__device__ __forceinline__ u32 place(u32 row, u32 piece) { return row * WIDTH + (piece ^ turn<WIDTH / 8>(row)) * 8; }

// A thread among the others. Where one is made, what follows from it is worked out anew: there are no registers to keep addresses in.
struct Self {
    u32 thread, lane, warp;
    // Row of a tile of 16 x 8 results, and half of the column.
    u32 g, t;
    // Warps are in pairs, which have 16 rows each.
    u32 m, half;

    __device__ __forceinline__ Self() {
        thread = threadIdx.y * 32 + threadIdx.x;
        settle(thread);
        lane = thread % 32, warp = thread / 32, g = lane / 4, t = lane % 4, m = warp / 2, half = warp % 2;
    }
};

// The tokens of a block of threads: their span among all, the first in the sequence and among all, and how many there are.
struct Tokens {
    u32 span, sequence, first, count;
    u64 token0;

    __device__ __forceinline__ Tokens(u32 n) {
        u32 at = blockIdx.x;
        settle(at);
        sequence = blockIdx.y, first = at * SPAN, count = min(n - first, SPAN);
        span = sequence * gridDim.x + at, token0 = (u64)sequence * n + first;
    }
};

// 64 rows and 64 columns of weights from `k0` on, with zeros behind the last row and column.
__device__ __forceinline__ void bring_weights(u16* to, const u16* w, u32 row0, u32 rows, u32 k0, u32 cols) {
    const u32 thread = Self().thread;
#pragma unroll
    for (u32 i = 0; i < 2; i++) {
        const u32 at = thread + 256 * i, row = row0 + at / 8, k = k0 + at % 8 * 8;
        copy_async_or_zero(to + place<64>(at / 8, at % 8), w + ((u64)min(row, rows - 1) * cols + min(k, cols - 8)), row < rows && k < cols);
    }
}
// PIECES pieces of 16 bytes for each thread, as they are.
template <u32 PIECES>
__device__ __forceinline__ void bring_image(void* to, const void* from) {
    const u32 thread = Self().thread;
#pragma unroll
    for (u32 i = 0; i < PIECES; i++)
        copy_async(static_cast<uint4*>(to) + thread + 256 * i, static_cast<const uint4*>(from) + thread + 256 * i);
}

// The weights of the norm of x, four for each lane, and what all its values are divided by: no normed value is larger than √width
// times the largest weight.
template <class Half>
__device__ __forceinline__ float4 weights_of_norm(const float* norm, u32 width, float& unit, float& inverse) {
    float4 weight[1];
    read_row(weight, reinterpret_cast<const float4*>(norm), width / 4);
    unit = unit_of(Half(), sqrtf(width) * warp_max(largest_of_row(weight)), inverse);
    return weight[0];
}
// ROWS rows of x at once by one warp, normed and split: row r is read from `from(r)` and written to `to(r)`, its lower part `low(r)`
// behind. Zeros behind the end of a row, and for null.
template <class Half, int ROWS, class From, class To, class Low>
__device__ __forceinline__ void norm_rows(float4 weight, float inverse, u32 width, float eps, From from, To to, Low low) {
    const u32 lane = threadIdx.x;
    float4 v[ROWS][1];
    float sum[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const float* row = from(r);
        read_row(v[r], reinterpret_cast<const float4*>(row), row ? width / 4 : 0);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) sum[r] = squares_of_row(v[r]);
#pragma unroll
    for (int o = 16; o > 0; o >>= 1)
#pragma unroll
        for (int r = 0; r < ROWS; r++) sum[r] += __shfl_xor_sync(~0u, sum[r], o);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        uint2 hi, lo;
        split_four(Half(), normed(v[r][0], rsqrtf(sum[r] / width + eps), weight), inverse, hi, lo);
        u16* const at = to(r, lane / 2) + lane % 2 * 4;
        *reinterpret_cast<uint2*>(at) = hi;
        *reinterpret_cast<uint2*>(at + low(r)) = lo;
    }
}

// Two tiles of 8 columns: d += a · b, of whole weights, in two products. `b` has k 0 .. 7 and 8 .. 15 of the first, then of the second.
template <class Half>
__device__ __forceinline__ void mma_weights(float (&d)[4], float (&e)[4], const u32 (&hi)[4], const u32 (&lo)[4], const u32 (&b)[4]) {
    const u32 first[2] = {b[0], b[1]}, second[2] = {b[2], b[3]};
    mma(Half(), d, lo, first);
    mma(Half(), e, lo, second);
    mma(Half(), d, hi, first);
    mma(Half(), e, hi, second);
}

template <class Half>
__device__ __forceinline__ void mamba_in(const Ssm& s, const u16* w, const float* norm, float eps, u32 width, const float* x, u32 n,
                                         const float* conv_weight, const float* conv_bias, const float* dt_bias, const float* a,
                                         const float* history, const Spans& to) {
    DYNAMIC_SHARED(uint4, shared);
    // Two parts of x, normed, and of the rows before it; the ring; what is to be convolved, three rows more; dt by head; weights for
    // dt, then the factors of B by head in their place; weights and bias of the convolution of two tiles, in turns. When x is in
    // registers, a tile of the convolution's results (or those of C and of B), B times the factors of a head, and B as it is take
    // its place.
    u16* const rows = reinterpret_cast<u16*>(shared);
    u16* const edge = rows + 2 * SPAN * MOST;
    u16* const ring = edge + 2 * EDGE * MOST;
    float* const stage = reinterpret_cast<float*>(ring + RING * PART);
    float* const dts = stage + (SPAN + TAPS - 1) * STAGE_ROW;
    float* const factors = dts + MOST_HEADS * SPAN;
    u16* const dt_weights = reinterpret_cast<u16*>(factors);
    float* const convolution = factors + MOST_HEADS * SPAN;
    u16 *const tile = rows, *const b_scaled = rows + 2 * SPAN * P;
    float* const b_plain = reinterpret_cast<float*>(b_scaled + 2 * SPAN * N);

    const Tokens tokens(n);
    const u32 span = tokens.span;
    // Tile 0 has the columns of B and C, the others have those of a head.
    const u32 tiles = 1 + s.heads;
    auto row_of = [&](u32 tile) { return tile ? s.inner + (tile - 1) * P : 2 * s.inner; };
    u32 next = 0;
    auto bring = [&] {
        if (next < 2 * tiles) {
            bring_weights(ring + next % RING * PART, w, row_of(next / 2), s.projected, next % 2 * 64, width);
            const u32 channel = row_of(next / 2) - s.inner, thread = Self().thread;
            float* const at = convolution + next / 2 % 2 * (64 * 5);
            if (next % 2 && thread < 64) copy_async(at + 4 * thread, conv_weight + 4 * (channel + thread));
            if (next % 2 && thread >= 64 && thread < 80) copy_async(at + 4 * thread, conv_bias + channel + 4 * (thread - 64));
        }
        next++;
        end_of_copies();
    };
    // Phase 1: weights for dt, and of the first parts, begin to come; they are constant, so before the wait.
    {
        const Self me;
        const u32 row = me.thread / 16, k = me.thread % 16 * 8;
        const u16* const from = w + (u64)(2 * s.inner + 2 * N + min(row, s.heads - 1)) * width + min(k, width - 8);
        if (row < MOST_HEADS)
            copy_async_or_zero(dt_weights + place<MOST>(row, me.thread % 16), from, row < s.heads && k < width);
    }
#pragma unroll
    for (u32 i = 0; i < RING - 1; i++) bring();
    float unit, inverse;
    const float4 weight = weights_of_norm<Half>(norm, width, unit, inverse);
    wait_for_previous();

    // Phase 2: norm and split x, with the three rows before it, then hold it in registers.
    x += tokens.token0 * width;
    const u32 warp = threadIdx.y;
    // Warps bring 8 of the 64 rows and 2 of the 16 before them, whose first three are those that the convolution reads.
    norm_rows<Half, 10>(
        weight, inverse, width, eps,
        [&](u32 r) -> const float* {
            if (r < 8) return x + min(warp * 8 + r, tokens.count - 1) * width;
            const u32 row = warp * 2 + r - 8;
            return tokens.first && row < TAPS - 1 ? x - (TAPS - 1 - row) * width : nullptr;
        },
        [&](u32 r, u32 piece) {
            return r < 8 ? rows + place<MOST>(warp * 8 + r, piece) : edge + place<MOST>(warp * 2 + r - 8, piece);
        },
        [&](u32 r) { return r < 8 ? SPAN * MOST : EDGE * MOST; });
    wait_for_copies<RING - 2>();
    __syncthreads();
    u32 hi[MOST / 16][4], lo[MOST / 16][4];
    {
        const Self me;
        const u32 a_place = me.m * 16 * MOST + place<MOST>(me.lane % 16, me.lane / 16);
#pragma unroll
        for (u32 k = 0; k < MOST / 16; k++) {
            load_matrices(hi[k], rows + (a_place ^ 16 * k));
            load_matrices(lo[k], rows + SPAN * MOST + (a_place ^ 16 * k));
        }
    }
    // Phase 3: dt.
    if (warp % 2 == 0) {
        const Self me;
        float acc[4] = {};
#pragma unroll
        for (u32 k = 0; k < MOST / 16; k++) {
            const u32 b[2] = {*reinterpret_cast<const u32*>(dt_weights + place<MOST>(me.g, 2 * k) + 2 * me.t),
                              *reinterpret_cast<const u32*>(dt_weights + place<MOST>(me.g, 2 * k + 1) + 2 * me.t)};
            mma(Half(), acc, lo[k], b);
            mma(Half(), acc, hi[k], b);
        }
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            const u32 head = 2 * me.t + i % 2, row = me.m * 16 + me.g + i / 2 * 8;
            if (head >= s.heads) continue;
            const float v = fminf(fmaxf(softplus(acc[i] * unit + dt_bias[head]), s.dt_min), s.dt_max);
            dts[head * SPAN + row] = row < tokens.count ? v : 0.0f;
        }
    }

    // Phases 4 to 7, for B and C, then for x of each head.
#pragma unroll 1
    for (u32 which = 0; which < tiles; which++) {
        // Not before: what waits for this would take the room that other streams use.
        if (which + 1 == tiles) allow_next();
        const u32 channel0 = which ? (which - 1) * P : s.inner;
        // Phase 4: the projection.
        float acc[4][4] = {}, above[4] = {};
#pragma unroll
        for (u32 part = 0; part < 2; part++) {
            wait_for_copies<RING - 2>();
            __syncthreads();
            bring();
            const Self me;
            const u32 lane = me.lane, a_place = place<MOST>(lane % 16, lane / 16);
            const u16* const ws = ring + (which * 2 + part) % RING * PART;
            const u32 w_place = place<64>(me.half * 32 + lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                const u32 k = part * 4 + i;
                u32 b[2][4], e_hi[4], e_lo[4];
                load_matrices(b[0], ws + (w_place ^ 16 * i));
                load_matrices(b[1], ws + (w_place ^ 16 * i) + 16 * 64);
                load_matrices(e_hi, edge + (a_place ^ 16 * k));
                load_matrices(e_lo, edge + EDGE * MOST + (a_place ^ 16 * k));
                mma_weights<Half>(acc[0], acc[1], hi[k], lo[k], b[0]);
                mma_weights<Half>(acc[2], acc[3], hi[k], lo[k], b[1]);
                // Of the rows before, a warp takes 8 of its columns.
                const bool odd = me.m % 2, later = me.m / 2;
                const u32 of[2] = {odd ? (later ? b[1][2] : b[0][2]) : (later ? b[1][0] : b[0][0]),
                                   odd ? (later ? b[1][3] : b[0][3]) : (later ? b[1][1] : b[0][1])};
                mma(Half(), above, e_lo, of);
                mma(Half(), above, e_hi, of);
            }
        }
        // Phase 5: to shared memory below the rows before; with B and C also sums of dt·a, and what follows from them.
        {
            const Self me;
            const u32 lane = me.lane, warp = me.warp;
            float* const at = stage + me.g * STAGE_ROW + me.half * 32 + 2 * me.t;
#pragma unroll
            for (u32 j = 0; j < 4; j++)
#pragma unroll
                for (u32 down = 0; down < 2; down++)
                    *reinterpret_cast<float2*>(at + (TAPS - 1 + me.m * 16 + down * 8) * STAGE_ROW + j * 8) =
                        make_float2(acc[j][2 * down] * unit, acc[j][2 * down + 1] * unit);
            const Tokens tokens(n);
            if (tokens.first) {
                if (me.g < TAPS - 1) *reinterpret_cast<float2*>(at + me.m * 8) = make_float2(above[0] * unit, above[1] * unit);
            } else if (warp < TAPS - 1) {
                const float* const row = history + ((u64)tokens.sequence * (TAPS - 1) + warp) * s.channels;
                *reinterpret_cast<float2*>(stage + warp * STAGE_ROW + 2 * lane) = *reinterpret_cast<const float2*>(row + channel0 + 2 * lane);
            }
            if (which == 0 && warp < s.heads) {
                // Two tokens for each lane. Past the end the sum is constant.
                const float2 dt = *reinterpret_cast<const float2*>(dts + warp * SPAN + 2 * lane);
                const float by = a[warp];
                float sum = (dt.x + dt.y) * by;
                for (u32 o = 1; o < 32; o <<= 1) {
                    const float before = __shfl_up_sync(~0u, sum, o);
                    if (lane >= o) sum += before;
                }
                const float before = __shfl_up_sync(~0u, sum, 1), x_sum = (lane ? before : 0.0f) + dt.x * by;
                const float last = __shfl_sync(~0u, sum, 31), last_of_16 = __shfl_sync(~0u, sum, lane | 7);
                float* const steps = to.steps + ((u64)span * s.heads + warp) * (3 * SPAN);
                *reinterpret_cast<float4*>(steps + 4 * lane) = make_float4(x_sum, dt.x, sum, dt.y);
                *reinterpret_cast<float2*>(steps + 2 * SPAN + 2 * lane) =
                    make_float2(__expf(last_of_16 - x_sum) * dt.x, __expf(last_of_16 - sum) * dt.y);
                *reinterpret_cast<float2*>(factors + warp * SPAN + 2 * lane) =
                    make_float2(__expf(last - x_sum) * dt.x, __expf(last - sum) * dt.y);
                if (lane == 0) to.decay[(u64)span * s.heads + warp] = __expf(last);
            }
        }
        __syncthreads();

        // Phase 6: convolution and SiLU; the results as products read them, here and for mamba_out.
        {
            const Self me;
            const u32 lane = me.lane, warp = me.warp;
            const Tokens tokens(n);
            if (tokens.first + SPAN >= n && warp < TAPS - 1)
                *reinterpret_cast<float2*>(to.kept + ((u64)tokens.sequence * (TAPS - 1) + warp) * s.channels + channel0 + 2 * lane) =
                    *reinterpret_cast<const float2*>(stage + (tokens.count + warp) * STAGE_ROW + 2 * lane);
            // A warp has 8 rows, a lane two columns of each.
            const float* const conv = convolution + which % 2 * (64 * 5);
            const float4 taps[2] = {reinterpret_cast<const float4*>(conv)[2 * lane], reinterpret_cast<const float4*>(conv)[2 * lane + 1]};
            const float2 offset = *reinterpret_cast<const float2*>(conv + 4 * 64 + 2 * lane);
            float2 in[8 + TAPS - 1];
#pragma unroll
            for (u32 r = 0; r < 8 + TAPS - 1; r++) in[r] = *reinterpret_cast<const float2*>(stage + (warp * 8 + r) * STAGE_ROW + 2 * lane);
            u16* const x_image = to.x + ((u64)span * s.heads + which - 1) * (2 * SPAN * P) + warp / 4 * (2 * 32 * P);
            u16* const c_image = to.c + (u64)span * (2 * SPAN * N);
#pragma unroll
            for (u32 r = 0; r < 8; r++) {
                const u32 row = warp * 8 + r;
                float2 v = offset;
                v.x += taps[0].x * in[r].x, v.y += taps[1].x * in[r].y;
                v.x += taps[0].y * in[r + 1].x, v.y += taps[1].y * in[r + 1].y;
                v.x += taps[0].z * in[r + 2].x, v.y += taps[1].z * in[r + 2].y;
                v.x += taps[0].w * in[r + 3].x, v.y += taps[1].w * in[r + 3].y;
                v = row < tokens.count ? make_float2(silu(v.x), silu(v.y)) : make_float2(0, 0);
                u32 upper, lower;
                split_bf16(v.x, v.y, upper, lower);
                if (which) {
                    const u32 here = place<P>(row, lane / 4) + lane % 4 * 2, there = place<P>(row % 32, lane / 4) + lane % 4 * 2;
                    *reinterpret_cast<u32*>(tile + here) = upper;
                    *reinterpret_cast<u32*>(tile + SPAN * P + here) = lower;
                    *reinterpret_cast<u32*>(x_image + there) = upper;
                    *reinterpret_cast<u32*>(x_image + 32 * P + there) = lower;
                } else {
                    // C, then B.
                    const u32 here = place<N>(row, lane / 4 % 4) + lane % 4 * 2;
                    u16* const half_tile = tile + (lane < 16 ? 2 * SPAN * N : 0);
                    *reinterpret_cast<u32*>(half_tile + here) = upper;
                    *reinterpret_cast<u32*>(half_tile + SPAN * N + here) = lower;
                    if (lane < 16) {
                        *reinterpret_cast<float2*>(b_plain + row * N + 2 * lane) = v;
                    } else {
                        *reinterpret_cast<u32*>(c_image + here) = upper;
                        *reinterpret_cast<u32*>(c_image + SPAN * N + here) = lower;
                    }
                }
            }
            if (which) {
                // A piece of B, times the factors of this head.
                const u32 row = me.thread / 4, piece = me.thread % 4;
                const float by = factors[(which - 1) * SPAN + row];
                const float4* const from = reinterpret_cast<const float4*>(b_plain + row * N + piece * 8);
                uint2 upper[2], lower[2];
#pragma unroll
                for (u32 i = 0; i < 2; i++) split_four(Bf16(), from[i], by, upper[i], lower[i]);
                u16* const here = b_scaled + place<N>(row, piece);
                *reinterpret_cast<uint4*>(here) = make_uint4(upper[0].x, upper[0].y, upper[1].x, upper[1].y);
                *reinterpret_cast<uint4*>(here + SPAN * N) = make_uint4(lower[0].x, lower[0].y, lower[1].x, lower[1].y);
            }
        }
        __syncthreads();

        // Phase 7: what the span adds to the state of the head, xᵀ·B; or the gram, C·Bᵀ.
        const Self me;
        const u32 lane = me.lane, m0 = me.m * 16, half = me.half, k_place = place<N>(lane % 16, lane / 16);
        if (which) {
            // 16 of P by 16 of N.
            float sum[2][4] = {};
            const u16* const x_at = tile + place<P>(lane / 16 * 8 + lane % 8, m0 / 8 + lane / 8 % 2);
            const u16* const b_at = b_scaled + (k_place ^ 16 * half);
#pragma unroll
            for (u32 k = 0; k < SPAN; k += 16) {
                SplitA of;
                u32 b_hi[4], b_lo[4];
                load_transposed(of.hi, x_at + k * P);
                load_transposed(of.lo, x_at + k * P + SPAN * P);
                load_transposed(b_hi, b_at + k * N);
                load_transposed(b_lo, b_at + k * N + SPAN * N);
                mma_two(sum[0], sum[1], of, b_hi, b_lo);
            }
            float* const own = to.own + (((u64)span * s.heads + which - 1) * P + m0 + me.g) * N + half * 16 + 2 * me.t;
#pragma unroll
            for (u32 j = 0; j < 2; j++)
#pragma unroll
                for (u32 down = 0; down < 2; down++)
                    *reinterpret_cast<float2*>(own + down * 8 * N + j * 8) = make_float2(sum[j][2 * down], sum[j][2 * down + 1]);
        } else {
            // Columns right of the diagonal's 16 are not needed.
            float sum[4][4] = {};
            const u32 pair_place = place<N>(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
            for (u32 i = 0; i < 2; i++) {
                SplitA of;
                load_matrices(of.hi, tile + m0 * N + (k_place ^ 16 * i));
                load_matrices(of.lo, tile + SPAN * N + m0 * N + (k_place ^ 16 * i));
#pragma unroll
                for (u32 j = 0; j < 2; j++) {
                    if (half * 2 + j > me.m) break;
                    u32 b_hi[4], b_lo[4];
                    const u16* const from = tile + 2 * SPAN * N + (half * 2 + j) * 16 * N + (pair_place ^ 16 * i);
                    load_matrices(b_hi, from);
                    load_matrices(b_lo, from + SPAN * N);
                    mma_two(sum[2 * j], sum[2 * j + 1], of, b_hi, b_lo);
                }
            }
            float4* const gram = reinterpret_cast<float4*>(to.gram + (u64)span * (SPAN * SPAN)) + (me.m * 8 + half * 4) * 32 + lane;
#pragma unroll
            for (u32 j = 0; j < 4; j++) gram[j * 32] = make_float4(sum[j][0], sum[j][1], sum[j][2], sum[j][3]);
        }
    }
}

// Parts of mamba_out for each head: the state, two of x, two of weights for z, two of the output projection.
const u32 OF_HEAD = 7;

template <class Half>
__device__ __forceinline__ void mamba_out(const Ssm& s, const u16* w, const float* norm, float eps, u32 width, u32 n, const float* d,
                                          const Spans& from, const float* gated_norm, float gated_eps, const u16* out_w, float* x) {
    DYNAMIC_SHARED(uint4, shared);
    // Two parts of x, normed, in the end what warps pass to each other; C; the gram; the ring; steps, in the end sums of squares.
    u16* const rows = reinterpret_cast<u16*>(shared);
    u16* const c_tile = rows + 2 * SPAN * MOST;
    float* const gram = reinterpret_cast<float*>(c_tile + 2 * SPAN * N);
    u16* const ring = reinterpret_cast<u16*>(gram + SPAN * SPAN);
    float* const steps = reinterpret_cast<float*>(ring + RING * PART);

    u32 next = 0;
    auto bring = [&] {
        const u32 head = next / OF_HEAD, which = next % OF_HEAD;
        if (head < s.heads) {
            u16* const to = ring + next % RING * PART;
            const u64 of = (u64)Tokens(n).span * s.heads + head;
            if (which == 0) {
                bring_image<2>(to, from.before + of * (2 * P * N));
            } else if (which < 3) {
                bring_image<2>(to, from.x + of * (2 * SPAN * P) + (which - 1) * PART);
            } else if (which < 5) {
                bring_weights(to, w, head * P, s.projected, (which - 3) * 64, width);
            } else {
                bring_weights(to, out_w, (which - 5) * 64, width, head * P, s.inner);
            }
        }
        next++;
        end_of_copies();
    };
    // The next of the parts in turn.
    auto part = [&] {
        wait_for_copies<RING - 2>();
        // Everyone's copies are there, and everyone is done with the part that is brought next.
        __syncthreads();
        bring();
        // The one that would take its place.
        return ring + next % RING * PART;
    };
    // Phase 1: C, the gram, the steps and the first parts begin to come.
    float unit, inverse;
    const float4 weight = weights_of_norm<Half>(norm, width, unit, inverse);
    wait_for_previous();
    const u32 span = Tokens(n).span;
    bring_image<2>(c_tile, from.c + (u64)span * (2 * SPAN * N));
    bring_image<4>(gram, from.gram + (u64)span * (SPAN * SPAN));
    for (u32 i = Self().thread * 4; i < s.heads * 3 * SPAN; i += 4 * 256)
        copy_async(steps + i, from.steps + (u64)span * s.heads * 3 * SPAN + i);
#pragma unroll
    for (u32 i = 0; i < RING - 1; i++) bring();

    // Phase 2: norm and split x.
    {
        const Tokens of(n);
        const u32 row0 = threadIdx.y * 8;
        norm_rows<Half, 8>(
            weight, inverse, width, eps, [&](u32 r) -> const float* { return x + (of.token0 + min(row0 + r, of.count - 1)) * width; },
            [&](u32 r, u32 piece) { return rows + place<MOST>(row0 + r, piece); }, [](u32) { return SPAN * MOST; });
    }

    // A warp has 16 rows, and 32 columns of each head: its share of y is its share of k of the output projection.
    // Sums of squares and the largest value so far of two rows.
    float squares_up = 0, squares_down = 0, most_up = 0, most_down = 0;
    float out[16][4] = {};
    // Phases 3 to 7, for each head.
#pragma unroll 1
    for (u32 head = 0; head < s.heads; head++) {
        if (head + 1 == s.heads) allow_next();
        // Phase 3: y of the state before the span, C·stateᵀ, decayed.
        float y[4][4] = {};
        const u16* const before = part();
        {
            const Self me;
            const u32 lane = me.lane, c_place = me.m * 16 * N + place<N>(lane % 16, lane / 16);
            const u32 s_place = place<N>(me.half * 32 + lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
            for (u32 i = 0; i < 2; i++) {
                SplitA c;
                load_matrices(c.hi, c_tile + (c_place ^ 16 * i));
                load_matrices(c.lo, c_tile + SPAN * N + (c_place ^ 16 * i));
#pragma unroll
                for (u32 j = 0; j < 2; j++) {
                    u32 hi[4], lo[4];
                    load_matrices(hi, before + (s_place ^ 16 * i) + j * 16 * N);
                    load_matrices(lo, before + (s_place ^ 16 * i) + j * 16 * N + P * N);
                    mma_two(y[2 * j], y[2 * j + 1], c, hi, lo);
                }
            }
            const float* const of = steps + head * (3 * SPAN);
            const u32 row = me.m * 16 + me.g;
            const float by_up = __expf(of[2 * row]), by_down = __expf(of[2 * (row + 8)]);
#pragma unroll
            for (u32 j = 0; j < 4; j++) y[j][0] *= by_up, y[j][1] *= by_up, y[j][2] *= by_down, y[j][3] *= by_down;
        }

        // Phase 4: y of the tokens up to each, the gram with its decays times x, and what goes straight from x to y.
#pragma unroll 1
        for (u32 k = 0; k < 4; k += 2) {
            const u16* const xs = part();
#pragma unroll 1
            for (u32 i = 0; i < 2; i++) {
                const Self me;
                const u32 lane = me.lane, t = me.t, m = me.m, up = m * 16 + me.g, down = up + 8;
                if (k + i > m) break;
                const float* const of = steps + head * (3 * SPAN);
                const float c_up = of[2 * up], c_down = of[2 * down];
                // Two neighbours of the gram's tiles are laid out as 16 values of k of a factor.
                const bool diagonal = k + i == m;
                const float last = of[2 * ((k + i) * 16 + 15)], by_up = __expf(c_up - last), by_down = __expf(c_down - last);
                SplitA mixed;
#pragma unroll
                for (u32 right = 0; right < 2; right++) {
                    const u32 column = (k + i) * 16 + right * 8 + 2 * t;
                    float4 v = reinterpret_cast<const float4*>(gram)[(m * 8 + 2 * (k + i) + right) * 32 + lane];
                    if (diagonal) {
                        // What goes straight from x to y is on the diagonal.
                        const float straight = d[head];
                        const float4 step = *reinterpret_cast<const float4*>(of + 2 * column);  // of two columns
                        auto factor = [&](float v, u32 row, float c_row, u32 column, float c_column, float dt) {
                            const float product = v * __expf(c_row - c_column) * dt;
                            return (column <= row ? product : 0.0f) + (column == row ? straight : 0.0f);
                        };
                        v.x = factor(v.x, up, c_up, column, step.x, step.y);
                        v.y = factor(v.y, up, c_up, column + 1, step.z, step.w);
                        v.z = factor(v.z, down, c_down, column, step.x, step.y);
                        v.w = factor(v.w, down, c_down, column + 1, step.z, step.w);
                    } else {
                        // By way of the last of these columns: none of the factors is larger than 1.
                        const float2 by = *reinterpret_cast<const float2*>(of + 2 * SPAN + column);
                        v = times(v, make_float4(by_up * by.x, by_up * by.y, by_down * by.x, by_down * by.y));
                    }
                    split_bf16(v.x, v.y, mixed.hi[2 * right], mixed.lo[2 * right]);
                    split_bf16(v.z, v.w, mixed.hi[2 * right + 1], mixed.lo[2 * right + 1]);
                }
                const u32 x_place = place<P>(lane % 16, lane / 16) ^ 32 * me.half;
#pragma unroll
                for (u32 j = 0; j < 2; j++) {
                    u32 hi[4], lo[4];
                    load_transposed(hi, xs + (x_place ^ 16 * j) + i * 16 * P);
                    load_transposed(lo, xs + (x_place ^ 16 * j) + i * 16 * P + 32 * P);
                    mma_two(y[2 * j], y[2 * j + 1], mixed, hi, lo);
                }
            }
        }

        // Phase 5: the gate, z of the projection.
        float gate[4][4] = {};
#pragma unroll 1
        for (u32 k0 = 0; k0 < 2; k0++) {
            const u16* const ws = part();
            const Self me;
            const u32 lane = me.lane, a_place = me.m * 16 * MOST + place<MOST>(lane % 16, lane / 16);
            const u32 z_place = place<64>(me.half * 32 + lane / 16 * 8 + lane % 8, lane / 8 % 2);
            // One after the other: all loads at once take more registers than there are.
#pragma unroll 1
            for (u32 i = 0; i < 4; i++) {
                u32 hi[4], lo[4], b[4];
                load_matrices(hi, rows + (a_place ^ 16 * i) + k0 * 64);
                load_matrices(lo, rows + SPAN * MOST + (a_place ^ 16 * i) + k0 * 64);
                load_matrices(b, ws + (z_place ^ 16 * i));
                mma_weights<Half>(gate[0], gate[1], hi, lo, b);
                load_matrices(b, ws + (z_place ^ 16 * i) + 16 * 64);
                mma_weights<Half>(gate[2], gate[3], hi, lo, b);
            }
        }

        // Phase 6: y, gated, and split. The norm's factor is that of a row and can wait; its weights cannot.
        const Self me;
        const float* const weights = gated_norm + head * P + me.half * 32 + 2 * me.t;
        float largest_up = 0, largest_down = 0;
#pragma unroll
        for (u32 j = 0; j < 4; j++) {
            const float2 by = *reinterpret_cast<const float2*>(weights + j * 8);
#pragma unroll
            for (u32 i = 0; i < 4; i++) {
                const float v = y[j][i] * silu(gate[j][i] * unit);
                y[j][i] = v * (i % 2 ? by.y : by.x);
                if (i < 2) squares_up += v * v, largest_up = fmaxf(largest_up, fabsf(y[j][i]));
                else squares_down += v * v, largest_down = fmaxf(largest_down, fabsf(y[j][i]));
            }
        }
#pragma unroll
        for (int o = 1; o < 4; o <<= 1) {
            largest_up = fmaxf(largest_up, __shfl_xor_sync(~0u, largest_up, o));
            largest_down = fmaxf(largest_down, __shfl_xor_sync(~0u, largest_down, o));
        }
        // What y is divided by depends on the largest so far. It only grows, and is a power of two: nothing is rounded.
        float inverse_up, inverse_down;
        const float before_up = unit_of(Half(), most_up, inverse_up), before_down = unit_of(Half(), most_down, inverse_down);
        most_up = fmaxf(most_up, largest_up), most_down = fmaxf(most_down, largest_down);
        unit_of(Half(), most_up, inverse_up), unit_of(Half(), most_down, inverse_down);
        const float back_up = before_up * inverse_up, back_down = before_down * inverse_down;
        if (back_up != 1.0f || back_down != 1.0f) {
#pragma unroll
            for (u32 j = 0; j < 16; j++) out[j][0] *= back_up, out[j][1] *= back_up, out[j][2] *= back_down, out[j][3] *= back_down;
        }
        u32 hi[2][4], lo[2][4];
#pragma unroll
        for (u32 i = 0; i < 2; i++)
#pragma unroll
            for (u32 right = 0; right < 2; right++) {
                const float(&v)[4] = y[2 * i + right];
                split_pair(Half(), v[0] * inverse_up, v[1] * inverse_up, hi[i][2 * right], lo[i][2 * right]);
                split_pair(Half(), v[2] * inverse_down, v[3] * inverse_down, hi[i][2 * right + 1], lo[i][2 * right + 1]);
            }
        // Phase 7: the output projection, added up over heads.
#pragma unroll
        for (u32 low = 0; low < 2; low++) {
            const u16* const ws = part();
            const Self me;
            const u32 lane = me.lane, o_place = place<64>(lane / 16 * 8 + lane % 8, lane / 8 % 2) ^ 32 * me.half;
#pragma unroll
            for (u32 i = 0; i < 2; i++)
#pragma unroll
                for (u32 j = 0; j < 4; j++) {
                    u32 b[4];
                    load_matrices(b, ws + (o_place ^ 16 * i) + j * 16 * 64);
                    mma_weights<Half>(out[low * 8 + 2 * j], out[low * 8 + 2 * j + 1], hi[i], lo[i], b);
                }
        }
    }

    // Phase 8: reduce and store. Two warps have the same rows: each takes half of the columns, and gets what the other has of them.
    const Self me;
    const Tokens tokens(n);
    x += tokens.token0 * width;
    const u32 lane = me.lane, t = me.t, half = me.half, up = me.m * 16 + me.g, down = up + 8, column0 = half * 64 + 2 * t;
    auto there = [&](u32 j, u32 row) { return row < tokens.count && column0 + j * 8 < width; };
    squares_up += __shfl_xor_sync(~0u, squares_up, 1), squares_down += __shfl_xor_sync(~0u, squares_down, 1);
    squares_up += __shfl_xor_sync(~0u, squares_up, 2), squares_down += __shfl_xor_sync(~0u, squares_down, 2);
    float inverse_up, inverse_down;
    const float unit_up = unit_of(Half(), most_up, inverse_up), unit_down = unit_of(Half(), most_down, inverse_down);
    // In the place of x, which nobody reads any more, and of the steps.
    __syncthreads();
    float4* const passed = reinterpret_cast<float4*>(rows);
#pragma unroll
    for (u32 j = 0; j < 8; j++) {
        const float4 v = half ? make_float4(out[j][0], out[j][1], out[j][2], out[j][3])
                              : make_float4(out[8 + j][0], out[8 + j][1], out[8 + j][2], out[8 + j][3]);
        passed[(me.warp * 8 + j) * 32 + lane] = make_float4(v.x * unit_up, v.y * unit_up, v.z * unit_down, v.w * unit_down);
    }
    // What is added to is on its way meanwhile; none is read after one is written.
    float2 residual[8][2];
#pragma unroll
    for (u32 j = 0; j < 8; j++)
#pragma unroll
        for (u32 low = 0; low < 2; low++) {
            const u32 row = low ? down : up;
            residual[j][low] = there(j, row) ? *reinterpret_cast<const float2*>(x + row * width + column0 + j * 8) : make_float2(0, 0);
        }
    if (t == 0) steps[half * SPAN + up] = squares_up, steps[half * SPAN + down] = squares_down;
    __syncthreads();
    const float factor_up = rsqrtf((steps[up] + steps[SPAN + up]) / s.inner + gated_eps);
    const float factor_down = rsqrtf((steps[down] + steps[SPAN + down]) / s.inner + gated_eps);
#pragma unroll
    for (u32 j = 0; j < 8; j++) {
        const float4 other = passed[((me.warp ^ 1) * 8 + j) * 32 + lane];
        // The first half of k comes first.
        auto sum = [&](u32 i, float before, float by, float other, float factor) {
            const float own = (half ? out[8 + j][i] : out[j][i]) * by;
            return before + (half ? other + own : own + other) * factor;
        };
        const float2 before_up = residual[j][0], before_down = residual[j][1];
        float* const at = x + up * width + column0 + j * 8;
        if (there(j, up))
            *reinterpret_cast<float2*>(at) = make_float2(sum(0, before_up.x, unit_up, other.x, factor_up),
                                                         sum(1, before_up.y, unit_up, other.y, factor_up));
        if (there(j, down))
            *reinterpret_cast<float2*>(at + 8 * width) = make_float2(sum(2, before_down.x, unit_down, other.z, factor_down),
                                                                     sum(3, before_down.y, unit_down, other.w, factor_down));
    }
}

#define MAMBA_BLOCK(name, Half) \
    extern "C" __global__ void __launch_bounds__(256, 2) mamba_in_##name( \
        Ssm s, const u16* w, const float* norm, float eps, u32 width, const float* x, u32 n, const float* conv_weight, \
        const float* conv_bias, const float* dt_bias, const float* a, const float* history, Spans to) { \
        mamba_in<Half>(s, w, norm, eps, width, x, n, conv_weight, conv_bias, dt_bias, a, history, to); \
    } \
    extern "C" __global__ void __launch_bounds__(256, 2) mamba_out_##name( \
        Ssm s, const u16* w, const float* norm, float eps, u32 width, u32 n, const float* d, Spans from, const float* gated_norm, \
        float gated_eps, const u16* out_w, float* x) { \
        mamba_out<Half>(s, w, norm, eps, width, n, d, from, gated_norm, gated_eps, out_w, x); \
    }
MAMBA_BLOCK(f16, F16)
MAMBA_BLOCK(bf16, Bf16)

extern "C" __global__ void __launch_bounds__(256) mamba_scan(Ssm s, u32 spans, Spans of, float* state, float* history) {
    allow_next();
    wait_for_previous();
    const u32 i = blockIdx.x * 256 + threadIdx.x, all = s.inner * (N / 4), kept = (TAPS - 1) * s.channels;
    const u64 sequence = blockIdx.y;
    for (u32 at = i; at < kept; at += gridDim.x * 256) history[sequence * kept + at] = of.kept[sequence * kept + at];
    if (i >= all) return;
    const float4* const own = reinterpret_cast<const float4*>(of.own) + sequence * spans * all + i;
    const float* const decay = of.decay + sequence * spans * s.heads + i / (P * N / 4);
    // Four of a row of the state.
    const u32 row = i / (N / 4) % P, four = i % (N / 4);
    u16* const to = of.before + sequence * spans * (8 * all) + i / (P * N / 4) * (2 * P * N) + place<N>(row, four / 2) + four % 2 * 4;
    float4* const of_sequence = reinterpret_cast<float4*>(state) + sequence * all + i;
    float4 before = *of_sequence;
    // Several spans are loaded before the first of them is written.
    const u32 AHEAD = 8;
    for (u32 b0 = 0; b0 < spans; b0 += AHEAD) {
        float4 here[AHEAD];
        float factor[AHEAD];
#pragma unroll
        for (u32 j = 0; j < AHEAD; j++) {
            if (b0 + j >= spans) break;
            here[j] = own[(u64)(b0 + j) * all];
            factor[j] = decay[(b0 + j) * s.heads];
        }
#pragma unroll
        for (u32 j = 0; j < AHEAD; j++) {
            if (b0 + j >= spans) break;
            uint2 hi, lo;
            split_four(Bf16(), before, 1.0f, hi, lo);
            u16* const at = to + (u64)(b0 + j) * (8 * all);
            *reinterpret_cast<uint2*>(at) = hi;
            *reinterpret_cast<uint2*>(at + P * N) = lo;
            before.x = factor[j] * before.x + here[j].x, before.y = factor[j] * before.y + here[j].y;
            before.z = factor[j] * before.z + here[j].z, before.w = factor[j] * before.w + here[j].w;
        }
    }
    *of_sequence = before;
}
