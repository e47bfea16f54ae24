// Scores of landmarks fused with the selection of the best: a row of scores is never written.
//   score_top_k: for tokens i < n and head h, the `top` best of the landmarks c < min(count, visible[i]) by
//                scale · q (n, heads, width)[i, h] · landmarks (count, heads, width)[c, h], as lists of this block's
//                part of the landmarks: found (n, heads, gridDim.x, top), best first, then entries of id NONE.
//                Grid: x parts of the landmarks, y the heads, z groups of 16 tokens. Blocks of 4 warps.
//                kind 0: the landmarks are f32. 1: they are f16 and `width` is a multiple of 16, on matrix units with q
//                as sums of two f16 after scaling to 1. 2: they are f16. Dynamic shared memory: 4 · 16 · top entries of 8
//                bytes and, for kind 1, 16·width·4 bytes.
//   best_of:     the best of the lists of all parts: result (n, heads, top). Grid: x the rows. Blocks of 8 warps; dynamic
//                shared memory 8 · top entries.
//   score_few:   both at once for a few tokens, f16 landmarks and a `width` of a multiple of 8: the last block of a row joins
//                the lists of all its parts. `visible` may be null, then `only` stands for it. `arrived` (n · heads) counts
//                blocks and is left at zero. Grid: x parts, as far as they are needed, y the heads, z the tokens. Blocks of 8
//                warps; dynamic shared memory width floats and 8 · top entries.
//   select_few:  score_few for one token, whose best are weighed: picks and readings (heads, top) of chunk and weight, the
//                most recent chunk first, weight 0 where there are fewer. `visible` lies in the device's memory.
//   select_of:   best_of for one token, with the same result.
//   encode_codes: codes of the `count` landmarks (count, heads, width) that follow the first `first` with codes, f16 if `half`,
//                else f32: bases (heads, width + directions·width + directions) are mean, directions and scales; tiles (heads
//                each) as in memory/coder.rs. Grid: x the tiles they fall into, y the heads. Blocks of 8 warps; dynamic
//                shared memory 8 · width floats.
//   bound_codes: for tokens i < n and head h, of the first min(count, visible[i]) landmarks with codes the `top` of which the
//                codes say that `scale` times the product with the query may be highest, and how high: found (n, heads,
//                gridDim.x, top), as score_top_k. queries (n, heads, 4 + directions): those of memory/coder.rs and their
//                weights. `visible` may be null, then `only` stands for it. Grid: x parts of the tiles, y the heads, z the
//                tokens. Blocks of 8 warps; dynamic shared memory 4 + directions floats, whole 16 bytes, and 8 · top entries.
//   codes_within: of the tiles from `first` on, for the same landmarks, which may have a product, times `scale`, of `least` (n, heads)
//                or more with a query of their row: within (tiles), a bit for each landmark. Grid: x parts of the tiles. Blocks of 8
//                warps; dynamic shared memory for queries and `least`.
// Bound by the bytes of the landmarks for few tokens. CPU twins: cpu/retrieval.rs; backend/weighting.rs for the weights;
// memory/coder.rs for codes.
#include "common.cuh"

struct Found {
    float score;
    u32 id;
};
static_assert(sizeof(Found) == 8, "as in src/cuda/arguments.rs");
FIELD_AT(Found, score, 0); FIELD_AT(Found, id, 4);
const u32 NONE = ~0u;
const int WARPS = 4;

__device__ __forceinline__ bool better(float score, u32 id, const Found& than) {
    return than.id == NONE || score > than.score || (score == than.score && id < than.id);
}

// Puts a candidate into a sorted list of `top` <= 64 entries in shared memory; all lanes of a warp together.
__device__ __forceinline__ void insert(Found* list, u32 top, float score, u32 id) {
    const u32 lane = threadIdx.x % 32;
    Found own[2], before[2];
    bool after[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const u32 at = lane + 32 * i;
        own[i].id = NONE;
        after[i] = false;
        if (at < top) {
            own[i] = list[at];
            before[i] = at ? list[at - 1] : own[i];
            // Behind the new one, and whether the one before is, too.
            after[i] = better(score, id, own[i]);
        }
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const u32 at = lane + 32 * i;
        if (at < top && after[i]) {
            Found put = {score, id};
            if (at && better(score, id, before[i])) put = before[i];
            list[at] = put;
        }
    }
    __syncwarp();
}

// Offers one candidate of each lane; `wanted` says which.
__device__ __forceinline__ void offer(Found* lists, u32 top, u32 row, float score, u32 id, bool wanted) {
    u32 lanes = __ballot_sync(~0u, wanted);
    while (lanes) {
        const int from = __ffs(lanes) - 1;
        lanes &= lanes - 1;
        const u32 r = __shfl_sync(~0u, row, from);
        insert(lists + r * top, top, __shfl_sync(~0u, score, from), __shfl_sync(~0u, id, from));
    }
}

extern "C" __global__ void __launch_bounds__(128) score_top_k(const float* q, const u32* visible, u32 only,
                                                              u32 n, u32 heads, u32 width, const u8* landmarks, u32 count, u32 kind,
                                                              float scale, u32 top, Found* found) {
    DYNAMIC_SHARED(uint4, shared);
    __shared__ float largest[16];
    __shared__ u32 seen[16];
    allow_next();
    wait_for_previous();
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32, head = blockIdx.y, token0 = blockIdx.z * 16;
    const u32 tokens = min(16u, n - token0), row = heads * width;
    u32* factors = reinterpret_cast<u32*>(shared);
    Found* all = reinterpret_cast<Found*>(factors + (kind == 1 ? 16 * width : 0));
    Found* lists = all + warp * 16 * top;
    for (u32 i = lane; i < 16 * top; i += 32) lists[i] = Found{0, NONE};
    if (thread < 16) seen[thread] = thread < tokens ? min(count, visible ? visible[token0 + thread] : only) : 0;
    q += (u64)token0 * row + head * width;

    // Phase 1: load q, for matrix units scaled to 1 and split into sums of two f16.
    if (kind == 1) {
        // Fragments of q as mma takes them, one after the other: (k step, hi/lo, lane) of four words.
        for (u32 i = warp; i < 16; i += WARPS) {
            float most = 0;
            if (i < tokens)
                for (u32 k = lane; k < width; k += 32) most = fmaxf(most, fabsf(q[(u64)i * row + k]));
            most = warp_max(most);
            if (lane == 0) largest[i] = most > 0 ? most : 1.0f;
        }
        __syncthreads();
        const u32 steps = width / 16;
        for (u32 i = thread; i < steps * 32; i += 128) {
            const u32 step = i / 32, g = i % 32 / 4, t = i % 4;
            u32 hi[4], lo[4];
#pragma unroll
            for (int part = 0; part < 4; part++) {
                const u32 r = g + part % 2 * 8;
                // Lane t takes 4 neighbours of every 16 landmarks' values: the order of k is free.
                const u32 k = step * 16 + t * 4 + part / 2 * 2;
                const float x = r < tokens ? q[(u64)r * row + k] / largest[r] : 0.0f;
                const float y = r < tokens ? q[(u64)r * row + k + 1] / largest[r] : 0.0f;
                split_f16(x, y, hi[part], lo[part]);
            }
            shared[step * 64 + i % 32] = make_uint4(hi[0], hi[1], hi[2], hi[3]);
            shared[step * 64 + 32 + i % 32] = make_uint4(lo[0], lo[1], lo[2], lo[3]);
        }
    }
    __syncthreads();

    // Phase 2: the share of each warp, of the landmarks that a token of the block sees.
    // Those that a token of the block sees: behind them there may be none yet. Ascending ids inside a warp: of equal scores the
    // first one stays.
    u32 all_seen = 0;
    for (u32 i = 0; i < tokens; i++) all_seen = seen[i] > all_seen ? seen[i] : all_seen;
    const u32 parts = gridDim.x * WARPS, share = ((all_seen + parts - 1) / parts + 31) / 32 * 32;
    const u64 begin = (u64)(blockIdx.x * WARPS + warp) * share;
    const u32 first = begin < all_seen ? (u32)begin : all_seen, last = min(all_seen, first + share);
    const u32 g = lane / 4, t = lane % 4;
    // Phase 3: scores, 32 landmarks at a time, and to the list of its row what is better than the last one there.
    if (kind == 1) {
        const u32 steps = width / 16, up = g, down = g + 8;
        const float unit_up = scale * largest[up], unit_down = scale * largest[down];
        const u64 bytes = (u64)row * 2;
        for (u32 c0 = first; c0 < last; c0 += 32) {
            float acc[4][4] = {};
            const u8* from[4];
#pragma unroll
            for (int j = 0; j < 4; j++) from[j] = landmarks + min(c0 + j * 8 + g, last - 1) * bytes + head * width * 2 + t * 8;
            uint2 next[4];
#pragma unroll
            for (int j = 0; j < 4; j++) next[j] = *reinterpret_cast<const uint2*>(from[j]);
            for (u32 step = 0; step < steps; step++) {
                uint2 now[4];
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    now[j] = next[j];
                    if (step + 1 < steps) next[j] = *reinterpret_cast<const uint2*>(from[j] + (step + 1) * 32);
                }
                const uint4 h = shared[step * 64 + lane], l = shared[step * 64 + 32 + lane];
                const u32 hi[4] = {h.x, h.y, h.z, h.w}, lo[4] = {l.x, l.y, l.z, l.w};
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    const u32 b[2] = {now[j].x, now[j].y};
                    mma(F16(), acc[j], lo, b);
                    mma(F16(), acc[j], hi, b);
                }
            }
#pragma unroll
            for (int j = 0; j < 4; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const u32 r = i < 2 ? up : down, c = c0 + j * 8 + 2 * t + i % 2;
                    const float score = acc[j][i] * (i < 2 ? unit_up : unit_down);
                    const bool wanted = c < last && c < seen[r] && score == score && better(score, c, lists[r * top + top - 1]);
                    offer(lists, top, r, score, c, wanted);
                }
        }
    } else {
        for (u32 c0 = first; c0 < last; c0 += 32) {
            const u32 c = c0 + lane;
            for (u32 r = 0; r < tokens; r++) {
                float score = 0;
                if (c < last) {
                    const u64 at = (u64)c * row + head * width;
                    for (u32 k = 0; k < width; k++) {
                        const float l = kind ? f16_to_f32(reinterpret_cast<const u16*>(landmarks)[at + k])
                                             : reinterpret_cast<const float*>(landmarks)[at + k];
                        score += q[(u64)r * row + k] * l;
                    }
                }
                score *= scale;
                const bool wanted = c < last && c < seen[r] && score == score && better(score, c, lists[r * top + top - 1]);
                offer(lists, top, r, score, c, wanted);
            }
        }
    }
    __syncthreads();

    // Phase 4: reduce over warps, and store.
    // The lists of the block's warps, joined by one warp a row.
    for (u32 r = warp; r < tokens; r += WARPS) {
        for (u32 other = 1; other < WARPS; other++) {
            Found* mine = all + r * top;
            for (u32 i = 0; i < top; i++) {
                const Found f = all[(other * 16 + r) * top + i];
                if (f.id == NONE || !better(f.score, f.id, mine[top - 1])) break;
                insert(mine, top, f.score, f.id);
            }
        }
        Found* to = found + (((u64)(token0 + r) * heads + head) * gridDim.x + blockIdx.x) * top;
        for (u32 i = lane; i < top; i += 32) to[i] = all[r * top + i];
    }
}

// A candidate as one number, 0 for none.
__device__ __forceinline__ u64 key_of(const Found& f) { return f.id == NONE ? 0 : key(f.score, f.id); }
__device__ __forceinline__ Found found_of(u64 key) {
    return key ? Found{__uint_as_float(value_bits((u32)(key >> 32))), ~(u32)key} : Found{0, NONE};
}

// A list of 64 entries, best first, in the registers of a warp: entries of lane i are i and 32 + i. Only the first `top` are
// wanted, the others do not hurt.
struct List {
    u64 low, high, worst;  // the last is the top-th
    u32 top;

    __device__ __forceinline__ explicit List(u32 wanted) : low(0), high(0), worst(0), top(wanted) {}

    __device__ __forceinline__ void find_worst() { worst = __shfl_sync(~0u, top > 32 ? high : low, (top - 1) % 32); }

    __device__ __forceinline__ void insert(u64 k) {
        const u32 lane = threadIdx.x % 32;
        const bool after = k > low;
        const u32 at = 32 - __popc(__ballot_sync(~0u, after));
        if (top > 32) {
            // What leaves the low half, if the new one is in it, comes first in the high half.
            const u64 last = __shfl_sync(~0u, low, 31), up = __shfl_up_sync(~0u, high, 1);
            const bool behind = k > high;
            const u32 place = 32 - __popc(__ballot_sync(~0u, behind));
            if (behind) high = lane > place ? up : at < 32 ? last : k;
        }
        const u64 up = __shfl_up_sync(~0u, low, 1);
        if (after) low = lane == at ? k : up;
    }
    // The higher one of two lanes' in the `first` of them.
    static __device__ __forceinline__ u64 exchanged(u64 k, u32 by, bool first) {
        const u64 other = __shfl_xor_sync(~0u, k, by);
        return k > other == first ? k : other;
    }
    // All candidates at once: sorted the other way round than the list, they make with it a bitonic row, whose better half
    // is sorted again (Batcher, 1968).
    __device__ __forceinline__ void merge(u64 k) {
        const u32 lane = threadIdx.x % 32;
#pragma unroll
        for (u32 width = 2; width <= 32; width *= 2)
#pragma unroll
            for (u32 by = width / 2; by > 0; by /= 2) k = exchanged(k, by, (lane & by) == 0 == ((lane & width) != 0));
        low = k > low ? k : low;
#pragma unroll
        for (u32 by = 16; by > 0; by /= 2) low = exchanged(low, by, (lane & by) == 0);
    }
    // One candidate of each lane, 0 for none.
    __device__ __forceinline__ void offer(u64 k) {
        u32 lanes = __ballot_sync(~0u, k > worst);
        if (!lanes) return;
        // Each insertion costs about an eighth of that.
        if (top <= 32 && __popc(lanes) > 8) {
            merge(k);
        } else {
            for (; lanes; lanes &= lanes - 1) insert(__shfl_sync(~0u, k, __ffs(lanes) - 1));
        }
        find_worst();
    }
    __device__ __forceinline__ void offer_all(const Found* entries, u32 count) {
        for (u32 i0 = 0; i0 < count; i0 += 32) {
            const u32 i = i0 + threadIdx.x % 32;
            offer(i < count ? key_of(entries[i]) : 0);
        }
    }
    __device__ __forceinline__ void store(Found* to) const {
        const u32 lane = threadIdx.x % 32;
        if (lane < top) to[lane] = found_of(low);
        if (lane + 32 < top) to[lane + 32] = found_of(high);
    }
};

// The list of warp 0 becomes that of all warps of the block. `lists` is shared, `top` entries a warp.
__device__ __forceinline__ void join(List& list, Found* lists) {
    const u32 warp = threadIdx.x / 32, warps = blockDim.x / 32;
    if (warp) list.store(lists + warp * list.top);
    __syncthreads();
    if (!warp) list.offer_all(lists + list.top, (warps - 1) * list.top);
}

// A chosen chunk.
struct Pick {
    u32 chunk;
    float weight;
};
static_assert(sizeof(Pick) == 8, "as in src/cuda/arguments.rs");
FIELD_AT(Pick, chunk, 0); FIELD_AT(Pick, weight, 4);

// How chosen chunks are weighed, and where they go: picks for hsa.cu, readings for the host.
struct Choice {
    u32 softmax;
    float decay;
    Pick* picks;
    Pick* readings;
};
static_assert(sizeof(Choice) == 24, "as in src/cuda/arguments.rs");
FIELD_AT(Choice, softmax, 0); FIELD_AT(Choice, decay, 4); FIELD_AT(Choice, picks, 8); FIELD_AT(Choice, readings, 16);

__device__ __forceinline__ float finite(float v) { return fminf(fmaxf(v, -3.402823466e38f), 3.402823466e38f); }

// Weighs the list of a row; one warp. `sorted` is shared, `top` entries.
__device__ __forceinline__ void weigh(const List& list, Found* sorted, u32 row, const Choice& how) {
    const u32 lane = threadIdx.x % 32, top = list.top;
    const Found first = found_of(list.low), second = found_of(list.high);
    list.store(sorted);
    __syncwarp();
    // The higher its number, the more recent a chunk is. Those that are none come last already.
    u32 low = 0, high = 0;
    for (u32 i = 0; i < top; i++) {
        const u32 id = sorted[i].id;
        low += id != NONE && id > first.id;
        high += id != NONE && id > second.id;
    }
    __syncwarp();
    if (lane < top && first.id != NONE) sorted[low] = first;
    if (lane + 32 < top && second.id != NONE) sorted[high] = second;
    __syncwarp();

    const Found a = lane < top ? sorted[lane] : Found{0, NONE}, b = lane + 32 < top ? sorted[lane + 32] : Found{0, NONE};
    const bool has_a = a.id != NONE, has_b = b.id != NONE;
    const float score_a = finite(a.score) + lane * how.decay, score_b = finite(b.score) + (lane + 32) * how.decay;
    float weight_a, weight_b;
    if (how.softmax) {
        const float most = warp_max(fmaxf(has_a ? score_a : -INFINITY, has_b ? score_b : -INFINITY));
        weight_a = has_a ? expf(score_a - most) : 0.0f, weight_b = has_b ? expf(score_b - most) : 0.0f;
        const float sum = warp_sum(weight_a + weight_b);
        if (sum > 0) weight_a /= sum, weight_b /= sum;
    } else {
        // ln sigmoid(s) = -softplus(-s); what it leaves is ln (1 - sigmoid(s)) = -softplus(s), summed over those before.
        float taken_a = has_a ? softplus(score_a) : 0.0f, taken_b = has_b ? softplus(score_b) : 0.0f;
        for (u32 i = 1; i < 32; i *= 2) {
            const float more_a = __shfl_up_sync(~0u, taken_a, i), more_b = __shfl_up_sync(~0u, taken_b, i);
            if (lane >= i) taken_a += more_a, taken_b += more_b;
        }
        const float low_half = __shfl_sync(~0u, taken_a, 31);
        float before_a = __shfl_up_sync(~0u, taken_a, 1), before_b = __shfl_up_sync(~0u, taken_b, 1);
        if (lane == 0) before_a = before_b = 0;
        weight_a = has_a ? expf(-before_a - softplus(-score_a)) : 0.0f;
        weight_b = has_b ? expf(-(low_half + before_b) - softplus(-score_b)) : 0.0f;
    }
    const u64 at = (u64)row * top + lane;
    const Pick pick_a = {has_a ? a.id : 0, weight_a}, pick_b = {has_b ? b.id : 0, weight_b};
    if (lane < top) how.picks[at] = pick_a, how.readings[at] = pick_a;
    if (lane + 32 < top) how.picks[at + 32] = pick_b, how.readings[at + 32] = pick_b;
}

// Every warp takes its share of the lists of all parts. One warp calls finish(list).
template <class Finish>
__device__ __forceinline__ void best_of_parts(const Found* found, u32 parts, u32 top, Found* lists, Finish finish) {
    const u32 lane = threadIdx.x % 32, count = parts * top;
    List list(top);
    for (u32 i0 = threadIdx.x - lane; i0 < count; i0 += blockDim.x) {
        Found f = {0, NONE};
        if (i0 + lane < count) {
            // Perhaps written by this very launch: not from the L1 cache.
            const float2 both = __ldcg(reinterpret_cast<const float2*>(found + i0 + lane));
            f = Found{both.x, __float_as_uint(both.y)};
        }
        list.offer(key_of(f));
    }
    join(list, lists);
    if (threadIdx.x < 32) finish(list);
}

extern "C" __global__ void __launch_bounds__(256) best_of(const Found* found, u32 parts, u32 top, Found* result) {
    DYNAMIC_SHARED(uint4, shared);
    allow_next();
    wait_for_previous();
    best_of_parts(found + (u64)blockIdx.x * parts * top, parts, top, reinterpret_cast<Found*>(shared),
                  [&](const List& list) { list.store(result + (u64)blockIdx.x * top); });
}

extern "C" __global__ void __launch_bounds__(256) select_of(const Found* found, u32 parts, u32 top, Choice how) {
    DYNAMIC_SHARED(uint4, shared);
    Found* lists = reinterpret_cast<Found*>(shared);
    allow_next();
    wait_for_previous();
    best_of_parts(found + (u64)blockIdx.x * parts * top, parts, top, lists,
                  [&](const List& list) { weigh(list, lists, blockIdx.x, how); });
}

// Landmarks that one block scores: those of a head from `first` to before `last`, `stride` bytes apart.
struct Landmarks {
    const u8* at;
    u64 stride;
    u32 first, last, units;  // of 16 bytes each
};

// Up to 4·STEPS units. On matrix units, 16 landmarks a warp, which are the rows; one column is of q's first f16, one of its
// second. The order of values in a sum is free: a lane takes neighbours.
template <int STEPS>
__device__ __forceinline__ void score_narrow(const Landmarks& l, const float* q, float scale, List& list) {
    __shared__ uint4 parts[2][4 * STEPS];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32, g = lane / 4, t = lane % 4;
    float4 a = make_float4(0, 0, 0, 0), b = a;
    if (lane < l.units) a = reinterpret_cast<const float4*>(q)[2 * lane], b = reinterpret_cast<const float4*>(q)[2 * lane + 1];
    float most = fmaxf(fmaxf(fmaxf(fabsf(a.x), fabsf(a.y)), fmaxf(fabsf(a.z), fabsf(a.w))),
                       fmaxf(fmaxf(fabsf(b.x), fabsf(b.y)), fmaxf(fabsf(b.z), fabsf(b.w))));
    most = warp_max(most);
    // Scaled to 1, so that no f16 overflows. Of what is infinite, only absurd weights make some, there is nothing but the sign.
    const bool infinite = most == INFINITY;
    const float by = most > 0 ? fminf(1.0f / most, 3e38f) : 0.0f, unit = infinite ? INFINITY : by > 0 ? scale / by : 0.0f;
    auto scaled = [&](float v) { return !infinite ? v * by : v == INFINITY ? 1.0f : v == -INFINITY ? -1.0f : 0.0f; };
    if (warp == 0 && lane < 4 * STEPS) {
        uint4 hi, lo;
        split_f16(scaled(a.x), scaled(a.y), hi.x, lo.x), split_f16(scaled(a.z), scaled(a.w), hi.y, lo.y);
        split_f16(scaled(b.x), scaled(b.y), hi.z, lo.z), split_f16(scaled(b.z), scaled(b.w), hi.w, lo.w);
        parts[0][lane] = hi, parts[1][lane] = lo;
    }
    __syncthreads();
    const uint4 none = make_uint4(0, 0, 0, 0);
    for (u32 c0 = l.first + warp * 16; c0 < l.last; c0 += warps * 16) {
        const u8* up = l.at + min(c0 + g, l.last - 1) * l.stride + t * 16;
        const u8* down = l.at + min(c0 + g + 8, l.last - 1) * l.stride + t * 16;
        float acc[4] = {};
        // What fits into registers at once.
        const int BATCH = 4;
#pragma unroll 1
        for (int s0 = 0; s0 < STEPS; s0 += BATCH) {
            uint4 x[BATCH], y[BATCH];
#pragma unroll
            for (int s = 0; s < BATCH; s++) {
                const bool inside = 4 * (s0 + s) + t < l.units;
                x[s] = inside ? load_once(up + 64 * (s0 + s)) : none, y[s] = inside ? load_once(down + 64 * (s0 + s)) : none;
            }
#pragma unroll
            for (int s = 0; s < BATCH; s++) {
                const uint4 k = g < 2 ? parts[g][4 * (s0 + s) + t] : none;
                const u32 rows[2][4] = {{x[s].x, y[s].x, x[s].y, y[s].y}, {x[s].z, y[s].z, x[s].w, y[s].w}};
                const u32 columns[2][2] = {{k.x, k.y}, {k.z, k.w}};
                mma(F16(), acc, rows[0], columns[0]);
                mma(F16(), acc, rows[1], columns[1]);
            }
        }
        const float score_up = (acc[0] + acc[1]) * unit, score_down = (acc[2] + acc[3]) * unit;
        auto candidate = [&](float score, u32 c) { return t == 0 && c < l.last && score == score ? key(score, c) : 0; };
        list.offer(candidate(score_up, c0 + g));
        list.offer(candidate(score_down, c0 + g + 8));
    }
}

// Any width: a warp takes a landmark. `values` is shared, all of q.
__device__ __forceinline__ void score_wide(const Landmarks& l, const float* q, float scale, float4* values, List& list) {
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32, warps = blockDim.x / 32;
    // The first halves of all eights, then the second ones: neighbouring lanes read neighbours.
    for (u32 i = thread; i < 2 * l.units; i += blockDim.x)
        values[i / 2 + i % 2 * l.units] = reinterpret_cast<const float4*>(q)[i];
    __syncthreads();
    const u8* from = l.at + lane * 16;
    const int AT_ONCE = 4;
    // The u-th 16 bytes of landmarks, of this lane.
    auto load = [&](uint4 (&v)[AT_ONCE], u32 c0, u32 u) {
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            const u32 c = c0 + j * warps;
            v[j] = c < l.last && u + lane < l.units ? load_once(from + c * l.stride + u * 16) : make_uint4(0, 0, 0, 0);
        }
    };
    uint4 next[AT_ONCE];
    load(next, l.first + warp, 0);
    for (u32 c0 = l.first + warp; c0 < l.last; c0 += AT_ONCE * warps) {
        float score[AT_ONCE] = {};
        for (u32 u = 0; u < l.units; u += 32) {
            uint4 v[AT_ONCE];
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++) v[j] = next[j];
            const bool same = u + 32 < l.units;
            load(next, same ? c0 : c0 + AT_ONCE * warps, same ? u + 32 : 0);
            const u32 at = min(u + lane, l.units - 1);
            const float4 a = values[at], b = values[at + l.units];
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++)
                score[j] += f16_to_f32(low16(v[j].x)) * a.x + f16_to_f32(high16(v[j].x)) * a.y +
                            f16_to_f32(low16(v[j].y)) * a.z + f16_to_f32(high16(v[j].y)) * a.w +
                            f16_to_f32(low16(v[j].z)) * b.x + f16_to_f32(high16(v[j].z)) * b.y +
                            f16_to_f32(low16(v[j].w)) * b.z + f16_to_f32(high16(v[j].w)) * b.w;
        }
        // One candidate a lane.
        u64 own = 0;
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            const u32 c = c0 + j * warps;
            const float sum = warp_sum(score[j]) * scale;
            if (lane == j && c < l.last && sum == sum) own = key(sum, c);
        }
        list.offer(own);
    }
}

// One warp of a row's last block calls finish(list, lists, row), where `lists` is shared memory of `top` entries.
template <class Finish>
__device__ __forceinline__ void score_parts(const float* q, const u32* visible, u32 only, u32 heads, u32 width,
                                            const u8* landmarks, u32 count, float scale, u32 top, Found* found,
                                            u32* arrived, Finish finish) {
    DYNAMIC_SHARED(uint4, shared);
    __shared__ bool is_last;
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32, warps = blockDim.x / 32;
    const u32 head = blockIdx.y, row = blockIdx.z * heads + head, units = width / 8;
    // Phase 1: the share of the block; its landmarks begin to come.
    // Landmarks do not depend on the kernel before, nor does how many there are. A few are not worth many parts.
    const u32 seen = min(count, visible ? visible[blockIdx.z] : only), at_once = warps * (units <= 32 ? 16 : 4);
    const u32 wanted = (seen + at_once - 1) / at_once, parts = wanted < 1 ? 1 : min(gridDim.x, wanted);
    if (blockIdx.x >= parts) return;
    const u32 share = (seen + parts - 1) / parts, first = min(seen, blockIdx.x * share), last = min(seen, first + share);
    const u64 stride = (u64)heads * width * 2, bytes = (last - first) * stride;
    const u8* own = landmarks + first * stride;
    for (u64 i = 128 * thread; i < min(bytes, (u64)(64 << 10)); i += 128 * blockDim.x) prefetch(own + i);
    allow_next();
    wait_for_previous();

    // Phase 2: scores, and a list for each warp.
    Found* lists = reinterpret_cast<Found*>(shared + width / 4);
    const Landmarks l = {landmarks + head * width * 2, stride, first, last, units};
    List list(top);
    q += (u64)row * width;
    if (units <= 16)
        score_narrow<4>(l, q, scale, list);
    else if (units <= 32)
        score_narrow<8>(l, q, scale, list);
    else
        score_wide(l, q, scale, reinterpret_cast<float4*>(shared), list);
    // Phase 3: reduce over warps.
    join(list, lists);
    if (parts == 1) {
        if (!warp) finish(list, lists, row);
        return;
    }
    // Phase 4: the last block of a row reduces over blocks.
    found += (u64)row * gridDim.x * top;
    if (!warp) {
        list.store(found + blockIdx.x * top);
        __threadfence();
        __syncwarp();
        if (lane == 0) is_last = atomicAdd(&arrived[row], 1) + 1 == parts;
    }
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    best_of_parts(found, parts, top, lists, [&](const List& all) { finish(all, lists, row); });
    if (thread == 0) arrived[row] = 0;
}

extern "C" __global__ void __launch_bounds__(256, 4) score_few(const float* q, const u32* visible, u32 only, u32 heads,
                                                               u32 width, const u8* landmarks, u32 count, float scale,
                                                               u32 top, Found* found, u32* arrived, Found* result) {
    score_parts(q, visible, only, heads, width, landmarks, count, scale, top, found, arrived,
                [&](const List& list, Found*, u32 row) { list.store(result + (u64)row * top); });
}

extern "C" __global__ void __launch_bounds__(256, 4) select_few(const float* q, const u32* visible, u32 heads, u32 width,
                                                                const u8* landmarks, u32 count, float scale, u32 top,
                                                                Found* found, u32* arrived, Choice how) {
    score_parts(q, visible, 0, heads, width, landmarks, count, scale, top, found, arrived,
                [&](const List& list, Found* lists, u32 row) { weigh(list, lists, row, how); });
}

// ---- codes -------------------------------------------------------------------------------------------------------------

const u32 TILE = 32;

// Bytes of a tile of one head: codes (directions, TILE), what is left of each landmark (TILE), the most along all directions
// and the greatest length, and two floats of nothing.
__device__ __forceinline__ u32 tile_bytes(u32 directions) { return TILE * (directions + 4) + 16; }

__device__ __forceinline__ double sum_over_warp(double v) {
    for (int i = 16; i > 0; i >>= 1) v += __shfl_xor_sync(~0u, v, i);
    return v;
}
// Not less than v, whose own error is far below the one part in a million that is added.
__device__ __forceinline__ float upward(double v) { return (float)(v * (1.0 + 1e-6)) + 1.17549435e-38f; }

extern "C" __global__ void __launch_bounds__(256) encode_codes(const u8* landmarks, u32 half, u32 count, u32 heads, u32 width,
                                                               u32 directions, const float* bases, u32 first, u8* tiles) {
    DYNAMIC_SHARED(uint4, shared);
    __shared__ float along_most[8], length_most[8];
    allow_next();
    wait_for_previous();
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, head = blockIdx.y, tile = first / TILE + blockIdx.x;
    const u32 begin = first > tile * TILE ? first : tile * TILE, end = min(first + count, (tile + 1) * TILE);
    const float* mean = bases + (u64)head * (width + directions * width + directions);
    const float *rows = mean + width, *scales = rows + directions * width;
    float* rest = reinterpret_cast<float*>(shared) + warp * width;
    u8* codes = tiles + ((u64)tile * heads + head) * tile_bytes(directions);
    float* lengths = reinterpret_cast<float*>(codes + TILE * directions);
    double squares = 0;
    for (u32 k = lane; k < width; k += 32) squares += (double)mean[k] * mean[k];
    const double mean_length = sqrt(sum_over_warp(squares));
    // A lane looks at its own values of the rest only.
    auto along_row = [&](u32 j) {
        double sum = 0;
        for (u32 k = lane; k < width; k += 32) sum += (double)rows[j * width + k] * rest[k];
        return sum_over_warp(sum);
    };
    float most = 0, longest = 0;
    for (u32 c = begin + warp; c < end; c += 8) {
        // Phase 1: the landmark without the mean.
        const u64 from = ((u64)(c - first) * heads + head) * width;
        squares = 0;
        for (u32 k = lane; k < width; k += 32) {
            const float l = half ? f16_to_f32(reinterpret_cast<const u16*>(landmarks)[from + k])
                                 : reinterpret_cast<const float*>(landmarks)[from + k];
            squares += (double)l * l;
            rest[k] = l - mean[k];
        }
        double length = sqrt(sum_over_warp(squares)) + mean_length;
        // Phase 2: a code for each direction, and what it leaves. Whatever the code is, the rest says the truth.
        bool within = true;
        for (u32 j = 0; j < directions; j++) {
            const float steps = scales[j] > 0 ? rintf((float)along_row(j) / scales[j]) : 0.0f;
            within = within && fabsf(steps) <= 127.0f;
            const int code = (int)fminf(fmaxf(steps, -127.0f), 127.0f);
            const float by = (float)code * scales[j];
            for (u32 k = lane; k < width; k += 32) rest[k] -= by * rows[j * width + k];
            length += fabsf(by);
            if (lane == 0) codes[j * TILE + c % TILE] = (u8)code;
        }
        // Phase 3: lengths. A landmark that codes cannot express is always looked at.
        squares = 0;
        for (u32 k = lane; k < width; k += 32) squares += (double)rest[k] * rest[k];
        double along = 0;
        for (u32 j = 0; j < directions; j++) {
            const double v = along_row(j);
            along += v * v;
        }
        const float beside = upward(sqrt(sum_over_warp(squares))), in_all = upward(sqrt(along)), of_all = upward(length);
        within = within && beside < INFINITY && in_all < INFINITY && of_all < INFINITY;
        if (lane == 0) lengths[c % TILE] = within ? beside : INFINITY;
        if (within) most = fmaxf(most, in_all), longest = fmaxf(longest, of_all);
    }
    // Phase 4: the most of the tile, with what was there before.
    if (lane == 0) along_most[warp] = most, length_most[warp] = longest;
    __syncthreads();
    if (threadIdx.x) return;
    most = begin % TILE ? lengths[TILE] : 0.0f, longest = begin % TILE ? lengths[TILE + 1] : 0.0f;
    for (u32 i = 0; i < 8; i++) most = fmaxf(most, along_most[i]), longest = fmaxf(longest, length_most[i]);
    lengths[TILE] = most, lengths[TILE + 1] = longest;
}

// What `scale` times the product of a query (q·μ, ‖t‖, ‖q⊥‖, rounding, and its weights) with the landmark of the lane is at most.
__device__ __forceinline__ float bound_of(const float* query, const u8* codes, u32 directions, float scale) {
    const u32 lane = threadIdx.x % 32;
    const float* lengths = reinterpret_cast<const float*>(codes + TILE * directions);
    float sum = 0;
#pragma unroll 8
    for (u32 j = 0; j < directions; j++) sum += query[4 + j] * (float)(signed char)codes[j * TILE + lane];
    const float rest = query[0] + (query[1] * lengths[TILE] + query[3] * lengths[TILE + 1]);
    const float bound = ((sum + rest) + query[2] * lengths[lane]) * scale;
    // One that is no number, or too large for one on the way, says nothing.
    return fabsf(bound) < INFINITY ? bound : INFINITY;
}

extern "C" __global__ void __launch_bounds__(256) bound_codes(const float* queries, const u32* visible, u32 only, u32 heads,
                                                              u32 directions, const u8* tiles, u32 count, float scale, u32 top,
                                                              Found* found) {
    DYNAMIC_SHARED(uint4, shared);
    allow_next();
    wait_for_previous();
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, head = blockIdx.y, row = blockIdx.z * heads + head;
    float* query = reinterpret_cast<float*>(shared);
    Found* lists = reinterpret_cast<Found*>(shared + (4 + directions + 3) / 4);
    for (u32 i = threadIdx.x; i < 4 + directions; i += blockDim.x) query[i] = queries[(u64)row * (4 + directions) + i];
    __syncthreads();
    const u32 seen = min(count, visible ? visible[blockIdx.z] : only), all = (seen + TILE - 1) / TILE;
    const u32 share = (all + gridDim.x - 1) / gridDim.x, first = min(all, blockIdx.x * share), last = min(all, first + share);
    List list(top);
    for (u32 tile = first + warp; tile < last; tile += 8) {
        const u8* codes = tiles + ((u64)tile * heads + head) * tile_bytes(directions);
        const u32 c = tile * TILE + lane;
        list.offer(c < seen ? key(bound_of(query, codes, directions, scale), c) : 0);
    }
    join(list, lists);
    if (!warp) list.store(found + ((u64)row * gridDim.x + blockIdx.x) * top);
}

extern "C" __global__ void __launch_bounds__(256) codes_within(const float* queries, const u32* visible, u32 only, const float* least,
                                                               u32 n, u32 heads, u32 directions, const u8* tiles, u32 first, u32 count,
                                                               float scale, u32* within) {
    DYNAMIC_SHARED(uint4, shared);
    allow_next();
    wait_for_previous();
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, all = (count + TILE - 1) / TILE, numbers = 4 + directions;
    float *all_queries = reinterpret_cast<float*>(shared), *all_least = all_queries + n * heads * numbers;
    for (u32 i = threadIdx.x; i < n * heads * numbers; i += blockDim.x) all_queries[i] = queries[i];
    for (u32 i = threadIdx.x; i < n * heads; i += blockDim.x) all_least[i] = least[i];
    __syncthreads();
    for (u32 tile = first + blockIdx.x * 8 + warp; tile < all; tile += gridDim.x * 8) {
        const u32 c = tile * TILE + lane;
        u32 found = 0;
        for (u32 row = 0; row < n * heads; row++) {
            const u32 seen = min(count, visible ? visible[row / heads] : only);
            const u8* codes = tiles + ((u64)tile * heads + row % heads) * tile_bytes(directions);
            const float bound = bound_of(all_queries + row * numbers, codes, directions, scale);
            found |= __ballot_sync(~0u, c < seen && bound >= all_least[row]);
        }
        if (lane == 0) within[tile - first] = found;
    }
}
