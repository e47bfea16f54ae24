// encoder_attention: bidirectional attention inside chunks, with rotary positions.
//   q, out (chunks, rows, heads, d), k, v (chunks, rows, kv_heads, d); no mask, scores scaled by 1/sqrt(d).
// Grid: x the heads, y the chunks. Blocks of 4 warps: rows of keys and values are brought to shared memory in tiles of
// `tile`, each warp takes one query at a time with a running softmax. Dynamic shared memory:
// tile·(2·d + 1) + 4·(d + tile) + d/2 floats. d at most 256.
// CPU twin: cpu/attention.rs, encode_chunk.
#include "common.cuh"

const int WARPS = 4;

// The pair (i, i + d/2) of the row at `position`, rotated.
__device__ __forceinline__ float rotated(const float* row, u32 e, u32 half, float frequency, u32 position) {
    float sine, cosine;
    sincosf(position * frequency, &sine, &cosine);
    return e < half ? row[e] * cosine - row[e + half] * sine : row[e] * cosine + row[e - half] * sine;
}

extern "C" __global__ void encoder_attention(const float* q, const float* k, const float* v, u32 rows, u32 heads,
                                             u32 kv_heads, u32 d, float base, u32 tile, float* out) {
    DYNAMIC_SHARED(float, shared);
    allow_next();
    wait_for_previous();
    const u32 head = blockIdx.x, kv = head / (heads / kv_heads), lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 half = d / 2, stride = d + 1;
    float *keys = shared, *values = keys + tile * stride;
    float *query = values + tile * d + warp * (d + tile), *weights = query + d;
    float* frequencies = values + tile * d + WARPS * (d + tile);
    for (u32 i = threadIdx.x; i < half; i += blockDim.x) frequencies[i] = powf(base, -2.0f * i / d);
    const u64 chunk = blockIdx.y;
    q += (chunk * rows * heads + head) * d;
    out += (chunk * rows * heads + head) * d;
    k += (chunk * rows * kv_heads + kv) * d;
    v += (chunk * rows * kv_heads + kv) * d;
    const float scale = rsqrtf((float)d);

    for (u32 first = 0; first < rows; first += WARPS) {
        const u32 row = first + warp;
        float acc[8], largest = -INFINITY, sum = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) acc[i] = 0;
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
                for (u32 e = lane; e < d; e += 32)
                    query[e] = scale * rotated(q + (u64)row * heads * d, e, half, frequencies[e % half], row);
                __syncwarp();
            }
            float most = -INFINITY;
            for (u32 r = lane; r < count; r += 32) {
                float score = 0;
                for (u32 e = 0; e < d; e++) score += query[e] * keys[r * stride + e];
                weights[r] = score;
                most = fmaxf(most, score);
            }
            most = fmaxf(largest, warp_max(most));
            const float shrink = __expf(largest - most);
            largest = most;
            float part = 0;
            for (u32 r = lane; r < count; r += 32) {
                const float weight = __expf(weights[r] - most);
                weights[r] = weight;
                part += weight;
            }
            sum = sum * shrink + warp_sum(part);
            __syncwarp();
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                const u32 e = lane + 32 * i;
                if (e >= d) break;
                float read = acc[i] * shrink;
                for (u32 r = 0; r < count; r++) read += weights[r] * values[r * d + e];
                acc[i] = read;
            }
            __syncwarp();
        }
        if (row < rows) {
#pragma unroll
            for (u32 i = 0; i < 8; i++)
                if (lane + 32 * i < d) out[(u64)row * heads * d + lane + 32 * i] = acc[i] / sum;
        }
    }
}
