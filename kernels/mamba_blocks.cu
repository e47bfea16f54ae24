// mamba_blocks: one token through Mamba-2 blocks, one after the other, in one launch: x (D) += each block of x. The history
// (3, CHANNELS) and the state (E, N) of each are updated. D = 1024, E = 2048, N = 128, one group, four taps; weights F16 or BF16.
// Grid: PARTS blocks of 11 warps, all of which must be resident at once (a cooperative launch). Dynamic shared memory: `Shared`.
// For devices of compute capability 9.0 and up; for others the kernels are empty.
//
// A part has ROWS rows of z and x, a row of B and of C with its convolution, ROWS rows of the state, and OUT rows of the output
// projection. Eight warps compute: each has an eighth of the columns of both products. Three serve them:
//   SUMS       adds up what the eight have, and hands it to the other parts
//   STREAM     brings weights and state into shared memory, two blocks ahead, and takes the state back
//   CONSTANTS  brings the constants and the history of the next block
// In a block the parts exchange the normed x, then B and C, then y, and the squares for both norms. There is no barrier: a value
// is there once its lowest bit is that of the number of the round, odd or even, and no part begins a round before all have
// read the last one. That bit is lost: 2^-23 of a value. COPIES of all values keep the readers apart.
//
// Bound by the bytes of weights and state. These must not be asked for as fast as possible: what the parts exchange passes through
// the same queues, and takes up to three times as long behind a queue of weights. So a part asks for 2 KB every `pace` cycles.
//
// x, as a factor, is a sum of two numbers of 16 bits: see common.cuh. `exchange` is `Exchange`, zero before its first use.
// CPU twin: the operations of backend/layer.rs.
#include "common.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
extern "C" __global__ void mamba_blocks_f16() {}
extern "C" __global__ void mamba_blocks_bf16() {}
#else

const u32 D = 1024, E = 2 * D, N = 128, CHANNELS = E + 2 * N, TAPS = 4;
const u32 PARTS = N, ROWS = E / PARTS, OUT = D / PARTS;
const u32 WARPS = 8, SUMS = 8, STREAM = 9, CONSTANTS = 10;
const u32 COPIES = 4;
const int REST = 200;  // nanoseconds
// Bytes of a row of the input projection, half of one of the output projection. A slice is ROWS of them.
const u32 ROW = 2 * D, SLICE = ROWS * ROW;
// 16-byte pieces that a lane has of a row's eighth.
const int PIECES = D / WARPS / 32;

struct Block {
    const u8* in_proj;         // (2·E + 2·N + heads, D), rows z, x, B, C, dt
    const u8* out_proj;        // (D, E)
    const float* norm;         // (D)
    const float* conv_weight;  // (CHANNELS, TAPS)
    const float* conv_bias;    // (CHANNELS)
    const float* dt_bias;      // (heads)
    const float* a;            // (heads)
    const float* d;            // (heads)
    const float* gated_norm;   // (E)
    float* history;            // (TAPS - 1, CHANNELS)
    float* state;              // (E, N)
    float eps, gated_eps;
};
static_assert(sizeof(Block) == 96, "as in src/cuda/arguments.rs");
FIELD_AT(Block, in_proj, 0); FIELD_AT(Block, out_proj, 8); FIELD_AT(Block, norm, 16); FIELD_AT(Block, conv_weight, 24);
FIELD_AT(Block, conv_bias, 32); FIELD_AT(Block, dt_bias, 40); FIELD_AT(Block, a, 48); FIELD_AT(Block, d, 56);
FIELD_AT(Block, gated_norm, 64); FIELD_AT(Block, history, 72); FIELD_AT(Block, state, 80); FIELD_AT(Block, eps, 88);
FIELD_AT(Block, gated_eps, 92);
struct Blocks {
    u32 count;
    float dt_min, dt_max;
    u32 head;  // rows of a head, a multiple of ROWS
    Block block[32];
};
static_assert(sizeof(Blocks) == 3088, "as in src/cuda/arguments.rs");
FIELD_AT(Blocks, count, 0); FIELD_AT(Blocks, dt_min, 4); FIELD_AT(Blocks, dt_max, 8); FIELD_AT(Blocks, head, 12);
FIELD_AT(Blocks, block, 16);

// From a multiple of 128 bytes on: what a part hands over must not share lines with more than it has to.
struct Exchange {
    float x[COPIES][D], x_squares[COPIES][PARTS], bc[COPIES][PARTS][2], y[COPIES][E], y_squares[COPIES][PARTS];
    u32 rounds;
};
static_assert(sizeof(Exchange) == 57348, "as in src/cuda/arguments.rs");

// Of the channels and rows of a part; the first five are brought by 16 bytes.
struct Constants {
    float conv_weight[ROWS][TAPS], conv_bias[ROWS], gated_norm[ROWS], next_norm[OUT], conv_b[TAPS], conv_c[TAPS];
    float bias_b, bias_c, dt_bias, a, d, unused[3];
    float x[TAPS - 1][ROWS], b[TAPS - 1], c[TAPS - 1], more[2];  // history
};
const u32 FOURS = ROWS * (TAPS + 2) / 4 + OUT / 4 + 2;

struct __align__(128) Shared {
    u8 slices[2][3][SLICE];  // of two blocks: z, x, and the output projection
    u8 few[3][ROW];          // B, C, dt
    float state[2][ROWS * N];
    Constants constants[2];
    uint4 split[WARPS][2][32];  // high and low parts of a warp's share of x or y
    float few_sums[3][WARPS], sums[2 * ROWS][WARPS], out_sums[OUT][2 * WARPS];
    float bc[N][2], y[ROWS], projected[ROWS];
    float factor, dt, decay, unused;
    // Barriers of what STREAM and CONSTANTS bring: full, and empty again.
    u64 full[2][3], empty[2][3], few_full, few_empty, state_full[2], constants_full[2], constants_empty[2];
};
static_assert(sizeof(Shared) == 231808, "as in src/cuda/arguments.rs");

// Named barriers of the eight warps and SUMS, or of the eight.
enum { FEW_THERE = 1, FACTOR_THERE, BC_THERE, Y_THERE, OUT_THERE };
const u32 ALL = 32 * (WARPS + 1), EIGHT = 32 * WARPS;
template <u32 BARRIER, u32 COUNT>
__device__ __forceinline__ void meet() { asm volatile("bar.sync %0, %1;" ::"n"(BARRIER), "n"(COUNT) : "memory"); }

__device__ __forceinline__ u32 shared_at(const void* p) { return (u32)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void begin(u64* barrier, u32 arrivals) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_at(barrier)), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void expect(u64* barrier, u32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_at(barrier)), "r"(bytes) : "memory");
}
__device__ __forceinline__ void arrive(u64* barrier) {
    asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(shared_at(barrier)) : "memory");
}
// For the n-th time that the barrier is passed, from 0.
__device__ __forceinline__ void wait(u64* barrier, u32 n) {
    asm volatile(
        "{\n.reg .pred there;\nagain: mbarrier.try_wait.parity.shared.b64 there, [%0], %1;\n@there bra done;\nbra again;\ndone:\n}" ::"r"(
            shared_at(barrier)),
        "r"(n & 1)
        : "memory");
}
__device__ __forceinline__ void bring(void* to, const void* from, u32 bytes, u64* barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared_at(to)), "l"(from),
                 "r"(bytes), "r"(shared_at(barrier))
                 : "memory");
}
__device__ __forceinline__ void take_back(void* to, const void* from, u32 bytes) {
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to), "r"(shared_at(from)), "r"(bytes) : "memory");
}
__device__ __forceinline__ u64 cycles() {
    u64 t;
    asm volatile("mov.u64 %0, %%clock64;" : "=l"(t));
    return t;
}

// ---- what the parts exchange ---------------------------------------------------------------------------------------------
__device__ __forceinline__ u32 tagged(float v, u32 tag) { return (__float_as_uint(v) & ~1u) | tag; }
__device__ __forceinline__ void hand(float* to, float v, u32 tag) {
    asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(to), "r"(tagged(v, tag)) : "memory");
}
__device__ __forceinline__ void hand(float* to, float v, float w, u32 tag) {
    asm volatile("st.relaxed.gpu.global.v2.u32 [%0], {%1, %2};" ::"l"(to), "r"(tagged(v, tag)), "r"(tagged(w, tag)) : "memory");
}
__device__ __forceinline__ void hand(float* to, float4 v, u32 tag) {
    asm volatile("st.relaxed.gpu.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(tagged(v.x, tag)), "r"(tagged(v.y, tag)),
                 "r"(tagged(v.z, tag)), "r"(tagged(v.w, tag))
                 : "memory");
}
__device__ __forceinline__ uint4 look(const float* at) {
    uint4 v;
    asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(at) : "memory");
    return v;
}
__device__ __forceinline__ bool is_of(uint4 v, u32 tag) { return ((tag ? v.x & v.y & v.z & v.w : ~(v.x | v.y | v.z | v.w)) & 1) != 0; }
// Before looking again: who looks all the time is in the way of what it looks for.
__device__ __forceinline__ void rest() { asm volatile("nanosleep.u32 %0;" ::"n"(REST)); }
// Four values for each of `lanes`, once all are there.
__device__ __forceinline__ uint4 receive(const float* at, u32 tag, u32 lanes = ~0u) {
    uint4 v = look(at);
    while (!__all_sync(lanes, is_of(v, tag))) {
        rest();
        v = look(at);
    }
    return v;
}
__device__ __forceinline__ float4 values(uint4 v) {
    return make_float4(__uint_as_float(v.x), __uint_as_float(v.y), __uint_as_float(v.z), __uint_as_float(v.w));
}
// What RMSNorm multiplies by, of the parts' sums of squares.
__device__ __forceinline__ float factor_of(const float* squares, u32 tag, u32 width, float eps) {
    const float4 v = values(receive(squares + 4 * (threadIdx.x % 32), tag));
    return rsqrtf(warp_sum((v.x + v.y) + (v.z + v.w)) / width + eps);
}

// ---- the eight warps ------------------------------------------------------------------------------------------------------
// Pieces 4·i + t of a row, t = lane % 4. All rows begin in the same bank, so that odd ones take them in another order.
__device__ __forceinline__ void read_pieces(uint4 (&r)[PIECES], const u8* row) {
    const u32 lane = threadIdx.x % 32;
    const bool odd = lane / 4 % 2;
#pragma unroll
    for (u32 i = 0; i < PIECES; i++) r[i] = reinterpret_cast<const uint4*>(row)[4 * (i ^ odd) + lane % 4];
#pragma unroll
    for (u32 i = 0; i < PIECES; i += 2) {
        const uint4 v = r[i], w = r[i + 1];
        r[i] = odd ? w : v, r[i + 1] = odd ? v : w;
    }
}

__device__ __forceinline__ u32 most_of(uint4 v) {
    const u32 most = max(max(v.x & 0x7fffffffu, v.y & 0x7fffffffu), max(v.z & 0x7fffffffu, v.w & 0x7fffffffu));
    return most;
}
template <class Half>
__device__ __forceinline__ void put_split(uint4 (&split)[2][32], u32 place, uint4 v, float inverse) {
    uint2 hi, lo;
    split_four(Half(), values(v), inverse, hi, lo);
    reinterpret_cast<uint2*>(split[0])[place] = hi, reinterpret_cast<uint2*>(split[1])[place] = lo;
}

// 16 rows of weights, `up` and `down` those of a lane, times 32 values of k.
template <class Half>
__device__ __forceinline__ void mma_piece(float (&d)[4], uint4 up, uint4 down, uint4 b) {
    const u32 first[4] = {up.x, down.x, up.y, down.y}, second[4] = {up.z, down.z, up.w, down.w};
    const u32 left[2] = {b.x, b.y}, right[2] = {b.z, b.w};
    mma(Half(), d, first, left);
    mma(Half(), d, second, right);
}

template <class Half>
__device__ __forceinline__ void compute(const Blocks& all, Exchange& exchange, Shared& s) {
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, copy = blockIdx.x % COPIES;
    const u32 base = exchange.rounds + 1;
    const uint4 none = make_uint4(0, 0, 0, 0);
    // Phases 1 to 6, for each block of the model.
    for (u32 l = 0; l < all.count; l++) {
        const u32 tag = (base + l) & 1, slot = l % 2, nth = l / 2;
        const u8* const z = s.slices[slot][0] + 2 * D / WARPS * warp;
        uint4 b[PIECES];
        float unit, inverse;
        // Phase 1: x of all parts, and of the input projection B, C and dt.
        {
            uint4 w[PIECES];
            wait(&s.few_full, l);
            read_pieces(w, s.few[min(g, 2u)] + 2 * D / WARPS * warp);
            __syncwarp();
            if (lane == 0) arrive(&s.few_empty);
            const uint4 v = receive(exchange.x[copy] + D / WARPS * warp + 4 * lane, tag);
            unit = unit_of(Half(), __uint_as_float(__reduce_max_sync(~0u, most_of(v))), inverse);
            put_split<Half>(s.split[warp], lane, v, inverse);
            __syncwarp();
            // Column 0 of the second factor has the high parts, column 1 the low ones; nothing is read of the others.
#pragma unroll
            for (int i = 0; i < PIECES; i++) b[i] = s.split[warp][g % 2][4 * i + t];
            float d[2][4] = {};
#pragma unroll
            for (int i = 0; i < PIECES; i++) mma_piece<Half>(d[i % 2], w[i], none, b[i]);
            if (t == 0 && g < 3) s.few_sums[g][warp] = ((d[0][0] + d[1][0]) + (d[0][1] + d[1][1])) * unit;
        }
        __syncwarp();
        meet<FEW_THERE, ALL>();
        // Phase 2: of the input projection the rows of z and x.
        // z and x, while B and C are on their way.
#pragma unroll
        for (int m = 0; m < 2; m++) {
            uint4 up[PIECES], down[PIECES];
            wait(&s.full[slot][m], nth);
            read_pieces(up, z + m * SLICE + g * ROW);
            read_pieces(down, z + m * SLICE + (g + 8) * ROW);
            __syncwarp();
            if (lane == 0) arrive(&s.empty[slot][m]);
            float d[4] = {};
#pragma unroll
            for (int i = 0; i < PIECES; i++) mma_piece<Half>(d, up[i], down[i], b[i]);
            if (t == 0) s.sums[ROWS * m + g][warp] = (d[0] + d[1]) * unit, s.sums[ROWS * m + g + 8][warp] = (d[2] + d[3]) * unit;
        }
        __syncwarp();
        meet<FACTOR_THERE, ALL>();

        // Phase 3: convolution and SiLU; the state from shared memory.
        // Rows 2·warp and the one after it: eight lanes each of z, then of x.
        const Constants& c = s.constants[slot];
        wait(&s.constants_full[slot], nth);
        wait(&s.state_full[slot], nth);
        float4* const own = reinterpret_cast<float4*>(s.state[slot]) + 2 * warp * (N / 4) + lane;
        float4 h[2] = {own[0], own[N / 4]};
        float gate[2], x[2];
        {
            const u32 row = 2 * warp + lane / 8 % 2;
            float v = s.sums[lane / 16 * ROWS + row][lane % 8];
            for (int i = 1; i < 8; i <<= 1) v += __shfl_xor_sync(~0u, v, i);
            v *= s.factor;
            const float* w = c.conv_weight[row];
            const float convolved = c.conv_bias[row] + w[0] * c.x[0][row] + w[1] * c.x[1][row] + w[2] * c.x[2][row] + w[3] * v;
            if (lane == 16 || lane == 24) s.projected[row] = v;
            v = silu(lane < 16 ? v : convolved);
            gate[0] = __shfl_sync(~0u, v, 0), gate[1] = __shfl_sync(~0u, v, 8);
            x[0] = __shfl_sync(~0u, v, 16), x[1] = __shfl_sync(~0u, v, 24);
        }
        const float dt = s.dt, decay = s.decay, straight = c.d;
        if (lane < 8) reinterpret_cast<uint4*>(s.bc)[warp * 8 + lane] = receive(exchange.bc[copy][0] + 32 * warp + 4 * lane, tag, 255);
        __syncwarp();
        meet<BC_THERE, EIGHT>();
        // Phase 4: the new state, what C reads of it, and the gate.
        {
            const float4 first = reinterpret_cast<const float4*>(s.bc)[2 * lane], second = reinterpret_cast<const float4*>(s.bc)[2 * lane + 1];
            const float4 bs = make_float4(first.x, first.z, second.x, second.z), cs = make_float4(first.y, first.w, second.y, second.w);
            float read[2];
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const float in = dt * x[r];
                h[r].x = decay * h[r].x + in * bs.x, h[r].y = decay * h[r].y + in * bs.y;
                h[r].z = decay * h[r].z + in * bs.z, h[r].w = decay * h[r].w + in * bs.w;
                read[r] = h[r].x * cs.x + h[r].y * cs.y + h[r].z * cs.z + h[r].w * cs.w;
            }
            // The first row in the lower lanes, the second in the upper.
            const bool upper = lane >= 16;
            float y = upper ? read[1] : read[0];
            y += __shfl_xor_sync(~0u, upper ? read[0] : read[1], 16);
            for (int i = 8; i > 0; i >>= 1) y += __shfl_xor_sync(~0u, y, i);
            y = (y + straight * (upper ? x[1] : x[0])) * (upper ? gate[1] : gate[0]);
            if (lane % 16 == 0) s.y[2 * warp + upper] = y;
        }
        __syncwarp();
        meet<Y_THERE, ALL>();
        if (lane == 0) arrive(&s.constants_empty[slot]);
        own[0] = h[0], own[N / 4] = h[1];
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");

        // Phase 5: y of all parts.
        // A warp's columns in two halves: the first in the upper rows of a product of 16, the second in the lower ones.
        uint4 up[PIECES], down[PIECES];
        wait(&s.full[slot][2], nth);
        const u8* const out = s.slices[slot][2] + g * 2 * ROW + 2 * E / WARPS * warp;
        read_pieces(up, out);
        read_pieces(down, out + E / WARPS);
        __syncwarp();
        if (lane == 0) arrive(&s.empty[slot][2]);
        const float* const from = exchange.y[copy] + E / WARPS * warp + 4 * lane;
        uint4 v = look(from), w = look(from + E / WARPS / 2);
        while (!__all_sync(~0u, is_of(v, tag) && is_of(w, tag))) {
            rest();
            v = look(from), w = look(from + E / WARPS / 2);
        }
        unit = unit_of(Half(), __uint_as_float(__reduce_max_sync(~0u, max(most_of(v), most_of(w)))), inverse);
        put_split<Half>(s.split[warp], lane, v, inverse);
        put_split<Half>(s.split[warp], 32 + lane, w, inverse);
        __syncwarp();
        // Phase 6: the output projection, for SUMS to add up.
#pragma unroll
        for (int i = 0; i < PIECES; i++) b[i] = s.split[warp][g % 2][g / 2 % 2 * 16 + 4 * i + t];
        float d[2][4] = {};
#pragma unroll
        for (int i = 0; i < PIECES; i++) mma_piece<Half>(d[i % 2], up[i], down[i], b[i]);
        if (t == 0) s.out_sums[g][warp] = ((d[0][0] + d[1][0]) + (d[0][1] + d[1][1])) * unit;
        if (t == 1) s.out_sums[g][WARPS + warp] = ((d[0][2] + d[1][2]) + (d[0][3] + d[1][3])) * unit;
        __syncwarp();
        meet<OUT_THERE, ALL>();
    }
}

// ---- the three that serve them --------------------------------------------------------------------------------------------
__device__ __forceinline__ void hand_x(Exchange& exchange, float x, float norm, u32 tag) {
    const u32 lane = threadIdx.x % 32, part = blockIdx.x;
    // Lanes 4·r to 4·r + 3 have row r.
    hand(exchange.x[lane % COPIES] + OUT * part + lane / 4, x * norm, tag);
    float squares = x * x;
    for (int i = 4; i < 32; i <<= 1) squares += __shfl_xor_sync(~0u, squares, i);
    if (lane < COPIES) hand(exchange.x_squares[lane] + part, squares, tag);
}

__device__ __forceinline__ void sum_up(const Blocks& all, float* x, Exchange& exchange, Shared& s) {
    const u32 lane = threadIdx.x % 32, part = blockIdx.x, copy = part % COPIES, row = OUT * part + lane / 4;
    const u32 base = exchange.rounds + 1;
    float own = x[row];
    hand_x(exchange, own, all.block[0].norm[row], base & 1);
    for (u32 l = 0; l < all.count; l++) {
        const u32 tag = (base + l) & 1, slot = l % 2;
        const Block& block = all.block[l];
        const Constants& c = s.constants[slot];
        const float factor = factor_of(exchange.x_squares[copy], tag, D, block.eps);
        if (lane == 0) s.factor = factor;
        wait(&s.constants_full[slot], l / 2);
        __syncwarp();
        meet<FEW_THERE, ALL>();
        {
            float v = lane < 24 ? s.few_sums[0][lane] : 0.0f;
            for (int i = 1; i < 8; i <<= 1) v += __shfl_xor_sync(~0u, v, i);
            v *= factor;
            const float b = __shfl_sync(~0u, v, 0), c_now = __shfl_sync(~0u, v, 8), dt_now = __shfl_sync(~0u, v, 16);
            // B in the lower lanes, C in the upper ones.
            const bool upper = lane >= 16;
            const float now = upper ? c_now : b;
            const float *w = upper ? c.conv_c : c.conv_b, *past = upper ? c.c : c.b;
            const float before[3] = {past[0], past[1], past[2]};
            const float convolved = silu((upper ? c.bias_c : c.bias_b) + w[0] * before[0] + w[1] * before[1] + w[2] * before[2] + w[3] * now);
            const float other = __shfl_xor_sync(~0u, convolved, 16);
            if (lane < COPIES) hand(exchange.bc[lane][part], convolved, other, tag);
            if (lane == 16) {
                const float dt = fminf(fmaxf(softplus(dt_now + c.dt_bias), all.dt_min), all.dt_max);
                s.dt = dt, s.decay = __expf(dt * c.a);
            }
            __syncwarp();
            meet<FACTOR_THERE, ALL>();
            if (lane % 16 == 0) {
                float* const h = block.history + E + lane / 16 * N + part;
                h[0] = before[1], h[CHANNELS] = before[2], h[2 * CHANNELS] = now;
            }
        }
        __syncwarp();
        meet<Y_THERE, ALL>();
        {
            const float4 y = reinterpret_cast<const float4*>(s.y)[lane % 4];
            if (lane / 4 < COPIES)
                hand(exchange.y[lane / 4] + ROWS * part + lane % 4 * 4, times(y, reinterpret_cast<const float4*>(c.gated_norm)[lane % 4]), tag);
            const float sum = row_sum(squares(y));
            if (lane % 4 == 0 && lane / 4 < COPIES) hand(exchange.y_squares[lane / 4] + part, sum, tag);
            if (lane < 12) {
                const float* now = lane < 8 ? c.x[lane / 4 + 1] : s.projected;
                float* const h = block.history + lane / 4 * CHANNELS + ROWS * part;
                reinterpret_cast<float4*>(h)[lane % 4] = reinterpret_cast<const float4*>(now)[lane % 4];
            }
        }
        const float gated = factor_of(exchange.y_squares[copy], tag, E, block.gated_eps);
        __syncwarp();
        meet<OUT_THERE, ALL>();
        const float4 v = reinterpret_cast<const float4*>(s.out_sums)[lane];
        own += row_sum((v.x + v.y) + (v.z + v.w)) * gated;
        if (l + 1 < all.count) {
            hand_x(exchange, own, c.next_norm[lane / 4], tag ^ 1);
        } else if (lane % 4 == 0) {
            x[row] = own;
        }
        __syncwarp();
        if (lane == 0) arrive(&s.constants_empty[slot]);
    }
    // All parts have read it, or they would not have come this far.
    if (part == 0 && lane == 0) exchange.rounds = base - 1 + all.count;
}

// One lane.
__device__ __forceinline__ void stream(const Blocks& all, Shared& s, u32 pace) {
    const u32 part = blockIdx.x, head = ROWS * part / all.head, count = all.count, PIECE = 4 * ROW, QUARTER = ROWS * N / 4;
    u64 next = cycles();
    auto in_time = [&](u32 rows) {
        u64 now = cycles();
        while (now < next) now = cycles();
        next = max(next, now - rows * pace) + rows * pace;
    };
    auto bring_slice = [&](u32 l, u32 which, const u8* from) {
        u64* const full = &s.full[l % 2][which];
        if (l >= 2 && which < 2) wait(&s.empty[l % 2][which], l / 2 - 1);
        expect(full, SLICE);
        for (u32 at = 0; at < SLICE; at += PIECE) {
            // The first block is waited for.
            if (l > 0) in_time(PIECE / ROW);
            bring(s.slices[l % 2][which] + at, from + at, PIECE, full);
        }
    };
    // Two more turns take back the last two states.
    for (u32 l = 0; l < count + 2; l++) {
        const u32 slot = l % 2;
        if (l < count) {
            const u8* const in = all.block[l].in_proj;
            if (l >= 1) wait(&s.few_empty, l - 1);
            expect(&s.few_full, 3 * ROW);
            bring(s.few[0], in + (u64)(2 * E + part) * ROW, ROW, &s.few_full);
            bring(s.few[1], in + (u64)(2 * E + N + part) * ROW, ROW, &s.few_full);
            bring(s.few[2], in + (u64)(2 * E + 2 * N + head) * ROW, ROW, &s.few_full);
        }
        if (l >= 2) {
            // Once the output projection of the block before the last has been read, its new state is in shared memory.
            wait(&s.empty[slot][2], l / 2 - 1);
            for (u32 i = 0; i < 4; i++) {
                in_time(1);
                take_back(all.block[l - 2].state + part * ROWS * N + i * QUARTER, s.state[slot] + i * QUARTER, 4 * QUARTER);
            }
            asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        }
        if (l >= count) continue;
        for (u32 m = 0; m < 2; m++) bring_slice(l, m, all.block[l].in_proj + (u64)(m * E + ROWS * part) * ROW);
        if (l == 0) wait_for_previous();
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
        expect(&s.state_full[slot], 4 * ROWS * N);
        bring(s.state[slot], all.block[l].state + part * ROWS * N, 4 * ROWS * N, &s.state_full[slot]);
        bring_slice(l, 2, all.block[l].out_proj + (u64)part * SLICE);
    }
    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

__device__ __forceinline__ void bring_constants(const Blocks& all, Shared& s) {
    const u32 lane = threadIdx.x % 32, part = blockIdx.x, head = ROWS * part / all.head, row = ROWS * part;
    const u32 b = E + part, c = E + N + part;
    // Of the history, lanes 0 .. 11 have 16 bytes of x, lanes 5 .. 10 a value of B or C.
    const u32 past = lane / 4 * CHANNELS + row + lane % 4 * 4;
    const u32 few = lane - 5, few_at = few < 3 ? few * CHANNELS + b : (few - 3) * CHANNELS + c;
    // Of FOURS lanes, 16 bytes of constants; of lanes 0 .. 4 one constant more, of lanes 5 .. 10 a value of the history.
    auto fours_of = [&](u32 l) {
        const Block& block = all.block[l];
        const float* from = block.conv_weight + TAPS * row + 4 * lane;
        if (lane >= ROWS) from = block.conv_bias + row + 4 * (lane - ROWS);
        if (lane >= 20) from = block.gated_norm + row + 4 * (lane - 20);
        if (lane >= 24) from = all.block[min(l + 1, all.count - 1)].norm + OUT * part + 4 * (lane - 24);
        if (lane == 26) from = block.conv_weight + TAPS * b;
        if (lane == 27) from = block.conv_weight + TAPS * c;
        return from;
    };
    auto one_of = [&](u32 l) {
        const Block& block = all.block[l];
        const float* one = block.history + few_at;
        if (lane == 0) one = block.conv_bias + b;
        if (lane == 1) one = block.conv_bias + c;
        if (lane == 2) one = block.dt_bias + head;
        if (lane == 3) one = block.a + head;
        if (lane == 4) one = block.d + head;
        return one;
    };
    for (u32 l = 0; l < all.count; l++) {
        Constants& to = s.constants[l % 2];
        const u32 after = min(l + 1, all.count - 1);
        // What a multiprocessor loads arrives in order: what others look for must not wait for memory.
        if (lane < FOURS) prefetch(fours_of(after));
        if (lane < 12) prefetch(all.block[after].history + past);
        if (lane < 11) prefetch(one_of(after));
        float4 four = make_float4(0, 0, 0, 0), of_x = four;
        float v = 0;
        if (lane < FOURS) four = *reinterpret_cast<const float4*>(fours_of(l));
        if (lane < 12) of_x = *reinterpret_cast<const float4*>(all.block[l].history + past);
        if (lane < 11) v = *one_of(l);
        if (l >= 2) wait(&s.constants_empty[l % 2], l / 2 - 1);
        if (lane < FOURS) reinterpret_cast<float4*>(to.conv_weight)[lane] = four;
        if (lane < 12) reinterpret_cast<float4*>(to.x)[lane] = of_x;
        if (lane < 5) (&to.bias_b)[lane] = v;
        else if (lane < 11) (&to.b[0])[few] = v;
        arrive(&s.constants_full[l % 2]);
    }
}

template <class Half>
__device__ __forceinline__ void mamba_blocks(const Blocks& all, float* x, Exchange& exchange, u32 pace) {
    DYNAMIC_SHARED(uint4, raw);
    Shared& s = *reinterpret_cast<Shared*>(raw);
    const u32 warp = threadIdx.x / 32;
    if (threadIdx.x == 0) {
        for (int i = 0; i < 2; i++) {
            for (int m = 0; m < 3; m++) begin(&s.full[i][m], 1), begin(&s.empty[i][m], WARPS);
            begin(&s.state_full[i], 1), begin(&s.constants_full[i], 32), begin(&s.constants_empty[i], WARPS + 1);
        }
        begin(&s.few_full, 1), begin(&s.few_empty, WARPS);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (warp == STREAM) {
        if (threadIdx.x % 32 == 0) stream(all, s, pace);
        return;
    }
    wait_for_previous();
    if (warp < WARPS) compute<Half>(all, exchange, s);
    if (warp == SUMS) sum_up(all, x, exchange, s);
    if (warp == CONSTANTS) bring_constants(all, s);
}

#define MAMBA_BLOCKS(name, Half)                                                                                                 \
    extern "C" __global__ void __launch_bounds__(352, 1)                                                                         \
        name(const __grid_constant__ Blocks all, float* x, Exchange* exchange, u32 pace) {                                       \
        mamba_blocks<Half>(all, x, *exchange, pace);                                                                             \
    }
MAMBA_BLOCKS(mamba_blocks_f16, F16)
MAMBA_BLOCKS(mamba_blocks_bf16, Bf16)
#endif
