// copy: out[to + r·to_stride + i] = x[from + r·from_stride + i] for r < rows, i < width.
// Grid: x covers rows · width values. CPU twin: Cpu::copy.
#include "common.cuh"

extern "C" __global__ void copy(const float* x, u64 from, u64 from_stride, float* out, u64 to, u64 to_stride, u32 width,
                                u64 count) {
    allow_next();
    wait_for_previous();
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const u64 row = i / width, column = i % width;
    out[to + row * to_stride + column] = x[from + row * from_stride + column];
}
