// hsa: attention inside the chosen chunks, each with its own softmax, weighted by how relevant the chunk is.
//   q, out (n, H, d); chunks lie in slots of `slot` bytes, keys (S, G, d), then values (S, G, d), then for int8 the scales
//   (S, G) of each; picks (n, Gr, K <= 64) of slot and weight, weight 0 for none. HSA layer of arXiv 2504.16795.
//   hsa_f16_D_S: on matrix units for d = D and S as named. One warp takes 16 query heads of one key/value head of one token:
//       their scores against a chunk are one 16 x S tile. Keys and values come by asynchronous copies, the next keys while
//       values are multiplied and the next values while keys are. q is a sum of two f16, so that scores err by no more
//       than keys do; weights of values are rounded to f16, as the values are, and their sum is that of the rounded ones.
//       Grid: x the tokens, y the key/value heads x groups of 16 query heads. Blocks of one warp; dynamic shared memory
//       4·D·S bytes.
//   hsa_few_D_S: the same for few tokens, whose chunks are divided among the warps of a block. Blocks of 4 warps, 2 for
//       D = 128; dynamic shared memory 4·D·S bytes for each of them.
//   hsa_any: any shape and precision, a warp a query head. Grid: x the tokens, y the query heads, blocks of one warp,
//       dynamic shared memory 2·d + S floats.
// CPU twin: cpu/attention.rs, attend_heads.
#include "common.cuh"

struct Pick {
    u32 slot;
    float weight;
};
static_assert(sizeof(Pick) == 8, "as in src/cuda/arguments.rs");
FIELD_AT(Pick, slot, 0); FIELD_AT(Pick, weight, 4);
struct Hsa {
    u32 heads, kv_heads, d, size, retrieval_heads, top, off_by_one;
};
static_assert(sizeof(Hsa) == 28, "as in src/cuda/arguments.rs");
FIELD_AT(Hsa, heads, 0); FIELD_AT(Hsa, kv_heads, 4); FIELD_AT(Hsa, d, 8); FIELD_AT(Hsa, size, 12);
FIELD_AT(Hsa, retrieval_heads, 16); FIELD_AT(Hsa, top, 20); FIELD_AT(Hsa, off_by_one, 24);

// The picks of a token that have a weight, one after the other; every `step`-th from a first one on. A warp holds them.
struct Picks {
    Pick low, high;
    u64 left;

    __device__ __forceinline__ Picks(const Pick* picks, u32 top, u32 first) {
        const u32 lane = threadIdx.x % 32;
        low = lane < top ? picks[lane] : Pick{0, 0.0f};
        high = lane + 32 < top ? picks[lane + 32] : Pick{0, 0.0f};
        left = __ballot_sync(~0u, low.weight != 0.0f) | (u64)__ballot_sync(~0u, high.weight != 0.0f) << 32;
        skip(first);
    }
    __device__ __forceinline__ void skip(u32 count) {
        for (u32 i = 0; i < count; i++) left &= left - 1;
    }
    // Whether there was one.
    __device__ __forceinline__ bool next(Pick& pick, u32 step) {
        if (!left) return false;
        const int at = __ffsll(left) - 1;
        const Pick own = at < 32 ? low : high;
        pick.slot = __shfl_sync(~0u, own.slot, at % 32);
        pick.weight = __shfl_sync(~0u, own.weight, at % 32);
        skip(step);
        return true;
    }
};

// S rows of D values of 16 bits in shared memory, in pieces of 16 bytes. Eight rows below each other have any one piece in
// different banks.
template <int D, int S>
struct Tile {
    u16* at;
    static const int PIECES = D / 8;

    __device__ __forceinline__ u16* piece(u32 row, u32 piece) const {
        const u32 turn = PIECES == 4 ? row / 2 % 4 : row % 8;
        return at + (row * PIECES + (piece ^ turn)) * 8;
    }
    // Begins to bring rows that are `stride` bytes apart.
    __device__ __forceinline__ void bring(const u8* from, u64 stride) const {
#pragma unroll
        for (int i = 0; i < S * PIECES / 32; i++) {
            const u32 k = threadIdx.x % 32 + 32 * i;
            copy_async(piece(k / PIECES, k % PIECES), from + k / PIECES * stride + k % PIECES * 16);
        }
    }
};

// WARPS warps share the chunks of a token.
template <int D, int S, int WARPS>
__device__ __forceinline__ void hsa(Hsa s, const float* q, const u8* cache, u64 slot, const Pick* picks,
                                    float* out) {
    DYNAMIC_SHARED(uint4, shared);
    allow_next();
    wait_for_previous();
    const u32 lane = threadIdx.x % 32, warp = WARPS == 1 ? 0 : threadIdx.x / 32, token = blockIdx.x, g = lane / 4, t = lane % 4;
    const u32 per_kv = s.heads / s.kv_heads, tiles = (per_kv + 15) / 16;
    const u32 kv = blockIdx.y / tiles, head0 = blockIdx.y % tiles * 16;
    const u64 stride = (u64)s.kv_heads * D * 2;
    const Tile<D, S> keys = {reinterpret_cast<u16*>(shared) + warp * 2 * D * S}, values = {keys.at + D * S};
    auto bring_keys = [&](const Pick& pick) { keys.bring(cache + pick.slot * slot + kv * D * 2, stride); };
    auto bring_values = [&](const Pick& pick) { values.bring(cache + pick.slot * slot + kv * D * 2 + S * stride, stride); };

    // Phase 1: the picks of the token; keys and values of the first chunk begin to come.
    Picks chosen(picks + ((u64)token * s.retrieval_heads + min(kv, s.retrieval_heads - 1)) * s.top, s.top, warp);
    Pick pick;
    bool has = chosen.next(pick, WARPS);
    if (has) bring_keys(pick);
    end_of_copies();
    if (has) bring_values(pick);
    end_of_copies();

    // Phase 2: load q, scaled to 1 and split into sums of two f16.
    const u32 head_up = head0 + g, head_down = head0 + g + 8;
    const bool has_up = head_up < per_kv, has_down = head_down < per_kv;
    const u64 row = ((u64)token * s.heads + kv * per_kv) * D;
    float2 up[D / 8], down[D / 8];
    float most_up = 0, most_down = 0;
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
        const float2 zero = make_float2(0, 0);
        up[i] = has_up ? *reinterpret_cast<const float2*>(q + row + (u64)head_up * D + i * 8 + 2 * t) : zero;
        down[i] = has_down ? *reinterpret_cast<const float2*>(q + row + (u64)head_down * D + i * 8 + 2 * t) : zero;
    }
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
        most_up = fmaxf(most_up, fmaxf(fabsf(up[i].x), fabsf(up[i].y)));
        most_down = fmaxf(most_down, fmaxf(fabsf(down[i].x), fabsf(down[i].y)));
    }
    for (int i = 1; i < 4; i <<= 1) {
        most_up = fmaxf(most_up, __shfl_xor_sync(~0u, most_up, i));
        most_down = fmaxf(most_down, __shfl_xor_sync(~0u, most_down, i));
    }
    // Scaled to 1, so that no f16 overflows, whatever the model.
    const float by_up = most_up > 0 ? 1.0f / most_up : 0.0f, by_down = most_down > 0 ? 1.0f / most_down : 0.0f;
    u32 hi[D / 16][4], lo[D / 16][4];
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
        split_f16(up[i].x * by_up, up[i].y * by_up, hi[i / 2][i % 2 * 2], lo[i / 2][i % 2 * 2]);
        split_f16(down[i].x * by_down, down[i].y * by_down, hi[i / 2][i % 2 * 2 + 1], lo[i / 2][i % 2 * 2 + 1]);
    }
    // exp(v) = 2^(v·log2 e)
    const float unit = rsqrtf((float)D) * 1.44269504f, unit_up = unit * most_up, unit_down = unit * most_down;

    // Phases 3 to 6, for each chunk that was picked.
    float acc[D / 8][4];
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) acc[j][i] = 0;
    while (has) {
        Pick next;
        const bool more = chosen.next(next, WARPS);
        // Phase 3: scores of q and the keys, 16 x S; then the next keys begin to come.
        wait_for_copies<1>();
        __syncwarp();
        float scores[S / 8][4];
#pragma unroll
        for (int j = 0; j < S / 8; j++) {
#pragma unroll
            for (int i = 0; i < 4; i++) scores[j][i] = 0;
#pragma unroll
            for (int step = 0; step < D / 16; step += 2) {
                u32 k[4];
                load_matrices(k, keys.piece(j * 8 + lane % 8, step * 2 + lane / 8));
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const u32 b[2] = {k[2 * half], k[2 * half + 1]};
                    mma(F16(), scores[j], lo[step + half], b);
                    mma(F16(), scores[j], hi[step + half], b);
                }
            }
        }
        __syncwarp();
        if (more) bring_keys(next);
        end_of_copies();

        // Phase 4: softmax: the largest score of a row, then powers of the differences, and their sums.
        float largest_up = -INFINITY, largest_down = -INFINITY;
#pragma unroll
        for (int j = 0; j < S / 8; j++) {
            largest_up = fmaxf(largest_up, fmaxf(scores[j][0], scores[j][1]));
            largest_down = fmaxf(largest_down, fmaxf(scores[j][2], scores[j][3]));
        }
        for (int i = 1; i < 4; i <<= 1) {
            largest_up = fmaxf(largest_up, __shfl_xor_sync(~0u, largest_up, i));
            largest_down = fmaxf(largest_down, __shfl_xor_sync(~0u, largest_down, i));
        }
        // The units are not negative.
        largest_up *= unit_up, largest_down *= unit_down;
        if (s.off_by_one) largest_up = fmaxf(largest_up, 0.0f), largest_down = fmaxf(largest_down, 0.0f);
        // Weights of values, which a product with ones adds up as they are rounded.
        u32 weights[S / 16][4];
        float sums[4] = {0, 0, 0, 0};
        const u32 ones[2] = {0x3c003c00u, 0x3c003c00u};
#pragma unroll
        for (int step = 0; step < S / 16; step++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const float* v = scores[2 * step + half];
                weights[step][2 * half] = pack_f16(power_of_2(v[0] * unit_up - largest_up), power_of_2(v[1] * unit_up - largest_up));
                weights[step][2 * half + 1] =
                    pack_f16(power_of_2(v[2] * unit_down - largest_down), power_of_2(v[3] * unit_down - largest_down));
            }
            mma(F16(), sums, weights[step], ones);
        }
        float sum_up = sums[0], sum_down = sums[2];
        if (s.off_by_one) sum_up += power_of_2(-largest_up), sum_down += power_of_2(-largest_down);
        const float factor_up = pick.weight / sum_up, factor_down = pick.weight / sum_down;

        // Phase 5: values, weighted, are added to what was read; then the next values begin to come.
        wait_for_copies<1>();
        __syncwarp();
#pragma unroll
        for (int j = 0; j < D / 8; j += 2) {
            float read[2][4] = {};
#pragma unroll
            for (int step = 0; step < S / 16; step++) {
                u32 v[4];
                load_transposed(v, values.piece(step * 16 + lane % 16, j + lane / 16));
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const u32 b[2] = {v[2 * half], v[2 * half + 1]};
                    mma(F16(), read[half], weights[step], b);
                }
            }
#pragma unroll
            for (int half = 0; half < 2; half++)
#pragma unroll
                for (int i = 0; i < 4; i++) acc[j + half][i] += read[half][i] * (i < 2 ? factor_up : factor_down);
        }
        __syncwarp();
        if (more) bring_values(next);
        end_of_copies();
        // Phase 6: on to the next chunk.
        pick = next, has = more;
    }
    // Phase 7: reduce over the warps, if the chunks were divided among several.
    if (WARPS > 1) {
        // Sums of the other warps, in their order, in place of what they have read.
        float* sums = reinterpret_cast<float*>(shared);
        const int OWN = 16 * D;
        __syncthreads();
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (warp) sums[warp * OWN + (j * 4 + i) * 32 + lane] = acc[j][i];
        __syncthreads();
        if (warp) return;
        for (int other = 1; other < WARPS; other++)
#pragma unroll
            for (int j = 0; j < D / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) acc[j][i] += sums[other * OWN + (j * 4 + i) * 32 + lane];
    }
    // Phase 8: store.
    float* to = out + row + 2 * t;
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        if (has_up) *reinterpret_cast<float2*>(to + (u64)head_up * D + j * 8) = make_float2(acc[j][0], acc[j][1]);
        if (has_down) *reinterpret_cast<float2*>(to + (u64)head_down * D + j * 8) = make_float2(acc[j][2], acc[j][3]);
    }
}

#define HSA_FOR(name, D, S, WARPS) \
    extern "C" __global__ void __launch_bounds__(32 * (WARPS)) name( \
        Hsa s, const float* q, const u8* cache, u64 slot, const Pick* picks, float* out) { \
        hsa<D, S, WARPS>(s, q, cache, slot, picks, out); \
    }
#define HSA(D, S) HSA_FOR(hsa_f16_##D##_##S, D, S, 1) HSA_FOR(hsa_few_##D##_##S, D, S, D == 128 ? 2 : 4)
HSA(32, 16)
HSA(32, 32)
HSA(32, 64)
HSA(64, 16)
HSA(64, 32)
HSA(64, 64)
HSA(128, 16)
HSA(128, 32)
HSA(128, 64)

// kind: 0 f32, 1 f16, 2 int8 with scales
extern "C" __global__ void hsa_any(Hsa s, const float* q, const u8* cache, u64 slot, const Pick* picks, u32 kind,
                                   float* out) {
    DYNAMIC_SHARED(float, floats);
    float *query = floats, *read = floats + s.d, *weights = floats + 2 * s.d;
    allow_next();
    wait_for_previous();
    // Phase 1: load q, scaled.
    const u32 lane = threadIdx.x, token = blockIdx.x, head = blockIdx.y, kv = head / (s.heads / s.kv_heads);
    const u64 at = ((u64)token * s.heads + head) * s.d;
    const float scale = rsqrtf((float)s.d);
    for (u32 e = lane; e < s.d; e += 32) query[e] = q[at + e] * scale, read[e] = 0;
    __syncwarp();
    picks += ((u64)token * s.retrieval_heads + min(kv, s.retrieval_heads - 1)) * s.top;
    const u64 rows = (u64)s.size * s.kv_heads, values = rows * s.d, bytes = kind == 0 ? 4 : kind == 1 ? 2 : 1;
    // For each chunk that was picked:
    for (u32 p = 0; p < s.top; p++) {
        const Pick pick = picks[p];
        if (pick.weight == 0.0f) continue;
        const u8* chunk = cache + pick.slot * slot;
        // Scales start at a multiple of 16 bytes.
        const float* scales = reinterpret_cast<const float*>(chunk + (2 * values * bytes + 15) / 16 * 16);
        auto value = [&](bool second, u64 row, u32 e) {
            const u64 i = row * s.d + e + (second ? values : 0);
            if (kind == 0) return reinterpret_cast<const float*>(chunk)[i];
            if (kind == 1) return f16_to_f32(reinterpret_cast<const u16*>(chunk)[i]);
            return (float)reinterpret_cast<const i8*>(chunk)[i] * scales[row + (second ? rows : 0)];
        };
        // Phase 2: scores.
        float largest = s.off_by_one ? 0.0f : -INFINITY;
        for (u32 i = lane; i < s.size; i += 32) {
            float score = 0;
            for (u32 e = 0; e < s.d; e++) score += query[e] * value(false, (u64)i * s.kv_heads + kv, e);
            weights[i] = score;
            largest = fmaxf(largest, score);
        }
        // Phase 3: softmax.
        largest = warp_max(largest);
        float sum = 0;
        for (u32 i = lane; i < s.size; i += 32) sum += weights[i] = __expf(weights[i] - largest);
        sum = warp_sum(sum) + (s.off_by_one ? __expf(-largest) : 0.0f);
        const float factor = pick.weight / sum;
        __syncwarp();
        // Phase 4: values.
        for (u32 e = lane; e < s.d; e += 32) {
            float part = 0;
            for (u32 i = 0; i < s.size; i++) part += weights[i] * value(true, (u64)i * s.kv_heads + kv, e);
            read[e] += factor * part;
        }
        __syncwarp();
    }
    // Phase 5: store.
    for (u32 e = lane; e < s.d; e += 32) out[at + e] = read[e];
}
