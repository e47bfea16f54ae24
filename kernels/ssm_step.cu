// ssm_step: one token of the mixer of a Mamba-2 block, convolution, state and gate in one launch.
//   zxbcdt (projected), rows [z | x | B | C | dt]; history (taps − 1, channels) and state (heads, P, N) are updated;
//   y (inner).
// Grid: x the heads, y groups of `rows` of the P rows of a head. Blocks of 8 to 16 warps, if possible with a thread for each
// of the 2·N + rows channels. Dynamic shared memory: 2·N + rows floats. `arrived` (groups) counts blocks and is left at
// zero: the last block of a group moves on the history of B and C, which all of them read.
// Bound by the bytes of the state, read and written once; for a single sequence by the way from the first load to the last
// store: what is constant is loaded before the wait, everything else at once after it.
// CPU twin: cpu/ssm.rs, convolve and step.
#include "common.cuh"

// Values of the history of a channel that stay in registers.
const int KEPT = 3;

// A channel of the convolution, as one thread has it.
struct Channel {
    u32 at;
    float weight[KEPT + 1], bias, before[KEPT], now;
    const float* row;  // of the token
    float* past;       // the oldest of the last KEPT values of the history

    // Weights of the last KEPT + 1 taps.
    __device__ __forceinline__ void constants(const Ssm& s, u32 taps, const float* weights, const float* biases) {
        bias = biases[at];
#pragma unroll
        for (int k = 0; k <= KEPT; k++) weight[k] = taps + k > KEPT ? weights[(u64)at * taps + taps + k - KEPT - 1] : 0.0f;
    }
    // The token's value, and the last KEPT before it. Where the history is shorter, `past` begins before it.
    __device__ __forceinline__ void inputs(const Ssm& s, u32 taps) {
        now = *row;
#pragma unroll
        for (int k = 0; k < KEPT; k++) before[k] = taps + k > KEPT ? past[(u64)k * s.channels] : 0.0f;
    }
    __device__ __forceinline__ void place(const Ssm& s, u32 taps, const float* zxbcdt, float* history, u32 channel) {
        at = channel;
        row = zxbcdt + s.inner + at;
        past = history + ((long long)taps - 1 - KEPT) * s.channels + at;
    }
    __device__ __forceinline__ float convolve(const Ssm& s, u32 taps, const float* weights, const float* history) const {
        float sum = bias + weight[KEPT] * now;
        for (u32 k = 0; k + KEPT + 1 < taps; k++) sum += weights[(u64)at * taps + k] * history[(u64)k * s.channels + at];
#pragma unroll
        for (int k = 0; k < KEPT; k++) sum += weight[k] * before[k];
        return silu(sum);
    }
    __device__ __forceinline__ void move_on(const Ssm& s, u32 taps, float* history) const {
        for (u32 k = 0; k + KEPT + 1 < taps; k++)
            history[(u64)k * s.channels + at] = history[(u64)(k + 1) * s.channels + at];
#pragma unroll
        for (int k = 1; k <= KEPT; k++)
            if (taps + k > KEPT + 1) past[(u64)(k - 1) * s.channels] = k == KEPT ? now : before[k];
    }
};

// V neighbouring values of the state.
template <int V>
struct Values {
    float v[V];
    __device__ __forceinline__ void load(const float* from) {
        if constexpr (V == 4) {
            const float4 f = *reinterpret_cast<const float4*>(from);
            v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
        } else {
            for (int i = 0; i < V; i++) v[i] = from[i];
        }
    }
    __device__ __forceinline__ void store(float* to) const {
        if constexpr (V == 4)
            *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
        else
            for (int i = 0; i < V; i++) to[i] = v[i];
    }
};

// TAPS is their number, or 0 for any.
template <int V, int TAPS>
__device__ __forceinline__ void ssm_step(const Ssm& s, const float* zxbcdt, const float* weight, const float* bias,
                                         const float* dt_bias, const float* a, const float* d, float* history,
                                         float* state, u32* arrived, u32 most_rows, float* y) {
    DYNAMIC_SHARED(float4, aligned);
    __shared__ u32 is_last;
    __shared__ float step[2];
    float* shared = reinterpret_cast<float*>(aligned);
    float *b = shared, *c = shared + s.state, *x = shared + 2 * s.state;
    const u32 thread = threadIdx.x, threads = blockDim.x, lane = thread % 32, warp = thread / 32, warps = threads / 32;
    const u32 head = blockIdx.x, width = s.inner / s.heads, first = blockIdx.y * most_rows, taps = TAPS ? TAPS : s.taps;
    const u32 rows = min(most_rows, width - first), per_group = s.heads / s.groups, group = head / per_group;
    const u32 x0 = head * width + first, all = 2 * s.state + rows, arrivals = per_group * gridDim.y;
    const u32 b0 = s.inner + group * s.state, c0 = s.inner + (s.groups + group) * s.state;
    auto channel_of = [&](u32 i) { return i < s.state ? b0 + i : i < 2 * s.state ? c0 + i - s.state : x0 + i - 2 * s.state; };
    float* own = state + (u64)x0 * s.state;

    // Phase 1: what is constant; the state and the history begin to come.
    Channel channel;
    channel.place(s, taps, zxbcdt, history, channel_of(min(thread, all - 1)));
    channel.constants(s, taps, weight, bias);
    settle(channel.row), settle(channel.past);
    // The last warp, which has the fewest channels, works out the time step.
    const bool times = warp + 1 == warps;
    const float more_dt = dt_bias[head], rate = a[head], straight = d[head];
    // The first 32·V values of two rows of each warp at a time.
    const u32 at = V * lane;
    const bool inside = at < s.state;
    const float *gates[2], *mine[2];
#pragma unroll
    for (int j = 0; j < 2; j++) {
        const u32 r = min(warp + j * warps, rows - 1);
        gates[j] = zxbcdt + x0 + r;
        mine[j] = own + (u64)r * s.state + (inside ? at : 0);
        settle(gates[j]), settle(mine[j]);
    }
    const float* dt_at = zxbcdt + s.inner + s.channels + head;
    settle(dt_at);
    for (u32 i = 32 * thread; i < rows * s.state; i += 32 * threads) prefetch(own + i);
    if (lane % 16 == 0)
        for (u32 k = 0; k + 1 < taps; k++) prefetch(history + (u64)k * s.channels + channel.at);
    allow_next();
    wait_for_previous();

    // Phase 2: load the channels, the gates and the first values of the state.
    channel.inputs(s, taps);
    Values<V> next[2];
    float gate[2];
#pragma unroll
    for (int j = 0; j < 2; j++) gate[j] = *gates[j], next[j].load(mine[j]);
    // Phase 3: the time step, and the convolution of x, B and C.
    if (times) {
        const float dt = fminf(fmaxf(softplus(*dt_at + more_dt), s.dt_min), s.dt_max);
        if (lane == 0) step[0] = dt, step[1] = __expf(dt * rate);
    }
    if (thread < all) shared[thread] = channel.convolve(s, taps, weight, history);
#pragma unroll 1
    for (u32 i = thread + threads; i < all; i += threads) {
        Channel more;
        more.place(s, taps, zxbcdt, history, channel_of(i));
        more.constants(s, taps, weight, bias);
        more.inputs(s, taps);
        shared[i] = more.convolve(s, taps, weight, history);
    }
    __syncthreads();
    // All threads have the history: values that were used cannot change any more, so that there is nothing to fence. The
    // answer is needed at the end only.
    if (times && lane == 0) is_last = atomicAdd(&arrived[group], 1) + 1 == arrivals;
    const float dt = step[0], decay = step[1];

    // Phase 4: the new state, two rows of a warp at a time; what C reads of it; the gate.
#pragma unroll 1
    for (u32 r0 = warp; r0 < rows; r0 += 2 * warps) {
        Values<V> now[2] = {next[0], next[1]};
        const float gated[2] = {silu(gate[0]), silu(gate[1])};
        if (r0 + 2 * warps < rows) {
#pragma unroll
            for (int j = 0; j < 2; j++) {
                const u32 r = min(r0 + (j + 2) * warps, rows - 1);
                gate[j] = zxbcdt[x0 + r];
                next[j].load(own + (u64)r * s.state + (inside ? at : 0));
            }
        }
        float sums[2] = {0, 0};
#pragma unroll
        for (int j = 0; j < 2; j++) {
            const u32 r = r0 + j * warps;
            if (r >= rows) break;
            const float in = dt * x[r];
            float* h = own + (u64)r * s.state;
#pragma unroll 1
            for (u32 i = at; i < s.state; i += 32 * V) {
                if (i != at) now[j].load(h + i);
                Values<V> bs, cs;
                bs.load(b + i), cs.load(c + i);
#pragma unroll
                for (int e = 0; e < V; e++) {
                    now[j].v[e] = decay * now[j].v[e] + in * bs.v[e];
                    sums[j] += now[j].v[e] * cs.v[e];
                }
                now[j].store(h + i);
            }
        }
        sums[0] = warp_sum(sums[0]), sums[1] = warp_sum(sums[1]);
        // Lane j writes the j-th row.
        const u32 r = r0 + lane * warps;
        if (lane < 2 && r < rows) y[x0 + r] = ((lane ? sums[1] : sums[0]) + straight * x[r]) * (lane ? gated[1] : gated[0]);
    }
    // Phase 5: the history moves on.
    // Channels of its own the block moves on itself, those of B and C the last block.
    auto move_on = [&](u32 begin, u32 end) {
        if (thread >= begin && thread < end) channel.move_on(s, taps, history);
#pragma unroll 1
        for (u32 i = thread + threads; i < end; i += threads) {
            if (i < begin) continue;
            Channel more;
            more.place(s, taps, zxbcdt, history, channel_of(i));
            more.inputs(s, taps);
            more.move_on(s, taps, history);
        }
    };
    move_on(2 * s.state, all);
    __syncthreads();
    if (!is_last) return;
    move_on(0, 2 * s.state);
    if (thread == 0) arrived[group] = 0;
}

#define SSM_STEP(name, V, TAPS) \
    extern "C" __global__ void __launch_bounds__(512, 2) name( \
        Ssm s, const float* zxbcdt, const float* weight, const float* bias, const float* dt_bias, const float* a, \
        const float* d, float* history, float* state, u32* arrived, u32 rows, float* y) { \
        ssm_step<V, TAPS>(s, zxbcdt, weight, bias, dt_bias, a, d, history, state, arrived, rows, y); \
    }
// Any state and convolution; a state of a multiple of four and four taps.
SSM_STEP(ssm_step_any, 1, 0)
SSM_STEP(ssm_step_4, 4, 4)
