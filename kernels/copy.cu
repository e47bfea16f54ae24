// copy: out[to + g·to_group + r·to_stride + i] = x[from + g·from_group + r·from_stride + i] for groups g, r < rows, i < width.
//   copy_1: any places. copy_4: all of them, and the width, counted in fours of values.
// Grid: x covers groups · rows · width. CPU twin: Cpu::copy.
#include "common.cuh"

struct Place {
    u64 at, group, stride;
};
static_assert(sizeof(Place) == 24, "as in src/cuda/arguments.rs");
FIELD_AT(Place, at, 0); FIELD_AT(Place, group, 8); FIELD_AT(Place, stride, 16);

template <class T>
__device__ __forceinline__ void copy(const T* x, Place from, T* out, Place to, u64 rows, u64 width, u64 count) {
    allow_next();
    wait_for_previous();
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const u64 line = i / width, column = i % width, group = line / rows, row = line % rows;
    out[to.at + group * to.group + row * to.stride + column] = x[from.at + group * from.group + row * from.stride + column];
}

extern "C" __global__ void copy_1(const float* x, Place from, float* out, Place to, u64 rows, u64 width, u64 count) {
    copy(x, from, out, to, rows, width, count);
}
extern "C" __global__ void copy_4(const float4* x, Place from, float4* out, Place to, u64 rows, u64 width, u64 count) {
    copy(x, from, out, to, rows, width, count);
}
