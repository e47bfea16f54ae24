// mlp: x (n, cols) += (silu(norm(x) · gateᵀ) · (norm(x) · upᵀ)) · downᵀ, with gate and up (width, cols), down (cols, width), norm
//   (cols); nothing else is written.
//   mlp_f16, mlp_bf16: weights of 16 bits, cols up to 128, cols and width multiples of 8, on matrix units. x normed, and what is
//       between the products, are sums of two numbers of 16 bits as in matmul.cu.
//       A warp has 16 rows of x in registers and half of the width; two warps add up what they have. Weights come to shared
//       memory 32 of the width at a time. What is between the products goes from one to the next in registers.
//       Grid: x covers rows in tiles of 64. Blocks of 256 threads. Dynamic shared memory: 73,728 bytes.
// CPU twin: none; the CPU takes the products one by one.
#include "common.cuh"

struct Mlp {
    const u16 *gate, *up, *down;
    const float* norm;
    float eps;
    u32 cols, width;
};
static_assert(sizeof(Mlp) == 48, "as in src/cuda/arguments.rs");
FIELD_AT(Mlp, gate, 0); FIELD_AT(Mlp, up, 8); FIELD_AT(Mlp, down, 16); FIELD_AT(Mlp, norm, 24); FIELD_AT(Mlp, eps, 32);
FIELD_AT(Mlp, cols, 36); FIELD_AT(Mlp, width, 40);

const int TILE = 64, MOST = 128, PART = 32, STAGES = 3;

template <class Half>
__device__ __forceinline__ void mlp(const Mlp& s, float* x, u32 n) {
    DYNAMIC_SHARED(uint4, shared);
    const int K = MOST / 16, SIZE = PART * MOST, THREADS = 256;
    u16* const stages = reinterpret_cast<u16*>(shared);
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32, group = warp / 2, half = warp % 2;
    const u32 cols = s.cols, width = s.width, steps = (width + PART - 1) / PART;
    // Begins to bring PART of the width: gate and up (PART, MOST), then down (MOST, PART), with zeros where there are no weights.
    auto bring = [&](u32 step) {
        if (step < steps) {
            u16* const stage = stages + step % STAGES * 3 * SIZE;
            const u32 first = step * PART;
#pragma unroll
            for (int i = 0; i < SIZE / 8 / THREADS; i++) {
                const u32 at = thread + i * THREADS, line = at / (MOST / 8), piece = at % (MOST / 8);
                const u64 from = (u64)min(first + line, width - 1) * cols + min(piece * 8, cols - 8);
                const bool there = first + line < width && piece * 8 < cols;
                u16* const to = piece_in<MOST / 8>(stage, line, piece);
                copy_async_or_zero(to, s.gate + from, there);
                copy_async_or_zero(to + SIZE, s.up + from, there);
            }
#pragma unroll
            for (int i = 0; i < SIZE / 8 / THREADS; i++) {
                const u32 at = thread + i * THREADS, line = at / (PART / 8), piece = at % (PART / 8), k = first + piece * 8;
                copy_async_or_zero(piece_in<PART / 8>(stage + 2 * SIZE, line, piece),
                                   s.down + (u64)min(line, cols - 1) * width + min(k, width - 8), line < cols && k < width);
            }
        }
        end_of_copies();
    };
    // Phase 1: the first weights begin to come.
    // Weights do not depend on any other kernel.
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) bring(i);
    float inverse;
    const float unit = unit_of_norm<Half, 2 * K>(Half(), s.norm, cols, inverse);
    wait_for_previous();
    // Phase 2: norm and split x, 16 rows a warp, which stay in registers.
    const u32 row = blockIdx.x * TILE + group * 16 + lane / 4;
    SplitA rows[K];
    read_normed(Half(), rows, x + (u64)min(row, n - 1) * cols, x + (u64)min(row + 8, n - 1) * cols, s.norm, s.eps, cols, inverse);

    GrowingUnit<Half> units;
    float acc[MOST / 8][4] = {};
    // Phases 3 to 6, for each PART of the width.
#pragma unroll 1
    for (u32 step = 0; step < steps; step++) {
        // Phase 3: the part is there; the next one begins to come.
        // Not before: what waits for this would take the room that other streams use.
        if (step + 1 == steps) allow_next();
        wait_for_copies<STAGES - 2>();
        // Everyone's copies are there, and everyone is done with the stage that is brought next.
        __syncthreads();
        bring(step + STAGES - 1);
        u16* const stage = stages + step % STAGES * 3 * SIZE;
        // Phase 4: products with gate and up.
        // Two times eight of gate, then the same of up.
        float both[4][4] = {};
#pragma unroll
        for (int k = 0; k < K; k++)
            mma_rows<4>(Half(), both, rows[k], [&](int j, u32 row, u32 piece) {
                return piece_in<MOST / 8>(stage + j * SIZE, half * 16 + row, 2 * k + piece);
            });
        // Phase 5: silu(gate) times up, and split.
#pragma unroll
        for (int j = 0; j < 2; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) both[j][i] = silu(both[j][i] * unit) * (both[2 + j][i] * unit);
        const SplitA between = units.take(both[0], both[1], acc);
        // Phase 6: the product with down, added up over parts.
#pragma unroll
        for (int j = 0; j < MOST / 8; j += 4)
            mma_rows<4>(Half(), acc + j, between, [&](int i, u32 row, u32 piece) {
                return piece_in<PART / 8>(stage + 2 * SIZE, j * 8 + i * 16 + row, half * 2 + piece);
            });
    }
    // Phase 7: reduce over the two warps of a row, and add to x.
    add_halves(acc, units, shared, x, blockIdx.x * TILE + group * 16, n, cols);
}

extern "C" __global__ void __launch_bounds__(256, 1) mlp_f16(Mlp s, float* x, u32 n) { mlp<F16>(s, x, n); }
extern "C" __global__ void __launch_bounds__(256, 1) mlp_bf16(Mlp s, float* x, u32 n) { mlp<Bf16>(s, x, n); }
