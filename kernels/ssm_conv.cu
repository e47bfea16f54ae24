// The causal convolution of a Mamba-2 block for many tokens, and its time steps; n tokens in each of several sequences.
//   ssm_conv:    xbc (sequences, n, channels)[s, t, c] = silu(bias[c] + Σ_k weight[c, k] · in[s, t − taps + 1 + k, c]),
//                `in` the columns inner .. of zxbcdt (sequences, n, projected), before the first token the rows of
//                history (sequences, taps − 1, channels);
//                dt (sequences, n, heads) = clamp(softplus(last columns + dt_bias)).
//                Grid: x covers channels + heads, y the sequences' groups of 16 tokens.
//   ssm_history: the last taps − 1 inputs, for the next call. Grid: x covers the channels, y the sequences.
// CPU twin: cpu/ssm.rs, convolve and keep_history.
#include "common.cuh"

const int SPAN = 16;
const int MAX_TAPS = 8;

extern "C" __global__ void ssm_conv(Ssm s, const float* zxbcdt, u32 n, const float* weight, const float* bias,
                                    const float* dt_bias, const float* history, float* xbc, float* dt) {
    allow_next();
    wait_for_previous();
    const u32 parts = (n + SPAN - 1) / SPAN;
    const u32 c = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y % parts * SPAN;
    const u32 last = min(first + SPAN, n);
    const u64 sequence = blockIdx.y / parts;
    zxbcdt += sequence * n * s.projected;
    history += sequence * (s.taps - 1) * s.channels;
    xbc += sequence * n * s.channels;
    dt += sequence * n * s.heads;
    if (c >= s.channels + s.heads) return;
    // The columns of dt follow those of xBC. All tokens are loaded before the first is stored.
    float in[SPAN];
#pragma unroll
    for (u32 j = 0; j < SPAN; j++)
        in[j] = first + j < last ? zxbcdt[(u64)(first + j) * s.projected + s.inner + c] : 0.0f;
    if (c >= s.channels) {
        const u32 h = c - s.channels;
#pragma unroll
        for (u32 j = 0; j < SPAN; j++) {
            if (first + j >= last) break;
            dt[(u64)(first + j) * s.heads + h] = fminf(fmaxf(softplus(in[j] + dt_bias[h]), s.dt_min), s.dt_max);
        }
        return;
    }
    float w[MAX_TAPS], window[MAX_TAPS];
    auto input = [&](int t) {
        return t < 0 ? history[(u64)(t + (int)s.taps - 1) * s.channels + c]
                     : zxbcdt[(u64)t * s.projected + s.inner + c];
    };
#pragma unroll
    for (int k = 0; k < MAX_TAPS; k++) {
        w[k] = k < s.taps ? weight[c * s.taps + k] : 0.0f;
        window[k] = k + 1 < s.taps ? input((int)first - (int)s.taps + 1 + k) : 0.0f;
    }
    const float offset = bias[c];
#pragma unroll
    for (u32 j = 0; j < SPAN; j++) {
        if (first + j >= last) break;
        float sum = offset;
#pragma unroll
        for (int k = 0; k < MAX_TAPS; k++) {
            if (k + 1 == s.taps) window[k] = in[j];
            sum += w[k] * window[k];
        }
        xbc[(u64)(first + j) * s.channels + c] = silu(sum);
#pragma unroll
        for (int k = 0; k + 1 < MAX_TAPS; k++) window[k] = window[k + 1];
    }
}

extern "C" __global__ void ssm_history(Ssm s, const float* zxbcdt, u32 n, float* history) {
    allow_next();
    wait_for_previous();
    const u32 c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= s.channels) return;
    zxbcdt += (u64)blockIdx.y * n * s.projected;
    history += (u64)blockIdx.y * (s.taps - 1) * s.channels;
    const int keep = s.taps - 1;
    // Rows go down only: none is read after it was written.
    for (int r = 0; r < keep; r++) {
        const int t = (int)n + r - keep;
        history[(u64)r * s.channels + c] =
            t < 0 ? history[(u64)(r + n) * s.channels + c] : zxbcdt[(u64)t * s.projected + s.inner + c];
    }
}
