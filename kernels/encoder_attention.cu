// encoder_attention: bidirectional attention inside chunks, with rotary positions.
//   q, out (chunks, rows, heads, d), k, v (chunks, rows, kv_heads, d); no mask, scores scaled by 1/sqrt(d).
// Grid: x the heads, y the chunks. Blocks of 4 warps: rows of keys and values are brought to shared memory in tiles of
// `tile`, each warp takes four queries at a time, which share what is read of them, with a running softmax. Dynamic shared
// memory: tile·(2·d + 1) + 16·(d + tile) + d/2 floats. d at most 256.
// CPU twin: cpu/attention.rs, encode_chunk.
#include "common.cuh"

const int WARPS = 4;
const u32 ROWS = 4;  // of a warp at once

// The pair (i, i + d/2) of the row at `position`, rotated.
__device__ __forceinline__ float rotated(const float* row, u32 e, u32 half, float frequency, u32 position) {
    float sine, cosine;
    sincosf(position * frequency, &sine, &cosine);
    return e < half ? row[e] * cosine - row[e + half] * sine : row[e] * cosine + row[e - half] * sine;
}

// Four rows, one in each place.
__device__ __forceinline__ float4 four(float v) { return make_float4(v, v, v, v); }
__device__ __forceinline__ void add(float4& to, float4 a, float by) { to.x += a.x * by, to.y += a.y * by, to.z += a.z * by, to.w += a.w * by; }
template <class Of>
__device__ __forceinline__ float4 each(float4 a, float4 b, Of of) { return make_float4(of(a.x, b.x), of(a.y, b.y), of(a.z, b.z), of(a.w, b.w)); }
template <class Of>
__device__ __forceinline__ float4 each(float4 a, Of of) { return make_float4(of(a.x), of(a.y), of(a.z), of(a.w)); }

extern "C" __global__ void encoder_attention(const float* q, const float* k, const float* v, u32 rows, u32 heads,
                                             u32 kv_heads, u32 d, float base, u32 tile, float* out) {
    DYNAMIC_SHARED(float4, shared);
    allow_next();
    wait_for_previous();
    const u32 head = blockIdx.x, kv = head / (heads / kv_heads), lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 half = d / 2, stride = d + 1;
    // (d) queries and (tile) weights of the warp's four rows, then (tile, d + 1) keys, (tile, d) values of the block.
    float4 *query = shared + warp * (d + tile), *weights = query + d;
    float* keys = reinterpret_cast<float*>(shared + WARPS * (d + tile));
    float *values = keys + tile * stride, *frequencies = values + tile * d;
    for (u32 i = threadIdx.x; i < half; i += blockDim.x) frequencies[i] = powf(base, -2.0f * i / d);
    const u64 chunk = blockIdx.y;
    q += (chunk * rows * heads + head) * d;
    out += (chunk * rows * heads + head) * d;
    k += (chunk * rows * kv_heads + kv) * d;
    v += (chunk * rows * kv_heads + kv) * d;
    const float scale = rsqrtf((float)d);

    for (u32 first = 0; first < rows; first += WARPS * ROWS) {
        const u32 row = first + warp * ROWS;
        float4 acc[8], largest = four(-INFINITY), sum = four(0);
#pragma unroll
        for (int i = 0; i < 8; i++) acc[i] = four(0);
        for (u32 from = 0; from < rows; from += tile) {
            const u32 count = min(tile, rows - from);
            // One tile of all rows stays.
            if (first == 0 || rows > tile) {
                __syncthreads();
                for (u32 i = threadIdx.x; i < count * d; i += blockDim.x) {
                    const u32 r = i / d, e = i % d;
                    const u64 at = (u64)(from + r) * kv_heads * d;
                    keys[r * stride + e] = rotated(k + at, e, half, frequencies[e % half], from + r);
                    values[r * d + e] = v[at + e];
                }
                __syncthreads();
            }
            if (row >= rows) continue;
            if (from == 0) {
                for (u32 e = lane; e < d; e += 32) {
                    // Rows behind the last one repeat it.
                    auto of = [&](u32 i) {
                        const u32 r = min(row + i, rows - 1);
                        return scale * rotated(q + (u64)r * heads * d, e, half, frequencies[e % half], r);
                    };
                    query[e] = make_float4(of(0), of(1), of(2), of(3));
                }
                __syncwarp();
            }
            float4 most = four(-INFINITY);
            for (u32 r = lane; r < count; r += 32) {
                float4 score = four(0);
                for (u32 e = 0; e < d; e++) add(score, query[e], keys[r * stride + e]);
                weights[r] = score;
                most = each(most, score, fmaxf);
            }
            most = each(largest, each(most, warp_max), fmaxf);
            const float4 shrink = each(largest, most, [](float a, float b) { return __expf(a - b); });
            largest = most;
            float4 part = four(0);
            for (u32 r = lane; r < count; r += 32) {
                weights[r] = each(weights[r], most, [](float a, float b) { return __expf(a - b); });
                add(part, weights[r], 1);
            }
            sum = times(sum, shrink);
            add(sum, each(part, warp_sum), 1);
            __syncwarp();
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                const u32 e = lane + 32 * i;
                if (e >= d) break;
                float4 read = times(acc[i], shrink);
                for (u32 r = 0; r < count; r++) add(read, weights[r], values[r * d + e]);
                acc[i] = read;
            }
            __syncwarp();
        }
#pragma unroll
        for (u32 i = 0; i < 8; i++) {
            const u32 e = lane + 32 * i;
            if (e >= d) break;
            const float result[ROWS] = {acc[i].x / sum.x, acc[i].y / sum.y, acc[i].z / sum.z, acc[i].w / sum.w};
#pragma unroll
            for (u32 j = 0; j < ROWS; j++)
                if (row + j < rows) out[(u64)(row + j) * heads * d + e] = result[j];
        }
    }
}
