// add_bias: y (n, width)[i] += bias (width).
// Grid: x covers n · width values. CPU twin: Cpu::add_bias.
#include "common.cuh"

extern "C" __global__ void add_bias(float* y, const float* bias, u32 width, u64 count) {
    allow_next();
    wait_for_previous();
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] += bias[i % width];
}
