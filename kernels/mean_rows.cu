// mean_rows: out (blocks, width)[b] = mean over r < rows of x (blocks, rows, width)[b, r].
// Grid: x covers blocks · width values. CPU twin: Cpu::mean_rows.
#include "common.cuh"

extern "C" __global__ void mean_rows(const float* x, u32 rows, u32 width, float* out, u64 count) {
    allow_next();
    wait_for_previous();
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    x += i / width * rows * width + i % width;
    float sum = 0;
    for (u32 r = 0; r < rows; r++) sum += x[(u64)r * width];
    out[i] = sum / rows;
}
