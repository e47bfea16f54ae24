// A whole Mamba-2 block in three kernels. A part of main.cpp, inside its namespace, after `Mixer`.
#pragma once

struct MambaBlock {
    Mixer m;
    u32 width;
    Type type;
    Matrix in, out;
    Array<float> norm, gated;
    MixerParameters p;
    MambaBlock(u32 heads, u32 width, Type type)
        : m{int(heads), 64, 32, 1, 4}, width(width), type(type), in(matrix(type, m.projected(), width)), out(matrix(type, width, m.inner())),
          norm(values(width, 2)), gated(values(m.inner(), 2)), p(m) {}

    // x (sequences, n, width) and the states move on.
    void run(const float* x, const float* history, const float* state, u32 sequences, u32 n) const {
        const u32 spans = blocks(n, 64), all = sequences * spans, heads = u32(m.heads);
        const Array<u16> xs(all * heads * 2 * 64 * 64), cs(all * 2 * 64 * 32), before(all * heads * 2 * 64 * 32);
        const Array<float> gram(all * 64 * 64), own(all * heads * 64 * 32), decay(all * heads), kept(sequences * 3 * m.channels());
        const Array<float> steps(all * heads * 3 * 64);
        const mamba::Spans between = {xs, cs, gram, steps, own, decay, before, kept};
        const Ssm shape = m.shape();
        const u16 *in_w = reinterpret_cast<const u16*>(in.q.at), *out_w = reinterpret_cast<const u16*>(out.q.at);
        const bool f16 = type == TF16;
        simt::launch({spans, sequences, 1}, {32, 8, 1}, [&] {
            (f16 ? mamba::mamba_in_f16 : mamba::mamba_in_bf16)(shape, in_w, norm, 1e-5f, width, x, n, p.weight, p.bias, p.dt_bias, p.a, history,
                                                               between);
        });
        simt::launch({blocks(m.inner() * 8, 256), sequences, 1}, {256, 1, 1},
                     [&] { mamba::mamba_scan(shape, spans, between, const_cast<float*>(state), const_cast<float*>(history)); });
        simt::launch({spans, sequences, 1}, {32, 8, 1}, [&] {
            (f16 ? mamba::mamba_out_f16 : mamba::mamba_out_bf16)(shape, in_w, norm, 1e-5f, width, n, p.d, between, gated, 1e-5f, out_w,
                                                                 const_cast<float*>(x));
        });
    }
};

void mamba_blocks() {
    testing = "mamba_block";
    struct Case {
        u32 heads, width;
        Type type;
        u32 sequences, n;
        float most;
    };
    for (const Case& c : {Case{4, 128, TF16, 2, 130, 3}, Case{1, 8, TF16, 1, 1, 1e-3f}, Case{8, 72, TBF16, 1, 65, 3}, Case{3, 120, TF16, 3, 64, 1e4f},
                          Case{2, 128, TBF16, 2, 2, 3}}) {
        const MambaBlock b(c.heads, c.width, c.type);
        const u32 channels = u32(b.m.channels()), inner = u32(b.m.inner());
        const size_t all = size_t(inner) * 32;
        const Array<float> x = values(c.sequences * c.n * c.width, c.most), history = values(c.sequences * 3 * channels);
        const Array<float> state = values(c.sequences * all);
        std::vector<double> h(history.at, history.at + history.count), s(state.at, state.at + state.count);
        const std::vector<double> residual(x.at, x.at + x.count);
        std::vector<double> normed = residual, y;
        norm_parts(normed, b.norm, c.width, c.width);
        const std::vector<double> projected = product_of(b.in, normed, c.sequences * c.n);
        const std::vector<float> rows(projected.begin(), projected.end());
        for (u32 t = 0; t < c.sequences * c.n; t++)
            b.p.token(b.m, rows.data() + size_t(t) * b.m.projected(), h.data() + t / c.n * 3 * channels, s.data() + t / c.n * all, y);
        norm_parts(y, b.gated, inner, inner);
        const std::vector<double> added = product_of(b.out, y, c.sequences * c.n);
        b.run(x, history, state, c.sequences, c.n);
        // Without rounding to the nearest the parts of f32 hold 16 bits, and the norm of y makes errors of small rows larger.
        const double share = 2e-4;
        const double most = largest(added);
        for (size_t i = 0; i < x.count; i++) close(x[i] - residual[i], added[i], share * most + 1e-7 * std::fabs(residual[i]));
        all_close(state, s, share);
        all_close(history, h, c.type == TF16 ? 1e-6 : 1e-4);
    }

    testing = "mamba_block, other splits and sequences";
    // Split at multiples of 64, and among others, a sequence has the same bits; so has a span that is not whole.
    const MambaBlock b(2, 64, TF16);
    const u32 n = 150, width = b.width, kept = 3 * b.m.channels(), all = b.m.inner() * 32;
    const Array<float> x = values(3 * n * width, 2), history = values(3 * kept), state = values(3 * all);
    auto part = [](const Array<float>& of, size_t from, size_t count) {
        Array<float> v(count);
        std::copy(of + from, of + from + count, v.at);
        return v;
    };
    for (u32 first : {64u, 128u, 0u}) {
        // The second of three.
        const Array<float> h = part(history, kept, kept), s = part(state, all, all);
        const Array<float> before = part(x, n * width, first * width), after = part(x, (n + first) * width, (n - first) * width);
        const Array<float> few = part(x, n * width, 70 * width), few_h = part(history, kept, kept), few_s = part(state, all, all);
        const Array<float> together = part(x, 0, x.count), their_h = part(history, 0, 3 * kept), their_s = part(state, 0, 3 * all);
        if (first) b.run(before, h, s, 1, first);
        b.run(after, h, s, 1, n - first);
        b.run(few, few_h, few_s, 1, 70);
        b.run(together, their_h, their_s, 3, n);
        for (u32 i = 0; i < n * width; i++) close(i < first * width ? before[i] : after[i - first * width], together[n * width + i], 0);
        for (u32 i = 0; i < 70 * width; i++) close(few[i], together[n * width + i], 0);
        for (u32 i = 0; i < kept; i++) close(h[i], their_h[kept + i], 0);
        for (u32 i = 0; i < all; i++) close(s[i], their_s[all + i], 0);
    }
}
