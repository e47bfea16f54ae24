// ssm_step: one token of the mixer of a Mamba-2 block, convolution, state and gate in one launch.
//   zxbcdt (projected), rows [z | x | B | C | dt]; history (taps − 1, channels) and state (heads, P, N) are updated;
//   y (inner).
// Grid: x the heads, y groups of 16 of the P rows of a head. Blocks of 8 warps, two rows each. Dynamic shared memory:
// 2·N + 16 floats. `arrived` (groups) counts blocks and is left at zero: the last block of a group moves on the history
// of B and C, which all of them read.
// Bound by the bytes of the state, read and written once. CPU twin: cpu/ssm.rs, convolve and step.
#include "common.cuh"

const int ROWS = 16;

extern "C" __global__ void ssm_step(Ssm s, const float* zxbcdt, const float* weight, const float* bias,
                                    const float* dt_bias, const float* a, const float* d, float* history, float* state,
                                    u32* arrived, float* y) {
    DYNAMIC_SHARED(float, shared);
    __shared__ u32 is_last;
    float *b = shared, *c = shared + s.state, *x = shared + 2 * s.state;
    const u32 thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const u32 head = blockIdx.x, width = s.inner / s.heads, first = blockIdx.y * ROWS;
    const u32 rows = min((u32)ROWS, width - first), per_group = s.heads / s.groups, group = head / per_group;
    for (u32 r = warp; r < rows; r += 8)
        for (u32 i = 32 * lane; i < s.state; i += 1024) prefetch(state + ((u64)head * width + first + r) * s.state + i);
    allow_next();
    wait_for_previous();

    auto convolve = [&](u32 channel) {
        float sum = bias[channel] + weight[channel * s.taps + s.taps - 1] * zxbcdt[s.inner + channel];
        for (u32 k = 0; k + 1 < s.taps; k++) sum += weight[channel * s.taps + k] * history[(u64)k * s.channels + channel];
        return silu(sum);
    };
    auto move_on = [&](u32 channel) {
        for (u32 k = 0; k + 2 < s.taps; k++)
            history[(u64)k * s.channels + channel] = history[(u64)(k + 1) * s.channels + channel];
        if (s.taps > 1) history[(u64)(s.taps - 2) * s.channels + channel] = zxbcdt[s.inner + channel];
    };
    const u32 b0 = s.inner + group * s.state, c0 = s.inner + (s.groups + group) * s.state, x0 = head * width + first;
    for (u32 i = thread; i < 2 * s.state + rows; i += blockDim.x) {
        const u32 channel = i < s.state ? b0 + i : i < 2 * s.state ? c0 + i - s.state : x0 + i - 2 * s.state;
        shared[i] = convolve(channel);
        if (i >= 2 * s.state) move_on(channel);
    }
    float dt = softplus(zxbcdt[s.inner + s.channels + head] + dt_bias[head]);
    dt = fminf(fmaxf(dt, s.dt_min), s.dt_max);
    const float decay = __expf(dt * a[head]);
    __syncthreads();
    // All threads have read the history. The answer is needed at the end only.
    if (thread == 0) {
        __threadfence();
        is_last = atomicAdd(&arrived[group], 1) + 1 == per_group * gridDim.y;
    }

    // The first 128 values of both rows of a warp are loaded before any is used.
    const int OWN = 4;
    float own[ROWS / 8][OWN];
#pragma unroll
    for (int j = 0; j < ROWS / 8; j++)
#pragma unroll
        for (int k = 0; k < OWN; k++) {
            const u32 r = warp + 8 * j, i = lane + 32 * k;
            own[j][k] = r < rows && i < s.state ? state[((u64)head * width + first + r) * s.state + i] : 0.0f;
        }
#pragma unroll
    for (int j = 0; j < ROWS / 8; j++) {
        const u32 r = warp + 8 * j;
        if (r >= rows) break;
        float* h = state + ((u64)head * width + first + r) * s.state;
        const float in = dt * x[r];
        float sum = 0;
        auto step = [&](u32 i, float before) {
            const float v = decay * before + in * b[i];
            h[i] = v;
            sum += v * c[i];
        };
#pragma unroll
        for (int k = 0; k < OWN; k++)
            if (lane + 32 * k < s.state) step(lane + 32 * k, own[j][k]);
        for (u32 i = lane + 32 * OWN; i < s.state; i += 32) step(i, h[i]);
        sum = warp_sum(sum);
        if (lane == 0) y[x0 + r] = (sum + d[head] * x[r]) * silu(zxbcdt[x0 + r]);
    }
    __syncthreads();
    if (!is_last) return;
    for (u32 i = thread; i < 2 * s.state; i += blockDim.x) move_on(i < s.state ? b0 + i : c0 + i - s.state);
    if (thread == 0) arrived[group] = 0;
}
