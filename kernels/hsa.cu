// hsa: attention inside the chosen chunks, each with its own softmax, weighted by how relevant the chunk is.
//   q, out (n, H, d); chunks lie in slots of `slot` bytes, keys (S, G, d), then values (S, G, d), then for int8 the scales
//   (S, G) of each; picks (n, Gr, K) of slot and weight, weight 0 for none. HSA layer of arXiv 2504.16795.
//   hsa_f16_D_S: on matrix units for d = D and S as named. One warp takes 16 query heads of one key/value
//       head of one token: their scores against a chunk are one 16 x S tile. Keys and values go straight from memory to
//       the registers that the matrix units read: the order of d in a sum is free, so each lane takes neighbours.
//       q and the weights of values are sums of two f16.
//       Grid: x covers the tokens, y the key/value heads x groups of 16 query heads. Blocks of 4 warps, one token each.
//   hsa_any: any shape and precision, a warp a query head. Grid: x the tokens, y the query heads, blocks of one warp,
//       dynamic shared memory 2·d + S floats.
// CPU twin: cpu/attention.rs, attend_heads.
#include "common.cuh"

struct Pick {
    u32 slot;
    float weight;
};
struct Hsa {
    u32 heads, kv_heads, d, size, retrieval_heads, top, off_by_one;
};
const int WARPS = 4;

template <int D, int S>
__device__ __forceinline__ void hsa(Hsa s, const float* q, u32 n, const u8* cache, u64 slot, const Pick* picks,
                                    float* out) {
    allow_next();
    wait_for_previous();
    const u32 lane = threadIdx.x % 32, token = blockIdx.x * WARPS + threadIdx.x / 32, g = lane / 4, t = lane % 4;
    if (token >= n) return;
    const u32 per_kv = s.heads / s.kv_heads, tiles = (per_kv + 15) / 16;
    const u32 kv = blockIdx.y / tiles, head0 = blockIdx.y % tiles * 16;
    const u32 head_up = head0 + g, head_down = head0 + g + 8;
    const bool has_up = head_up < per_kv, has_down = head_down < per_kv;
    const u64 row = ((u64)token * s.heads + kv * per_kv) * D;
    const float *q_up = q + row + (u64)head_up * D, *q_down = q + row + (u64)head_down * D;
    const int OWN = D / 4;  // values that a lane takes of every key: 8 neighbours of every 32, so that lanes share sectors

    float up[OWN], down[OWN], most_up = 0, most_down = 0;
#pragma unroll
    for (int i = 0; i < OWN; i += 4) {
        const float4 zero = make_float4(0, 0, 0, 0);
        const float4 a = has_up ? *reinterpret_cast<const float4*>(q_up + i / 8 * 32 + t * 8 + i % 8) : zero;
        const float4 b = has_down ? *reinterpret_cast<const float4*>(q_down + i / 8 * 32 + t * 8 + i % 8) : zero;
        up[i] = a.x, up[i + 1] = a.y, up[i + 2] = a.z, up[i + 3] = a.w;
        down[i] = b.x, down[i + 1] = b.y, down[i + 2] = b.z, down[i + 3] = b.w;
    }
#pragma unroll
    for (int i = 0; i < OWN; i++) most_up = fmaxf(most_up, fabsf(up[i])), most_down = fmaxf(most_down, fabsf(down[i]));
    for (int i = 1; i < 4; i <<= 1) {
        most_up = fmaxf(most_up, __shfl_xor_sync(~0u, most_up, i));
        most_down = fmaxf(most_down, __shfl_xor_sync(~0u, most_down, i));
    }
    // Scaled to 1, so that no f16 overflows, whatever the model.
    const float by_up = most_up > 0 ? 1.0f / most_up : 0.0f, by_down = most_down > 0 ? 1.0f / most_down : 0.0f;
    u32 hi[D / 16][4], lo[D / 16][4];
#pragma unroll
    for (int step = 0; step < D / 16; step++) {
        const int i = step * 4;
        split_f16(up[i] * by_up, up[i + 1] * by_up, hi[step][0], lo[step][0]);
        split_f16(down[i] * by_down, down[i + 1] * by_down, hi[step][1], lo[step][1]);
        split_f16(up[i + 2] * by_up, up[i + 3] * by_up, hi[step][2], lo[step][2]);
        split_f16(down[i + 2] * by_down, down[i + 3] * by_down, hi[step][3], lo[step][3]);
    }
    // exp(v) = 2^(v·log2 e)
    const float unit = rsqrtf((float)D) * 1.44269504f, unit_up = unit * most_up, unit_down = unit * most_down;

    float acc[D / 8][4];
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) acc[j][i] = 0;
    picks += ((u64)token * s.retrieval_heads + min(kv, s.retrieval_heads - 1)) * s.top;
    const u64 stride = (u64)s.kv_heads * D * 2;
    for (u32 p = 0; p < s.top; p++) {
        const Pick pick = picks[p];
        if (pick.weight == 0.0f) continue;
        const u8* keys = cache + pick.slot * slot + kv * D * 2;
        const u8* values = keys + S * stride;
        float scores[S / 8][4];
#pragma unroll
        for (int j = 0; j < S / 8; j++) {
            u32 k[OWN / 2];
            const u8* from = keys + (j * 8 + g) * stride + t * 16;
#pragma unroll
            for (int i = 0; i < OWN / 8; i++) {
                const uint4 v = *reinterpret_cast<const uint4*>(from + 64 * i);
                k[4 * i] = v.x, k[4 * i + 1] = v.y, k[4 * i + 2] = v.z, k[4 * i + 3] = v.w;
            }
#pragma unroll
            for (int i = 0; i < 4; i++) scores[j][i] = 0;
#pragma unroll
            for (int step = 0; step < D / 16; step++) {
                const u32 b[2] = {k[2 * step], k[2 * step + 1]};
                mma(F16(), scores[j], lo[step], b);
                mma(F16(), scores[j], hi[step], b);
            }
        }
        float largest_up = s.off_by_one ? 0.0f : -INFINITY, largest_down = largest_up;
#pragma unroll
        for (int j = 0; j < S / 8; j++) {
            scores[j][0] *= unit_up, scores[j][1] *= unit_up, scores[j][2] *= unit_down, scores[j][3] *= unit_down;
            largest_up = fmaxf(largest_up, fmaxf(scores[j][0], scores[j][1]));
            largest_down = fmaxf(largest_down, fmaxf(scores[j][2], scores[j][3]));
        }
        for (int i = 1; i < 4; i <<= 1) {
            largest_up = fmaxf(largest_up, __shfl_xor_sync(~0u, largest_up, i));
            largest_down = fmaxf(largest_down, __shfl_xor_sync(~0u, largest_down, i));
        }
        float sum_up = 0, sum_down = 0;
#pragma unroll
        for (int j = 0; j < S / 8; j++) {
            scores[j][0] = exp2f(scores[j][0] - largest_up), scores[j][1] = exp2f(scores[j][1] - largest_up);
            scores[j][2] = exp2f(scores[j][2] - largest_down), scores[j][3] = exp2f(scores[j][3] - largest_down);
            sum_up += scores[j][0] + scores[j][1];
            sum_down += scores[j][2] + scores[j][3];
        }
        for (int i = 1; i < 4; i <<= 1) {
            sum_up += __shfl_xor_sync(~0u, sum_up, i);
            sum_down += __shfl_xor_sync(~0u, sum_down, i);
        }
        if (s.off_by_one) sum_up += exp2f(-largest_up), sum_down += exp2f(-largest_down);
        const float factor_up = pick.weight / sum_up, factor_down = pick.weight / sum_down;

#pragma unroll
        for (int step = 0; step < S / 16; step++) {
            u32 a[4], b_lo[4];
            const float *x = scores[2 * step], *y = scores[2 * step + 1];
            split_f16(x[0] * factor_up, x[1] * factor_up, a[0], b_lo[0]);
            split_f16(x[2] * factor_down, x[3] * factor_down, a[1], b_lo[1]);
            split_f16(y[0] * factor_up, y[1] * factor_up, a[2], b_lo[2]);
            split_f16(y[2] * factor_down, y[3] * factor_down, a[3], b_lo[3]);
            // Rows of values 2t, 2t + 1, 2t + 8, 2t + 9, of each D/8 neighbours: column g of the tile j is d = g·D/8 + j.
            const int WORDS = D / 16;
            u32 v[4][WORDS];
#pragma unroll
            for (int r = 0; r < 4; r++) {
                const u8* from = values + (step * 16 + 2 * t + r % 2 + r / 2 * 8) * stride + g * (D / 8) * 2;
                if (WORDS >= 4) {
#pragma unroll
                    for (int i = 0; i < WORDS / 4; i++) {
                        const uint4 w = *reinterpret_cast<const uint4*>(from + 16 * i);
                        v[r][4 * i] = w.x, v[r][4 * i + 1] = w.y, v[r][4 * i + 2] = w.z, v[r][4 * i + 3] = w.w;
                    }
                } else {
                    const uint2 w = *reinterpret_cast<const uint2*>(from);
                    v[r][0] = w.x, v[r][WORDS - 1] = w.y;
                }
            }
#pragma unroll
            for (int j = 0; j < D / 8; j++) {
                const u32 half = j % 2 ? 0x7632 : 0x5410;
                const u32 b[2] = {__byte_perm(v[0][j / 2], v[1][j / 2], half), __byte_perm(v[2][j / 2], v[3][j / 2], half)};
                mma(F16(), acc[j], b_lo, b);
                mma(F16(), acc[j], a, b);
            }
        }
    }
    float* to = out + row;
#pragma unroll
    for (int j = 0; j < D / 8; j += 4)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const u32 head = i < 2 ? head_up : head_down;
            if (head < per_kv)
                *reinterpret_cast<float4*>(to + (u64)head * D + (2 * t + i % 2) * (D / 8) + j) =
                    make_float4(acc[j][i], acc[j + 1][i], acc[j + 2][i], acc[j + 3][i]);
        }
}

#define HSA(D, S) \
    extern "C" __global__ void __launch_bounds__(128, D == 64 ? 3 : 1) hsa_f16_##D##_##S( \
        Hsa s, const float* q, u32 n, const u8* cache, u64 slot, const Pick* picks, float* out) { \
        hsa<D, S>(s, q, n, cache, slot, picks, out); \
    }
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
extern "C" __global__ void hsa_any(Hsa s, const float* q, u32 n, const u8* cache, u64 slot, const Pick* picks, u32 kind,
                                   float* out) {
    DYNAMIC_SHARED(float, floats);
    float *query = floats, *read = floats + s.d, *weights = floats + 2 * s.d;
    allow_next();
    wait_for_previous();
    const u32 lane = threadIdx.x, token = blockIdx.x, head = blockIdx.y, kv = head / (s.heads / s.kv_heads);
    const u64 at = ((u64)token * s.heads + head) * s.d;
    const float scale = rsqrtf((float)s.d);
    for (u32 e = lane; e < s.d; e += 32) query[e] = q[at + e] * scale, read[e] = 0;
    __syncwarp();
    picks += ((u64)token * s.retrieval_heads + min(kv, s.retrieval_heads - 1)) * s.top;
    const u64 rows = (u64)s.size * s.kv_heads, values = rows * s.d, bytes = kind == 0 ? 4 : kind == 1 ? 2 : 1;
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
        float largest = s.off_by_one ? 0.0f : -INFINITY;
        for (u32 i = lane; i < s.size; i += 32) {
            float score = 0;
            for (u32 e = 0; e < s.d; e++) score += query[e] * value(false, (u64)i * s.kv_heads + kv, e);
            weights[i] = score;
            largest = fmaxf(largest, score);
        }
        largest = warp_max(largest);
        float sum = 0;
        for (u32 i = lane; i < s.size; i += 32) sum += weights[i] = __expf(weights[i] - largest);
        sum = warp_sum(sum) + (s.off_by_one ? __expf(-largest) : 0.0f);
        const float factor = pick.weight / sum;
        __syncwarp();
        for (u32 e = lane; e < s.d; e += 32) {
            float part = 0;
            for (u32 i = 0; i < s.size; i++) part += weights[i] * value(true, (u64)i * s.kv_heads + kv, e);
            read[e] += factor * part;
        }
        __syncwarp();
    }
    for (u32 e = lane; e < s.d; e += 32) out[at + e] = read[e];
}
