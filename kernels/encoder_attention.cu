// encoder_attention: bidirectional attention inside chunks, with norms per head and rotary positions.
//   q, out (chunks, rows, heads, d), k, v (chunks, rows, kv_heads, d), q_norm, k_norm (d); no mask, scores scaled by 1/sqrt(d).
//   encoder_attention_32, encoder_attention_64: on matrix units, for d = 32 and 64 and up to 80 rows.
//   encoder_attention_to_32, encoder_attention_to_64: the same for any number of rows, in tiles of up to 80 with a running
//       softmax, and for narrower heads, whose halves are filled up with zeros.
//       A warp has 16 queries; it norms, rotates and splits 16 rows of keys and values for all others. Factors are sums of two
//       bfloat16, multiplied in three products as in matmul.cu. Softmax is in f32; weights of values go from one product to the
//       next in registers.
//       Grid: x the heads, y the chunks. Blocks of up to 5 warps; a tile has 16 rows a warp. Dynamic shared memory: 8·D bytes
//       for each of its rows.
//   encoder_attention_any: d up to 256, in f32. Blocks of 4 warps of the same grid: rows of keys and values are brought to
//       shared memory in tiles of `tile`, each warp takes four queries at a time, which share what is read of them, with a
//       running softmax. Dynamic shared memory: tile·(2·d + 1) + 16·(d + tile) + d/2 floats.
//   attention_whole_f16, attention_whole_bf16: the attention of a layer, x (chunks, rows, 128) += attended · outputᵀ, of four heads
//       of 32, kv_heads 1, 2 or 4, up to 80 rows, weights of 16 bits: norm of the rows, projections with biases, attention as
//       above, output, with nothing written between them. A warp has 16 rows of x in registers, and two heads one after the
//       other; two warps, each with its heads, add up what they have for the output. Weights come to shared memory 16 KB at a time.
//       Grid: x the chunks. Blocks of two warps for each 16 rows begun. Dynamic shared memory: 49,152 bytes, and 8192 for each of
//       these pairs.
// CPU twin: cpu/attention.rs, encode_chunk; the CPU takes the products of the whole one by one.
#include "common.cuh"

struct Encoder {
    u32 rows, heads, kv_heads, d;
    float base, eps;
};
static_assert(sizeof(Encoder) == 24, "as in src/cuda/arguments.rs");
FIELD_AT(Encoder, rows, 0); FIELD_AT(Encoder, heads, 4); FIELD_AT(Encoder, kv_heads, 8); FIELD_AT(Encoder, d, 12);
FIELD_AT(Encoder, base, 16); FIELD_AT(Encoder, eps, 20);

// ---- on matrix units -----------------------------------------------------------------------------------------------------

const int MOST = 80;  // rows of a tile

// Rows of D values in shared memory, in pieces of 16 bytes: of every 16 rows those of keys, then those of values, either as
// sums of two bfloat16, the upper parts before the lower ones. Eight rows below each other have any one piece in different banks.
//
// Of 16 values, the lane t of the four that have a row has 4t .. 4t + 3. The first two of them lie in the first of two pieces,
// the others in the second, so that products see values in an order of their own: it is the same for queries and keys, and
// makes four neighbours of the results.
template <int D>
struct Tile {
    u16* at;
    static const int PIECES = D / 8, LOW = 16 * D, VALUES = 2 * LOW;

    __device__ __forceinline__ u16* piece(u32 row, u32 piece) const {
        return at + row / 16 * (4 * LOW) + (row % 16 * PIECES + (piece ^ turn<PIECES>(row))) * 8;
    }
    __device__ __forceinline__ void put(u32 row, int part, const float4 (&v)[D / 16]) const {
#pragma unroll
        for (int i = 0; i < D / 16; i++) {
            u16* const to[2] = {piece(row, 2 * i) + part + threadIdx.x % 4 * 2, piece(row, 2 * i + 1) + part + threadIdx.x % 4 * 2};
            u32 high[2], low[2];
            split_bf16(v[i].x, v[i].y, high[0], low[0]);
            split_bf16(v[i].z, v[i].w, high[1], low[1]);
#pragma unroll
            for (int half = 0; half < 2; half++) {
                *reinterpret_cast<u32*>(to[half]) = high[half];
                *reinterpret_cast<u32*>(to[half] + LOW) = low[half];
            }
        }
    }
};

// One of the two factors that four matrices are, in both parts.
__device__ __forceinline__ SplitB half_of(const u32 (&high)[4], const u32 (&low)[4], int half) {
    return {{high[2 * half], high[2 * half + 1]}, {low[2 * half], low[2 * half + 1]}};
}

// What a lane has of a row of D values: the fours from 16·i + 4·t on. The row in memory has d values, D if PLAIN, in PARTS parts
// that are filled up with zeros; all are zeros if it is not `there`.
template <int D, bool PLAIN, int PARTS>
__device__ __forceinline__ void read(float4 (&v)[D / 16], const float* row, u32 d, bool there) {
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
        const u32 at = 16 * i + threadIdx.x % 4 * 4;
        if (PLAIN || d == D) {
            v[i] = there ? *reinterpret_cast<const float4*>(row + at) : make_float4(0, 0, 0, 0);
        } else {
            const u32 e = at % (D / PARTS), width = d / PARTS;
            const float* part = row + at / (D / PARTS) * width;
            auto value = [&](u32 e) { return there && e < width ? part[e] : 0.0f; };
            v[i] = make_float4(value(e), value(e + 1), value(e + 2), value(e + 3));
        }
    }
}

// The frequency of a pair of a head of d values, in turns: 1/2pi of radians.
__device__ __forceinline__ float frequency_of(u32 pair, u32 d, float base) { return exp2f(pair * (-2.0f / d * log2f(base))) * 0.159154943f; }

__device__ __forceinline__ void sine_and_cosine(u32 position, float frequency, float& sine, float& cosine) {
    // Fast sines are exact to about 2^-21 between -pi and pi.
    const float whole = rintf(position * frequency);
    __sincosf(fmaf((float)position, frequency, -whole) * 6.28318531f, &sine, &cosine);
}

// Sines and cosines for what a lane has of a row: D/8 pairs.
template <int D>
struct Turn {
    float4 sine[D / 32], cosine[D / 32];

    __device__ __forceinline__ Turn(const float* frequencies, u32 position) {
        auto one = [&](float frequency, float& sine, float& cosine) { sine_and_cosine(position, frequency, sine, cosine); };
#pragma unroll
        for (int i = 0; i < D / 32; i++) {
            const float4 of = reinterpret_cast<const float4*>(frequencies)[4 * i + threadIdx.x % 4];
            one(of.x, sine[i].x, cosine[i].x), one(of.y, sine[i].y, cosine[i].y);
            one(of.z, sine[i].z, cosine[i].z), one(of.w, sine[i].w, cosine[i].w);
        }
    }
};

// a·b + c·d
__device__ __forceinline__ float4 sum_of_products(float4 a, float4 b, float4 c, float4 d) {
    return make_float4(a.x * b.x + c.x * d.x, a.y * b.y + c.y * d.y, a.z * b.z + c.z * d.z, a.w * b.w + c.w * d.w);
}

// Norms a row that four lanes have, times `scale`, and rotates it.
template <int D>
__device__ __forceinline__ void norm_and_rotate(float4 (&v)[D / 16], const float4 (&weight)[D / 16], u32 d, float eps, float scale,
                                                const Turn<D>& turn) {
    const int HALF = D / 32;
    const float factor = rsqrtf(row_sum(squares_of_row(v)) / d + eps) * scale;
#pragma unroll
    for (int i = 0; i < HALF; i++) {
        const float4 a = normed(v[i], factor, weight[i]), b = normed(v[i + HALF], factor, weight[i + HALF]);
        v[i] = sum_of_products(a, turn.cosine[i], b, scaled(turn.sine[i], -1));
        v[i + HALF] = sum_of_products(b, turn.cosine[i], a, turn.sine[i]);
    }
}

// Scores of 16 queries with `count` keys, -inf behind them, and the largest of those that a row of four lanes has, at least what
// was the largest before.
template <int D>
__device__ __forceinline__ void score(float (&scores)[MOST / 8][4], const SplitA (&query)[D / 16], const Tile<D>& kept, u32 count,
                                      float& most_up, float& most_down) {
    const u32 lane = threadIdx.x % 32, t = lane % 4;
#pragma unroll
    for (int j = 0; j < MOST / 8; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[j][i] = j * 8 < count ? 0.0f : -INFINITY;
        if (j * 8 >= count) continue;
#pragma unroll
        for (int i = 0; i < D / 16; i += 2) {
            const u16* const at = kept.piece(j * 8 + lane % 8, i * 2 + lane / 8);
            u32 high[4], low[4];
            load_matrices(high, at);
            load_matrices(low, at + Tile<D>::LOW);
#pragma unroll
            for (int half = 0; half < 2; half++) mma_split(scores[j], query[i + half], half_of(high, low, half));
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (j * 8 + 2 * t + i % 2 >= count) scores[j][i] = -INFINITY;
        most_up = fmaxf(most_up, fmaxf(scores[j][0], scores[j][1]));
        most_down = fmaxf(most_down, fmaxf(scores[j][2], scores[j][3]));
    }
    most_up = row_max(most_up), most_down = row_max(most_down);
}

// Adds values by 2^(score - most), and those weights to a lane's sums of them.
template <int D>
__device__ __forceinline__ void sum_values(float (&acc)[D / 8][4], float (&scores)[MOST / 8][4], const Tile<D>& kept, u32 count,
                                           float most_up, float most_down, float& sum_up, float& sum_down) {
    const u32 lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < MOST / 16; i++) {
        if (i * 16 >= count) break;
        SplitA weights;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float* p = scores[2 * i + half];
            p[0] = power_of_2(p[0] - most_up), p[1] = power_of_2(p[1] - most_up);
            p[2] = power_of_2(p[2] - most_down), p[3] = power_of_2(p[3] - most_down);
            sum_up += p[0] + p[1], sum_down += p[2] + p[3];
            split_bf16(p[0], p[1], weights.hi[2 * half], weights.lo[2 * half]);
            split_bf16(p[2], p[3], weights.hi[2 * half + 1], weights.lo[2 * half + 1]);
        }
#pragma unroll
        for (int j = 0; j < D / 8; j += 2) {
            const u16* const at = kept.piece(i * 16 + lane % 16, j + lane / 16) + Tile<D>::VALUES;
            u32 high[4], low[4];
            load_transposed(high, at);
            load_transposed(low, at + Tile<D>::LOW);
#pragma unroll
            for (int half = 0; half < 2; half++) mma_split(acc[j + half], weights, half_of(high, low, half));
        }
    }
}

// PLAIN: heads of D values, and all rows in one tile.
template <int D, bool PLAIN>
__device__ __forceinline__ void attend(Encoder s, const float* q, const float* k, const float* v, const float* q_norm,
                                       const float* k_norm, float* out) {
    DYNAMIC_SHARED(uint4, tiles);
    allow_next();
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const u32 d = PLAIN ? D : s.d, rows = s.rows, tile = blockDim.x / 2;
    const Tile<D> kept = {reinterpret_cast<u16*>(tiles)};

    __shared__ __align__(16) float frequencies[D / 2];
    if (threadIdx.x < D / 2) frequencies[threadIdx.x] = frequency_of(threadIdx.x, d, s.base);
    __syncthreads();
    wait_for_previous();

    // Where a row of queries or keys begins.
    auto q_at = [&](u32 row) { return (((u64)blockIdx.y * rows + row) * s.heads + blockIdx.x) * d; };
    auto kv_at = [&](u32 row) { return (((u64)blockIdx.y * rows + row) * s.kv_heads + blockIdx.x / (s.heads / s.kv_heads)) * d; };
    const u32 own_up = warp * 16 + g, own_down = own_up + 8;
    // exp(v) = 2^(v·log2 e)
    const float scale = rsqrtf((float)d) * 1.44269504f;

    // Norms, rotates and splits rows of keys, and splits those of values. Zeros behind the last one.
    auto put_row = [&](float4 (&key)[D / 16], const float4 (&value)[D / 16], const Turn<D>& turn, u32 own) {
        float4 weight[D / 16];
        // Read again for every tile: there is nothing left to keep them in.
        const float* weights = k_norm;
        if (!PLAIN) settle(weights);
        read<D, PLAIN, 2>(weight, weights, d, true);
        norm_and_rotate<D>(key, weight, d, s.eps, 1, turn);
        kept.put(own, 0, key);
        kept.put(own, Tile<D>::VALUES, value);
    };
    for (u32 first = 0; first < (PLAIN ? 1 : rows); first += tile) {
        SplitA query[D / 16];
        // The rows of the queries come first as keys, since they have the same angles.
        if (first) __syncthreads();
        {
            const u32 up = first + own_up, down = first + own_down;
            float4 k_up[D / 16], k_down[D / 16], v_up[D / 16], v_down[D / 16], q_up[D / 16], q_down[D / 16], weight[D / 16];
            read<D, PLAIN, 2>(k_up, k + kv_at(up), d, up < rows);
            read<D, PLAIN, 2>(k_down, k + kv_at(down), d, down < rows);
            read<D, PLAIN, 1>(v_up, v + kv_at(up), d, up < rows);
            read<D, PLAIN, 1>(v_down, v + kv_at(down), d, down < rows);
            read<D, PLAIN, 2>(q_up, q + q_at(up), d, up < rows);
            read<D, PLAIN, 2>(q_down, q + q_at(down), d, down < rows);
            const Turn<D> turn_up(frequencies, up), turn_down(frequencies, down);
            put_row(k_up, v_up, turn_up, own_up);
            put_row(k_down, v_down, turn_down, own_down);
            read<D, PLAIN, 2>(weight, q_norm, d, true);
            norm_and_rotate<D>(q_up, weight, d, s.eps, scale, turn_up);
            norm_and_rotate<D>(q_down, weight, d, s.eps, scale, turn_down);
#pragma unroll
            for (int i = 0; i < D / 16; i++) {
                split_bf16(q_up[i].x, q_up[i].y, query[i].hi[0], query[i].lo[0]);
                split_bf16(q_down[i].x, q_down[i].y, query[i].hi[1], query[i].lo[1]);
                split_bf16(q_up[i].z, q_up[i].w, query[i].hi[2], query[i].lo[2]);
                split_bf16(q_down[i].z, q_down[i].w, query[i].hi[3], query[i].lo[3]);
            }
        }
        __syncthreads();

        float largest_up = -INFINITY, largest_down = -INFINITY, sum_up = 0, sum_down = 0;
        float acc[D / 8][4];
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) acc[j][i] = 0;
        u32 done = 0, from = first;
        while (true) {
            const u32 count = min(tile, rows - from);
            float scores[MOST / 8][4];
            float most_up = largest_up, most_down = largest_down;
            score(scores, query, kept, count, most_up, most_down);
            if (!PLAIN) {
                const float shrink_up = power_of_2(largest_up - most_up), shrink_down = power_of_2(largest_down - most_down);
                largest_up = most_up, largest_down = most_down;
                sum_up *= shrink_up, sum_down *= shrink_down;
#pragma unroll
                for (int j = 0; j < D / 8; j++)
#pragma unroll
                    for (int i = 0; i < 4; i++) acc[j][i] *= i < 2 ? shrink_up : shrink_down;
            }
            sum_values(acc, scores, kept, count, most_up, most_down, sum_up, sum_down);
            done += count;
            if (PLAIN || done == rows) break;
            from = from + tile < rows ? from + tile : 0;
            __syncthreads();
            // One row after the other, with the few registers that are left.
#pragma unroll 1
            for (u32 own = own_up; own <= own_down; own += 8) {
                const u32 row = from + own;
                float4 key[D / 16], value[D / 16];
                read<D, PLAIN, 2>(key, k + kv_at(row), d, row < rows);
                read<D, PLAIN, 1>(value, v + kv_at(row), d, row < rows);
                put_row(key, value, Turn<D>(frequencies, row), own);
            }
            __syncthreads();
        }
        sum_up = row_sum(sum_up), sum_down = row_sum(sum_down);
        // Worked out once more: nothing is left to keep them in.
        u32 thread = threadIdx.x;
        settle(thread);
        const float by[2] = {1.0f / sum_up, 1.0f / sum_down};
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const u32 row = first + thread / 32 * 16 + thread % 32 / 4 + 8 * half;
            if (row >= rows) continue;
            float* const to = out + q_at(row);
#pragma unroll
            for (int i = 0; i < D / 16; i++) {
                const u32 e = 16 * i + thread % 4 * 4;
                const float *a = acc[2 * i] + 2 * half, *b = acc[2 * i + 1] + 2 * half;
                const float4 result = scaled(make_float4(a[0], a[1], b[0], b[1]), by[half]);
                if (PLAIN || d == D) {
                    *reinterpret_cast<float4*>(to + e) = result;
                } else {
                    if (e < d) to[e] = result.x;
                    if (e + 1 < d) to[e + 1] = result.y;
                    if (e + 2 < d) to[e + 2] = result.z;
                    if (e + 3 < d) to[e + 3] = result.w;
                }
            }
        }
    }
}

#define ENCODER_ATTENTION(name, D, PLAIN, BLOCKS) \
    extern "C" __global__ void __launch_bounds__(2 * MOST, BLOCKS) \
        name(Encoder s, const float* q, const float* k, const float* v, const float* q_norm, const float* k_norm, float* out) { \
        attend<D, PLAIN>(s, q, k, v, q_norm, k_norm, out); \
    }
ENCODER_ATTENTION(encoder_attention_32, 32, true, 4)
ENCODER_ATTENTION(encoder_attention_64, 64, true, 3)
ENCODER_ATTENTION(encoder_attention_to_32, 32, false, 3)
ENCODER_ATTENTION(encoder_attention_to_64, 64, false, 1)

// ---- with all that is before and behind it -----------------------------------------------------------------------------

// Weights of the attention of a layer: q (HEADS · WIDTH, COLS), k and v (kv_heads · WIDTH, COLS), output (COLS, HEADS · WIDTH);
// their biases, the norm of the rows (COLS), with its eps, and those of heads (WIDTH).
struct Layer {
    const u16 *q, *k, *v, *output;
    const float *q_bias, *k_bias, *v_bias, *norm, *q_norm, *k_norm;
    float eps;
};
static_assert(sizeof(Layer) == 88, "as in src/cuda/arguments.rs");
FIELD_AT(Layer, q, 0); FIELD_AT(Layer, q_bias, 32); FIELD_AT(Layer, norm, 56); FIELD_AT(Layer, eps, 80);

const int HEADS = 4, WIDTH = 32, COLS = HEADS * WIDTH;
// What is brought at once: k, v and q of two heads, k, v and q of the other two, then what the output takes of these and of those.
const int PARTS = 8, PART = 2 * WIDTH * COLS, RING = 3;

template <class Half>
__device__ __forceinline__ void attend_whole(const Encoder& s, const Layer& w, float* x) {
    DYNAMIC_SHARED(uint4, tiles);
    const int K = COLS / 16;
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, half = warp % 2, t = lane % 4;
    const u32 first = warp / 2 * 16, own_up = first + lane / 4, tile = blockDim.x / 4;
    u16* const ring = reinterpret_cast<u16*>(tiles);
    const Tile<WIDTH> kept = {ring + RING * PART + half * tile * (4 * WIDTH)};
    u32 part = 0;
    auto bring = [&](u32 part) {
        if (part < PARTS) {
            const u32 round = part < 6 ? part / 3 : part - 6, what = part < 6 ? part % 3 : 3;
            const u16* from = what == 0 ? w.k : what == 1 ? w.v : what == 2 ? w.q : w.output;
            const u32 queries = what == 2 ? 1 : s.heads / s.kv_heads;
            for (u32 at = threadIdx.x; at < PART / 8; at += blockDim.x) {
                const u32 line = at / (COLS / 8), head = (2 * round + line / WIDTH) / queries;
                if (what < 3) {
                    copy_async(piece_in<COLS / 8>(ring + part % RING * PART, line, at % (COLS / 8)),
                               from + (head * WIDTH + line % WIDTH) * COLS + at % (COLS / 8) * 8);
                } else {
                    copy_async(piece_in<8>(ring + part % RING * PART, at / 8, at % 8), from + at / 8 * COLS + round * 2 * WIDTH + at % 8 * 8);
                }
            }
        }
        end_of_copies();
    };
    // The next part. Everyone is done with the one before it.
    auto ready = [&] {
        wait_for_copies<RING - 2>();
        __syncthreads();
        bring(part + RING - 1);
        return ring + part++ % RING * PART;
    };
    // Phase 1: the first weights begin to come; x is normed and split, 16 rows a warp, and stays in registers.
    // Weights do not depend on any other kernel.
#pragma unroll
    for (int i = 0; i < RING - 1; i++) bring(i);
    float inverse;
    const float unit = unit_of_norm<Half, 2 * K>(Half(), w.norm, COLS, inverse);
    __shared__ float frequencies[WIDTH / 2];
    if (threadIdx.x < WIDTH / 2) frequencies[threadIdx.x] = frequency_of(threadIdx.x, WIDTH, s.base);
    wait_for_previous();
    x += (u64)blockIdx.x * s.rows * COLS;
    SplitA rows[K];
    // Rows behind the last one repeat it.
    read_normed(Half(), rows, x + min(own_up, s.rows - 1) * COLS, x + min(own_up + 8, s.rows - 1) * COLS, w.norm, w.eps, COLS, inverse);

    // Phases 2 to 4 are made of these.
    // What a warp has of a head: 16 rows, of every eight values a pair in each of two rows.
    auto product = [&](float (&y)[WIDTH / 8][4], const float* bias, u32 head) {
        u16* const ws = ready();
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) y[j][i] = 0;
#pragma unroll
        for (int k = 0; k < K; k++)
            mma_rows<WIDTH / 8>(Half(), y, rows[k], [&](int j, u32 row, u32 piece) {
                return piece_in<COLS / 8>(ws, half * WIDTH + j * 16 + row, 2 * k + piece);
            });
        float2 by[WIDTH / 8];
        read_pairs(by, bias + head * WIDTH, WIDTH);
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) y[j][i] = y[j][i] * unit + (i % 2 ? by[j].y : by[j].x);
    };
    auto norm_and_turn = [&](float (&y)[WIDTH / 8][4], const float* norm, float scale) {
        float2 by[WIDTH / 8];
        read_pairs(by, norm, WIDTH);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float sum = 0;
#pragma unroll
            for (int j = 0; j < WIDTH / 8; j++) sum += y[j][2 * r] * y[j][2 * r] + y[j][2 * r + 1] * y[j][2 * r + 1];
            const float factor = rsqrtf(row_sum(sum) / WIDTH + s.eps) * scale;
            // A head's pairs of values are 16 apart: a lane has both of four of them.
#pragma unroll
            for (int j = 0; j < 2; j++)
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float sine, cosine;
                    sine_and_cosine(own_up + 8 * r, frequencies[8 * j + 2 * t + i], sine, cosine);
                    float &low = y[j][2 * r + i], &high = y[j + 2][2 * r + i];
                    const float a = low * factor * (i ? by[j].y : by[j].x), b = high * factor * (i ? by[j + 2].y : by[j + 2].x);
                    low = a * cosine - b * sine, high = b * cosine + a * sine;
                }
        }
    };
    auto put = [&](const float (&y)[WIDTH / 8][4], int of) {
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                u16* const to = kept.piece(own_up + 8 * r, j) + of + 2 * t;
                u32 high, low;
                split_bf16(y[j][2 * r], y[j][2 * r + 1], high, low);
                *reinterpret_cast<u32*>(to) = high;
                *reinterpret_cast<u32*>(to + Tile<WIDTH>::LOW) = low;
            }
    };

    // Phases 2 to 5, for two heads at a time, one for each warp of a pair.
    // What the warp's two heads have read.
    float now[WIDTH / 8][4], before[WIDTH / 8][4];
#pragma unroll
    for (int j = 0; j < WIDTH / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) now[j][i] = 0;
#pragma unroll 1
    for (u32 round = 0; round < 2; round++) {
        const u32 head = 2 * round + half, kv = head / (s.heads / s.kv_heads);
        float y[WIDTH / 8][4];
        // Phase 2: keys, normed and turned, and values, to shared memory.
        product(y, w.k_bias, kv);
        norm_and_turn(y, w.k_norm, 1);
        put(y, 0);
        product(y, w.v_bias, kv);
        put(y, Tile<WIDTH>::VALUES);
        // Phase 3: load q, normed, turned and scaled.
        // When all have begun with this one, keys and values are there.
        product(y, w.q_bias, head);
        // exp(v) = 2^(v·log2 e)
        norm_and_turn(y, w.q_norm, rsqrtf((float)WIDTH) * 1.44269504f);
        SplitA query[WIDTH / 16];
#pragma unroll
        for (int i = 0; i < WIDTH / 8; i++)
#pragma unroll
            for (int r = 0; r < 2; r++)
                split_bf16(y[i][2 * r], y[i][2 * r + 1], query[i / 2].hi[i % 2 * 2 + r], query[i / 2].lo[i % 2 * 2 + r]);
        // Phase 4: scores, and the largest of each row.
        float scores[MOST / 8][4], most_up = -INFINITY, most_down = -INFINITY, sums[2] = {0, 0};
        score(scores, query, kept, s.rows, most_up, most_down);
        // Phase 5: softmax and values; what the head has read.
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) before[j][i] = now[j][i], now[j][i] = 0;
        sum_values(now, scores, kept, s.rows, most_up, most_down, sums[0], sums[1]);
        const float by[2] = {1.0f / row_sum(sums[0]), 1.0f / row_sum(sums[1])};
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) now[j][i] *= by[i / 2];
    }
    // Phase 6: the output projection, added up over heads.
    GrowingUnit<Half> units;
    float acc[COLS / 8][4] = {};
    auto output = [&](const float (&y)[WIDTH / 8][4]) {
        u16* const ws = ready();
#pragma unroll
        for (int k = 0; k < WIDTH / 16; k++) {
            const SplitA a = units.take(y[2 * k], y[2 * k + 1], acc);
#pragma unroll
            for (int j = 0; j < COLS / 8; j += 4)
                mma_rows<4>(Half(), acc + j, a, [&](int i, u32 row, u32 piece) {
                    return piece_in<8>(ws, j * 8 + i * 16 + row, half * (WIDTH / 8) + 2 * k + piece);
                });
        }
    };
    // Not before: what waits for this would take the room that other streams use.
    allow_next();
    output(before);
    output(now);
    // Phase 7: reduce over the pair of warps, and add to x.
    add_halves(acc, units, tiles, x, first, s.rows, COLS);
}

extern "C" __global__ void __launch_bounds__(4 * MOST, 1) attention_whole_f16(Encoder s, Layer w, float* x) { attend_whole<F16>(s, w, x); }
extern "C" __global__ void __launch_bounds__(4 * MOST, 1) attention_whole_bf16(Encoder s, Layer w, float* x) { attend_whole<Bf16>(s, w, x); }

// ---- any width -----------------------------------------------------------------------------------------------------------

const int WARPS = 4;
const u32 ROWS = 4;  // of a warp at once

// Norms and rotates the row at `position`, a warp all of it: `to` gets each value and its place.
template <class To>
__device__ __forceinline__ void norm_and_rotate(const Encoder& s, const float* row, const float* weight, const float* frequencies,
                                                u32 position, To to) {
    const u32 lane = threadIdx.x % 32, half = s.d / 2;
    float low[4], high[4], sum = 0;
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        const u32 e = lane + 32 * i;
        low[i] = e < half ? row[e] : 0.0f;
        high[i] = e < half ? row[e + half] : 0.0f;
        sum += low[i] * low[i] + high[i] * high[i];
    }
    const float factor = rsqrtf(warp_sum(sum) / s.d + s.eps);
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        const u32 e = lane + 32 * i;
        if (e >= half) break;
        float sine, cosine;
        sincosf(position * frequencies[e], &sine, &cosine);
        const float a = low[i] * factor * weight[e], b = high[i] * factor * weight[e + half];
        to(e, a * cosine - b * sine);
        to(e + half, b * cosine + a * sine);
    }
}

// Four rows, one in each place.
__device__ __forceinline__ float4 four(float v) { return make_float4(v, v, v, v); }
__device__ __forceinline__ void add(float4& to, float4 a, float by) { to.x += a.x * by, to.y += a.y * by, to.z += a.z * by, to.w += a.w * by; }
template <class Of>
__device__ __forceinline__ float4 each(float4 a, float4 b, Of of) { return make_float4(of(a.x, b.x), of(a.y, b.y), of(a.z, b.z), of(a.w, b.w)); }
template <class Of>
__device__ __forceinline__ float4 each(float4 a, Of of) { return make_float4(of(a.x), of(a.y), of(a.z), of(a.w)); }

extern "C" __global__ void encoder_attention_any(Encoder s, const float* q, const float* k, const float* v, const float* q_norm,
                                                 const float* k_norm, u32 tile, float* out) {
    DYNAMIC_SHARED(float4, shared);
    allow_next();
    wait_for_previous();
    const u32 rows = s.rows, heads = s.heads, kv_heads = s.kv_heads, d = s.d;
    const u32 head = blockIdx.x, kv = head / (heads / kv_heads), lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 half = d / 2, stride = d + 1;
    // (d) queries and (tile) weights of the warp's four rows, then (tile, d + 1) keys, (tile, d) values of the block.
    float4 *query = shared + warp * (d + tile), *weights = query + d;
    float* keys = reinterpret_cast<float*>(shared + WARPS * (d + tile));
    float *values = keys + tile * stride, *frequencies = values + tile * d;
    for (u32 i = threadIdx.x; i < half; i += blockDim.x) frequencies[i] = powf(s.base, -2.0f * i / d);
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
                for (u32 r = warp; r < count; r += WARPS) {
                    const u64 at = (u64)(from + r) * kv_heads * d;
                    norm_and_rotate(s, k + at, k_norm, frequencies, from + r, [&](u32 e, float v) { keys[r * stride + e] = v; });
                    for (u32 e = lane; e < d; e += 32) values[r * d + e] = v[at + e];
                }
                __syncthreads();
            }
            if (row >= rows) continue;
            if (from == 0) {
                for (u32 i = 0; i < ROWS; i++) {
                    // Rows behind the last one repeat it.
                    const u32 r = min(row + i, rows - 1);
                    norm_and_rotate(s, q + (u64)r * heads * d, q_norm, frequencies, r,
                                    [&](u32 e, float v) { reinterpret_cast<float*>(query + e)[i] = scale * v; });
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
